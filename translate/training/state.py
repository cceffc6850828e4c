"""What a training saves and how it goes on: everything that has a state, for every process."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from translate.errors import MachineError, PluginError
from translate.optimizers import load_optimizer_state, optimizer_state
from translate.pictures import shown
from translate.pipeline.merging import MISSING
from translate.pipeline.private import without_paths
from translate.pipeline.trees import map_tensors
from translate.training import files
from translate.training.checkpoint import (
    Checkpoint,
    latest_checkpoint,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
)
from translate.training.ema import Ema
from translate.training.opening import fit, fitting_together, load_gathered, load_networks, run_description
from translate.training.run import CHECKPOINTS

if TYPE_CHECKING:
    from translate.training.loop import Trainer

log = logging.getLogger(__name__)


def save(trainer: Trainer, step: int) -> Path:
    """Save a checkpoint; all processes call it together.

    Returns:
        The checkpoint's folder.

    Raises:
        NumbersError: A weight is not finite; what was to be saved is kept aside, the checkpoints before as they were.
        PluginError: A component has a state that cannot be saved.
        MachineError: The disk is full or rights are missing; the checkpoints before are as they were.
    """
    engine, game = trainer.engine, trainer.game
    with engine.together():
        trainer.kept.check()
    own = {
        # On the host: another process would put them on this one's device.
        "sites": {key: map_tensors(torch.Tensor.cpu, dict(module.state_dict())) for key, module in game.sites.items()},
        "networks": {name: _besides_weights(network) for name, network in game.networks.items()} if engine.rank else {},
        "rng": engine.rng_state(),
        "bad_images": _below_root(trainer, trainer.feed.stream.bad.state_dict()),
    }
    ranks = engine.gather_objects(own)
    folder = trainer.folder / CHECKPOINTS
    with engine.together():
        if engine.is_main:
            _write(trainer, step, ranks)
    return folder / f"{step:06d}"


def _besides_weights(network: torch.nn.Module) -> dict[str, Any]:
    """Buffers and extra states, which are each process's own; process 0's are saved with the weights."""
    weights = dict(network.named_parameters(remove_duplicate=False))
    kept = {key: value for key, value in network.state_dict().items() if key not in weights}
    return dict(map_tensors(torch.Tensor.cpu, kept))


def _write(trainer: Trainer, step: int, ranks: list[Any]) -> None:
    engine, game, folder = trainer.engine, trainer.game, trainer.folder / CHECKPOINTS
    weights = {name: dict(network.state_dict()) for name, network in game.networks.items()}
    if trainer.ema is not None:
        weights |= trainer.ema.weights()
    state = {
        "draws": trainer.draws,
        "examples": trainer.feed.examples,
        "phase": trainer.phase,
        "waited": {name: int(run) for name, run in trainer.waited.items()},
        "skips": trainer.skips.state_dict(trainer.optimizers),
        "optimizers": {name: optimizer_state(optimizer) for name, optimizer in trainer.optimizers.items()},
        "ema": trainer.ema.state_dict() if trainer.ema else None,
        "engine": engine.state_dict(),
        "ranks": ranks,
    }
    keys = trainer.pipeline.training
    write = functools.partial(save_checkpoint, folder, step, weights=weights, state=state, metadata=_metadata(trainer))
    try:
        _pruning_where_full(write, folder) if keys.on_full_disk == "prune" else write()
    except TypeError as exc:
        raise PluginError(
            f"a component has a state that cannot be saved: {exc}",
            where=str(folder),
            fix="tensors, numbers, texts and lists and dicts of them can be; report this to the component's authors",
        ) from exc
    prune_checkpoints(folder, keys.keep_checkpoints, newest=step)


def _pruning_where_full(write: Callable[[], Any], folder: Path) -> None:
    """Write; where the disk is full, once more when all checkpoints but the newest intact one are removed."""
    try:
        write()
    except MachineError as exc:
        newest = latest_checkpoint(folder) if files.is_full(exc) else None
        removed = prune_checkpoints(folder, 1, newest=int(newest.name)) if newest is not None else []
        if not removed:
            raise
        log.warning("the disk is full: checkpoints %s are removed", ", ".join(path.name for path in removed))
        write()


def _metadata(trainer: Trainer) -> dict[str, Any]:
    return {
        "pipeline": without_paths(trainer.pipeline.resolved, trainer.pipeline.dataset),
        "name": trainer.pipeline.name,
        "fields": {name: spec.as_dict() for name, spec in trainer.feed.stream.fields.items()},
        "run": {key: value for key, value in trainer.description.items() if key != "command"},
        **_circumstances(trainer),
        **({"rescued": True} if trainer.rescued else {}),
    }


def _circumstances(trainer: Trainer) -> dict[str, Any]:
    """What else must be equal for equal bits."""
    return {
        "threads": torch.get_num_threads(),
        "world_size": trainer.engine.world_size,
        "device": trainer.engine.device.type,
    }


def _versions(description: Mapping[str, Any]) -> dict[str, Any]:
    own = {"python": description.get("python"), "translate": description.get("translate")}
    return own | dict(description.get("versions") or {})


def _changed(checkpoint: Checkpoint, trainer: Trainer) -> list[str]:
    """Why a run that goes on does not give the bits that it would have given; nothing where it does."""
    before = {**checkpoint.metadata, **_versions(run_description(checkpoint))}
    now = {**_circumstances(trainer), **_versions(trainer.description)}
    found = [f"{key} {before.get(key)} -> {value}" for key, value in now.items() if before.get(key) != value]
    return [*found, "it was saved after an iteration that failed half-way"] if before.get("rescued") else found


def resume(trainer: Trainer) -> Checkpoint | None:
    """Go on from the newest intact checkpoint, if there is one.

    The state of the random generators comes last: see `restore_random`.
    """
    path = latest_checkpoint(trainer.folder / CHECKPOINTS, warn=log.warning)
    if path is None:
        return None
    checkpoint = load_checkpoint(path)
    with fitting_together(path):
        _restore(trainer, checkpoint)
        changed = _changed(checkpoint, trainer)
    if changed and trainer.engine.is_main:
        log.warning("not bit-identical: %s", ", ".join(changed))
    return checkpoint


def _restore(trainer: Trainer, checkpoint: Checkpoint) -> None:
    state: Any = checkpoint.state
    load_networks(trainer.game, checkpoint)
    if trainer.ema is not None:
        restore_averages(trainer.ema, checkpoint)
    restore_place(trainer, checkpoint)
    phase = counted(state["phase"], "phase")
    trainer.set_optimizers(phase)
    if state["optimizers"].keys() != trainer.optimizers.keys():
        msg = f"it has optimisers of {', '.join(state['optimizers']) or 'no turn'}, not {', '.join(trainer.optimizers)}"
        raise ValueError(msg)
    for name, saved in state["optimizers"].items():
        settings = trainer.pipeline.phases[phase].optimizers[name]
        load_optimizer_state(trainer.optimizers[name], saved, {"name": settings.name, **settings.parameters})
    skips = {  # checkpoints of earlier versions lack it
        name: [counted(value, f"skips.{name}") for value in values] for name, values in state.get("skips", {}).items()
    }
    trainer.skips.load_state_dict(skips, trainer.optimizers)
    bad: dict[str, str] = {}
    for rank in state["ranks"]:  # checkpoints of earlier versions lack it, or hold another part in each
        bad |= rank.get("bad_images", {})
    trainer.feed.stream.bad.load_state_dict(_in_root(trainer, bad))
    restore_histories(trainer, checkpoint)


def restore_averages(ema: Ema, checkpoint: Checkpoint) -> None:
    """The averages of the weights, and how many steps they hold."""
    state: Any = checkpoint.state
    updates = counted((state["ema"] or {"updates": 0})["updates"], "ema.updates")
    ema.load_state_dict({"updates": updates}, checkpoint.weights)


def restore_place(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """How far a training is: in its latents and data, in the scale of its losses, and in what its turns wait for."""
    state: Any = checkpoint.state
    trainer.draws = counted(state["draws"], "draws")
    examples = state.get("examples")
    if (
        "examples" not in state
    ):  # of an earlier version, whose batches all had one size: the run's, not that of its fork
        document: Any = checkpoint.metadata["pipeline"]
        examples = trainer.draws * counted(document["training"]["batch_size"], "training.batch_size")
    trainer.feed.examples = counted(examples, "examples")
    trainer.engine.load_state_dict(state["engine"])
    for name, run in state.get("waited", {}).items():  # checkpoints of earlier versions lack it
        trainer.waited[name] = torch.tensor(counted(run, f"waited.{name}"), device=trainer.engine.device)


def counted(value: Any, name: str) -> int:
    """A number of things that a checkpoint holds.

    Raises:
        ValueError: It is none, or larger than anything that was ever counted.
    """
    if type(value) is not int or not 0 <= value < 2**53:
        msg = f"'{name}' is {value!r}"
        raise ValueError(msg)
    return value


def _below_root(trainer: Trainer, texts: Mapping[str, str]) -> dict[str, str]:
    """Names of files and what is said of them, without the place of the data: a checkpoint leaves the house."""
    root = _root(trainer)
    return {_place(where, root): _hidden(what, root) for where, what in texts.items()}


def _in_root(trainer: Trainer, texts: Mapping[str, str]) -> dict[str, str]:
    """The same again for the place where the data is now."""
    root = _root(trainer)
    if root is None:
        return dict(texts)
    above = str(root / "x")[:-1]  # nothing for '.', which stands before no name

    def shown_again(text: str) -> str:
        return text.replace(f"{MISSING}/", above).replace(MISSING, str(root))

    return {shown_again(where): shown_again(what) for where, what in texts.items()}


def _root(trainer: Trainer) -> Path | None:
    """The place of the data, if it has one, as messages have it."""
    root = trainer.pipeline.dataset.choices.get("root")
    return Path(shown(Path(str(root)).expanduser())) if root else None


def _place(where: str, root: Path | None) -> str:
    """Where a file is below the root; of one that is not, its name."""
    path = Path(where)
    if root is not None and path.is_relative_to(root):
        where = f"{MISSING}/{path.relative_to(root)}"
    below = _hidden(where, root)
    return below if MISSING in below else path.name


def _hidden(text: str, root: Path | None) -> str:
    """A text without the root; one that is relative says nothing about this machine."""
    if root is None or not root.is_absolute():
        return text
    return re.sub(rf"(?<![\w.-]){re.escape(str(root))}(?![\w-]|\.\w)", lambda _: MISSING, text)


def restore_random(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """Put the random generators back, right before the first iteration: what is done until then may use numbers."""
    with fitting_together(checkpoint.path):
        trainer.engine.set_rng_state(_of_this_process(trainer, checkpoint)["rng"])


def _of_this_process(trainer: Trainer, checkpoint: Checkpoint) -> dict[str, Any]:
    state: Any = checkpoint.state
    ranks: list[dict[str, Any]] = state["ranks"]
    return ranks[trainer.engine.rank % len(ranks)]


def restore_histories(trainer: Trainer, checkpoint: Checkpoint) -> None:
    """What operations remember (pools, running means), where the same calls are there; and this process's buffers."""
    own = _of_this_process(trainer, checkpoint)
    saved, device = own["sites"], trainer.engine.device
    # Checkpoints of earlier versions lack it: then all processes go on with the buffers of the first.
    for name, kept in own.get("networks", {}).items():
        if name in trainer.game.networks:
            fit(trainer.game, name, {**checkpoint.weights[name], **kept}, checkpoint.path)
    for graph in trainer.game.graphs:
        for node in graph.nodes:
            if node.key in saved:
                load_gathered(trainer.game, node, map_tensors(lambda tensor: tensor.to(device), saved[node.key]))
