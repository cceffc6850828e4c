"""Random transforms of training examples. The only module that imports albumentations, and only when it is needed.

In a pipeline a transform is `Name`, `{Name: value}` or `{Name: {parameter: value}}`:

    transforms: [{Resize: 286}, {RandomCrop: 256}, HorizontalFlip, {ColorJitter: {brightness: [0.9, 1.1], p: 0.5}}]

A single value goes to the first parameter; where the first two are `height` and `width` it goes to both, and a list of
two goes to them in turn; `size` takes one number for a square. Interpolations and borders are written as words.
Shrinking is antialiased (`area_for_downscale`) unless the pipeline says otherwise.

Aligned fields of an example get the same geometry and the same photometric changes; label maps (fields with nearest
interpolation) get the geometry alone, without blending.
"""

from __future__ import annotations

import inspect
import os
import random
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from translate.data.request import Array
from translate.data.resize import as_unit, resize
from translate.errors import did_you_mean

Path = tuple[int | str, ...]
Problem = tuple[Path, str]

_BOXES: Final = "it needs bounding boxes or masks, which examples do not have"
_REFERENCE: Final = "it needs reference pictures, files or code, which a pipeline cannot name"
_RANGE: Final = "the stream brings pictures to the pipeline's value range itself"
_UNSUPPORTED: Final[dict[str, str]] = {
    **dict.fromkeys(
        [
            "AtLeastOneBBoxRandomCrop",
            "BBoxSafeRandomCrop",
            "ConstrainedCoarseDropout",
            "CropNonEmptyMaskIfExists",
            "MaskDropout",
            "RandomCropNearBBox",
            "RandomSizedBBoxSafeCrop",
        ],
        _BOXES,
    ),
    **dict.fromkeys(
        ["FDA", "HistogramMatching", "Lambda", "Mosaic", "OverlayElements", "PixelDistributionAdaptation", "TextImage"],
        _REFERENCE,
    ),
    **dict.fromkeys(["FromFloat", "Normalize", "ToFloat", "ToTensor3D", "ToTensorV2"], _RANGE),
    **dict.fromkeys(["ToGray", "ToRGB"], "the number of channels is the dataset's choice: set its channels there"),
}
_WORDS: Final = {
    "interpolation": {"nearest": 0, "bilinear": 1, "bicubic": 2, "area": 3, "lanczos": 4},
    "border_mode": {"constant": 0, "replicate": 1, "reflect": 2, "wrap": 3, "reflect_101": 4},
}
_WORDS_OF: Final = {**_WORDS, "mask_interpolation": _WORDS["interpolation"]}
_SIDES: Final = frozenset({"max_size", "max_size_hw"})  # in pixels; the library takes any and makes them 1
_SIZED: Final = ({"height", "width"}, {"size"})


@cache
def _library() -> Any:
    # It asks the package index for its newest version otherwise, at every import.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations


@cache
def transform_names() -> tuple[str, ...]:
    """The names that a pipeline may use."""
    library = _library()
    kinds = (library.DualTransform, library.ImageOnlyTransform)
    return tuple(
        name
        for name, value in sorted(vars(library).items())
        if inspect.isclass(value)
        and issubclass(value, kinds)
        and not issubclass(value, library.Transform3D)
        and value not in kinds
        and name not in _UNSUPPORTED
    )


def check_transforms(transforms: Any) -> list[Problem]:
    """Find what is wrong in a pipeline's list of transforms.

    Args:
        transforms: The value of `transforms`, as YAML gave it.

    Returns:
        Each problem with its path below `transforms` and a message with did-you-mean.
    """
    if isinstance(transforms, str | Mapping) or not isinstance(transforms, Sequence):
        return [((), f"must be a list of transforms such as [{{Resize: 286}}, HorizontalFlip] (got {transforms!r})")]
    return [problem for index, entry in enumerate(transforms) for problem in _check_one(index, entry)]


