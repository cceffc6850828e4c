"""Reading what a phase may change: flow, losses, turns, optimisers and the size of a batch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from translate.components import Catalogue
from translate.errors import did_you_mean
from translate.pipeline.document import Document
from translate.pipeline.expressions import Expression
from translate.pipeline.merging import merge
from translate.pipeline.reading import Reader
from translate.pipeline.settings import (
    SIDE_OF_KIND,
    SIDES,
    TERM_KEYS,
    OptimizerSettings,
    Path_,
    Phase,
    Side,
    Term,
    TrainingKeys,
    Turn,
    Use,
)
from translate.pipeline.staying import keys_that_stay

PHASE_KEYS = ("start", "flow", "losses", "turns", "training")
PHASE_TRAINING_KEYS = ("batch_size", "optimizers", "reset_optimizers")
TURN_KEYS = ("learn", "losses", "steps", "side", "skip_below", "most_skips", "fresh")
CLIPS = ("clip_norm", "clip_value", "clip_weights")
OPTIMIZER_KEYS = frozenset({"name", "lr", *CLIPS})
DEFAULT_OPTIMIZER: Mapping[str, Any] = {"name": "adam", "lr": 2.0e-4, "betas": [0.5, 0.999]}


def read_phases(reader: Reader, networks: Mapping[str, Use], schedules: Mapping[str, Use]) -> list[Phase]:
    """Read the top level as the first phase, and each entry of `phases` laid over the one before."""
    document = with_default_turns(reader.document, networks)
    first = PhaseReader(reader.document, reader.catalogue, networks, schedules, data=document.data)
    phases = [first.read(0)]
    reader.problems += first.problems
    names = set(phases[0].turns)
    for index, value in enumerate(reader.listed(("phases",), reader.data.get("phases"), "phases")):
        path: Path_ = ("phases", index)
        start = _check_phase(reader, path, value, phases[-1].start)
        if start is None:
            break  # what comes later would be laid over something unknown
        document = merge(document, _sub_document(reader.document, path), keep=keys_that_stay(reader.catalogue))
        inner = PhaseReader(
            reader.document,
            reader.catalogue,
            networks,
            schedules,
            data=document.data,
            phase=index + 1,
            earlier_turns=frozenset(names),
        )
        phases.append(inner.read(start))
        names |= set(phases[-1].turns)
        reader.problems += inner.problems
    return phases


def with_default_turns(document: Document, networks: Mapping[str, Use]) -> Document:
    """The document with both sides' turns written out, unless it lists turns of its own.

    Done once, before phases are laid over it, so that a phase cannot change the order of the turns by naming one.
    """
    section = document.data.get("turns")
    if section is not None and (not isinstance(section, Mapping) or not all(name in SIDES for name in section)):
        return document
    given = dict(section or {})
    present = {SIDE_OF_KIND[use.entry.kind] for use in networks.values()}
    order = list(given) if len(given) == len(SIDES) else list(SIDES)
    turns = {side: given.get(side, 1) for side in order if side in given or side in present}
    return replace(document, data={**document.data, "turns": turns})


def _check_phase(reader: Reader, path: Path_, value: Any, after: int) -> int | None:
    """The step at which a phase starts, if it can be read at all."""
    if not isinstance(value, Mapping):
        reader.problem(path, f"must be a phase, as `start: STEP` and what changes (got {value!r})")
        return None
    reader.allowed_keys(path, value, PHASE_KEYS)
    if isinstance(value.get("training"), Mapping):
        reader.allowed_keys((*path, "training"), value["training"], PHASE_TRAINING_KEYS)
    elif value.get("training") is not None:
        reader.problem(
            (*path, "training"),
            f"must be a mapping with any of {', '.join(PHASE_TRAINING_KEYS)} (got {value['training']!r})",
        )
        return None
    start = value.get("start")
    if not isinstance(start, int) or isinstance(start, bool):
        found = f"(got {start!r})" if "start" in value else "(it has none)"
        reader.problem((*path, "start"), f"a phase needs `start: STEP`, a whole number {found}")
        return None
    if start <= after:
        reader.problem(
            (*path, "start"), f"must be later than step {after}, where the phase before starts (got {start})"
        )
    return start


def _sub_document(document: Document, path: Path_) -> Document:
    """The part of a document below a path, without `start`, as a document of its own."""
    data: Any = document.data
    for part in path:
        data = data[part]
    positions = {key[len(path) :]: places for key, places in document.positions.items() if key[: len(path)] == path}
    inner = {key: item for key, item in data.items() if key in PHASE_KEYS and key != "start"}
    return Document(data=inner, positions=positions, name=document.name)


class PhaseReader(Reader):
    """Reads one phase.

    Args:
        document: Knows where everything stands.
        catalogue: Where components are looked up.
        networks: All networks.
        schedules: All named schedules.
        data: The merged data of this phase.
        phase: Its index.
        earlier_turns: Turns of earlier phases; they may still have optimisers.
    """

    def __init__(
        self,
        document: Document,
        catalogue: Catalogue,
        networks: Mapping[str, Use],
        schedules: Mapping[str, Use],
        *,
        data: Mapping[str, Any],
        phase: int = 0,
        earlier_turns: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(document, catalogue, data=data, phase=phase)
        self.networks = networks
        self.schedules = schedules
        self.earlier_turns = earlier_turns
        section = document.data.get("networks")
        self.broken = [name for name in section if name not in networks] if isinstance(section, Mapping) else []

    def read(self, start: int) -> Phase:
        """Read all sections of the phase."""
        flow, losses = self._flow(), self._losses()
        turns = self._turns(losses)
        keys = self._training()
        return Phase(
            start=start,
            flow=flow,
            losses=losses,
            turns=turns,
            optimizers=self._optimizers(turns),
            batch_size=keys.batch_size,
            reset_optimizers=keys.reset_optimizers,
        )

    def _training(self) -> TrainingKeys:
        """The settings of `training` in this phase."""
        section = self.mapping(("training",), self.data.get("training"), "settings")
        keys = self.section(TrainingKeys, ("training",), section) or TrainingKeys()
        if keys.batch_size % keys.parts:
            text = f"must be a multiple of accumulate x devices x nodes = {keys.parts} (got {keys.batch_size})"
            self.problem(("training", "batch_size"), text)
        return keys

    def _flow(self) -> dict[str, Expression]:
        parsed = {}
        for name, value in self.mapping(("flow",), self.data.get("flow"), "names to expressions").items():
            self.free_name(("flow", name))
            parsed[name] = self.expression(("flow", name), value)
        return {name: expression for name, expression in parsed.items() if expression is not None}

    def _losses(self) -> dict[str, Term]:
        section = self.mapping(("losses",), self.data.get("losses"), "names to losses")
        if not section:
            self.problem(("losses",), "a pipeline needs at least one loss", of="key")
        terms = {}
        for name, value in section.items():
            use = self.use(("loss",), ("losses", name), value, core=TERM_KEYS)
            if use is not None:
                given = value if isinstance(value, Mapping) else {}
                weight = self.schedulable(("losses", name, "weight"), given.get("weight", 1.0), self.schedules)
                terms[name] = Term(name=name, use=use, weight=weight, side=self._term_side(name, use, given))
        return terms

    def _term_side(self, name: str, use: Use, given: Mapping[str, Any]) -> Side | None:
        side = given.get("side")
        if side is None or not self.known(("losses", name, "side"), side, SIDES, "a side"):
            return None
        has = use.entry.schema.sides
        if "both" not in has and side.removesuffix("s") not in has:
            text = f"loss '{use.name}' has nothing to say on the side of the {side}, so this term would never count"
            self.problem(("losses", name, "side"), text)
        return cast("Side", side)

    # -- turns ------------------------------------------------------------------------------------------------------

    def _turns(self, losses: Mapping[str, Term]) -> dict[str, Turn]:
        section = self.mapping(("turns",), self.data.get("turns"), "names to turns")
        if not section and self.networks:
            self.problem(("turns",), "at least one turn is needed", of="key")
        read = {name: self._turn(name, value, losses) for name, value in section.items()}
        return {name: turn for name, turn in read.items() if turn is not None}

    def _turn(self, name: str, value: Any, losses: Mapping[str, Term]) -> Turn | None:
        path: Path_ = ("turns", name)
        steps_path: Path_ = (*path, "steps")
        if not isinstance(value, Mapping) or "schedule" in value:
            value, steps_path = {"learn": name, "steps": value}, path
        self.allowed_keys(path, value, TURN_KEYS)
        chosen = None if value.get("losses") is None else self._terms((*path, "losses"), value["losses"], losses)
        steps = self.schedulable(steps_path, value.get("steps", 1), self.schedules)
        if isinstance(steps, float) and (steps < 0 or steps != int(steps)):
            self.problem(steps_path, f"must be a whole number of at least 0 (got {steps:g})")
        skip_below = self._skip_below((*path, "skip_below"), value.get("skip_below"), losses)
        most_skips = self._most_skips((*path, "most_skips"), value.get("most_skips"), needed=skip_below is not None)
        fresh = value.get("fresh", False)
        if not isinstance(fresh, bool):
            self.problem((*path, "fresh"), f"must be true or false (got {fresh!r})")
        learn = self._learn(path, name, value)
        side = self._side(path, value, learn)
        if not learn or side is None:
            return None
        return Turn(
            name=name,
            learn=tuple(learn),
            losses=chosen,
            side=side,
            steps=steps,
            skip_below=skip_below,
            most_skips=most_skips,
            fresh=fresh is True,
        )

    def _skip_below(self, path: Path_, value: Any, losses: Mapping[str, Term]) -> float | Mapping[str, float] | None:
        if not isinstance(value, Mapping):
            of_all = "must be a number, in the unit of the turn's summed losses, or names of losses to numbers"
            return None if value is None else self._threshold(path, value, of_all)
        if not value:
            self.problem(path, "must name at least one loss, as in `skip_below: {adversarial: 0.3}`")
        given = {
            name: self._threshold((*path, name), below, "must be a number, in the unit of this loss")
            for name, below in value.items()
            if self.known((*path, name), name, losses, "a loss of this pipeline")
        }
        return {name: below for name, below in given.items() if below is not None} or None

    def _threshold(self, path: Path_, value: Any, must: str) -> float | None:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        self.problem(path, f"{must} (got {value!r})")
        return None

    def _most_skips(self, path: Path_, value: Any, *, needed: bool) -> int | None:
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.problem(path, f"must be a whole number of at least 1 (got {value!r})")
        elif not needed:
            self.problem(path, "nothing is skipped here: it stands beside `skip_below`", of="key")
        else:
            return value
        return None

    def _side(self, path: Path_, value: Mapping[str, Any], learn: Sequence[str]) -> Side | None:
        if "side" in value:
            known = self.known((*path, "side"), value["side"], SIDES, "a side")
            return cast("Side", value["side"]) if known else None
        sides = {SIDE_OF_KIND[self.networks[network].entry.kind] for network in learn}
        if len(sides) > 1:
            text = "networks of both sides learn here: say which side's losses count, `side: generators` or "
            self.problem((*path, "learn"), f"{text}`side: discriminators`")
        return sides.pop() if len(sides) == 1 else None

    def _learn(self, path: Path_, name: str, value: Mapping[str, Any]) -> list[str]:
        given = value.get("learn", name)
        if "learn" in value and given is not name:
            path = (*path, "learn")
        listed = [given] if isinstance(given, str) else self.listed(path, given, "networks")
        learn: list[str] = []
        for index, item in enumerate(listed):
            of_side = [network for network, use in self.networks.items() if SIDE_OF_KIND[use.entry.kind] == item]
            place = path if isinstance(given, str) else (*path, index)
            if isinstance(item, str) and (item in self.networks or of_side):
                learn += [item] if item in self.networks else of_side
            elif item in SIDES:
                self.problem(place, f"there are no {item} in this pipeline")
            elif item not in self.broken:
                self._no_network(place, item, own_key=given is name)
        if isinstance(given, list | tuple) and not given:
            self.problem(path, "at least one network must learn")
        return list(dict.fromkeys(learn))

    def _no_network(self, path: Path_, item: Any, *, own_key: bool) -> None:
        choices = [*self.networks, *SIDES]
        text = f"no network or side is named {item!r}.{did_you_mean(str(item), choices)} Known: {', '.join(choices)}."
        if own_key:
            text += " A turn of another name needs `learn: [NETWORK, ...]`."
        self.problem(path, text, of="key" if own_key else "value")

    def _terms(self, path: Path_, value: Any, losses: Mapping[str, Term]) -> tuple[str, ...]:
        if isinstance(value, str):
            return (value,) if self.known(path, value, losses, "a loss of this pipeline") else ()
        listed = self.listed(path, value, "losses")
        known = [self.known((*path, i), item, losses, "a loss of this pipeline") for i, item in enumerate(listed)]
        return tuple(item for item, is_known in zip(listed, known, strict=True) if is_known)

    # -- optimisers -------------------------------------------------------------------------------------------------

    def _optimizers(self, turns: Mapping[str, Turn]) -> dict[str, OptimizerSettings]:
        path = ("training", "optimizers")
        training = self.data.get("training")
        given = training.get("optimizers") if isinstance(training, Mapping) else None
        section = self.mapping(path, given, "turns or sides to optimisers")
        allowed = [*turns, *(side for side in SIDES if side not in turns)]
        for key in section:
            if key not in allowed and key not in self.earlier_turns:
                text = f"no turn of this name.{did_you_mean(key, allowed)} Turns and sides: {', '.join(allowed)}."
                self.problem((*path, key), text, of="key")
        read = {key: self._optimizer((*path, key), value) for key, value in section.items()}
        return {
            name: read.get(name) or read.get(turn.side) or self._optimizer(path, DEFAULT_OPTIMIZER)
            for name, turn in turns.items()
        }

    def _optimizer(self, path: Path_, value: Any) -> OptimizerSettings:
        from translate.optimizers import check_optimizer  # imports torch

        value = self.mapping(path, value, "`name: adam` and parameters")
        settings = {"lr": DEFAULT_OPTIMIZER["lr"], **({} if "name" in value else DEFAULT_OPTIMIZER), **value}
        for where, message in check_optimizer(settings):
            self.problem((*path, *where), message, of="key" if " is not a setting of " in message else "value")
        lr = self.schedulable((*path, "lr"), settings["lr"], self.schedules)
        if isinstance(lr, float) and lr < 0:
            self.problem((*path, "lr"), f"must be at least 0 (got {lr:g})")
        return OptimizerSettings(
            name=str(settings["name"]),
            lr=lr,
            parameters={key: item for key, item in settings.items() if key not in OPTIMIZER_KEYS},
            **{key: self._clip((*path, key), settings.get(key)) for key in CLIPS},
        )

    def _clip(self, path: Path_, value: Any) -> float | None:
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf"):
            return float(value)
        self.problem(path, f"must be a number above 0 (got {value!r})")
        return None
