"""What a checkpoint holds, read without any of the components that it was made with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from translate.components import Catalogue, Provider
from translate.pipeline.missing import Recorded, recorded
from translate.training.checkpoint import find_checkpoints, look_into
from translate.training.opening import find_checkpoint, read_or_name_another, run_description
from translate.training.tensorfile import TensorForm


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkInside:
    """One network of a checkpoint.

    Attributes:
        name: In the pipeline.
        component: Such as `generator unet`; empty where the checkpoint does not say.
        tensors: What its state dict holds, without what is no tensor.
        is_averaged: Whether an average of its weights is there too.
    """

    name: str
    component: str
    tensors: Mapping[str, TensorForm]
    is_averaged: bool

    @property
    def values(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(form.shape) for form in self.tensors.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class ComponentInside:
    """A component that the run of a checkpoint used.

    Attributes:
        recorded: What it was, and who supplied it.
        here: Who supplies one of this kind and name now from the same distribution; None where nobody does.
        is_installed: Whether the distribution is; where it is and supplies nothing, its plugin is disabled or failed.
    """

    recorded: Recorded
    here: Provider | None
    is_installed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """What a checkpoint holds.

    Attributes:
        path: The checkpoint's folder; all its files have the sizes and hashes of its manifest.
        step: Iterations done.
        others: Steps of the checkpoints beside it, lowest first; whether these are intact was not looked at.
        pipeline: The name of its pipeline; empty where it does not say.
        description: Of the pipeline.
        run: Versions, seed and data of the run.
        networks: By their order in the checkpoint.
        components: All that its run used.
        unnamed: Those of them that no distribution supplied, as they were recorded.
    """

    path: Path
    step: int
    others: tuple[int, ...]
    pipeline: str
    description: str
    run: Mapping[str, Any]
    networks: tuple[NetworkInside, ...]
    components: tuple[ComponentInside, ...]
    unnamed: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """What pip installs to have the components that nobody supplies here."""
        gone = [each.recorded.provider for each in self.components if each.here is None and not each.is_installed]
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
    checkpoint = read_or_name_another(folder, look_into)
    run = run_description(checkpoint)
    document = checkpoint.metadata.get("pipeline")
    document = document if isinstance(document, Mapping) else {}
    networks = document.get("networks")
    parts = [
        NetworkInside(
            name=name,
            component=_component(networks.get(name)) if isinstance(networks, Mapping) else "",
            tensors=forms,
            is_averaged=f"ema/{name}" in checkpoint.forms,
        )
        for name, forms in checkpoint.forms.items()
        if not name.startswith("ema/")
    ]
    lines = run.get("components")
    lines = [str(line) for line in lines] if isinstance(lines, list) else []
    found = [list(recorded([line])) for line in lines]
    return Inventory(
        path=folder,
        step=checkpoint.step,
        others=tuple(step for step, path in find_checkpoints(folder.parent) if path.name != folder.name),
        pipeline=str(checkpoint.metadata.get("name", "")),
        description=str(document.get("description") or ""),
        run=run,
        networks=tuple(parts),
        components=tuple(
            ComponentInside(
                recorded=each,
                here=_supplier(each, catalogue),
                is_installed=_is_installed(each.provider.distribution),
            )
            for known in found
            for each in known
        ),
        unnamed=tuple(line for line, known in zip(lines, found, strict=True) if not known),
    )


def _component(use: Any) -> str:
    """What a section of the pipeline says of a network."""
    kinds = ("generator", "discriminator")
    return next((f"{kind} {use[kind]}" for kind in kinds if isinstance(use, Mapping) and kind in use), "")


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _supplier(wanted: Recorded, catalogue: Catalogue) -> Provider | None:
    found = [
        entry.provider
        for entry in catalogue.of_kind(wanted.kind)
        if entry.name == wanted.name and entry.provider.distribution == wanted.provider.distribution
    ]
    return found[0] if found else None
