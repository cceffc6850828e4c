"""Checkpoints: folders that are complete or not there, that notice every changed bit, and that hold no pickle.

    checkpoints/000500/weights.safetensors    networks as `G/KEY`, their averages as `ema/G/KEY`
                       state.safetensors      tensors of everything else that has a state
                       state.json             the rest of the state, the metadata (the pipeline among it), and what
                                              state dicts of networks hold besides tensors (`get_extra_state`)
                       manifest.json          sizes and SHA-256 of the others, and of itself

A save writes a hidden temporary folder, waits for each file, writes the manifest last, waits for the folder, renames
it, and waits for the parent: a process that is killed at any moment leaves the old checkpoints and perhaps an orphan,
which `clean_checkpoints` removes. The latest checkpoint is the one with the highest step whose manifest verifies; no
pointer is kept and nothing is ever edited in place.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from torch import Tensor

from translate.errors import ModelFileError, NumbersError
from translate.training import files
from translate.training.checkpoint_folders import (
    STATE,
    STATE_JSON,
    WEIGHTS,
    clean_checkpoints,
    find_checkpoints,
    is_removable,
    latest_checkpoint,
    left_name,
    prune_checkpoints,
    remove_folder,
)
from translate.training.manifest import MANIFEST, MAX_JSON, Manifest, damaged, read_manifest, verify
from translate.training.tensorfile import TensorForm, read_header, read_tensors, tensor_chunks
from translate.training.trees import Tree, TreeError, decode_tree, encode_tree

__all__ = [
    "Checkpoint",
    "clean_checkpoints",
    "find_checkpoints",
    "latest_checkpoint",
    "load_checkpoint",
    "prune_checkpoints",
    "save_checkpoint",
]

T = TypeVar("T")

_CHECKED: Final = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64})
FAILED: Final = "failed-"
"""What the name of a save begins with whose weights are not finite; never taken for a checkpoint."""
_NETWORK: Final = re.compile(r"(ema/)?(?!ema\Z)[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What a checkpoint holds.

    Attributes:
        step: Iterations that were done when it was saved.
        weights: State dicts by network, with their extra states; averages as `ema/NAME`.
        state: Everything else that has a state (None when it was not asked for).
        metadata: The pipeline, versions, plugins.
        path: The folder.
    """

    step: int
    weights: dict[str, dict[str, Any]]
    state: Tree = None
    metadata: dict[str, Any] = field(default_factory=dict)
    path: Path


def save_checkpoint(
    folder: Path,
    step: int,
    *,
    weights: Mapping[str, Mapping[str, Any]],
    state: Tree,
    metadata: Mapping[str, Any],
) -> Path:
    """Save a checkpoint; when this returns, it is on the disk.

    An intact checkpoint of the same step with the same content is left alone; any other one is replaced.

    Args:
        folder: The folder of all checkpoints of a run; created when missing.
        step: Iterations done.
        weights: State dicts by network; averages as `ema/NAME`. Tied tensors are written in full for each name. What
            is no tensor (an extra state) may be any `Tree`.
        state: Optimisers, schedules, pools, RNG, position: any `Tree`.
        metadata: What is needed to use the weights: the pipeline, versions, plugins. Any `Tree` without tensors.

    Returns:
        The checkpoint's folder, `folder/000500`.

    Raises:
        NumbersError: A weight is not finite; the save is kept aside as `failed-000500`, which nothing reads.
        TypeError: A state dict or the state holds something that cannot be saved exactly; nothing is written.
        MachineError: The disk is full, rights are missing, something is in the way; what was written is removed.
    """
    flat, extra = _split_weights(weights)
    try:
        # In one, so that no two tensors have the same name.
        encoded, tensors = encode_tree({"state": state, "extra": extra} if extra else state)
        metadata_json, stray = encode_tree(dict(metadata))
        if stray:
            raise TreeError(f"metadata{next(iter(stray))}: a tensor")
        header = {"format": "translate-checkpoint-1", "step": str(step), "networks": json.dumps(list(weights))}
        weights_size, weights_chunks = tensor_chunks(flat, header)
        state_size, state_chunks = tensor_chunks(tensors, {"format": "translate-state-1"})
    except ValueError as exc:
        msg = f"the state of the run cannot be saved: {exc}"
        raise TypeError(msg) from exc
    bad = _not_finite(flat)
    document = {"metadata": metadata_json, **(encoded if extra else {"state": encoded})}
    text = json.dumps(document, allow_nan=False, indent=1).encode("ascii")
    contents = {WEIGHTS: weights_chunks, STATE: state_chunks, STATE_JSON: iter([text])}
    target, temporary = folder / f"{step:06d}", folder / left_name(step, "new")
    if bad is not None:
        target = folder / f"{FAILED}{step:06d}"
        raise _kept_aside(bad, folder, _keep_aside(target, temporary, step, contents))
    with files.disk_errors(folder, needed=weights_size + state_size + len(text)):
        _make_parents(folder)
        try:
            manifest = _write(temporary, step, contents)
            _publish(temporary, target, manifest)
        except BaseException:
            with suppress(OSError):
                remove_folder(temporary)
            raise
        files.fsync(folder)
    return target


