"""Components that draw from the global generators, while they are made or while they work."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from translate import Component, hookimpl
from translate.specs import Vector


def drawn() -> float:
    """A number that every global generator takes part in; half of a pair of normal numbers is left over in two."""
    old = np.random.normal() + np.random.rand()  # noqa: NPY002
    return float(old + random.random() + random.gauss(0.0, 1.0) + torch.rand(()).item())


class Projected:
    """Distance along a direction that is drawn once."""

    def __init__(self, *, dummy: int = 0) -> None:
        self.direction = torch.tensor([drawn() for _ in range(64)])

    def generator(self, of: Tensor, to: Tensor) -> Tensor:
        """The distance."""
        return ((of - to).flatten(1) @ self.direction.to(of.device)).square().mean()


def uneven(of: Tensor, to: Tensor) -> Tensor:
    """A distance that is weighed by chance in every step."""
    return (of - to).abs().mean() * (1.0 + drawn() ** 2)


class Shifted(nn.Module):
    """Adds a number that is drawn once, and belongs to no state."""

    def __init__(self) -> None:
        super().__init__()
        self.by = drawn()

    def forward(self, x: Tensor, /) -> Tensor:
        """The sum."""
        return x + self.by


class Scaled:
    """Normal numbers of a scale that is drawn once."""

    def __init__(self) -> None:
        self.spec, self.scale = Vector(3), drawn()

    def sample(self, count: int, *, generator: torch.Generator, device: torch.device) -> Tensor:
        """Draw."""
        return self.scale * torch.randn(count, 3, generator=generator, device=device)


class Chosen:
    """A constant that is drawn once."""

    def __init__(self) -> None:
        self.value = 0.01 * (1.0 + abs(drawn()))

    def __call__(self, step: int) -> float:
        """The constant."""
        return self.value


class Meddler:
    """Draws while it is made and at every event."""

    def __init__(self) -> None:
        drawn()

    @hookimpl
    def translate_run_started(self) -> None:
        drawn()

    @hookimpl
    def translate_step_finished(self) -> None:
        drawn()
        torch.manual_seed(5)

    @hookimpl
    def translate_step_logged(self) -> None:
        drawn()

    @hookimpl
    def translate_preview_ready(self) -> None:
        drawn()

    @hookimpl
    def translate_checkpoint_saved(self) -> None:
        drawn()


def document(game: dict[str, Any]) -> dict[str, Any]:
    """A pipeline with all of the above but the observer."""
    chosen = {"schedule": "chosen"}
    generators = {"name": "adam", "lr": chosen}
    return {
        **game,
        "latents": {"z": {"latent": "scaled"}},
        "flow": {"fake": "shifted(G(source, z))"},
        "losses": {
            **game["losses"],
            "projected": {"loss": "projected", "of": "fake", "to": "target", "weight": chosen},
            "uneven": {"loss": "uneven", "of": "fake", "to": "target"},
        },
        "training": {**game["training"], "optimizers": {"generators": generators}},
    }


class Plugin:
    """All of them."""

    @hookimpl
    def translate_components(self) -> Iterable[Component]:
        for kind, name in {"loss": "Projected", "operation": "Shifted", "latent": "Scaled", "schedule": "Chosen",
                           "observer": "Meddler"}.items():  # fmt: skip
            yield Component(kind=kind, name=name.lower(), target=f"restless:{name}", summary="For tests.")
        yield Component(kind="loss", name="uneven", target="restless:uneven", summary="For tests.")
