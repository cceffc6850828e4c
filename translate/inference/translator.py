"""An exported file as a function of pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from translate.errors import ModelFileError, UsageError, did_you_mean
from translate.foreign import printable
from translate.inference.latents import classes_problem, draw, law_problem, written
from translate.inference.modelfile import REMEDY, read_model
from translate.inference.pixels import Picture, as_pictures
from translate.pictures import Array

FORMAT_VERSION: Final = 1
_DTYPES: Final[Mapping[str, str]] = {
    "tensor(uint8)": "uint8",
    "tensor(uint16)": "uint16",
    "tensor(float)": "float32",
    "tensor(int64)": "int64",
    "tensor(double)": "float64",
    "tensor(int32)": "int32",
}
_PIXELS: Final = ("uint8", "uint16")
_JSON_KEYS: Final = ("components", "inputs", "outputs", "dynamic_axes", "inference", "verification")


@dataclass(frozen=True, kw_only=True)
class InputInfo:
    """One input of a file.

    Attributes:
        name: Its name.
        kind: image (uint8 or uint16 N x H x W x C), vector (float N x size), label (int64 N), or tensor.
        dtype: As numpy names it.
        shape: As in the file: a number where it is fixed, None where it is free.
        law: How a latent is drawn when it is not given; None for all other inputs.
        classes: Of a label; None for all other inputs, and where the file does not say.
    """

    name: str
    kind: str
    dtype: str
    shape: tuple[int | None, ...]
    law: Mapping[str, Any] | None = None
    classes: int | None = None

    @property
    def channels(self) -> int:
        """Channels of an image; 3 where the file does not say."""
        return self.shape[3] or 3

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Height and width of an image; None where free."""
        return self.shape[1], self.shape[2]

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one example; a side that is free counts as 1."""
        return tuple(side or 1 for side in self.shape[1:])

    def draw(self, indices: Sequence[int], seed: int) -> Array:
        """Draw it by its law, one value for each index; see `translate.inference.latents.draw`.

        Raises:
            ModelFileError: It has no law, or one that is known to its component alone.
        """
        return draw(self.law or {}, self.example_shape, self.dtype, indices, seed, name=self.name)


class Translator:
    """Translate pictures with an exported ONNX file.

    Works with the files that `translate export` writes, and with any ONNX file that takes uint8 or uint16
    N x H x W x C.

    Args:
        file: The file.
        threads: Processor threads; None = as many as onnxruntime sees fit.
        providers: onnxruntime's execution providers, in order; None = the processor.
        external_data: Allow weights beyond 2 GB in `FILE.data`-like files beside the file. Off, because a file from
            elsewhere could name others.

    Raises:
        ModelFileError: The file is missing, damaged, reads other files, or takes no pictures.

    Example:
        translator = Translator("translate.onnx")
        picture = translator("photo.jpg")       # H x W x C, uint8 (uint16 from a file that makes 16 bits)
    """

    def __init__(
        self,
        file: str | Path,
        *,
        threads: int | None = None,
        providers: Sequence[str] | None = None,
        external_data: bool = False,
    ) -> None:
        self.file = Path(file)
        if threads is not None and threads < 1:
            raise UsageError(f"threads must be at least 1 (got {threads})")
        content = read_model(self.file, external_data=external_data)
        self._session = _open(self.file, content, threads, providers)
        self.metadata = _metadata(self.file, self._session)
        self.inputs = self._describe_inputs()
        self._made = self._first_output()
        self.output: str = self._made.name
        self._check()

    @property
    def images(self) -> tuple[InputInfo, ...]:
        """The image inputs."""
        return tuple(info for info in self.inputs if info.kind == "image")

    @property
    def makes_pictures(self) -> bool:
        """Whether the output is uint8 or uint16 N x H x W x C."""
        return self._made.dtype in _PIXELS and len(self._made.shape) == 4

    @property
    def output_channels(self) -> int | None:
        """Channels of the pictures that the file makes; None where it makes none, or does not say how many."""
        return self._made.shape[3] if self.makes_pictures else None

    def __call__(
        self,
        image: Picture | None = None,
        /,
        *,
        count: int | None = None,
        seed: int = 0,
        indices: Sequence[int] | None = None,
        **others: Any,
    ) -> Array:
        """Translate a picture, or several of one size.

        Args:
            image: A path, a Pillow image, or an array H x W, H x W x C or N x H x W x C in uint8, uint16, or float32 in
                [0, 1]. Converted to the file's channels and depth as pictures are. It is the first image input; the
                others are given by name.
            count: Examples to make, where the file takes no pictures.
            seed: Seed of latents that are not given.
            indices: Numbers of the examples, which with the seed decide their latents; 0, 1, ... by default.
            **others: Other inputs by name: one value for all examples, or one for each.

        Returns:
            H x W x C in uint8 or uint16, as the file makes them; N x H x W x C where several were given. Files whose
            output has no known value range give their own floats.

        Raises:
            DataError: A picture cannot be used.
            UsageError: An input is missing, unknown or of the wrong shape.
            ModelFileError: The file takes another size, or fails.
        """
        given, several = self._pictures(image, others)
        sizes = {len(value) for value in given.values()}
        if len(sizes) > 1:
            raise UsageError(f"the image inputs hold different numbers of pictures ({sorted(sizes)})")
        number = sizes.pop() if sizes else (count or 1)
        several = several or (not given and count is not None)
        numbers = list(range(number)) if indices is None else list(indices)
        if len(numbers) != number:
            raise UsageError(f"{len(numbers)} indices are given for {number} examples")
        values = {info.name: self._value(info, given, others, numbers, seed) for info in self.inputs}
        result = self.run(values, number)
        return result if several else result[0]

    def _describe_inputs(self) -> tuple[InputInfo, ...]:
        described = self.metadata.get("inputs", [])
        if not isinstance(described, list) or not all(_has_name(item) for item in described):
            raise _damaged(self.file, f"its inputs are {written(described)}")
        known = {item["name"]: item for item in described}
        infos = []
        for found in _forms(self.file, self._session.get_inputs):
            if not found.name.isprintable():
                what = f"the file has an input of the name {written(found.name)}, which cannot be shown"
                raise ModelFileError(what, where=str(self.file), fix="export it with other names")
            described = known.get(found.name, {})
            infos.append(input_info(found.name, found.dtype, found.shape, described, where=str(self.file)))
        return tuple(infos)

    def _first_output(self) -> _Form:
        made = _forms(self.file, self._session.get_outputs)
        if not made:
            raise ModelFileError("the file makes nothing: it has no output", where=str(self.file), fix=REMEDY)
        return made[0]

    def _check(self) -> None:
        floats = [
            info for info in self.inputs if info.dtype.startswith("float") and len(info.shape) == 4 and not info.law
        ]
        if floats and not self.images:
            raise ModelFileError(
                f"the file takes '{floats[0].name}' as {floats[0].dtype}, not pictures (uint8 or uint16 N x H x W x C)",
                where=str(self.file),
                fix="export it without --float",
            )
        if not self.images and not self.metadata:
            listing = ", ".join(f"{info.name}: {info.dtype} {info.shape}" for info in self.inputs) or "none"
            raise ModelFileError(
                f"the file takes no pictures (uint8 or uint16 N x H x W x C); its inputs: {listing}",
                where=str(self.file),
            )

    def _pictures(self, image: Picture | None, others: Mapping[str, Any]) -> tuple[dict[str, Array], bool]:
        names = [info.name for info in self.inputs]
        for name in others:
            if name not in names:
                known = ", ".join(names)
                raise UsageError(f"the file has no input '{name}'.{did_you_mean(name, names)} Inputs: {known}.")
        given, several = {}, False
        for index, info in enumerate(self.images):
            source = image if index == 0 and image is not None else others.get(info.name)
            if source is None:
                raise UsageError(f"the image input '{info.name}' is not given", where=str(self.file))
            given[info.name], more = as_pictures(source, info.channels, info.dtype)
            several = several or more
            check_size(info, given[info.name], str(self.file))
        if image is not None and not self.images:
            raise UsageError("the file takes no pictures", where=str(self.file), fix="Translator(file)(count=N)")
        return given, several

    def _value(
        self, info: InputInfo, given: Mapping[str, Array], others: Mapping[str, Any], numbers: Sequence[int], seed: int
    ) -> Array:
        if info.name in given:
            return given[info.name]
        shape = info.shape[1:]
        if info.name not in others:
            if info.law is None or None in shape:
                raise UsageError(
                    f"the input '{info.name}' ({info.kind}, {info.dtype}) is not given", where=str(self.file)
                )
            return info.draw(numbers, seed)
        value = np.asarray(others[info.name]).astype(info.dtype)
        if value.ndim == len(shape):
            value = np.repeat(value[None], len(numbers), axis=0)
        fits = value.ndim == len(info.shape) and len(value) == len(numbers)
        if not fits or any(
            side is not None and side != found for side, found in zip(shape, value.shape[1:], strict=True)
        ):
            wanted = "x".join("any" if side is None else str(side) for side in shape) or "one number"
            raise UsageError(
                f"the input '{info.name}' takes {wanted} for each of {len(numbers)} examples (got shape {value.shape})"
            )
        return value

    def run(self, values: Mapping[str, Array], number: int) -> Array:
        """Run on all inputs as the file takes them, `number` examples of each.

        At once, or in the portions that a file with a fixed batch takes.
        """
        portion = next((info.shape[0] for info in self.inputs if info.shape and info.shape[0]), None)
        if portion is None or portion == number:
            return self._run_once(values)
        parts = []
        for start in range(0, number, portion):
            part = {name: value[start : start + portion] for name, value in values.items()}
            left = portion - len(next(iter(part.values())))
            filled = {name: np.concatenate([value, *[value[-1:]] * left]) for name, value in part.items()}
            parts.append(self._run_once(filled)[: portion - left])
        return np.concatenate(parts)

    def _run_once(self, values: Mapping[str, Array]) -> Array:
        try:
            result: Array = self._session.run([self.output], dict(values))[0]
        except Exception as exc:
            sizes = ", ".join(f"{name} {value.shape}" for name, value in values.items())
            raise ModelFileError(
                f"the file fails on {sizes} ({_first_line(exc)})",
                where=str(self.file),
                fix="try smaller pictures or tiles; if it fails always, export it again",
            ) from exc
        return result


def _open(file: Path, content: bytes | None, threads: int | None, providers: Sequence[str] | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; the rest is of no use to anyone here
    if threads is not None:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    chosen = list(providers) if providers else ["CPUExecutionProvider"]
    available = onnxruntime.get_available_providers()
    for provider in chosen:
        if provider not in available:
            raise UsageError(
                f"onnxruntime has no provider '{provider}'.{did_you_mean(provider, available)}"
                f" Available: {', '.join(available)}."
            )
    try:
        model = str(file) if content is None else content
        # Without the fall-back: after any error it tries the processor once more, and prints that it does.
        return onnxruntime.InferenceSession(model, options, providers=chosen, enable_fallback=0)
    except Exception as exc:
        raise ModelFileError(
            f"onnxruntime cannot open the file ({_first_line(exc)})",
            where=str(file),
            fix="export it again; if it is newer than the installed onnxruntime: pip install --upgrade onnxruntime",
        ) from exc


class _Form(NamedTuple):
    """An input or output as it stands in a file: type as numpy names it, sides None where they are free."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