def _keep_aside(
    target: Path, temporary: Path, step: int, contents: Mapping[str, Iterable[files.Buffer]]
) -> Path | None:
    """Save where no checkpoint is looked for; None where the disk refuses, which is not what the user must hear of."""
    try:
        if not os.path.lexists(target):  # an earlier one stays: nothing is ever replaced by what is bad
            _make_parents(target.parent)
            _write(temporary, step, contents)
            files.rename(temporary, target)
            files.fsync(target.parent)
    except OSError:
        with suppress(OSError):
            remove_folder(temporary)
        return None
    return target


def _kept_aside(bad: tuple[str, str], folder: Path, aside: Path | None) -> NumbersError:
    good = find_checkpoints(folder)
    kept = f"it was kept aside as {aside.name}, not as a checkpoint" if aside else "no checkpoint was saved"
    last = f"the last good checkpoint is {good[-1][1]}" if good else "there is no checkpoint yet"
    # Other settings make another run, which may begin where this one stood.
    begin = f"begin a new run (--out NEW) with --fork {good[-1][1]}," if good else "begin a new run (--out NEW)"
    return NumbersError(
        f"the weight '{bad[1]}' of network '{bad[0]}' is not finite; {kept}; {last}",
        where=str(folder),
        fix=f"{begin} with a lower learning rate, gradient clipping or precision: fp32",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a checkpoint says that it holds.

    Attributes:
        step: Iterations that were done when it was saved.
        forms: Of the tensors by network and key; averages as `ema/NAME`.
        metadata: As in `Checkpoint`.
        path: The folder.
    """

    step: int
    forms: Mapping[str, Mapping[str, TensorForm]]
    metadata: Mapping[str, Any]
    path: Path


def look_into(path: Path) -> Contents:
    """Verify a checkpoint and read what it says of itself; no tensor is read into memory.

    Raises:
        ModelFileError: It is incomplete, damaged, or of a newer version; names file and field.
        MachineError: It cannot be read.
    """
    path = Path(path)
    with files.disk_errors(path, reading=True):
        manifest = _verified(path)
        forms, header = read_header(path / WEIGHTS)
        document = _read_json(path / STATE_JSON)
    nested = _nested_weights(path / WEIGHTS, forms, header)
    return Contents(step=manifest.step, forms=nested, metadata=_metadata(path, document), path=path)


def load_checkpoint(path: Path, *, device: torch.device | str = "cpu", state: bool = True) -> Checkpoint:
    """Verify and read a checkpoint.

    Args:
        path: Its folder.
        device: Where the tensors are wanted.
        state: Also read what only a training needs (else `Checkpoint.state` is None).

    Raises:
        ModelFileError: It is incomplete, damaged, or of a newer version; names file and field.
        MachineError: It cannot be read.
    """
    path = Path(path)
    with files.disk_errors(path, reading=True):
        manifest = _verified(path)
        flat, header = read_tensors(path / WEIGHTS, device=device)
        document = _read_json(path / STATE_JSON)
        tensors = read_tensors(path / STATE, device=device)[0] if state or "extra" in document else {}
    metadata = _metadata(path, document)
    try:
        tree = decode_tree(document["state"], tensors) if state else None
        extra = decode_tree(document.get("extra", {}), tensors)
    except TreeError as exc:
        raise damaged(path / STATE_JSON, "content", str(exc)) from exc
    weights: dict[str, dict[str, Any]] = _nested_weights(path / WEIGHTS, flat, header)
    _add_extra(weights, extra, path / STATE_JSON)
    return Checkpoint(step=manifest.step, weights=weights, state=tree, metadata=metadata, path=path)


def _verified(path: Path) -> Manifest:
    """The manifest of a checkpoint all of whose files are there as it says."""
    manifest = read_manifest(path)
    verify(path, manifest)
    for name in (WEIGHTS, STATE, STATE_JSON):
        if name not in manifest.files:
            raise damaged(path / MANIFEST, "files", f"does not list {name}")
    return manifest


def _metadata(path: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    try:
        metadata = decode_tree(document["metadata"], {})
    except TreeError as exc:
        raise damaged(path / STATE_JSON, "content", str(exc)) from exc
    if not isinstance(metadata, dict):
        raise damaged(path / STATE_JSON, "metadata", "not a mapping")
    return metadata


def _make_parents(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        files.fsync(folder.parent)


def _write(temporary: Path, step: int, contents: Mapping[str, Iterable[files.Buffer]]) -> Manifest:
    if temporary.exists():  # left by an earlier failure of this very process
        remove_folder(temporary)
    files.make_folder(temporary)
    written = {}
    for name, chunks in contents.items():
        written[name] = files.write_bytes(temporary / name, chunks)
        files.fsync(temporary / name)
    manifest = Manifest(step=step, files=written)
    files.write_bytes(temporary / MANIFEST, [manifest.to_bytes()])
    files.fsync(temporary / MANIFEST)
    files.fsync(temporary)
    return manifest


def _publish(temporary: Path, target: Path, manifest: Manifest) -> None:
    """Give a complete temporary folder its name; the only rename onto a name that anybody reads."""
    if not os.path.lexists(target):
        files.rename(temporary, target)
        return
    if _is_same(target, manifest):
        remove_folder(temporary)
        return
    if not is_removable(target, intact=False):
        raise FileExistsError(errno.EEXIST, "not a checkpoint of ours", str(target))
    aside = target.parent / left_name(manifest.step, "old")
    files.rename(target, aside)
    files.rename(temporary, target)
    remove_folder(aside)


def _is_same(target: Path, manifest: Manifest) -> bool:
    try:
        found = read_manifest(target)
        verify(target, found)
    except ModelFileError:
        return False
    return found == manifest


def _split_weights(weights: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, Tensor], dict[str, dict[str, Any]]]:
    """The tensors by network and key in one, and by network what is none."""
    flat: dict[str, Tensor] = {}
    extra: dict[str, dict[str, Any]] = {}
    for network, tensors in weights.items():
        if not _NETWORK.match(network):
            msg = f"'{network}' cannot name a network in a checkpoint"
            raise ValueError(msg)
        for key, value in tensors.items():
            if isinstance(value, Tensor):
                flat[f"{network}/{key}"] = value
            else:
                extra.setdefault(network, {})[key] = value
    return flat, extra


def _add_extra(weights: Mapping[str, dict[str, Any]], extra: Any, path: Path) -> None:
    """Put what was no tensor back into the state dicts."""
    for network, found in extra.items() if isinstance(extra, dict) else [("", extra)]:
        if network not in weights or not isinstance(found, dict) or found.keys() & weights[network].keys():
            raise damaged(path, "extra", f"does not belong to the networks ({network})")
        weights[network].update(found)


def _not_finite(flat: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """The first weight that is not finite, as (network, key)."""
    for name, tensor in flat.items():
        if tensor.dtype in _CHECKED and not _is_finite(tensor):
            network, _, key = name.removeprefix("ema/").partition("/")
            return network, key
    return None


def _is_finite(tensor: Tensor) -> bool:
    wide = torch.float32 if tensor.dtype in {torch.float16, torch.bfloat16} else None
    norm = torch.linalg.vector_norm(tensor.detach(), dtype=wide)  # several times faster than isfinite; may overflow
    return bool(torch.isfinite(norm)) or bool(torch.isfinite(tensor).all())


def _nested_weights(path: Path, flat: Mapping[str, T], header: Mapping[str, str]) -> dict[str, dict[str, T]]:
    """Tensors, or what is said of them, by network and key."""
    try:
        names = json.loads(header["networks"])
    except (KeyError, ValueError, RecursionError) as exc:
        raise damaged(path, "networks", f"missing or malformed ({exc})") from exc
    if not isinstance(names, list) or not all(isinstance(name, str) and _NETWORK.match(name) for name in names):
        raise damaged(path, "networks", "not a list of names")
    weights: dict[str, dict[str, T]] = {name: {} for name in names}
    for name, tensor in flat.items():
        parts = name.split("/", 2 if name.startswith("ema/") else 1)
        network, key = "/".join(parts[:-1]), parts[-1]
        if network not in weights:
            raise damaged(path, name, "belongs to no network of the list")
        weights[network][key] = tensor
    return weights


def _read_json(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAX_JSON:
        raise damaged(path, "size", f"more than {MAX_JSON:,} bytes")
    try:
        document = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as exc:
        raise damaged(path, "content", f"not JSON ({exc})") from exc
    if not isinstance(document, dict) or set(document) - {"extra"} != {"metadata", "state"}:
        raise damaged(path, "content", "not a mapping of 'metadata' and 'state'")
    return document


def _no_constant(name: str) -> Any:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
