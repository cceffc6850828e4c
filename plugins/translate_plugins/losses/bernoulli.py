"""Likelihood of pictures whose pixels are 0 or 1."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from translate import marked
from translate_plugins.losses.nested import Nested, paired_total


@marked(expects_logits=True, expects_range=(0.0, 1.0))
def bernoulli(of: Nested, to: Nested) -> Tensor:
    """Negative log likelihood of pixels under independent Bernoulli laws, in nats for each picture.

    -sum_i [x_i log p_i + (1 - x_i) log(1 - p_i)], p the sigmoid of the logits, summed over all values of a picture and
    averaged over the examples (Kingma & Welling 2013, arXiv 1312.6114, appendix C.1; DRAW, Gregor et al. 2015, arXiv
    1502.04623, equation 9). With `kl` of weight 1 the sum is the negative evidence lower bound; a mean over pixels in
    place of the sum would weigh the divergence by the number of pixels. It is a likelihood where the pictures are black
    and white (`binarise` of the dataset `idx`); of grey values it is a cross-entropy. Nested values are summed.

    Args:
        of: Logits, what comes before a sigmoid.
        to: The pictures, with black 0 and white 1: `data.value_range` must be [0, 1].

    Shape:
        N x any, twice -> a 0-d tensor, at least in float32.

    Raises:
        ComponentError: The shapes differ.
    """
    return paired_total(of, to, _of_each)


def _of_each(logits: Tensor, target: Tensor) -> Tensor:
    terms = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return terms.flatten(1).sum(1) if terms.ndim > 1 else terms