def _check_one(index: int, entry: Any) -> list[Problem]:
    if not isinstance(entry, str) and not (isinstance(entry, Mapping) and len(entry) == 1):
        return [((index,), f"must be a name, {{name: value}} or {{name: {{parameter: value}}}} (got {entry!r})")]
    name, value = _split(entry)
    path: Path = (index,) if isinstance(entry, str) else (index, name)
    if name in _UNSUPPORTED:
        return [(path, f"'{name}' cannot be used here: {_UNSUPPORTED[name]}.")]
    if name not in transform_names():
        hint = did_you_mean(str(name), transform_names())
        return [(path, f"'{name}' is not a transform.{hint} The names are those of albumentations.")]
    return [((*path, *below), text) for below, text in _check_settings(name, value)]


def _check_settings(name: str, value: Any) -> list[Problem]:
    parameters = _parameters(name)
    settings, problems = _settings(name, value)
    listing = ", ".join(parameters)
    problems += [
        ((key,), f"no such parameter.{did_you_mean(str(key), parameters)} Parameters: {listing}.")
        for key in settings
        if key not in parameters
    ]
    problems += [
        ((key,), f"must be 1 or more (got {settings[key]!r})")
        for key in settings.keys() & _SIDES
        if any(isinstance(side, int | float) and side < 1 for side in _sides(settings[key]))
    ]
    return problems or _try(name, settings)


def _sides(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else [value]


def _try(name: str, settings: Mapping[str, Any]) -> list[Problem]:
    try:
        _make(name, settings)
    except Exception as exc:  # noqa: BLE001 (whatever a foreign constructor raises is the setting's fault here)
        errors = getattr(exc.__cause__ or exc.__context__ or exc, "errors", None)  # it hides pydantic's in a ValueError
        if not callable(errors):
            return [((), f"'{name}' refuses its settings: {exc}")]
        return [_refusal(name, settings, error) for error in errors(include_url=False)]
    return []


def _refusal(name: str, settings: Mapping[str, Any], error: Mapping[str, Any]) -> Problem:
    key = str(next(iter(error["loc"]), ""))
    if error["type"] == "missing":
        return (), f"'{name}' requires '{key}'."
    text = f"{error['msg']} (got {error.get('input')!r})" if key else str(error["msg"])
    words, given = _WORDS_OF.get(key), settings.get(key)
    if words and isinstance(given, str):
        text = f"must be one of {', '.join(words)} (got {given!r}).{did_you_mean(given, words)}"
    return (key,) if key in settings else (), text


def _split(entry: Any) -> tuple[str, Any]:
    return (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))


def _parameters(name: str) -> list[str]:
    signature = inspect.signature(getattr(_library(), name).__init__)
    return [p.name for p in signature.parameters.values() if p.name != "self" and p.kind is not p.VAR_KEYWORD]


def _settings(name: str, value: Any) -> tuple[dict[str, Any], list[Problem]]:
    """The parameters that a value stands for."""
    if value is None or isinstance(value, Mapping):
        return dict(value or {}), []
    first, *rest = _parameters(name)
    if first == "height" and rest[:1] == ["width"]:
        both = value if isinstance(value, list | tuple) else (value, value)
        if len(both) != 2:
            return {}, [((), f"must be one size or [height, width] (got {value!r})")]
        return {"height": both[0], "width": both[1]}, []
    if first == "size" and isinstance(value, int):
        return {"size": (value, value)}, []
    return {first: value}, []


def _make(name: str, settings: Mapping[str, Any]) -> Any:
    words = {
        key: _WORDS_OF.get(key, {}).get(value, value) if isinstance(value, str) else value
        for key, value in settings.items()
    }
    if "area_for_downscale" in _parameters(name) and not {"interpolation", "area_for_downscale"} & set(words):
        words["area_for_downscale"] = "image"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its warnings are about names, which are checked before
        return getattr(_library(), name)(**words)


def _number(key: str, value: Any) -> Any:
    return _WORDS_OF.get(key, {}).get(value, value) if isinstance(value, str) else value


def decides_size(transforms: Sequence[Any]) -> bool:
    """Whether the transforms themselves bring a picture to a stated size (`Resize`, crops ...)."""
    return any(needed <= set(_parameters(_split(entry)[0])) for entry in transforms for needed in _SIZED)


