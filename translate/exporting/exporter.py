"""The order of an export: plan, trace, check, verify, rename. Nothing is kept before it is verified."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from translate.errors import MachineError, ModelFileError, PluginError, TranslateError, UsageError
from translate.exporting.graph import traced_module
from translate.exporting.metadata import as_properties, describe, with_measurement
from translate.exporting.plan import Plan, make_plan
from translate.exporting.tracing import LEVELS, Level, to_file
from translate.exporting.verification import Measured, verify
from translate.inference.modelfile import NEWEST_OPSET
from translate.plugin_manager import default_manager
from translate.training import files, processes

if TYPE_CHECKING:
    from translate.training.opening import Opened

_LEFT: Final = re.compile(r"\.(?P<place>[0-9a-f]{8})-(?P<pid>\d{1,10})-(?P<start>\d{1,20})-[0-9a-f]{8}\.part\Z")
_NO_OTHER_SIZES: Final = "the network does not run at other sizes than the training's"
_NO_IMAGES: Final = "there is no image input"
_REFUSED: Final = "torch.export does not leave these dimensions open"
_DIFFERS: Final = "with open dimensions the file does not give what PyTorch gives"


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an export made.

    Attributes:
        file: The ONNX file.
        sidecar: The JSON file beside it.
        metadata: What the file says about itself: the strings in it.
        dynamic_axes: Dimensions that are free: of batch, height and width.
        fixed_because: Why the others are not; empty when all are.
        results: The comparisons with PyTorch.
    """

    file: Path
    sidecar: Path
    metadata: Mapping[str, str]
    dynamic_axes: tuple[str, ...]
    fixed_because: str
    results: tuple[Measured, ...]

    @property
    def difference(self) -> float:
        """The largest difference: levels of 255 or 65535, or for float outputs in units of max(1, largest value)."""
        return max(result.difference for result in self.results)

    @property
    def unit(self) -> str:
        """The unit of `difference`."""
        return str(json.loads(self.metadata["verification"])["unit"])


def export_opened(
    opened: Opened,
    *,
    name: str | None,
    output: Path | None,
    float_only: bool,
    opset: int,
    tolerance: float,
) -> Report:
    """Export from an opened run or checkpoint; see `translate.exporting.export`."""
    _check_opset(opset)
    plan = make_plan(opened.game, name, opened.step)
    suffix = ".float.onnx" if float_only else ".onnx"
    target = output or opened.run_folder / "exports" / f"{plan.name}{suffix}"
    _check_target(target)
    with _workshop(target) as folder:
        file = folder / target.name
        document, results = _first_that_fits(plan, file, float_only=float_only, opset=opset, tolerance=tolerance)
        sidecar = folder / target.with_suffix(".json").name
        sidecar.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        for made in sorted(folder.iterdir(), key=lambda path: path == file):  # the model last: with it all is there
            files.fsync(made)
            made.replace(target.parent / made.name)
        files.fsync(target.parent)
    properties = as_properties(document)
    _announce(target, properties)
    return Report(
        file=target,
        sidecar=target.with_suffix(".json"),
        metadata=properties,
        dynamic_axes=tuple(document["dynamic_axes"]),
        fixed_because=document["fixed_because"],
        results=tuple(results),
    )


def _first_that_fits(
    plan: Plan, file: Path, *, float_only: bool, opset: int, tolerance: float
) -> tuple[dict[str, Any], list[Measured]]:
    """Try with free sizes first, then with fewer open dimensions.

    Raises:
        ModelFileError: Torch cannot export it, or the file differs from PyTorch.
    """
    module = traced_module(plan, float_only=float_only)
    levels = LEVELS if plan.size is not None and plan.free_size else LEVELS[1:]
    because = "" if levels is LEVELS else _NO_IMAGES if plan.size is None else _NO_OTHER_SIZES
    last = ModelFileError("nothing was tried", where=plan.name)
    for level in levels:
        try:
            return _attempt(plan, module, file, level, because, float_only=float_only, opset=opset, tolerance=tolerance)
        except _Unfit as exc:
            last, because = exc.error, exc.because
            if exc.final:
                break
    raise last


class _Unfit(Exception):  # noqa: N818  # control flow between the two functions around it
    """A file with these open dimensions is not to be had."""

    def __init__(self, error: ModelFileError, because: str, *, final: bool = False) -> None:
        super().__init__(because)
        self.error, self.because, self.final = error, because, final


