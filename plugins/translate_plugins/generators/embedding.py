"""A learned vector, map or picture for each class."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn import functional as F

from translate import Label, Spec
from translate.errors import ComponentError
from translate_plugins.layers import InitStd, Width


def embedding(
    label: Spec, /, *, size: Width | None = None, makes: Spec | None = None, init_std: InitStd = 1.0
) -> nn.Module:
    """A learned vector for each class, in place of its one-hot vector.

    `G(z, E(label))` joins it to the noise (the conditional GANs of PyTorch-GAN, embeddings as long as there are
    classes); `G(multiply(z, E(label)))`, where E is `{generator: embedding, makes: z}`, multiplies them (Keras-GAN). It
    learns with the side that its kind says: as a discriminator for what D sees, `makes: image` giving each class a
    picture to multiply with. The initial values are torch's, N(0, 1); Keras has U(-0.05, 0.05), which makes the noise
    that it multiplies as small. It is computed as the one-hot vector times a matrix, which gives the same bits as
    looking up, and a gradient that is the same in every run on CUDA.

    Args:
        label: The class.
        size: Length of the vector. Null is that of `makes`, or the number of classes without it.
        makes: What the result has the form of: a vector or an image.
        init_std: Standard deviation of the initial values; 1 is torch's.

    Shape:
        N (int64) -> N x size, or N x the shape of `makes`.

    Raises:
        ComponentError: The input is no label, or `size` stands beside `makes`.
    """
    if not isinstance(label, Label):
        raise ComponentError(
            f"embedding takes a label (got {label})",
            fix="name a label field, or a latent `{latent: categorical, one_hot: false}`",
        )
    if size is not None and makes is not None:
        raise ComponentError("embedding takes `size` or `makes`, not both", fix="remove one of them")
    shape = makes.shape if makes is not None else (size or label.classes,)
    if not shape:
        raise ComponentError(
            f"embedding makes vectors and images, but `makes` is {makes}", fix="name a field of one of these kinds"
        )
    return Embedding(label.classes, shape, init_std)


class Embedding(nn.Module):
    """The network behind `embedding`.

    Args:
        classes: Number of classes.
        shape: Of one example of the result.
        init_std: Standard deviation of the initial values.
    """

    def __init__(self, classes: int, shape: tuple[int, ...], init_std: float) -> None:
        super().__init__()
        self.shape = shape
        self.table = nn.Embedding(classes, math.prod(shape))  # as a layer, so that parametrisations find its weight
        nn.init.normal_(self.table.weight, 0.0, init_std)

    def forward(self, label: Tensor) -> Tensor:
        """The vectors of some labels; see `embedding` for the shapes."""
        weight = self.table.weight
        chosen = F.one_hot(label, weight.shape[0]).to(weight.dtype) @ weight
        return chosen.view(-1, *self.shape) if len(self.shape) > 1 else chosen
