"""Real images at the resolution of a network that grows."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from translate_plugins.growing import blend, doubled, halved, last_stage, side_of, stage_at
from translate_plugins.operations.images import check_image


def shrink(image: Tensor, growth: float, /) -> Tensor:
    """Images at the size of a stage, faded as the network is (Karras et al. 2017, arXiv 1710.10196, section 2).

    Averages the pixels that one of the stage covers. While a stage is faded in, real images are an interpolation
    between its resolution and the one before, repeated 2x2 times, as the paper says and its code does. `D(shrink(image,
    growth), growth)` judges them beside `D(G(z, growth), growth)`.

    Args:
        image: N x C x H x W, squares of 4, 8, 16 ... pixels.
        growth: Value of the schedule `growth`.

    Shape:
        N x C x H x W -> N x C x side x side: 4 x 2^s at stage s and while it is faded in.

    Raises:
        ComponentError: `image` is no such square, or has no such stage.
    """
    last = _last("shrink", image)
    stage, alpha = stage_at("shrink", float(growth), last)
    if stage < last:
        image = F.avg_pool2d(image, side_of(last - stage) // side_of(0))
    return image if alpha == 1 else blend(doubled(halved(image)), image, alpha)


def pyramid(image: Tensor, /) -> list[Tensor]:
    """Images at every resolution from 4x4 up, as a list (Karnewar & Wang 2019, arXiv 1903.06048, section 3).

    Each is the mean of 2x2 pixels of the next; the last is the image itself. `D(pyramid(image))` judges them beside
    `D(made.scales)`, what a `progressive` generator with `scales: all` makes.

    Args:
        image: N x C x H x W, squares of 4, 8, 16 ... pixels.

    Shape:
        N x C x H x W -> a list: N x C x 4 x 4, N x C x 8 x 8 ... N x C x H x W.

    Raises:
        ComponentError: `image` is no such square.
    """
    images = [image]
    for _ in range(_last("pyramid", image)):
        images.insert(0, halved(images[0]))
    return images


def _last(name: str, image: Tensor) -> int:
    check_image(name, image)
    return last_stage(name, image.shape[2:])
