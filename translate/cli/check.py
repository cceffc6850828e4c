"""`translate check`: everything that can be wrong, before anything is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from translate.cli.progress import progress_bars
from translate.errors import DataError, PipelineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translate.data.examples import Examples
    from translate.data.request import Problems
    from translate.data.survey import Survey
    from translate.pipeline.game import Game
    from translate.pipeline.settings import Pipeline


class WrongDataError(DataError):
    """The data is wrong; holds all that was found, not only the first."""

    def __init__(self, problems: Sequence[str], fix: str) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"the data has {count} problem{'s' if count != 1 else ''}", fix=fix)

    def block(self) -> str:
        """All problems, one line each, below the heading."""
        first, *rest = super().block().splitlines()
        return "\n".join([first, *(f"  {problem}" for problem in self.problems), *rest])


def command(
    pipeline: Annotated[str, typer.Argument(help="Name of a shipped pipeline, or path of a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Settings as key=value.", metavar="[KEY=VALUE]...")
    ] = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Decode every picture, also of a large data set (without: headers).")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave with exit code 3 for what is worth a look, too.")
    ] = False,
) -> None:
    """Check keys, names, types, all files of the data, and all shapes, and report every problem at once.

    Of the data: files that cannot be read, pairs by name and by size, kinds of pictures, duplicates, pictures of one
    colour. What training would fail at, or learn wrongly, is a problem; the rest is worth a look.
    """
    from translate.pipeline import load_pipeline

    loaded = load_pipeline(pipeline, overrides or [])

    from translate.data.request import Problems
    from translate.data.survey import survey

    refused = Problems()
    splits, missing = _opened(loaded, refused)
    with progress_bars() as progress:
        found = survey(splits, others=refused.files, full=full, progress=progress)
    problems = list(dict.fromkeys([*(_line(error) for error in refused.errors), *(str(one) for one in found.wrong)]))
    measured = loaded.evaluation.split if loaded.metrics else None
    remarks = [f"nothing can be measured on '{split}': {line}" for split, line in missing.items() if split == measured]
    remarks += [str(one) for one in found.remarks]
    others = [f"no split '{split}': {line}" for split, line in missing.items() if split != measured]
    if strict:
        problems, remarks = problems + remarks, []
    game = _checked(loaded, splits["train"])
    if problems:
        for line in [*others, *(f"worth a look: {remark}" for remark in remarks)]:
            typer.echo(line, err=True)
        if isinstance(game, PipelineError):
            typer.echo(game.block(), err=True)
        raise WrongDataError(problems, "mend these, or remove the files, then run the same command again")
    if isinstance(game, PipelineError):
        raise game
    _sum_up(loaded, splits["train"], game, found, others)
    for remark in remarks:
        typer.echo(f"  worth a look: {remark}")


def _opened(pipeline: Pipeline, refused: Problems) -> tuple[dict[str, Examples], dict[str, str]]:
    """The examples of each split, and why another one cannot be opened; that of the training must be there."""
    from translate.data.examples import Examples
    from translate.pipeline.opening import open_dataset, stream_settings

    splits, missing = {}, {}
    for split in ("train", "val", "test"):
        settings = stream_settings(pipeline, train=split == "train")
        try:
            splits[split] = Examples(open_dataset(pipeline, split, refused), settings)
        except DataError as exc:
            if split == "train":
                if refused.errors:
                    fix = "mend these, then run the same command again"
                    raise WrongDataError(
                        [_line(error) for error in dict.fromkeys([*refused.errors, exc])], fix
                    ) from exc
                raise
            missing[split] = _line(exc)
    return splits, missing


def _checked(pipeline: Pipeline, examples: Examples) -> Game | PipelineError:
    """The networks, or what is wrong with their shapes."""
    from translate.pipeline.checking import check

    try:
        return check(pipeline, examples.fields)
    except PipelineError as exc:
        return exc


def _sum_up(pipeline: Pipeline, examples: Examples, game: Game, found: Survey, others: Sequence[str]) -> None:
    """Say what was checked, where nothing is wrong."""
    typer.echo(f"{pipeline.name}: no problems")
    fields = ", ".join(f"{name} {spec}" for name, spec in examples.fields.items())
    typer.echo(f"  data: {len(examples.dataset)} examples of {fields}")
    for name, network in game.networks.items():
        use = pipeline.networks[name]
        count = sum(parameter.numel() for parameter in network.parameters())
        takes = ", ".join(map(str, game.network_inputs[name].inputs))
        typer.echo(f"  {name}: {use.entry.kind} {use.name}({takes}), {count:,} parameters")
    for name, words in found.pictures.items():
        typer.echo(f"  pictures of {name}: {words}")
    for line in others:
        typer.echo(f"  {line}")
    if found.files:
        counts = ", ".join(f"{count} {split}" for split, count in found.examples.items())
        rest = "" if found.decoded == found.files else f", {found.decoded} decoded (--full decodes all)"
        typer.echo(f"  files: {found.files} looked at{rest}; examples: {counts}")


def _line(error: DataError) -> str:
    return f"{error.where}: {error.sentences}" if error.where else error.sentences
