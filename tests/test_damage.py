"""Every key, name and number of every shipped pipeline is damaged in turn: each must be reported at its line.

Two texts of each pipeline are damaged: the file as it is shipped, and the resolved pipeline, which has every key that
there is. A damage goes the way of `translate check`: load, open the data (a folder with a few pictures), check on the
meta device. The result must be a `PipelineError` (exit code 2) whose problems all have a line; anything else is a bug.

- A key or a name gets one slip of the finger (a letter dropped, doubled, or two swapped; chosen by a seed). It has a
  right answer, the word as it was: at least 95 % of the damages must be answered with it, on the line of the damage.
- A number becomes a text, and a huge negative number; a truth value becomes a text.
- Names that the author of the file chose (of networks, values, losses, turns, exports, metrics) have no right answer
  where they stand as keys. Renaming one must be reported if something else in the file refers to it, else it is legal.
- Texts that are the user's own (the description, names of folders) name nothing, and a layer of a `stack` with another
  number is another layer (its own tests damage those). Weights, labels of losses, thresholds, values of schedules
  and the lower end of the value range have no smallest value.

A fixed sample of the damages of each pipeline is tried by default, all of them with `-m slow`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from small_sets import SETTINGS, data_of, write_small_sets

from translate.errors import PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.dumping import dump
from translate.pipeline.expressions import functions, names
from translate.pipeline.loading import all_expressions, find_document
from translate.pipeline.merging import apply_overrides
from translate.pipeline.opening import open_stream
from translate.pipeline.settings import Pipeline
from translate.plugin_manager import default_manager

SHIPPED = sorted(default_manager().catalogue.pipelines)
FREE_NAMES = ("networks", "flow", "losses", "latents", "schedules", "turns", "export", "evaluation.metrics")
FREE_TEXTS = re.compile(r"description|data\.(root|folder|folders.*)|networks\.\w+\.layers\.\d+")
NAMING = ("networks", "flow", "losses", "latents", "schedules")
UNBOUNDED = re.compile(
    r"(phases\.\d+\.)?losses\.\w+\.(weight|a|b|c)|(schedules\.\w+|.*\.lr)\.(initial|final|values\.\d+)"
    r"|turns\.\w+\.skip_below(\.\w+)?|data\.value_range\.0|latents\.\w+\.(value|low)"
)
SAMPLE = 10
WORD = re.compile(r"[^\W\d]\w*")
ENOUGH = 0.95

PathOf = tuple[str | int, ...]


@dataclass(frozen=True)
class Damage:
    """One damaged text.

    Attributes:
        what: For messages.
        text: The damaged pipeline.
        line: Where the damage is.
        right: The right answer, if there is one.
        legal: Whether the damaged text may be right.
    """

    what: str
    text: str
    line: int
    right: str | None = None
    legal: bool = False


@dataclass(frozen=True)
class Planned:
    """A damage that is not done yet: of thousands only a few may be wanted."""

    what: str
    data: dict[str, Any]
    path: PathOf
    change: Callable[[Any, Any], Any]
    right: str | None = None
    legal: bool = False

    def done(self) -> Damage:
        """Do it."""
        text = dump(changed(self.data, self.path, self.change))
        pairs = zip(dump(self.data).splitlines(), text.splitlines(), strict=False)
        line = next(number for number, (before, after) in enumerate(pairs, 1) if before != after)
        return Damage(self.what, text, line, self.right, self.legal)


@dataclass(frozen=True)
class Outcome:
    damage: Damage
    wrong: str
    answered: bool


# -- damaging ---------------------------------------------------------------------------------------------------------


def slip(word: str, chance: random.Random, taken: set[str] = frozenset()) -> str:
    """The word with one slip of the finger that is not one of some words."""
    ways = []
    for at in range(len(word)):
        ways.append(word[: at + 1] + word[at:])
        ways += [word[:at] + word[at + 1 :]] if len(word) > 1 else []
        ways += [word[:at] + word[at + 1] + word[at] + word[at + 2 :]] if at + 1 < len(word) else []
    ways = [way for way in ways if way.isidentifier() or not word.isidentifier()]  # else it is no name any more
    return chance.choice([way for way in ways if way != word and way not in taken])


def places(value: Any, path: PathOf = ()) -> Iterator[tuple[PathOf, Any]]:
    """Every path with its value, the root left out."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key), item
        yield from places(item, (*path, key))


