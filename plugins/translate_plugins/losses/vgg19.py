"""The features of VGG-19 that the perceptual loss compares, from a file that the user has; nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, TypeAlias

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.nn import functional as F

from translate.errors import ComponentError, ModelFileError
from translate.training.tensorfile import read_header

Layers: TypeAlias = "tuple[tuple[Tensor, Tensor], ...]"

# Channels of the convolutions of each block, up to relu5_1, the last that is compared (Simonyan & Zisserman 2014, arXiv
# 1409.1556, table 1, column E). A pooling lies between blocks.
_BLOCKS: Final = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,))
SMALLEST: Final = 16
"""Pixels of which the four poolings leave one."""

_NAME: Final = "vgg19-*.safetensors"
_GET: Final = (
    "on a machine with a network, `torchvision.models.vgg19(weights='IMAGENET1K_V1')` stores vgg19-dcbb9e9d.pth in "
    "torch's cache, `translate import-weights` makes a safetensors file of it; copy that"
)


def find_weights(given: str | None) -> Path:
    """The file of weights: the given one, or the one in torch's cache.

    Raises:
        ComponentError: It is not there; says where it was looked for and how to put it there.
    """
    if given is not None:
        file = Path(given).expanduser()
        if not file.is_file():
            fix = f"{_GET} there, or leave weights_file out to take the one in torch's cache"
            raise ComponentError(f"perceptual: there are no weights of VGG-19 at {file.absolute()}", fix=fix)
        if file.suffix != ".safetensors":
            raise ComponentError(f"perceptual: {file} is no safetensors file", fix=_import(file))
        return file
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    found = sorted(folder.glob(_NAME))
    if not found:
        pickled = sorted(folder.glob("vgg19-*.pth"))
        raise ComponentError(
            f"perceptual: no weights of VGG-19 ({_NAME}) in {folder}, and none are downloaded",
            fix=_import(pickled[0]) if pickled else f"{_GET} to that folder, or write `weights_file: PATH`",
        )
    return found[0]


def _import(file: Path) -> str:
    return f"translate import-weights {file} --output {file.with_suffix('.safetensors')}"


def load_weights(file: Path) -> Layers:
    """Weights and biases of the convolutions up to relu5_1, on the CPU; a file is read once.

    Raises:
        ComponentError: The file is damaged, or holds another network's weights.
    """
    state = file.stat()
    return _load(file.absolute(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _load(file: Path, modified: int, size: int) -> Layers:
    wanted = {f"{name}.{kind}" for name, _ in _wanted() for kind in ("weight", "bias")}
    try:
        read_header(file)
        with safe_open(file, framework="pt", device="cpu") as opened:
            stored = {name: opened.get_tensor(name) for name in wanted.intersection(opened.keys())}
    except (ModelFileError, SafetensorError, OSError) as exc:
        cause = exc.what if isinstance(exc, ModelFileError) else str(exc)
        raise ComponentError(f"perceptual: {file} cannot be read ({cause})", fix=f"replace it: {_GET}") from exc
    return tuple(
        (_taken(stored, f"{name}.weight", shape, file), _taken(stored, f"{name}.bias", shape[:1], file))
        for name, shape in _wanted()
    )


def _taken(stored: Mapping[str, Tensor], name: str, shape: tuple[int, ...], file: Path) -> Tensor:
    tensor = stored.get(name)
    if tensor is None or tuple(tensor.shape) != shape:
        raise ComponentError(
            f"perceptual: {file} does not hold torchvision's VGG-19: {name} is missing or has another shape",
            fix=f"replace it: {_GET}",
        )
    # A copy: what the library returns may be mapped from the file.
    return tensor.detach().to(torch.float32, copy=True).contiguous()


def _wanted() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names of torchvision's layers and the shapes of their weights."""
    index, before = 0, 3
    for block in _BLOCKS:
        for channels in block:
            yield f"features.{index}", (channels, before, 3, 3)
            index, before = index + 2, channels  # a ReLU follows
        index += 1  # a pooling follows


def features(x: Tensor, layers: Layers) -> list[Tensor]:
    """relu1_1, relu2_1, relu3_1, relu4_1 and relu5_1.

    Args:
        x: N x 3 x H x W, normalised as ImageNet's images are.
        layers: From `load_weights`, on the device of `x`.
    """
    remaining = iter(layers)
    found = []
    for number, block in enumerate(_BLOCKS):
        if number:
            x = _pooled(x)
        for position in range(len(block)):
            weight, bias = next(remaining)
            x = F.relu(F.conv2d(x, weight, bias, padding=1))
            if position == 0:
                found.append(x)
    return found


def _pooled(x: Tensor) -> Tensor:
    """Maximum of 2 x 2 pixels, an odd row or column left out, with a gradient that is the same in every run.

    Values as of `torch.nn.MaxPool2d(2)`, whose gradient is added up by atomics on CUDA. Where pixels tie, the gradient
    is shared out.
    """
    height, width = x.shape[2] // 2, x.shape[3] // 2
    x = x[:, :, : 2 * height, : 2 * width]
    rows = torch.maximum(x[:, :, ::2], x[:, :, 1::2])
    return torch.maximum(rows[..., ::2], rows[..., 1::2])