def _forms(file: Path, ask: Callable[[], Sequence[Any]]) -> list[_Form]:
    """Of all inputs, or of all outputs."""
    try:
        return [
            _Form(
                found.name,
                _DTYPES.get(found.type, found.type),
                tuple(side if isinstance(side, int) and side > 0 else None for side in found.shape),
            )
            for found in ask()
        ]
    except UnicodeDecodeError as exc:
        raise ModelFileError(f"a name in the file is no text ({exc})", where=str(file), fix=REMEDY) from exc


def _metadata(file: Path, session: Any) -> dict[str, Any]:
    """What the file says about itself, empty for files of others."""
    try:
        strings: dict[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        if "format_version" not in strings or "size_divisor" not in strings:
            return {}
        version = int(strings["format_version"])
        parsed = {key: json.loads(value) if key in _JSON_KEYS else value for key, value in strings.items()}
    except (ValueError, RecursionError) as exc:  # UnicodeDecodeError among them
        raise _damaged(file, _first_line(exc)) from exc
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"the file has format {version}; this version reads up to {FORMAT_VERSION}",
            where=str(file),
            fix="pip install --upgrade translate-images",
        )
    return parsed


def _has_name(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("name"), str)


def _damaged(file: str | Path, why: str) -> ModelFileError:
    return ModelFileError(f"the file's metadata is damaged ({why})", where=str(file), fix=REMEDY)