def changed(data: dict[str, Any], path: PathOf, change: Callable[[Any, Any], Any]) -> dict[str, Any]:
    """A copy in which `change(container, key)` has made a new container of the one that holds the path."""
    copy = deepcopy(data)
    holders = [copy]
    for part in path[:-1]:
        holders.append(holders[-1][part])
    new = change(holders[-1], path[-1])
    if len(path) == 1:
        return new
    holders[-2][path[-2]] = new
    return copy


def renamed(container: dict[str, Any], key: str, *, new: str) -> dict[str, Any]:
    return {new if old == key else old: item for old, item in container.items()}


def replaced(container: Any, key: Any, *, new: Any) -> Any:
    container[key] = new
    return container


def damages(pipeline: Pipeline, data: dict[str, Any], name: str) -> Iterator[Planned]:
    for path, value in places(data):
        dotted = ".".join(map(str, path))
        chance = random.Random(f"{name} {dotted}")
        if isinstance(path[-1], str):
            yield damaged_key(pipeline, data, path, chance)
        if isinstance(value, str) and not FREE_TEXTS.fullmatch(dotted):
            yield from damaged_names(data, path, value, chance)
        elif isinstance(value, int | float):
            wrong: list[Any] = ["many"] if isinstance(value, bool) else ["many", type(value)(-1_000_000_007)]
            for new in wrong:
                legal = new != "many" and bool(UNBOUNDED.fullmatch(dotted))
                yield Planned(f"{dotted} = {new}", data, path, partial(replaced, new=new), legal=legal)


def damaged_key(pipeline: Pipeline, data: dict[str, Any], path: PathOf, chance: random.Random) -> Planned:
    key = str(path[-1])
    above = ".".join(str(part) for part in path[:-1] if part != "phases" and not isinstance(part, int))
    new = slip(key, chance, {other[-1] for other, _ in places(data) if other[:-1] == path[:-1]})
    change, what = partial(renamed, new=new), f"{'.'.join(map(str, path))} -> {new}"
    if above in FREE_NAMES:
        return Planned(what, data, path, change, legal=not is_referred_to(pipeline, above, key))
    return Planned(what, data, path, change, right=key)


def is_referred_to(pipeline: Pipeline, section: str, name: str) -> bool:
    """Whether something refers to a free name."""
    expressions = [expression for _, expression, _ in all_expressions(pipeline)]
    turns = [turn for phase in pipeline.phases for turn in phase.turns.values()]
    baseline = pipeline.evaluation.baseline
    referring = {
        "networks": set().union(*map(functions, expressions), *(turn.learn for turn in turns)),
        "flow": set().union(*map(names, expressions), [baseline.instead_of] if baseline else []),
        "latents": set().union(*map(names, expressions)),
        "schedules": set().union(*map(names, expressions)),
        "losses": set().union(*(turn.losses or () for turn in turns)),
    }
    return name in referring.get(section, ())


def damaged_names(data: dict[str, Any], path: PathOf, value: str, chance: random.Random) -> Iterator[Planned]:
    defined = {name for section in NAMING for name in data.get(section) or ()}
    for word in WORD.finditer(value):
        new = slip(word.group(), chance, defined)  # G_ab for G_ba is a mistake too, but nobody can tell
        text = value[: word.start()] + new + value[word.end() :]
        change = partial(replaced, new=text)
        yield Planned(f"{'.'.join(map(str, path))} = {text}", data, path, change, right=word.group())


# -- trying -----------------------------------------------------------------------------------------------------------


def run(text: str, file: Path) -> Pipeline:
    """What `translate check` does."""
    file.write_text(text, encoding="utf-8")
    pipeline = load_pipeline(file)
    check(pipeline, open_stream(pipeline, "train", batch_size=pipeline.training.batch_size).fields)
    return pipeline


