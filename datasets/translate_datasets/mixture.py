"""Points of toy distributions: the quickest way to see a generator forget modes. No files, no download, no end.

An example depends on (law, choices, seed, split, index) alone. Points are drawn in blocks, each from a random stream of
its own, so that any example is found without those before it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal, NamedTuple

import numpy as np
from pydantic import Field

from translate import Vector, marked
from translate.data import Array, DataRequest
from translate.data.request import Split
from translate.errors import DataError
from translate_datasets.made import SPLIT_CODES, example_count

Law = Literal["ring", "grid", "swiss_roll", "two_point", "gaussian"]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]

_BLOCK: Final = 4096
_KEPT_BLOCKS: Final = 64
_TURNS: Final = 4.5 * math.pi  # the angle at which the roll ends, and its length there before scaling


class _Defaults(NamedTuple):
    """What a law is where the user does not say."""

    size: int
    modes: int
    scale: float
    sigma: float


LAWS: Final[Mapping[Law, _Defaults]] = {
    "ring": _Defaults(2, 8, 1.0, 0.01),
    "grid": _Defaults(2, 25, 2.0, 0.05),
    "swiss_roll": _Defaults(2, 0, _TURNS / 7.5, 0.25 / 7.5),
    "two_point": _Defaults(1, 2, 1.0, 0.0),
    "gaussian": _Defaults(1, 1, 1.0, 0.5),
}
"""Size of a point, number of modes (0: a curve), scale and sigma of each law by default."""


class Mixture:
    """Points of a toy distribution, drawn when asked for.

    Args:
        law: Which one.
        modes: Number of modes; 0 for the roll.
        scale: Length that fixes where the modes are; see `mixture`.
        sigma: Standard deviation of each coordinate around its mode.
        share: Probability of the upper one of two points.
        split: Which stream of examples.
        count: Number of examples.
        seed: Seed of all examples.
    """

    def __init__(
        self, *, law: Law, modes: int, scale: float, sigma: float, share: float, split: Split, count: int, seed: int
    ) -> None:
        self._law, self._scale, self._sigma, self._share = law, scale, sigma, share
        self._split, self._count, self._seed = split, count, seed
        self.centres = centres(law, modes, scale)
        size = LAWS[law].size
        self.fields: Mapping[str, Vector] = {"point": Vector(size), "centre": Vector(size), "sigma": Vector(1)}
        self._blocks: dict[int, tuple[Array, Array]] = {}

    def __len__(self) -> int:
        return self._count

    def example(self, index: int, generator: np.random.Generator | None = None) -> Mapping[str, Array]:
        """Draw one point.

        Args:
            index: From 0 to `len(self) - 1`.
            generator: Not used: the same index is the same example.

        Returns:
            `point`, `centre` and `sigma`, float32 with one dimension.

        Raises:
            IndexError: There is no such example.
        """
        del generator
        return {name: values[0] for name, values in self.batch([index]).items()}

    def batch(self, indices: Sequence[int]) -> Mapping[str, Array]:
        """Draw several points at once; see `example`.

        Raises:
            IndexError: There is no such example.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < self._count:
            msg = f"mixture has examples 0 to {self._count - 1} in '{self._split}' (got {wanted.min()}, {wanted.max()})"
            raise IndexError(msg)
        numbers, places = np.divmod(wanted, _BLOCK)
        shape = (len(wanted), self.fields["point"].size)
        point, centre = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for number in np.unique(numbers):
            here = numbers == number
            points, middles = self._block(int(number))
            point[here], centre[here] = points[places[here]], middles[places[here]]
        return {"point": point, "centre": centre, "sigma": np.full((len(wanted), 1), self._sigma, np.float32)}

    def name(self, index: int) -> str:
        """Stem of files written for this example."""
        return f"{self._split}_{index:06d}"

    def where(self, index: int) -> str:
        """What to call the example in a message."""
        return f"point {index} of the {self._law} '{self._split}' (seed {self._seed})"

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_blocks": {}}  # worker processes draw their own

    def _block(self, number: int) -> tuple[Array, Array]:
        if number not in self._blocks:
            if len(self._blocks) == _KEPT_BLOCKS:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[number] = self._drawn(number)
        return self._blocks[number]

    def _drawn(self, number: int) -> tuple[Array, Array]:
        generator = np.random.default_rng([self._seed, SPLIT_CODES[self._split], number])
        if self._law == "swiss_roll":
            angle = 1.5 * math.pi * (1.0 + 2.0 * generator.random(_BLOCK))
            curve = np.stack([np.cos(angle), np.sin(angle)], axis=1) * angle[:, None]
            middle = curve * (self._scale / _TURNS)
        elif self._law == "two_point":
            middle = self.centres[(generator.random(_BLOCK) < self._share).astype(np.int64)]
        else:
            middle = self.centres[generator.integers(len(self.centres), size=_BLOCK)]
        point = middle + self._sigma * generator.standard_normal(middle.shape)
        return point.astype(np.float32), middle.astype(np.float32)


