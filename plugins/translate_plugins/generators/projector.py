"""The network that compares patches: F of CUT."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from translate.errors import ComponentError
from translate.specs import Several, Spec
from translate_plugins.layers import InitStd, Width, initialise


def projector(features: Several, /, *, size: Width = 256, init_std: InitStd = 0.02) -> nn.Module:
    """The two-layer networks H_l of PatchNCE (Park et al. 2020, arXiv 2007.15651, section 3), as unit vectors.

    One dense layer, ReLU and another dense layer for each layer that features are sampled from, then division by the
    Euclidean norm. The same network takes the features of the input and of the output, patch by patch. As a generator
    it learns on the generators' side. Where we differ from the authors' code: the norm is bounded below by 1e-12
    instead of enlarged by 1e-7, which a vector of zeros survives in the gradient too.

    Args:
        features: Vectors sampled from several feature maps: of `patches: sample_patches(one.features, other.features)`
            the part `patches.first` or `patches.second`.
        size: Length of the vectors that are made; 256 in the authors' code.
        init_std: Standard deviation of the initial weights; 0.02 in the authors' code.

    Shape:
        List of N x patches x C_i -> list of N x patches x size, in float32.

    Raises:
        ComponentError: The input is no list, or holds something else than vectors by patch.
    """
    if not isinstance(features, Several):
        raise ComponentError(
            f"projector takes a list of features, but its input is {features}",
            fix="call it as F(patches.first), where patches: sample_patches(one.features, other.features)",
        )
    wrong = [(number, part) for number, part in enumerate(features.parts, 1) if len(part.shape) != 2]
    if wrong:
        number, part = wrong[0]
        raise ComponentError(
            f"projector takes vectors by patch, but part {number} of its input is {part}",
            fix="sample the maps first: F(patches.first), where patches: sample_patches(one.features, other.features)",
        )
    return initialise(Projector(features.parts, size), init_std)


class Projector(nn.Module):
    """The network behind `projector`.

    Args:
        parts: Specs of the parts, patches x channels each.
        size: Length of the vectors that are made.
    """

    def __init__(self, parts: Sequence[Spec], size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(part.shape[1], size), nn.ReLU(), nn.Linear(size, size)) for part in parts
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Project every part; see `projector` for the shapes."""
        # The norm is a sum of many squares: in float32 also where the layers run in half precision.
        return [F.normalize(layer(part).float(), dim=-1) for layer, part in zip(self.layers, features, strict=True)]