def field_groups(fields: Sequence[str], aligned: bool | Sequence[Sequence[str]]) -> list[list[str]]:
    """The fields that share one geometry, group by group.

    >>> field_groups(["a", "b"], False)
    [['a'], ['b']]

    Raises:
        ValueError: Given groups do not name each field once.
    """
    if isinstance(aligned, bool):
        return [list(fields)] if aligned else [[field] for field in fields]
    groups = [list(group) for group in aligned]
    named = [field for group in groups for field in group]
    if sorted(named) != sorted(fields):
        msg = f"`aligned` must name each of {', '.join(fields)} once (got {', '.join(named) or 'none'})"
        raise ValueError(msg)
    return groups


class Transforms:
    """The transforms of a pipeline, made for the image fields of a dataset.

    Args:
        transforms: As in the pipeline, checked before.
        interpolation: The image fields in their order; those with `nearest` are label maps.
        aligned: Whether the fields share one geometry. If not, each has its own randomness. Or groups of fields, of
            which each has its own.

    Raises:
        ValueError: The groups do not name each field once.
    """

    def __init__(
        self,
        transforms: Sequence[Any],
        interpolation: Mapping[str, str],
        *,
        aligned: bool | Sequence[Sequence[str]] = True,
    ) -> None:
        self._interpolation = dict(interpolation)
        self._groups = field_groups(list(interpolation), aligned)
        self._composed = [self._compose(group, transforms) for group in self._groups]
        self.decides_size = decides_size(transforms)

    def _compose(self, group: Sequence[str], transforms: Sequence[Any]) -> Any:
        chain = [_make(name, _settings(name, value)[0]) for name, value in map(_split, transforms)]
        targets = {_key(field): "mask" if self._interpolation[field] == "nearest" else "image" for field in group}
        return _library().Compose(chain, additional_targets=targets)

    def __call__(self, images: Mapping[str, Array], seed: np.random.SeedSequence) -> dict[str, Array]:
        """Transform the images of one example.

        Args:
            images: H x W x C by field, uint8 or float32 in [0, 1] (uint16 becomes float32).
            seed: All randomness. albumentations' own random states would repeat themselves in every worker process and
                in every epoch.
        """
        result: dict[str, Array] = {}
        for group, composed, child in zip(self._groups, self._composed, seed.spawn(len(self._groups)), strict=True):
            # Not `set_random_seed`: each transform would get a copy of one state, and two flips would agree always.
            number = int(child.generate_state(1, np.uint64)[0])
            composed.set_random_state(np.random.default_rng(child), random.Random(number))
            result |= self._joint(composed, {field: images[field] for field in group})
        return result

    def _joint(self, composed: Any, images: Mapping[str, Array]) -> dict[str, Array]:
        prepared = self._same_size(_same_type(images))
        # The library wants an 'image' even where every field is a label map; its result is not used.
        plain = [field for field in prepared if self._interpolation[field] != "nearest"]
        main = plain[0] if plain else next(iter(prepared))
        given = {_key(field): image for field, image in prepared.items() if field != main or not plain}
        out = composed(image=prepared[main], **given)
        return {field: _pixels(out["image" if field == main and plain else _key(field)]) for field in prepared}

    def _same_size(self, images: Mapping[str, Array]) -> dict[str, Array]:
        """Fields of different resolution are brought to the largest: shared geometry needs one grid."""
        size = max((image.shape[:2] for image in images.values()), key=lambda hw: hw[0] * hw[1])
        return {field: resize(image, (size[0], size[1]), self._interpolation[field]) for field, image in images.items()}


def _key(field: str) -> str:
    return f"field_{field}"


def _same_type(images: Mapping[str, Array]) -> dict[str, Array]:
    """All uint8, or all float32: the library draws the strength of a change once, from the type of the first image."""
    if all(image.dtype == np.uint8 for image in images.values()):
        return {field: np.require(image, requirements=["C", "W"]) for field, image in images.items()}
    return {field: np.require(as_unit(image), requirements=["C", "W"]) for field, image in images.items()}


def _pixels(image: Array) -> Array:
    shaped = image[:, :, None] if image.ndim == 2 else image
    return shaped if shaped.dtype == np.uint8 else np.clip(shaped, 0.0, 1.0)