def _attempt(
    plan: Plan,
    module: Any,
    file: Path,
    level: Level,
    because: str,
    *,
    float_only: bool,
    opset: int,
    tolerance: float,
) -> tuple[dict[str, Any], list[Measured]]:
    document = describe(plan, level=level, float_only=float_only, opset=opset, fixed_because=because)

    def write() -> None:
        to_file(module, plan, file, level=level, float_only=float_only, opset=opset, metadata=as_properties(document))

    try:
        write()
    except OSError as exc:
        raise _disk_error(file, exc) from exc
    except Exception as exc:
        raise _Unfit(_cannot(plan, exc), _REFUSED) from exc
    results = verify(file, module, plan, level=level, float_only=float_only, tolerance=tolerance)
    if not results[-1].fits:
        failed = results[-1]
        final = failed.case.trained and not failed.problem
        raise _Unfit(_differs(plan, failed, tolerance), _DIFFERS, final=final)
    document = with_measurement(document, results, tolerance)
    _set_metadata(file, as_properties(document))
    return document, results


def _set_metadata(file: Path, properties: Mapping[str, str]) -> None:
    """Write the properties, now with what was measured, into the finished file; the graph stays as it was verified."""
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, dict(properties))
    onnx.save(model, str(file))


def _check_opset(opset: int) -> None:
    import onnx

    newest = min(onnx.defs.onnx_opset_version(), NEWEST_OPSET)
    if not 18 <= opset <= newest:
        raise UsageError(f"the opset must be 18 to {newest} (got {opset})", fix="--opset 18")


def _check_target(target: Path) -> None:
    if target.suffix.lower() != ".onnx":
        raise UsageError(f"the output's name must end in .onnx (got '{target.name}')", fix="--output FILE.onnx")
    if target.exists() and not target.is_file():
        raise UsageError("the output is a folder or a special file", where=str(target), fix="--output FILE.onnx")
    sidecar = target.with_suffix(".json")
    if sidecar.exists() and not _is_ours(sidecar):
        raise UsageError(
            "the metadata would overwrite a JSON file that is not an export's",
            where=str(sidecar),
            fix="--output OTHER.onnx",
        )


def _is_ours(sidecar: Path) -> bool:
    try:
        document = json.loads(sidecar.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "format_version" in document and "size_divisor" in document


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """A hidden folder beside the target, removed at the end with whatever is left in it; and what others left."""
    folder = target.parent / f".{_place()}-{os.getpid()}-{_started()}-{secrets.token_hex(4)}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clean(target.parent)
        folder.mkdir()
        yield folder
    except OSError as exc:
        raise _disk_error(target, exc) from exc
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clean(parent: Path) -> None:
    """Remove what exports of this machine that were killed left; those that still run stay, as do all other names."""
    for path in parent.iterdir():
        match = _LEFT.match(path.name)
        if match is None or path.is_symlink() or not path.is_dir() or match["place"] != _place():
            continue
        if not processes.is_running(int(match["pid"]), int(match["start"]) or None):
            shutil.rmtree(path, ignore_errors=True)


def _place() -> str:
    """Which machine this is, without its name: whether a process of another one lives is not seen from here."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _started() -> int:
    return processes.started(os.getpid()) or 0


def _disk_error(file: Path, exc: OSError) -> MachineError:
    fix = "check that the folder may be written and has room"
    return MachineError(f"the file cannot be written ({exc.strerror or exc})", where=str(file), fix=fix)


def _cannot(plan: Plan, exc: Exception) -> ModelFileError:
    if isinstance(exc, ModelFileError):
        return exc
    lines = str(exc).strip().splitlines()
    what = f"torch cannot export '{plan.name}' ({type(exc).__name__}: {lines[0][:300] if lines else ''})"
    return ModelFileError(what, where=plan.game.pipeline.name, fix="use components that export, or report this one")


def _differs(plan: Plan, failed: Measured, tolerance: float) -> ModelFileError:
    return ModelFileError(
        f"the exported file does not give what PyTorch gives ({failed}); it is not kept",
        where=f"export '{plan.name}'",
        fix=f"report this with the pipeline; or raise the tolerance for float outputs (now {tolerance:g})",
    )


def _announce(file: Path, properties: Mapping[str, str]) -> None:
    try:
        default_manager().hook.translate_exported(file=file, metadata=properties)
    except TranslateError:
        raise
    except Exception as exc:
        what = f"a plugin failed after the export ({type(exc).__name__}: {exc}); the file is complete"
        raise PluginError(what, where=str(file), fix="translate plugins") from exc
