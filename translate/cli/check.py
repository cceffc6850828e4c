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
    remarks = [*missing, *(str(one) for one in found.remarks)]
    misfit = _checked(loaded, splits["train"], found, [] if problems else remarks)
    if strict:
        problems, remarks = problems + remarks, []
    if problems:
        for remark in remarks:
            typer.echo(f"worth a look: {remark}", err=True)
        if misfit:
            typer.echo(misfit.block(), err=True)
        raise WrongDataError(problems, "mend these, or remove the files, then run the same command again")
    if misfit:
        raise misfit


def _opened(pipeline: Pipeline, refused: Problems) -> tuple[dict[str, Examples], list[str]]:
    """The examples of each split, and what is missing; the split of the training must be there."""
    from translate.data.examples import Examples
    from translate.pipeline.opening import open_dataset, stream_settings

    splits, missing = {}, []
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
            if pipeline.metrics and split == pipeline.evaluation.split:
                missing.append(f"nothing can be measured on '{split}': {_line(exc)}")
    return splits, missing


def _checked(pipeline: Pipeline, examples: Examples, found: Survey, remarks: Sequence[str]) -> PipelineError | None:
    """Check the shapes, and sum up what was checked where nothing is wrong."""
    from translate.pipeline.checking import check

    try:
        game = check(pipeline, examples.fields)
    except PipelineError as exc:
        return exc
    if found.wrong:
        return None
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
    if found.files:
        others = ", ".join(f"{count} {split}" for split, count in found.examples.items())
        rest = "" if found.decoded == found.files else f", {found.decoded} decoded (--full decodes all)"
        typer.echo(f"  files: {found.files} looked at{rest}; examples: {others}")
    for remark in remarks:
        typer.echo(f"  worth a look: {remark}")
    return None


def _line(error: DataError) -> str:
    return f"{error.where}: {error.sentences}" if error.where else error.sentences
