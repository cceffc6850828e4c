"""Which numbers of a network a parametrisation must reach: it covers all of its weights, or it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from torch import nn
from torch.nn.utils import parametrize

from translate.errors import ComponentError

Weight: TypeAlias = tuple[Any, str]
"""A module, and the name of a weight in it."""

_SHOWN: Final = 4


def all_weights(name: str, network: nn.Module, covers: Callable[[nn.Module, str], bool], *, fix: str) -> list[Weight]:
    """Every weight of a network, in the order of its modules.

    A weight is a parameter of at least two dimensions: what multiplies the features. Biases and scales have one. What a
    module learns beside its weights and computes with as it is, such as a first picture, is named in `not_weights` of
    its class.

    Args:
        name: Of the parametrisation.
        network: What is looked through.
        covers: Whether the parametrisation is defined for a weight.
        fix: What to do where it is not.

    Raises:
        ComponentError: There is no weight, or one that it is not defined for: it would be as if it were not there.
    """
    found: list[Weight] = []
    left_out: list[str] = []
    for path, module in network.named_modules():
        if isinstance(module, parametrize.ParametrizationList):
            continue  # its numbers are a weight of the module that has it
        constants = getattr(type(module), "not_weights", ())
        for weight in _own_weights(module):
            if weight in constants:
                continue
            found.append((module, weight))
            if not covers(module, weight):
                left_out.append(f"{path}.{weight}".lstrip("."))
    if not found:
        raise ComponentError(f"{name}: this network has no weights", fix="leave `weights` out for it")
    if left_out:
        more = f" and {len(left_out) - _SHOWN} more" if len(left_out) > _SHOWN else ""
        raise ComponentError(
            f"{name} is not defined for all weights of this network: {', '.join(left_out[:_SHOWN])}{more}", fix=fix
        )
    return found


def _own_weights(module: nn.Module) -> list[str]:
    """Names of a module's own weights, also of those that are parametrised already."""
    own = [name for name, value in module.named_parameters(recurse=False) if value.ndim > 1]
    lists = getattr(module, "parametrizations", {}) if parametrize.is_parametrized(module) else {}
    return [*own, *(name for name in lists if getattr(module, name).ndim > 1)]
