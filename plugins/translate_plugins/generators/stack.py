"""A generator, encoder or head as a list of layers."""

from __future__ import annotations

from torch import nn

from translate import Spec
from translate_plugins.layers import InitStd, Output
from translate_plugins.stack_words import read_layers
from translate_plugins.stacks import Kernels, Layers, Scale, build_stack, closing_activation


def stack(
    *inputs: Spec,
    layers: Layers,
    makes: Spec | None = None,
    output: Output | None = None,
    scale: Scale = 1.0,
    check_kernels: Kernels = "off",
    init_std: InitStd | None = 0.02,
) -> nn.Module:
    """A network as a list of layers, each a word with modifiers: `t64k4s2 batch relu`.

    The words, in the notation of the papers' tables (c64k4s2: convolution, 64 maps, kernel 4, stride 2):

    - `fc500` dense, `fc256x4x4` dense seen as maps; `c64k4s2` convolution, `t64k4s2` transposed convolution (kernel 3
      and stride 1 where left out); `*` for the number that `makes` needs: `t*k4s2`, `fc*`; `2*` for twice that: with
      `makes: z`, `fc2*` makes means and log variances of codes like z.
    - `pool2` largest, `avg2` mean, `up2` repetition of 2x2 pixels; `flat` maps to a vector, `mean` of each map. They
      may also stand behind another layer in its entry: `c20k5v pool2`.
    - `p1` behind `c` and `t` pads by 1, `v` by 0, `r` behind `c` reflects the border. Without them `c` divides the
      size by its stride (rounded up for odd kernels, down for even ones) and `t` multiplies it exactly.
    - Modifiers in the order in which they work: `batch`, `instance`, `layer`, `relu`, `leaky` (0.2), `leaky0.1`,
      `prelu`, `elu`, `tanh`, `sigmoid`, `pixelnorm`, `dropout0.5`; `fc240 maxout5` is 240 times the largest of 5.

    The generator of DCGAN (Radford et al. 2015, arXiv 1511.06434) for 64x64 is `fc1024x4x4 batch relu`, `t512k5s2 batch
    relu`, `t256k5s2 batch relu`, `t128k5s2 batch relu`, `t*k5s2`. Norms of maps work on each map, also behind
    `fc1024x4x4`; the bias in front of a norm that takes it away is left out. A vector before a layer of maps is seen as
    maps of 1x1. Inputs are joined on their channels, or as vectors where the first layer is `fc` or `flat`.

    Args:
        *inputs: Images (or latent maps) of one size, vectors and labels, in any mix.
        layers: The layers in order. Each is `fc500`, `fc256x4x4`, `c64k4s2` (convolution: 64 maps, kernel 4, stride 2),
            `t64k4s2` (transposed), both also with `p1` (padding), `v` (none) or `r` (reflected); `pool2`, `avg2`,
            `up2`, `flat` or `mean`. `*` stands for the number that `makes` needs, `2*` for twice that. Then any of
            batch, instance, layer, relu, leaky (leaky0.1), prelu, elu, tanh, sigmoid, maxout5, pixelnorm, dropout0.5,
            in the order in which they work.
        makes: What to make: an image, a vector, or the logits of a label's classes. None is whatever the layers give.
        output: Last activation of an image. None is the one that spans the range of `makes`: tanh for [-1, 1], sigmoid
            for [0, 1], or none where the last layer is written with one of its own.
        scale: Factor of all widths but `*` and the last layer's; 0.25 makes a network small.
        check_kernels: `refuse` kernels that their stride does not divide, which draw checkerboards; `off` is the
            papers' freedom (DCGAN has 5 and 2).
        init_std: Standard deviation of the initial weights, as in DCGAN; null is torch's own initialisation.

    Shape:
        As the layers say. With `makes`: N x its shape; as many times its channels as a last `2*` says.

    Raises:
        ComponentError: A layer that cannot be read or does not fit, or a result that is not what `makes` says.
    """
    read = read_layers(layers)
    return build_stack(
        inputs,
        read,
        makes=makes,
        scale=scale,
        check_kernels=check_kernels,
        init_std=init_std,
        last=closing_activation(read, makes, output),
    )
