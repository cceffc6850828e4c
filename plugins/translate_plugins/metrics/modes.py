"""Which modes of a mixture a generator has found, and how well."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Final

import torch
from pydantic import Field
from torch import Tensor

from translate.errors import ComponentError
from translate_plugins.metrics.checks import not_empty

_USUAL: Final = 2500  # points that the papers measure on
_MOST: Final = 1000  # modes: more, and these are points of a curve


class Modes:
    """Modes captured, share of high quality and reverse KL (Lin et al. 2018, PacGAN, arXiv 1712.04086, section 4.1).

    A sample is of high quality within 3 sigma of its nearest mean, by Euclidean distance. `captured` is the number of
    modes to which at least one sample of high quality is nearest, `of` how many there are; `quality` the share of
    samples of high quality; `reverse_kl` the divergence KL(p || u) in nats of p, the histogram of all samples over
    their nearest modes, from u, the uniform one: 0 where all modes get equally many samples, log(modes) where one gets
    all. The papers take 2,500 samples: with fewer, fewer modes are found by chance.

    The means and sigma are learned from the data, as the fields `centre` and `sigma` of the data set `mixture`:
    `{metric: modes, of: fake, centre: centre, sigma: sigma}`.

    Args:
        fit_count: Training examples that the means are read from; enough that every mode is among them.
    """

    def __init__(self, *, fit_count: Annotated[int, Field(ge=1)] = 2000) -> None:
        del fit_count  # read by the evaluation
        self._found: list[Tensor] = []
        self._centres = torch.empty(0, 0, dtype=torch.float64)
        self._sigma = math.nan
        self._near: list[Tensor] = []
        self._good: list[Tensor] = []

    def fit(self, centre: Any, sigma: Any) -> None:
        """Note the means.

        Args:
            centre: The mean that each example was drawn around, N x size.
            sigma: The standard deviation of its coordinates, N x 1.

        Raises:
            ComponentError: They are no vectors, or sigma is not one number for all.
        """
        centre, sigma = _points(centre), _points(sigma)
        if sigma.shape[1] != 1 or bool((sigma != sigma[0, 0]).any()):
            raise ComponentError(
                "modes needs one sigma, the same for all examples", fix="name the field `sigma` of the data"
            )
        self._sigma = float(sigma[0, 0])
        self._found.append(torch.unique(centre, dim=0))

    def fitted(self) -> None:
        """Take each mean once.

        Raises:
            ComponentError: There are too many, as of a curve.
        """
        self._centres = torch.unique(torch.cat(self._found), dim=0)
        self._found.clear()
        if len(self._centres) > _MOST:
            raise ComponentError(
                f"modes found {len(self._centres)} means, so this is a curve and no mixture",
                fix="leave the metric out, or choose `law: ring` or `law: grid`",
            )

    def update(self, of: Any) -> None:
        """Judge a batch.

        Args:
            of: Points, N x size.

        Raises:
            ComponentError: They are not as long as the means.
        """
        of = _points(of)
        if of.shape[1] != self._centres.shape[1]:
            raise ComponentError(
                f"modes compares points of {of.shape[1]} numbers with means of {self._centres.shape[1]}",
                fix="name a generator's output that is made like the data's points",
            )
        distance, nearest = (of[:, None] - self._centres).square().sum(2).sqrt().min(1)
        self._near.append(nearest)
        self._good.append(distance <= 3.0 * self._sigma)

    def compute(self) -> Mapping[str, Any]:
        """`captured`, `of`, `quality` and `reverse_kl`.

        Raises:
            ComponentError: No example was seen.
        """
        not_empty("modes", len(self._near))
        nearest, good = torch.cat(self._near), torch.cat(self._good)
        count = len(self._centres)
        share = nearest.bincount(minlength=count).double() / len(nearest)
        return {
            "captured": float(nearest[good].bincount().count_nonzero()),
            "of": float(count),
            "quality": good.double(),
            "reverse_kl": float(torch.special.xlogy(share, share * count).sum()),
        }

    def warnings(self) -> list[str]:
        """That there were few samples."""
        seen = sum(map(len, self._near))
        if seen >= _USUAL:
            return []
        return [f"{seen} samples: papers take {_USUAL}, with fewer some modes are missed by chance"]


def _points(value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.ndim != 2:
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ComponentError(f"modes takes vectors (got {found})", fix="name a field such as `point`")
    return value.detach().to("cpu", torch.float64)
