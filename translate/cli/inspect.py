"""`translate inspect RUN`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from translate.cli.options import ExternalData
from translate.cli.tables import print_table
from translate.errors import UsageError
from translate.foreign import printable, refuse_pickled

if TYPE_CHECKING:
    from translate.training.inventory import ComponentInside, Inventory
    from translate.training.tensorfile import TensorForm

_LISTED = 8  # steps of other checkpoints
_MOST = 1e9  # a larger difference is no measurement
_TENSORS = ("TENSOR", "TYPE", "SHAPE")


def command(
    path: Annotated[
        Path, typer.Argument(help="A run, one of its checkpoints, an .onnx or a .safetensors file.", metavar="PATH")
    ],
    *,
    tensors: Annotated[bool, typer.Option("--tensors", help="List the tensors of a checkpoint's networks.")] = False,
    external_data: ExternalData = False,
) -> None:
    """Show what a run, a checkpoint or a file of weights holds. Nothing of it is built, and no plugin is needed.

    Of a run: the newest intact checkpoint, its networks, and every component with who supplied it and what to install
    where it is missing. Of an exported file: what it takes and makes.
    """
    if path.is_file():
        _show_file(path, tensors=tensors, external_data=external_data)
        return
    from translate.pictures import shown
    from translate.plugin_manager import default_manager
    from translate.training.inventory import take_inventory

    if external_data:
        raise UsageError("--external-data is for an .onnx file", fix="leave it out")
    inventory = take_inventory(path, default_manager().catalogue)
    typer.echo(f"{shown(inventory.path)}: intact")
    _show_facts(_facts_of(inventory))
    typer.echo()
    print_table(
        ("NETWORK", "TENSORS", "VALUES", "AVERAGE", "COMPONENT"),
        [
            (
                part.name,
                str(len(part.tensors)),
                f"{part.values:,}",
                "yes" if part.is_averaged else "no",
                printable(part.component),
            )
            for part in inventory.networks
        ],
    )
    typer.echo()
    print_table(
        ("COMPONENT", "SUPPLIED BY", "HERE"),
        [
            *(
                (f"{each.recorded.kind} {each.recorded.name}", str(each.recorded.provider), _here(each))
                for each in inventory.components
            ),
            *((printable(line, 80), "no distribution", "unknown") for line in inventory.unnamed),
        ],
    )
    if inventory.missing:
        typer.echo(f"\nto open it: pip install {' '.join(inventory.missing)}")
    if tensors:
        typer.echo()
        rows = [row for part in inventory.networks for row in _rows(part.tensors, prefix=f"{part.name}/")]
        print_table(_TENSORS, rows)


def _facts_of(inventory: Inventory) -> dict[str, str]:
    run = inventory.run
    versions = {"translate-images": run.get("translate"), "Python": run.get("python"), **(run.get("versions") or {})}
    data = run.get("data")
    examples = data.get("examples") if isinstance(data, Mapping) else None
    others = ", ".join(map(str, inventory.others))
    if len(inventory.others) > _LISTED:
        others = f"{len(inventory.others)} from {inventory.others[0]} to {inventory.others[-1]}"
    return {
        "step": f"{inventory.step}{f' (others: {others})' if others else ''}",
        "pipeline": ": ".join(filter(None, [inventory.pipeline, inventory.description])),
        "seed": str(run.get("seed", "")),
        "data": f"{examples} examples" if examples is not None else "",
        "made with": ", ".join(f"{name} {version}" for name, version in versions.items() if version),
    }


def _here(component: ComponentInside) -> str:
    if component.here is None:
        return "not loaded: translate plugins" if component.is_installed else "no"
    same = component.here.version == component.recorded.provider.version
    return "yes" if same else f"yes, {component.here.version}"


def _show_file(path: Path, *, tensors: bool, external_data: bool) -> None:
    from translate.pictures import shown

    refuse_pickled(path)
    if path.suffix.lower() == ".onnx":
        if tensors:
            raise UsageError("--tensors: those of an exported file are not listed", fix="give the run it is made from")
        _show_onnx(path, external_data=external_data)
    elif external_data:
        raise UsageError("--external-data is for an .onnx file", fix="leave it out")
    elif path.suffix.lower() == ".safetensors":
        from translate.training.tensorfile import read_header

        found, entries = read_header(path)
        typer.echo(f"{shown(path)}: {path.stat().st_size / 1e6:.1f} MB")
        _show_facts({printable(name, 40): text for name, text in entries.items()})
        typer.echo()
        print_table(_TENSORS, list(_rows(found)))
    else:
        raise UsageError(
            f"'{shown(path)}' is no run, checkpoint, .onnx or .safetensors file",
            fix="give a run's folder, such as runs/demo",
        )


def _show_onnx(path: Path, *, external_data: bool) -> None:
    from translate.inference import Translator
    from translate.pictures import shown

    translator = Translator(path, external_data=external_data)
    known = translator.metadata
    facts = {
        "made by": str(known.get("created_by", "")),
        "export": str(known.get("export", "")),
        "pipeline": str(known.get("description", "")),
        "step": str(known.get("step", "")),
        "sizes": _sizes(known),
        "verified": _difference(known.get("verification")),
    }
    typer.echo(f"{shown(path)}: {path.stat().st_size / 1e6:.1f} MB")
    _show_facts(facts)
    typer.echo()
    rows = [
        (info.name, info.kind, info.dtype, _shape(info.shape), _meaning(info.law, info.classes))
        for info in translator.inputs
    ]
    print_table(("INPUT", "KIND", "TYPE", "SHAPE", "MEANING"), rows)
    typer.echo(f"\noutput: {printable(translator.output)}" + (", a picture" if translator.makes_pictures else ""))


def _difference(verified: Any) -> str:
    """What the export was found to differ by, if it says so with a number."""
    found = verified.get("largest_difference") if isinstance(verified, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < _MOST:
        return ""
    return f"differs from PyTorch by at most {found:.3g} {verified.get('unit', '')}"


def _sizes(known: Mapping[str, Any]) -> str:
    free = known.get("dynamic_axes")
    if not isinstance(free, list):
        return ""
    divisor = f", sides divisible by {known['size_divisor']}" if "height" in free else ""
    return f"free: {', '.join(map(str, free)) or 'none'}{divisor}"


def _meaning(law: Mapping[str, Any] | None, classes: int | None) -> str:
    if law is not None:
        return printable("drawn: " + ", ".join(f"{key} {value}" for key, value in law.items()))
    return "" if classes is None else f"one of {classes} classes"


def _shape(shape: Iterable[int | None]) -> str:
    return " x ".join("any" if side is None else str(side) for side in shape) or "1 value"


def _rows(tensors: Mapping[str, TensorForm], prefix: str = "") -> Iterable[tuple[str, str, str]]:
    for name, form in tensors.items():
        yield printable(f"{prefix}{name}"), str(form.dtype).removeprefix("torch."), _shape(form.shape)


def _show_facts(facts: Mapping[str, str]) -> None:
    width = max(map(len, facts), default=0)
    for name, text in facts.items():
        if text:
            typer.echo(f"{name:<{width}}  {printable(text)}")