def input_info(
    name: str, dtype: str, shape: tuple[int | None, ...], described: Mapping[str, Any], *, where: str
) -> InputInfo:
    """What is known of an input: its form, and what the metadata says of it.

    Args:
        name: Its name.
        dtype: As numpy names it.
        shape: As in the file; None where it is free.
        described: What the metadata says of it; empty where it says nothing.
        where: The file, or the checkpoint that could be exported.

    Raises:
        ModelFileError: The metadata says what cannot be.
    """
    law, classes = described.get("law"), described.get("classes")
    info = InputInfo(name=name, kind=_kind(dtype, shape), dtype=dtype, shape=shape, law=law, classes=classes)
    problem = "" if classes is None else classes_problem(classes)
    if law is not None and not problem:
        fits = isinstance(law, Mapping)
        problem = law_problem(law, info.example_shape, dtype) if fits else f"the law is {written(law)}"
    if problem:
        raise _damaged(where, f"'{name}': {problem}")
    return info


def check_size(info: InputInfo, pictures: Array, where: str) -> None:
    """Compare pictures with the size that an image input takes.

    Raises:
        ModelFileError: It takes another one.
    """
    height, width = pictures.shape[1:3]
    if any(side is not None and side != found for side, found in zip(info.size, (height, width), strict=True)):
        wanted = "x".join("any" if side is None else str(side) for side in info.size)
        raise ModelFileError(
            f"the file takes pictures of {wanted} (height x width), but this one has {height}x{width}",
            where=where,
            fix=f"bring the picture to {wanted}, or use tiles of that size for larger ones",
        )


def _kind(dtype: str, shape: Sequence[int | None]) -> str:
    kinds = {("uint8", 4): "image", ("uint16", 4): "image", ("float32", 2): "vector", ("int64", 1): "label"}
    return kinds.get((dtype, len(shape)), "tensor")


def _first_line(exc: BaseException) -> str:
    lines = str(exc).strip().splitlines()
    return f"{type(exc).__name__}: {printable(lines[0], 200)}" if lines else type(exc).__name__
