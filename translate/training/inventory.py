"""What a checkpoint holds, read without any of the components that it was made with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from translate.components import Catalogue, Provider
from translate.pipeline.missing import Recorded, recorded
from translate.training.checkpoint import find_checkpoints
from translate.training.opening import find_checkpoint, loaded, run_description


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkInside:
    """One network of a checkpoint.

    Attributes:
        name: In the pipeline.
        component: Such as `generator unet`; empty where the checkpoint does not say.
        tensors: Its state dict, without what is no tensor.
        is_averaged: Whether an average of its weights is there too.
    """

    name: str
    component: str
    tensors: Mapping[str, Tensor]
    is_averaged: bool

    @property
    def values(self) -> int:
        """Numbers in all tensors."""
        return sum(tensor.numel() for tensor in self.tensors.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentInside:
    """A component that the run of a checkpoint used.

    Attributes:
        recorded: What it was, and who supplied it.
        here: Who supplies one of this kind and name now from the same distribution; None where nobody does.
    """

    recorded: Recorded
    here: Provider | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a checkpoint holds.

    Attributes:
        path: The checkpoint's folder; all its files have the sizes and hashes of its manifest.
        step: Iterations done.
        steps: Those of all checkpoints beside it, itself among them, lowest first.
        pipeline: The name of its pipeline; empty where it does not say.
        description: Of the pipeline.
        run: Versions, seed and data of the run.
        networks: By their order in the checkpoint.
        components: All that its run used.
        unnamed: Those of them that no distribution supplied, as they were recorded.
    """

    path: Path
    step: int
    steps: tuple[int, ...]
    pipeline: str
    description: str
    run: Mapping[str, Any]
    networks: tuple[NetworkInside, ...]
    components: tuple[ComponentInside, ...]
    unnamed: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What pip installs to have the components that nobody supplies here."""
        gone = [component.recorded.provider for component in self.components if component.here is None]
        return tuple(dict.fromkeys(f"{provider.distribution}=={provider.version}" for provider in gone))


def take_inventory(path: str | Path, catalogue: Catalogue) -> Inventory:
    """Look into a run (its newest checkpoint) or a checkpoint; nothing of it is built.

    Args:
        path: The folder.
        catalogue: What is installed.

    Raises:
        UsageError: There is nothing at this path.
        ModelFileError: The checkpoint is damaged.
    """
    folder = find_checkpoint(Path(path))
    checkpoint = loaded(folder)
    run = run_description(checkpoint)
    document = checkpoint.metadata.get("pipeline")
    document = document if isinstance(document, Mapping) else {}
    networks = document.get("networks")
    parts = [
        NetworkInside(
            name=name,
            component=_component(networks.get(name)) if isinstance(networks, Mapping) else "",
            tensors={key: value for key, value in weights.items() if isinstance(value, Tensor)},
            is_averaged=f"ema/{name}" in checkpoint.weights,
        )
        for name, weights in checkpoint.weights.items()
        if not name.startswith("ema/")
    ]
    lines = run.get("components")
    lines = [str(line) for line in lines] if isinstance(lines, list) else []
    found = [list(recorded([line])) for line in lines]
    return Inventory(
        path=folder,
        step=checkpoint.step,
        steps=tuple(step for step, _ in find_checkpoints(folder.parent)),
        pipeline=str(checkpoint.metadata.get("name", "")),
        description=str(document.get("description") or ""),
        run=run,
        networks=tuple(parts),
        components=tuple(
            ComponentInside(recorded=each, here=_supplier(each, catalogue)) for known in found for each in known
        ),
        unnamed=tuple(line for line, known in zip(lines, found, strict=True) if not known),
    )


def _component(use: Any) -> str:
    """What a section of the pipeline says of a network."""
    kinds = ("generator", "discriminator")
    return next((f"{kind} {use[kind]}" for kind in kinds if isinstance(use, Mapping) and kind in use), "")


def _supplier(wanted: Recorded, catalogue: Catalogue) -> Provider | None:
    found = [
        entry.provider
        for entry in catalogue.of_kind(wanted.kind)
        if entry.name == wanted.name and entry.provider.distribution == wanted.provider.distribution
    ]
    return found[0] if found else None
