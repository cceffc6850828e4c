"""Three pictures of MNIST's format as the channels of one: a thousand classes, to count captured modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from translate import Image, Label, marked
from translate.data import Array, DataRequest
from translate.specs import Spec
from translate_datasets.idx import VAL_SHARE, ValShare, open_idx
from translate_datasets.picture_sets import PictureSet, fixed_order

STACKED: Final = 3


@marked(field_names=("image", "label"))
def stacked_digits(request: DataRequest, /, *, root: str, val_share: ValShare = VAL_SHARE) -> StackedDigits:
    """Three digits as the three channels of a picture: stacked MNIST, with 1,000 classes.

    The test of mode collapse of Metz et al. 2016 (arXiv 1611.02163) and of PacGAN (Lin et al. 2018, arXiv 1712.04086,
    section 4.2): a generator that drops classes of stacks can be caught by a classifier of single digits, which is
    what the metric `stacked_modes` does. The papers fix a set of 128,000 or 25,600 stacks; here, in training, the first
    channel walks the pictures and the others are drawn uniformly each time, so that every stack may come. The stacks of
    the other splits are always the same.

    Fields: `image`; and `label`, 100 x the first digit + 10 x the second + the third, if there is a file of labels.

    Args:
        request: What the pipeline asks for.
        root: Folder of the files; see the dataset `idx`.
        val_share: Share of the training file that is the validation split and not trained on.

    Raises:
        DataError: As the dataset `idx`.
    """
    return StackedDigits(request, open_idx(request, root, 1, val_share))


class StackedDigits:
    """Stacks of three pictures of one set as a dataset; see `stacked_digits`.

    Args:
        request: Says which split.
        pictures: The pictures, of one channel.
    """

    def __init__(self, request: DataRequest, pictures: PictureSet) -> None:
        self._pictures = pictures
        self._orders = [fixed_order(len(pictures), f"stack {channel}") for channel in range(1, STACKED)]
        self._training = request.split == "train"
        spec, self._kinds = pictures.spec, len(pictures.classes)
        digits = range(self._kinds)
        self.classes: Sequence[str] = tuple(f"{a}{b}{c}" for a in digits for b in digits for c in digits)
        image = Image(STACKED, spec.height, spec.width, spec.low, spec.high)
        self.fields: Mapping[str, Spec] = {"image": image} | ({"label": Label(len(self.classes))} if digits else {})

    def __len__(self) -> int:
        return len(self._pictures)

    def example(self, index: int, generator: np.random.Generator) -> Mapping[str, Array]:
        """A stack, with its class."""
        places = self._places(index, generator)
        image = np.concatenate([self._pictures.read(place) for place in places], axis=2)
        if not self._kinds:
            return {"image": image}
        label = 0
        for place in places:
            label = self._kinds * label + self._pictures.label(place)
        return {"image": image, "label": np.asarray(label, np.int64)}

    def name(self, index: int) -> str:
        """The name of the first channel's picture."""
        return self._pictures.name(index)

    def where(self, index: int) -> str:
        """The pictures; in training only that of the first channel, as the others are drawn."""
        return self._where([index] if self._training else self._fixed(index))

    def where_drawn(self, index: int, generator: np.random.Generator) -> str:
        """All pictures of the example that the generator gives."""
        return self._where(self._places(index, generator))

    def _where(self, places: Sequence[int]) -> str:
        return " and ".join(self._pictures.where(place) for place in places)

    def _places(self, index: int, generator: np.random.Generator) -> list[int]:
        return self._drawn(index, generator) if self._training else self._fixed(index)

    def _drawn(self, index: int, generator: np.random.Generator) -> list[int]:
        return [index, *(int(generator.integers(len(self))) for _ in range(1, STACKED))]

    def _fixed(self, index: int) -> list[int]:
        return [index, *(order[index] for order in self._orders)]
