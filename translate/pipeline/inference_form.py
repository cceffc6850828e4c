"""Networks as they behave outside training: the pipeline's declared inference mode, made explicit in modules.

Previews, evaluation and export all use this form, so that what is measured is what is shipped. In it the result for an
image depends on nothing but the weights, that image and `inference`: never on its batch, on a mode or on chance.

- `batch_norm: running` keeps the statistics gathered in training. `image` takes, for every example by itself, mean and
  biased variance of each channel over all positions, with the learned scale and shift: what a training-mode batch norm
  does for a batch of one, as pix2pix at test time (Isola et al. 2017, arXiv 1611.07004, section 3.4). A channel of one
  position gives the shift alone. A vector (N x C) has one value per channel, of which there are no statistics: there
  the running ones are used in both modes.
- `dropout: off` removes the layers. `on` drops by a fixed mask: an element is dropped when a 32-bit hash of (seed,
  number of the layer in its network, channel, row, column) lies below p 2^32; all others are scaled by 1 / (1 - p).
  Layers that drop whole channels hash the channel alone. Layers are numbered from 0 in the order in which the network
  lists them. Every device and every ONNX runtime finds the same mask (`translate.hashing`), at any size, and a larger
  picture's mask begins like a smaller one's.
- Weights behind parametrisations (spectral norm, weight norm) are computed once and stored.

Dropout that a network calls as a function (`F.dropout(x, training=self.training)`) is not seen and is off.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.utils import parametrize
from torch.nn.utils.spectral_norm import SpectralNorm, remove_spectral_norm
from torch.nn.utils.weight_norm import WeightNorm, remove_weight_norm

from translate.errors import ComponentError
from translate.hashing import INCREMENT, MASK, mix, mix_number
from translate.pipeline.settings import InferenceKeys

_ELEMENTWISE: Final = (nn.Dropout,)
_CHANNELWISE: Final = (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def inference_networks(networks: Mapping[str, nn.Module], keys: InferenceKeys) -> dict[str, nn.Module]:
    """Copy networks into their inference form; see the module's text. The originals stay as they are.

    Args:
        networks: By name, on any device, in any mode.
        keys: The pipeline's `inference` section.

    Returns:
        Copies in eval mode on the same devices, without gradients. What networks share, their copies share.

    Raises:
        ComponentError: A layer cannot be brought into the declared mode.
    """
    originals = {name: getattr(network, "_orig_mod", network) for name, network in networks.items()}
    copies: dict[str, nn.Module] = copy.deepcopy(originals, _memo_of_computed_tensors(originals))
    result = {}
    with torch.no_grad():
        for name, network in copies.items():
            network.eval().requires_grad_(requires_grad=False)
            _fold(network)
            result[name] = _Form(name, network, keys).convert()
    return result


class ImageNorm(nn.Module):
    """Batch normalisation with the statistics of each image by itself.

    Args:
        norm: The batch norm whose scale, shift and epsilon are taken.

    Shape:
        N x C x positions (any number of dimensions) -> same. N x C -> same, by the running statistics.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__()
        self.channels, self.eps = norm.num_features, norm.eps
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean, self.running_var = norm.running_mean, norm.running_var

    def forward(self, x: Tensor) -> Tensor:
        """Normalise."""
        if x.ndim == 2:
            return nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        # One group per channel is exactly this; nn.functional's own form refuses a single position.
        return torch.group_norm(x, self.channels, self.weight, self.bias, self.eps)


class FixedDropout(nn.Module):
    """Dropout by a mask that depends on the position alone.

    Args:
        p: Share that is dropped, in [0, 1].
        layer: Number of the layer in its network.
        seed: Seed of all masks.
        channelwise: Drop whole channels.

    Shape:
        N x C x positions (any number of dimensions, also none) -> same. All examples get the same mask.
    """

    def __init__(self, p: float, *, layer: int, seed: int, channelwise: bool) -> None:
        super().__init__()
        self.p, self.channelwise = p, channelwise
        self.start = mix_number(mix_number(mix_number(seed & MASK) ^ (seed >> 32 & MASK)) ^ (layer + 1))
        self.threshold = round(p * 2**32)
        self.scale = 1.0 / (1.0 - p) if p < 1.0 else 0.0

    def forward(self, x: Tensor) -> Tensor:
        """Drop and scale."""
        return x * (self.mask(x).to(x.dtype) * self.scale)

    def mask(self, x: Tensor) -> Tensor:
        """True where a value is kept, for one example: C x positions, or C x 1 ... where channels are dropped."""
        state: Tensor | int = self.start
        dimensions = x.ndim - 1
        for dimension in range(1 if self.channelwise else dimensions):
            position = torch.arange(x.shape[dimension + 1], dtype=torch.int64, device=x.device)
            position = position.reshape(-1, *[1] * (dimensions - 1 - dimension))
            state = mix(((position + 1) * INCREMENT + state) & MASK)
        return torch.as_tensor(state) >= self.threshold

    def extra_repr(self) -> str:
        """Shown in the network's listing."""
        return f"p={self.p}"


