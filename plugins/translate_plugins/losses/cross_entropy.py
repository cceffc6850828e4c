"""Cross-entropy of classes."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from translate import marked
from translate.errors import ComponentError
from translate_plugins.losses.nested import Nested, leaves, total


@marked(expects_logits=True)
def cross_entropy(of: Nested, to: Nested) -> Tensor:
    """Cross-entropy between logits and classes: the class term of AC-GAN (Odena et al. 2016, arXiv 1610.09585).

    -E log P(class | example), with the softmax inside: the network must end in neither softmax nor sigmoid, or the loss
    cannot fall to 0 (with a softmax, ten classes stay above 1.46). Counts on both sides. Nested logits are summed over
    scales, all against the same classes.

    Args:
        of: Logits.
        to: Classes, as labels or as one-hot vectors; a latent code's probabilities are possible too.

    Shape:
        N x K or N x K x 1 x 1, against N (int64) or N x K -> a 0-d tensor.

    Raises:
        ComponentError: The shapes do not fit.
    """
    classes = list(leaves(to))
    if len(classes) != 1:
        raise ComponentError(f"cross_entropy takes one tensor of classes (got {len(classes)})", fix="name one of them")
    return total(of, lambda logits: _terms(logits, classes[0]))


def _terms(logits: Tensor, classes: Tensor) -> Tensor:
    given = f"logits {tuple(logits.shape)}, classes {tuple(classes.shape)}"
    if logits.ndim == 4 and tuple(logits.shape[2:]) == (1, 1):
        logits = logits.flatten(1)
    one_hot = classes.is_floating_point()
    wanted = tuple(logits.shape) if one_hot else tuple(logits.shape[:1])
    if logits.ndim != 2 or tuple(classes.shape) != wanted:
        raise ComponentError(
            f"cross_entropy compares one row of logits for each example with its class ({given})",
            fix="give logits N x classes, and labels N or one-hot vectors N x classes",
        )
    return F.cross_entropy(logits, classes.to(logits.dtype) if one_hot else classes, reduction="none")
