"""The check of operations that take images."""

from __future__ import annotations

from torch import Tensor

from translate.errors import ComponentError


def check_image(name: str, value: Tensor) -> None:
    """Refuse what is no image.

    Args:
        name: Of the operation.
        value: What it was given.

    Raises:
        ComponentError: `value` is not N x C x H x W.
    """
    if value.ndim != 4:
        raise ComponentError(f"{name} takes images (got a value of {value.ndim - 1} dimensions)", fix="pass an image")