def attempt(damage: Damage, file: Path) -> Outcome:
    try:
        run(damage.text, file)
    except PipelineError as exc:
        unplaced = [
            str(problem) for problem in exc.problems if problem.position.line < 1 or problem.position.column < 1
        ]
        return Outcome(damage, f"without a line: {unplaced}" if unplaced else "", answered(damage, exc))
    except BaseException as exc:
        return Outcome(damage, f"{type(exc).__name__}: {exc}", answered=False)
    return Outcome(damage, "" if damage.legal else "accepted", answered=False)


def answered(damage: Damage, exc: PipelineError) -> bool:
    """Whether a problem on the line of the damage suggests the right answer."""
    texts = [problem.message for problem in exc.problems if problem.position.line == damage.line]
    hints = [hint for text in texts for hint in re.findall(r"Did you mean (.*?)\?", text)]
    return any(repr(damage.right) in hint for hint in hints)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for the damaged files, with data for every dataset that reads folders."""
    root = tmp_path_factory.mktemp("damage")
    write_small_sets(root / "data", size=16)
    return root


@pytest.fixture(scope="module")
def outcomes(folder: Path) -> Callable[..., list[Outcome]]:
    @cache
    def of(name: str, sample: int | None = SAMPLE) -> list[Outcome]:
        listed = [planned for text in texts(name) for planned in damages(*text, name)]
        if sample is not None:
            listed = random.Random(name).sample(listed, min(sample, len(listed)))
        return [attempt(planned.done(), folder / "damaged.yaml") for planned in listed]

    def texts(name: str) -> Iterator[tuple[Pipeline, dict[str, Any]]]:
        """The pipeline, resolved and as shipped; where the user must say where the data is, it is said."""
        open_pipeline = load_pipeline(name, complete=False)
        asks = open_pipeline.resolved["data"].get("root") == "???"
        place = data_of(name, open_pipeline.dataset.name, folder / "data")
        given = [f"data.root={place}"] if asks else []
        given += SETTINGS["draw"] if name == "draw" else []  # 64 glimpses take ten times what the others do
        pipeline = load_pipeline(name, given)
        run(dump(pipeline.resolved), folder / "right.yaml")  # what is damaged was right before
        yield pipeline, dict(pipeline.resolved)
        yield pipeline, apply_overrides(find_document(name, default_manager().catalogue), given).data

    return of


# -- tests ------------------------------------------------------------------------------------------------------------


def check_lines(found: list[Outcome]) -> None:
    wrong = [f"{outcome.damage.what}: {outcome.wrong}" for outcome in found if outcome.wrong]
    assert not wrong, f"{len(wrong)} of {len(found)} damages:\n" + "\n".join(wrong)


def check_answers(name: str, found: list[Outcome]) -> None:
    slips = [outcome for outcome in found if outcome.damage.right]
    right = sum(outcome.answered for outcome in slips)
    unanswered = [outcome.damage.what for outcome in slips if not outcome.answered]
    print(f"{name}: {len(found)} damages, {right} of {len(slips)} slips answered")
    assert right >= ENOUGH * len(slips), f"{right} of {len(slips)} answered; not:\n" + "\n".join(unanswered)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_damage_is_an_error_with_a_line_and_a_slip_is_answered(name, outcomes):
    found = outcomes(name)
    assert len(found) == SAMPLE
    check_lines(found)
    check_answers(name, found)


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", SHIPPED)
def test_every_damage_is_an_error_with_a_line_and_every_slip_is_answered(name, outcomes):
    found = outcomes(name, None)
    check_lines(found)
    check_answers(name, found)


def test_the_harness_notices_a_bad_suggestion_and_a_wrong_place(folder, outcomes):
    damage = next(outcome.damage for outcome in outcomes("demo") if outcome.answered)
    file = folder / "damaged.yaml"
    assert attempt(damage, file).answered
    assert not attempt(replace(damage, right="something else"), file).answered
    assert not attempt(replace(damage, line=damage.line + 1), file).answered
    assert attempt(replace(damage, text=dump(load_pipeline("demo").resolved)), file).wrong == "accepted"