class _Form:
    """Replaces the layers of one network."""

    def __init__(self, name: str, network: nn.Module, keys: InferenceKeys) -> None:
        self.name, self.network, self.keys = name, network, keys
        self._made: dict[int, nn.Module] = {}
        self._layers = 0

    def convert(self) -> nn.Module:
        found = [(path, part) for path, part in self.network.named_modules(remove_duplicate=False)]
        for path, part in found:
            new = self._replacement(path, part)
            if new is None:
                continue
            if not path:
                return new
            parent, _, attribute = path.rpartition(".")
            setattr(self.network.get_submodule(parent), attribute, new)
        return self.network

    def _replacement(self, path: str, part: nn.Module) -> nn.Module | None:
        if id(part) in self._made:
            return self._made[id(part)]
        new: nn.Module | None = None
        if isinstance(part, _BatchNorm):
            new = self._norm(path, part)
        elif isinstance(part, _DropoutNd):
            new = self._dropout(path, part)
        if new is not None:
            self._made[id(part)] = new.eval()
        return new

    def _norm(self, path: str, part: _BatchNorm) -> nn.Module | None:
        has_statistics = part.running_mean is not None and part.running_var is not None
        if self.keys.batch_norm == "running":
            if not has_statistics:
                raise self._refused(
                    path, part, "gathers no running statistics", "write `inference: {batch_norm: image}`"
                )
            return None
        if not _is_plain(part):
            raise self._refused(path, part, "computes its own kind of batch norm", "write `batch_norm: running`")
        if isinstance(part, nn.BatchNorm1d) and not has_statistics:
            raise self._refused(path, part, "gathers no running statistics, which vectors need", "let it track them")
        return ImageNorm(part)

    def _dropout(self, path: str, part: _DropoutNd) -> nn.Module | None:
        number, self._layers = self._layers, self._layers + 1
        if self.keys.dropout == "off" or part.p == 0:
            return nn.Identity()
        if type(part) not in {*_ELEMENTWISE, *_CHANNELWISE}:
            raise self._refused(path, part, "has no fixed-mask form", "write `inference: {dropout: off}`")
        return FixedDropout(part.p, layer=number, seed=self.keys.seed, channelwise=type(part) in _CHANNELWISE)

    def _refused(self, path: str, part: nn.Module, why: str, fix: str) -> ComponentError:
        where = f"{self.name}.{path}" if path else self.name
        return ComponentError(f"layer {where} ({type(part).__name__}) {why}", where="inference", fix=fix)


def _is_plain(part: _BatchNorm) -> bool:
    """Whether a batch norm computes what torch's does (a subclass may take more inputs, as conditional ones)."""
    return type(part).forward in {_BatchNorm.forward, nn.SyncBatchNorm.forward} and isinstance(part, _NormBase)


def _memo_of_computed_tensors(networks: Mapping[str, nn.Module]) -> dict[int, Any]:
    """Attributes that a forward pass left behind (weights of the older spectral norm), which deepcopy would refuse."""
    memo: dict[int, Any] = {}
    for network in networks.values():
        for part in network.modules():
            for value in vars(part).values():
                if isinstance(value, Tensor) and not value.is_leaf:
                    memo[id(value)] = value.detach().clone()
    return memo


_HOOKS: Final[tuple[tuple[type, Callable[..., Any]], ...]] = (
    (SpectralNorm, remove_spectral_norm),
    (WeightNorm, remove_weight_norm),
)


def _fold(network: nn.Module) -> None:
    """Store the weights that parametrisations compute, and remove these."""
    for part in list(network.modules()):
        if parametrize.is_parametrized(part):
            # torch makes a class for each parametrised module and empties it here; a copy shares it with its original.
            shared = type(part)
            own = {key: item for key, item in vars(shared).items() if key not in {"__dict__", "__weakref__"}}
            part.__class__ = type(shared.__name__, shared.__bases__, own)
            for tensor in list(part.parametrizations):  # type: ignore[arg-type]
                parametrize.remove_parametrizations(part, tensor, leave_parametrized=True)
                if tensor not in part._parameters:  # noqa: SLF001  weights made of several tensors are left unregistered
                    value = getattr(part, tensor).detach()
                    delattr(part, tensor)
                    part.register_buffer(tensor, value)
        for hook in list(part._forward_pre_hooks.values()):  # noqa: SLF001  torch has no other way to find them
            for kind, remove in _HOOKS:
                if isinstance(hook, kind):
                    remove(part, getattr(hook, "name", "weight"))
    network.requires_grad_(requires_grad=False)
