"""A discriminator, critic or classifier as a list of layers."""

from __future__ import annotations

from torch import nn

from translate import Spec
from translate_plugins.layers import InitStd
from translate_plugins.stack_words import read_layers
from translate_plugins.stacks import Kernels, Layers, Scale, build_stack


def stack(
    *inputs: Spec,
    layers: Layers,
    makes: Spec | None = None,
    scale: Scale = 1.0,
    features: bool = False,
    check_kernels: Kernels = "off",
    init_std: InitStd | None = 0.02,
) -> nn.Module:
    """A network as a list of layers, each a word with modifiers: `c64k4s2 batch leaky`.

    The words are those of the generator `stack`. Nothing is added to them: a judge ends in `fc1` (one logit for the
    input) or `c1k4v` (one for each place), without a sigmoid, which belongs to the loss. The discriminator of DCGAN
    (Radford et al. 2015, arXiv 1511.06434) for 64x64 is `c64k5s2 leaky`, `c128k5s2 batch leaky`, `c256k5s2 batch
    leaky`, `c512k5s2 batch leaky`, `fc1`.

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, in any mix.
        layers: The layers in order. Each is `fc500`, `fc256x4x4`, `c64k4s2` (convolution: 64 maps, kernel 4, stride 2),
            `t64k4s2` (transposed), both also with `p1` (padding), `v` (none) or `r` (reflected); `pool2`, `avg2`,
            `up2`, `flat` or `mean`. `*` stands for the number that `makes` needs. Then any of batch, instance, layer,
            relu, leaky (leaky0.1), prelu, elu, tanh, sigmoid, maxout5, pixelnorm, dropout0.5, in the order in which
            they work.
        makes: What `*` stands for, and what the result must be: a vector, the logits of a label's classes, or an image.
            None is whatever the layers give.
        scale: Factor of all widths but `*` and the last layer's; 0.25 makes a network small.
        features: Whether the result is a mapping of `logits` and `features`: the list of what each activation gives
            before the last layer, for feature matching.
        check_kernels: `refuse` kernels that their stride does not divide: the gradient that they pass on is a
            checkerboard. `off` is the papers' freedom (DCGAN has 5 and 2).
        init_std: Standard deviation of the initial weights, as in DCGAN; null is torch's own initialisation.

    Shape:
        As the layers say: N x 1 for `fc1`, N x 1 x H' x W' for `c1k4v`.

    Raises:
        ComponentError: A layer that cannot be read or does not fit, or a result that is not what `makes` says.
    """
    return build_stack(
        inputs,
        read_layers(layers),
        makes=makes,
        scale=scale,
        check_kernels=check_kernels,
        init_std=init_std,
        features=features,
    )
