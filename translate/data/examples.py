"""Examples at positions: drawn from the dataset, transformed, brought to one size and put into batches.

An example depends on (dataset, settings, position) alone, so that it is the same in every process.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final

import numpy as np
import torch

from translate.data.bad import BadExample
from translate.data.request import Array, Dataset
from translate.data.resize import INTERPOLATIONS, as_unit, resize
from translate.data.transforms import Transforms, field_groups
from translate.errors import ANYTHING, DataError, TranslateError, did_you_mean
from translate.specs import Image, Label, Spec, Vector

# Keep the sequences of random numbers for different purposes apart: [seed, position] is the randomness of an example.
UNLIMITED: Final = 2**26
_ORDER, _PREVIEW, _ANOTHER = 0x6F72_6465, 0x7072_6576, 0x616E_6F74
_TRIES: Final = 16  # where one example in a hundred is bad, this many in a row are not


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamSettings:
    """What the pipeline's `data` and `training` sections say about batches.

    Attributes:
        image_size: (height, width) of all images; None = the size in the dataset's specs.
        transforms: As in the pipeline, checked before by `check_transforms`. For training batches only.
        interpolation: How fields are resized; wins over the dataset's own.
        value_range: Range of images in the batches.
        workers: Processes that prepare batches; 0 = none but this one. Batches do not depend on it.
        seed: Seed of the order and of every example, not negative.
        skip_bad: Whether another example takes the place of one that the dataset cannot read. Which one is a function
            of (seed, position) alone.
        worker_timeout: Seconds without a batch from the worker processes after which they are taken to hang.
    """

    image_size: tuple[int, int] | None
    transforms: Sequence[Any] = ()
    interpolation: Mapping[str, str] = field(default_factory=dict)
    value_range: tuple[float, float] = (-1.0, 1.0)
    workers: int = 0
    seed: int = 0
    skip_bad: bool = False
    worker_timeout: float = 120.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A batch on its way from a worker process, with what had to be left out of it."""

    batch: dict[str, torch.Tensor]
    bad: tuple[BadExample, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """An error on its way from a worker process, which would lose its parts if it were raised there."""

    error: TranslateError


class _Bad(Exception):  # noqa: N818  # on its way to where it is decided what becomes of it
    """The dataset cannot read an example: the data is wrong, and neither the settings nor the dataset's code."""

    def __init__(self, error: DataError) -> None:
        super().__init__(error)
        self.error = error


class Examples:
    """A map from positions to examples; also the object that worker processes receive.

    Args:
        dataset: The dataset.
        settings: See `StreamSettings`.

    Raises:
        DataError: The dataset is empty, its `aligned` does not fit its fields, or the interpolation of a field is set
            that is unknown or not resized.
    """

    def __init__(self, dataset: Dataset, settings: StreamSettings) -> None:
        if len(dataset) == 0:
            raise DataError("the dataset has no examples", where=type(dataset).__name__)
        self.dataset = dataset
        self.settings = settings
        self._finished = frozenset(getattr(dataset, "finished", ())) & set(dataset.fields)
        self.fields = {name: self._spec(name, spec) for name, spec in dataset.fields.items()}
        self.images = {name: spec for name, spec in self.fields.items() if isinstance(spec, Image)}
        self._drawn = {name: spec for name, spec in self.images.items() if name not in self._finished}
        self.interpolation = self._interpolations()
        try:
            self.groups = field_groups(list(self._drawn), getattr(dataset, "aligned", True))
        except ValueError as exc:
            raise DataError(str(exc), where=type(dataset).__name__, fix="report this to the dataset's authors") from exc
        self._transforms: Transforms | None = None
        self._bad: list[BadExample] = []
        self._making: np.random.SeedSequence | None = None  # the randomness of the example that is being made
        #: Told the index of each example before the dataset is asked for it; a worker process sets it.
        self.note: Callable[[int], None] = _ignore
        own: Callable[[Sequence[int]], Mapping[str, Array]] | None = getattr(dataset, "batch", None)
        self._batch = None if self.images or self._finished else own

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_transforms": None, "_bad": []}

    def __getitems__(self, positions: Sequence[int]) -> Prepared | Failure:
        """What worker processes are asked for: `batch_at`, with an error as a value."""
        try:
            return Prepared(self.batch_at(positions), self.take_bad())
        except TranslateError as exc:
            return Failure(exc)

    def take_bad(self) -> tuple[BadExample, ...]:
        """What was left out since this was asked for."""
        taken, self._bad = tuple(self._bad), []
        return taken

    def batch_at(self, positions: Sequence[int]) -> dict[str, torch.Tensor]:
        """The examples that are drawn at positions of the endless order, as a batch."""
        seed, count = self.settings.seed, len(self.dataset)
        at_once = self._at_once([ordered_index(seed, position, count) for position in positions])
        return at_once or collate([self.at(position) for position in positions])

    def plain_batch(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Examples without transforms, as a batch."""
        return self._at_once(indices) or collate([self.plain(index) for index in indices])

    def at(self, position: int) -> dict[str, Array]:
        """The example that is drawn at a position of the endless order."""
        index = ordered_index(self.settings.seed, position, len(self.dataset))
        return self._or_another(index, (position,), lambda index: self._augmented(index, position))

    def try_out(self, index: int) -> None:
        """Make an example as training would.

        Raises:
            DataError: It cannot be.
        """
        try:
            self._augmented(index, index)
        except _Bad as exc:
            raise exc.error from exc.error.__cause__

    def _augmented(self, index: int, position: int) -> dict[str, Array]:
        transformed = bool(self.settings.transforms)
        with self._made_from(np.random.SeedSequence([self.settings.seed, position])) as sequence:
            generator = np.random.default_rng(sequence)
            example = self._draw(index, generator)
            if transformed:
                example |= self._transform(index, {name: example[name] for name in self._drawn}, sequence)
            return self._finish(index, self._sized(index, example, transformed=transformed), generator)

    def plain(self, index: int) -> dict[str, Array]:
        """An example without transforms, for previews and evaluation."""
        return self._or_another(index, (index, _PREVIEW), self._plain)

    def _plain(self, index: int) -> dict[str, Array]:
        with self._made_from(np.random.SeedSequence([self.settings.seed, index, _PREVIEW])) as sequence:
            generator = np.random.default_rng(sequence)
            return self._finish(index, self._sized(index, self._draw(index, generator), transformed=False), generator)

    @contextmanager
    def _made_from(self, sequence: np.random.SeedSequence) -> Iterator[np.random.SeedSequence]:
        """Within this block, messages name what an example with this randomness holds."""
        self._making = sequence
        try:
            yield sequence
        finally:
            self._making = None

    def _or_another(
        self, index: int, place: tuple[int, ...], make: Callable[[int], dict[str, Array]]
    ) -> dict[str, Array]:
        """An example, or where it is bad and may be left out, another one that the place in the order decides."""
        try:
            return make(index)
        except _Bad as exc:
            if not self.settings.skip_bad:
                if len(place) == 1 and exc.error.fix:  # in training, where another one could take its place
                    exc.error.fix += "; or leave a few out: data.on_bad_image=skip"
                raise exc.error from exc.error.__cause__
            first = self._left_out(index, exc)
        others = np.random.default_rng(np.random.SeedSequence([self.settings.seed, *place, _ANOTHER]))
        for other in others.integers(len(self.dataset), size=_TRIES).tolist():
            try:
                return make(other)
            except _Bad as exc:
                self._left_out(other, exc)
        raise first

    def _left_out(self, index: int, bad: _Bad) -> DataError:
        self._bad.append(BadExample(bad.error.where or self.where(index), bad.error.what))
        return bad.error

    def _spec(self, name: str, spec: Spec) -> Spec:
        if not isinstance(spec, Image):
            return spec
        own = (spec.height, spec.width)
        height, width = own if name in self._finished else self.settings.image_size or own
        low, high = self.settings.value_range
        return replace(spec, height=height, width=width, low=low, high=high)

    def _interpolations(self) -> dict[str, str]:
        """How each image field is resized, in the order of the fields."""
        given = self.settings.interpolation
        for name, value in given.items():
            if name not in self._drawn:
                reason = "made after resizing" if name in self._finished else "not an image"
                what = f"interpolation is set for '{name}', which is {reason}.{did_you_mean(name, self._drawn)}"
                raise DataError(what, where="data.interpolation", fix=f"image fields are {', '.join(self._drawn)}")
            if value not in INTERPOLATIONS:
                what = f"'{value}' is not an interpolation.{did_you_mean(value, INTERPOLATIONS)}"
                raise DataError(what, where=f"data.interpolation.{name}", fix=f"use one of {', '.join(INTERPOLATIONS)}")
        own: Mapping[str, str] = getattr(self.dataset, "interpolation", {})
        return {name: given.get(name, own.get(name, "bicubic")) for name in self._drawn}

    def _draw(self, index: int, generator: np.random.Generator) -> dict[str, Array]:
        example = self._asked(index, lambda: _read(lambda: self.dataset.example(index, generator)))
        for name, spec in self.fields.items():
            if name not in self._finished:
                self._check(index, name, example.get(name), spec)
        return {name: example[name] for name in self.fields if name not in self._finished}

    def _at_once(self, indices: Sequence[int]) -> dict[str, torch.Tensor] | None:
        """A batch by the dataset's own `batch`; None where it has none, or where one of these cannot be read.

        Asked for one by one, that one is named, or another takes its place.
        """
        first, batch = indices[0], self._batch
        if batch is None:
            return None
        try:
            answer = self._asked(first, lambda: _read(lambda: batch(indices)))
        except _Bad:
            return None
        found = {name: np.asarray(value) for name, value in answer.items()}
        for name, spec in self.fields.items():
            if name not in found:
                self._check(first, name, None, spec)
            held = len(found[name]) if found[name].ndim else "a single value"
            if held != len(indices):
                what = f"field '{name}' should hold {len(indices)} examples, but it holds {held}"
                raise DataError(what, where=self.where(first))
            for row in _telling_rows(found[name], spec):
                self._check(indices[row], name, found[name][row], spec)
        return {name: torch.from_numpy(found[name]) for name in self.fields}

    def _finish(self, index: int, example: dict[str, Array], generator: np.random.Generator) -> dict[str, Array]:
        if not self._finished:
            return example
        finish: Any = getattr(self.dataset, "finish", None)
        made = self._asked(index, lambda: finish(example, generator))
        for name, spec in self.fields.items():
            if name in self._finished:
                self._check(index, name, made.get(name), spec)
                if isinstance(spec, Image) and made[name].shape[:2] != (spec.height, spec.width):
                    what = f"field '{name}' should be {spec}, but it is {_size_text(made[name].shape)}"
                    raise DataError(what, where=self.where(index))
        return {name: (made if name in self._finished else example)[name] for name in self.fields}

    def _asked(self, index: int, ask: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
        """What the dataset answers; whatever goes wrong in it names the example."""
        self.note(index)
        try:
            return dict(ask())
        except (TranslateError, _Bad):
            raise
        except ANYTHING as exc:
            what = f"the dataset failed at example {index} ({type(exc).__name__}: {exc})"
            error = DataError(what, where=self.where(index), fix="see the log for the traceback")
            error.add_note(traceback.format_exc())  # a worker's traceback would stay in the worker
            raise error from exc

    def _check(self, index: int, name: str, value: Array | None, spec: Spec) -> None:
        problem = "it is missing" if value is None else _mismatch(np.asarray(value), spec)
        if problem:
            raise DataError(f"field '{name}' should be {spec}, but {problem}", where=self.where(index))

    def _transform(self, index: int, images: dict[str, Array], seed: np.random.SeedSequence) -> dict[str, Array]:
        if self._transforms is None:
            self._transforms = Transforms(self.settings.transforms, self.interpolation, aligned=self.groups)
        try:
            return self._transforms(images, seed)
        except ANYTHING as exc:
            sizes = ", ".join(f"{name} {_size_text(image.shape)}" for name, image in images.items())
            what = f"data.transforms cannot be applied to {sizes}: {' '.join(str(exc).split())}"
            raise DataError(
                what, where=self.where(index), fix="resize before cropping, or use larger pictures"
            ) from exc

    def _sized(self, index: int, example: dict[str, Array], *, transformed: bool) -> dict[str, Array]:
        fixed = transformed and self._transforms is not None and self._transforms.decides_size
        for name, spec in self._drawn.items():
            size = (spec.height, spec.width)
            if example[name].shape[:2] != size and (fixed or self.settings.image_size is None):
                raise self._wrong_size(index, name, example[name].shape, size, transformed=fixed)
            image = example[name] if example[name].dtype == np.uint8 else as_unit(example[name])
            example[name] = resize(image, size, self.interpolation[name])
        return example

    def _wrong_size(
        self, index: int, name: str, found: tuple[int, ...], wanted: tuple[int, int], *, transformed: bool
    ) -> DataError:
        cause = "after data.transforms " if transformed else ""
        setting = "data.image_size" if self.settings.image_size else "the dataset (data.image_size is not set)"
        what = f"field '{name}' is {_size_text(found)} {cause}but {setting} says {_size_text(wanted)} (height x width)"
        fix = "give the last resize or crop the size of data.image_size" if transformed else "set data.image_size"
        return DataError(what, where=self.where(index), fix=fix)

    def where(self, index: int) -> str:
        """The example's files where the dataset knows them, else its name."""
        drawn: Any = getattr(self.dataset, "where_drawn", None)
        if self._making is not None and callable(drawn):
            return str(drawn(index, np.random.default_rng(self._making)))
        files = getattr(self.dataset, "where", None)
        return str(files(index)) if callable(files) else f"example {index} ({self.dataset.name(index)})"


def _ignore(_: int) -> None:
    """Nobody wants to know."""


def _read(ask: Callable[[], Mapping[str, Array]]) -> Mapping[str, Array]:
    """What the dataset answers, where it can read it."""
    try:
        return ask()
    except DataError as exc:
        raise _Bad(exc) from exc


def collate(examples: Sequence[dict[str, Array]]) -> dict[str, torch.Tensor]:
    """Stack examples: images N x C x H x W in uint8 (less to copy between processes), or float32 in [0, 1]."""
    return {name: _stack([example[name] for example in examples]) for name in examples[0]}


def _stack(values: Sequence[Array]) -> torch.Tensor:
    if values[0].ndim != 3:
        return torch.from_numpy(np.stack(values))
    if any(value.dtype != np.uint8 for value in values):
        values = [as_unit(value) for value in values]
    return torch.from_numpy(np.stack([value.transpose(2, 0, 1) for value in values]))


def to_range(batch: Mapping[str, torch.Tensor], images: Mapping[str, Image]) -> dict[str, torch.Tensor]:
    """Bring the images of a batch to float32 in the range of their specs."""
    return {name: _in_range(value, images[name]) if name in images else value for name, value in batch.items()}


def _in_range(image: torch.Tensor, spec: Image) -> torch.Tensor:
    unit = image.float().div_(255.0) if image.dtype == torch.uint8 else image
    return unit.mul_(spec.high - spec.low).add_(spec.low)


def _mismatch(value: Array, spec: Spec) -> str:
    """What is wrong with a field's value, or an empty string."""
    found = f"{'x'.join(map(str, value.shape)) or 'a number'} of {value.dtype}"
    if isinstance(spec, Image):
        good = value.ndim == 3 and value.dtype in (np.uint8, np.uint16, np.float32)
        if good and value.shape[2] != spec.channels:
            return f"it has {value.shape[2]} channels"
        return "" if good else f"it is {found}"
    if isinstance(spec, Label):
        good = value.ndim == 0 and value.dtype == np.int64
        return ("" if 0 <= int(value) < spec.classes else f"it is {value}") if good else f"it is {found}"
    if isinstance(spec, Vector):
        return "" if value.shape == (spec.size,) and value.dtype == np.float32 else f"it is {found}"
    return ""


def _telling_rows(values: Array, spec: Spec) -> Iterator[int]:
    """The rows of a batch's values that tell whether all fit: the first, and the first label that is no class.

    The rows of an array have one shape and one type.
    """
    yield 0
    if isinstance(spec, Label):
        yield from map(int, np.flatnonzero((values < 0) | (values >= spec.classes))[:1])


def _size_text(shape: Sequence[int]) -> str:
    return f"{shape[0]}x{shape[1]}"


def ordered_index(seed: int, position: int, count: int) -> int:
    """The example at a position of the endless order.

    A data set of more than `UNLIMITED` examples is drawn in its own order: no training comes to its end, and a
    permutation of it would not fit into memory.
    """
    if count > UNLIMITED:
        return position % count
    return int(_permutation(seed, position // count, count)[position % count])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> Array:
    return np.random.default_rng(np.random.SeedSequence([seed, epoch, _ORDER])).permutation(count)