def centres(law: Law, modes: int, scale: float) -> Array:
    """The means of a law's modes, modes x size; none of a curve.

    >>> centres("two_point", 2, 1.0).tolist()
    [[-1.0], [1.0]]

    Raises:
        DataError: The law cannot have so many modes.
    """
    if law == "ring":
        angles = 2.0 * math.pi * np.arange(modes) / modes
        return scale * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    if law == "grid":
        side = math.isqrt(modes)
        if side * side != modes:
            raise DataError(
                f"a grid has a square number of modes (got {modes})",
                where="data.modes",
                fix=f"set data.modes to {side * side} or {(side + 1) ** 2}",
            )
        line = scale * (np.arange(side) - (side - 1) / 2)
        return np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    if modes != LAWS[law].modes:
        raise DataError(
            f"the law {law} has {LAWS[law].modes or 'no'} mode{'s' * (LAWS[law].modes != 1)} (got {modes})",
            where="data.modes",
            fix="leave data.modes out, or choose `law: ring` or `law: grid`",
        )
    if law == "swiss_roll":
        return np.empty((0, 2))
    return np.array([[-scale], [scale]]) if law == "two_point" else np.array([[scale]])


@marked(field_names=("point", "centre", "sigma"))
def mixture(
    request: DataRequest,
    /,
    *,
    law: Law = "ring",
    modes: Count | None = None,
    scale: Positive | None = None,
    sigma: Annotated[float, Field(ge=0)] | None = None,
    share: Annotated[float, Field(gt=0, lt=1)] | None = None,
    count: Count | None = None,
    val_count: Count = 2500,
    test_count: Count = 2500,
    seed: Annotated[int, Field(ge=0)] | None = None,
) -> Mixture:
    """Points of a toy distribution, on which mode collapse shows within a minute.

    | law | point | modes | scale | sigma |
    |---|---|---|---|---|
    | `ring` | 2 numbers | 8, equally likely | radius, 1 | 0.01 |
    | `grid` | 2 numbers | 25, equally likely | distance of neighbours, 2 | 0.05 |
    | `swiss_roll` | 2 numbers | a curve of one and a half turns | radius of its outer end, 1.88 | 0.033 |
    | `two_point` | 1 number | at -scale and scale | 1 | 0 |
    | `gaussian` | 1 number | one, at scale | 1 | 0.5 |

    Ring and grid as Lin et al. 2018 (PacGAN, arXiv 1712.04086, section 4.1): the grid's means are {-4, -2, 0, 2, 4}^2.
    The toy script of WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028) divides its grid by 2.828 (`scale: 0.7071`,
    `sigma: 0.01768`) and has a ring of `scale: 1.414`, `sigma: 0.01414`; its roll is the one here.

    Fields: `point`; `centre`, where the point would lie without its noise; and `sigma`, the deviation of that noise,
    the same for all. The last two are for the metric `modes`.

    Args:
        request: Split and seed; toy points have no size.
        law: Which distribution.
        modes: Number of modes of the ring, or of the grid (a square number); the table's where null. The other laws
            have no other number, and the roll has none.
        scale: Length that fixes where the modes are; the table's where null.
        sigma: Standard deviation of each coordinate around its mode; the table's where null.
        share: Probability of the upper one of `two_point`, which alone has it; 0.5 where null.
        count: Training examples in one epoch; null for no end, every position a new example.
        val_count: Validation examples.
        test_count: Test examples; 2,500 are what the papers measure on.
        seed: Seed of the points; the pipeline's seed when null.

    Returns:
        The data set with the fields `point`, `centre` and `sigma`.

    Raises:
        DataError: The law cannot have so many modes, or has no `share`.
    """
    default = LAWS[law]
    if share is not None and law != "two_point":
        what = f"the law {law} has no share (got {share:g})"
        raise DataError(what, where="data.share", fix="leave data.share out, or choose `law: two_point`")
    return Mixture(
        law=law,
        modes=default.modes if modes is None else modes,
        scale=default.scale if scale is None else scale,
        sigma=default.sigma if sigma is None else sigma,
        share=0.5 if share is None else share,
        split=request.split,
        count=example_count(request.split, train=count, val=val_count, test=test_count),
        seed=request.seed if seed is None else seed,
    )
