"""From a document to typed settings: every name looked up, every parameter checked, all problems collected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from translate.components import Catalogue, Kind
from translate.data.transforms import check_transforms
from translate.errors import Position, Problem, did_you_mean
from translate.optimizers import check_optimizer
from translate.pipeline.document import Document
from translate.pipeline.expressions import Expression, ExpressionError, Name, functions, names, parse_expression
from translate.pipeline.settings import (
    SIDE_OF_KIND,
    SIDES,
    DataKeys,
    Export,
    ExportKeys,
    OptimizerSettings,
    Path_,
    Phase,
    Schedulable,
    Section,
    Side,
    Term,
    Turn,
    Use,
)
from translate.signatures import pydantic_message

SectionT = TypeVar("SectionT", bound=Section)

TOP_LEVEL = (
    "description", "extends", "data", "latents", "schedules", "networks", "flow", "losses", "turns", "training",
    "phases", "preview", "inference", "export", "evaluation",
)  # fmt: skip
DATA_KEYS = frozenset(DataKeys.model_fields)
PHASE_KEYS = ("start", "flow", "losses", "turns", "training")
OPTIMIZER_KEYS = frozenset({"name", "lr", "clip_norm", "clip_value", "clip_weights"})
DEFAULT_OPTIMIZER: Mapping[str, Any] = {"name": "adam", "lr": 2.0e-4, "betas": [0.5, 0.999]}


class Reader:
    """Reads the sections of one document and collects problems instead of raising them.

    Args:
        document: The merged document.
        catalogue: Where components are looked up.
        root: Path put before every reported path, for the sections of a phase.
    """

    def __init__(self, document: Document, catalogue: Catalogue) -> None:
        self.document = document
        self.catalogue = catalogue
        self.problems: list[Problem] = []

    # -- problems ---------------------------------------------------------------------------------------------------

    def problem(self, path: Path_, message: str, *, of: Literal["key", "value"] = "value", column: int = 0) -> None:
        """Record one problem at a path; `column` counts within the value."""
        position = self.document.position(path, of=of)
        if column and position.line:
            position = Position(position.file, position.line, position.column + column)
        self.problems.append(Problem(position, ".".join(map(str, path)), message))

    def mapping(self, path: Path_, value: Any, what: str) -> Mapping[str, Any]:
        """The value as a mapping, or a problem and an empty one."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problem(path, f"must be a mapping of {what} (got {value!r})")
            return {}
        return value

    def allowed_keys(self, path: Path_, value: Mapping[str, Any], allowed: Iterable[str]) -> None:
        """Report keys that mean nothing here."""
        allowed = list(allowed)
        for key in value:
            if key not in allowed:
                text = f"no such key.{did_you_mean(key, allowed)} Keys: {', '.join(allowed)}."
                self.problem((*path, key), text, of="key")

    # -- pieces -----------------------------------------------------------------------------------------------------

    def section(self, model: type[SectionT], path: Path_, value: Mapping[str, Any]) -> SectionT:
        """Read a closed section; with problems, its defaults stand in."""
        try:
            return model.model_validate(dict(value))
        except ValidationError as exc:
            for error in exc.errors(include_url=False):
                self._section_problem(model, path, value, error)
        good = {key: item for key, item in value.items() if self._fits(model, key, item)}
        try:
            return model.model_validate(good)
        except ValidationError:
            return model.model_construct(**{**dict.fromkeys(model.model_fields), **good})

    def _section_problem(self, model: type[Section], path: Path_, value: Any, error: Mapping[str, Any]) -> None:
        where: list[str | int] = []
        for part in error["loc"]:
            inside = value
            for step in where:
                inside = inside[step]
            present = isinstance(part, int) or (isinstance(inside, Mapping) and part in inside)
            if not present and error["type"] != "missing":
                continue
            where.append(part)
        if error["type"] == "extra_forbidden":
            allowed = list(_model_at(model, where[:-1]).model_fields)
            text = f"no such key.{did_you_mean(str(where[-1]), allowed)} Keys: {', '.join(allowed)}."
            self.problem((*path, *where), text, of="key")
        elif error["type"] == "missing":
            self.problem((*path, *where), "is required")
        elif not any(problem.path == ".".join(map(str, (*path, *where))) for problem in self.problems):
            self.problem((*path, *where), pydantic_message(error))

    @staticmethod
    def _fits(model: type[Section], key: str, item: Any) -> bool:
        if key not in model.model_fields:
            return False
        try:
            model.__pydantic_validator__.validate_assignment(model.model_construct(), key, item)
        except ValidationError as exc:
            return all(error["type"] == "frozen_instance" for error in exc.errors())
        return True

    def expression(self, path: Path_, value: Any) -> Expression | None:
        """Parse an expression."""
        if not isinstance(value, str):
            self.problem(path, f"must be an expression such as `G(source)` (got {value!r})")
            return None
        try:
            return parse_expression(value)
        except ExpressionError as exc:
            self.problem(path, str(exc), column=exc.column)
            return None

    def use(self, kinds: Sequence[Kind], path: Path_, value: Any, *, core: Iterable[str] = ()) -> Use | None:
        """Read a component: its name under the key of its kind, its expressions, its choices."""
        if isinstance(value, str) and len(kinds) == 1:
            value = {kinds[0]: value}
        if not isinstance(value, Mapping):
            self.problem(path, f"must be a component, as {{{kinds[0]}: NAME, ...}} (got {value!r})")
            return None
        kind = next((kind for kind in kinds if kind in value), None)
        if kind is None:
            near = [key for key in value if did_you_mean(str(key), kinds)]
            text = f"needs {' or '.join(f'`{kind}: NAME`' for kind in kinds)}."
            if near:
                self.problem((*path, near[0]), f"no such key.{did_you_mean(near[0], kinds)} It {text}", of="key")
            else:
                self.problem(path, f"{text[0].upper()}{text[1:]} Found: {', '.join(map(str, value)) or 'nothing'}.")
            return None
        name = value[kind]
        if not isinstance(name, str):
            self.problem((*path, kind), f"must be the name of a {kind} (got {name!r})")
            return None
        try:
            entry = self.catalogue.find(kind, name)
        except LookupError as exc:
            self.problem((*path, kind), exc.args[0])
            return None
        schema = entry.schema
        core = {kind, *core}
        expressions: dict[str, Expression] = {}
        for parameter, required in schema.expressions.items():
            if parameter in value:
                parsed = self.expression((*path, parameter), value[parameter])
                if parsed is not None:
                    expressions[parameter] = parsed
            elif required:
                keys = ", ".join(schema.expressions)
                self.problem((*path, parameter), f"is required: {kind} '{name}' takes the expressions {keys}.")
        rest = {key: item for key, item in value.items() if key not in core and key not in schema.expressions}
        clean, problems = schema.validate(rest)
        for where, message in problems:
            unknown = len(where) == 1 and message.startswith("no such")
            if unknown:
                extra = [*(core - {kind}), *schema.expressions]
                names_ = [*extra, *(choice.name for choice in schema.choices)]
                shown = "; ".join([*map(str, schema.choices)]) or "none"
                message = f"no such key.{did_you_mean(str(where[0]), names_)} Parameters: {shown}."  # noqa: PLW2901
                message += f" Also: {', '.join(sorted(extra))}." if extra else ""  # noqa: PLW2901
            text = f"{message} ({kind} '{name}' from {entry.provider})"
            self.problem((*path, *where), text, of="key" if unknown else "value")
        wanted = {choice.name for choice in schema.choices if choice.takes_spec}
        specs = {key: self.spec_expressions((*path, key), clean[key]) for key in wanted if clean.get(key) is not None}
        choices = {key: item for key, item in clean.items() if key not in specs}
        return Use(entry=entry, path=path, choices=choices, specs=specs, expressions=expressions)

    def spec_expressions(self, path: Path_, value: Any) -> Expression | dict[str, Expression]:
        """Expressions whose specs a network receives: one, or several by name (a list names itself)."""
        if isinstance(value, str):
            return self.expression(path, value) or Name(value)
        items = dict(value) if isinstance(value, Mapping) else {name: name for name in value}
        parsed = {key: self.expression((*path, key), item) for key, item in items.items()}
        return {key: item for key, item in parsed.items() if item is not None}

    def schedulable(self, path: Path_, value: Any, schedules: Mapping[str, Use]) -> Schedulable:
        """A number, the name of a schedule, or a schedule written in place."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str):
            if value in schedules:
                return schedules[value]
            text = f"must be a number or a schedule (got {value!r}).{did_you_mean(value, schedules)}"
            self.problem(path, text)
            return 0.0
        if isinstance(value, Mapping):
            return self.use(("schedule",), path, value) or 0.0
        self.problem(path, f"must be a number or a schedule (got {value!r})")
        return 0.0

    def uses(self, kinds: Sequence[Kind], section: str) -> dict[str, Use]:
        """A mapping of names to components."""
        value = self.mapping((section,), self.document.data.get(section), f"names to {kinds[0]}s")
        found = {name: self.use(kinds, (section, name), item) for name, item in value.items()}
        for name in found:
            if not name.isidentifier():
                self.problem((section, name), "a name must be letters, digits and underscores", of="key")
        return {name: use for name, use in found.items() if use is not None}

    # -- sections of a phase ----------------------------------------------------------------------------------------

    def phase(self, start: int, networks: Mapping[str, Use], schedules: Mapping[str, Use]) -> Phase:
        """Read flow, losses, turns and optimisers."""
        flow = self._flow()
        losses = self._losses(schedules)
        turns = self._turns(networks, losses, schedules)
        return Phase(start=start, flow=flow, losses=losses, turns=turns, optimizers=self._optimizers(turns, schedules))

    def _flow(self) -> dict[str, Expression]:
        section = self.mapping(("flow",), self.document.data.get("flow"), "names to expressions")
        parsed = {name: self.expression(("flow", name), value) for name, value in section.items()}
        for name in parsed:
            if not str(name).isidentifier():
                self.problem(("flow", name), "a name must be letters, digits and underscores", of="key")
        return {name: expression for name, expression in parsed.items() if expression is not None}

    def _losses(self, schedules: Mapping[str, Use]) -> dict[str, Term]:
        section = self.mapping(("losses",), self.document.data.get("losses"), "names to losses")
        terms = {}
        for name, value in section.items():
            use = self.use(("loss",), ("losses", name), value, core=("weight",))
            if use is not None:
                weight = self.schedulable(("losses", name, "weight"), value.get("weight", 1.0), schedules)
                terms[name] = Term(name=name, use=use, weight=weight)
        if not section:
            self.problem(("losses",), "a pipeline needs at least one loss", of="key")
        return terms

    def _turns(
        self, networks: Mapping[str, Use], losses: Mapping[str, Term], schedules: Mapping[str, Use]
    ) -> dict[str, Turn]:
        section = dict(self.mapping(("turns",), self.document.data.get("turns"), "names to turns"))
        if all(name in SIDES for name in section):
            present = {SIDE_OF_KIND[use.entry.kind] for use in networks.values()}
            order = list(section) if len(section) == len(SIDES) else list(SIDES)
            section = {side: section.get(side, 1) for side in order if side in present}
        read = {name: self._turn(name, value, networks, losses, schedules) for name, value in section.items()}
        return {name: turn for name, turn in read.items() if turn is not None}

    def _turn(
        self,
        name: str,
        value: Any,
        networks: Mapping[str, Use],
        losses: Mapping[str, Term],
        schedules: Mapping[str, Use],
    ) -> Turn | None:
        path = ("turns", name)
        if not isinstance(value, Mapping) or "schedule" in value:
            value = {"learn": name, "steps": value}
        self.allowed_keys(path, value, ("learn", "losses", "steps", "side"))
        learn = self._learn((*path, "learn"), value.get("learn", name), networks)
        if not learn:
            return None
        chosen = value.get("losses")
        if chosen is not None:
            chosen = self._known((*path, "losses"), chosen, losses, "a loss of this pipeline")
        sides = {SIDE_OF_KIND[networks[network].entry.kind] for network in learn}
        side: Any = value.get("side", next(iter(sides)) if len(sides) == 1 else None)
        if side is None:
            self.problem((*path, "learn"), "networks of both sides learn here: say `side: generators` or `discriminators`")
            return None
        if side not in SIDES:
            text = f"must be one of {', '.join(SIDES)} (got {side!r}).{did_you_mean(str(side), SIDES)}"
            self.problem((*path, "side"), text)
            return None
        steps = self.schedulable((*path, "steps"), value.get("steps", 1), schedules)
        if isinstance(steps, float) and (steps < 0 or steps != int(steps)):
            self.problem((*path, "steps"), f"must be a whole number of at least 0 (got {steps:g})")
        return Turn(name=name, learn=tuple(learn), losses=chosen, side=side, steps=steps)

    def _learn(self, path: Path_, value: Any, networks: Mapping[str, Use]) -> list[str]:
        listed = [value] if isinstance(value, str) else value
        if not isinstance(listed, Sequence):
            self.problem(path, f"must be a network, a list of networks, or a side (got {value!r})")
            return []
        learn: list[str] = []
        for item in listed:
            of_side = [name for name, use in networks.items() if SIDE_OF_KIND[use.entry.kind] == item]
            if item in networks or of_side:
                learn += [item] if item in networks else of_side
            elif item in SIDES:
                self.problem(path, f"there are no {item} in this pipeline")
            else:
                choices = [*networks, *SIDES]
                text = f"no network is named {item!r}.{did_you_mean(str(item), choices)} Known: {', '.join(choices)}."
                self.problem(path if isinstance(value, str) else (*path, listed.index(item)), text)
        return learn

    def _known(self, path: Path_, value: Any, known: Iterable[str], what: str) -> tuple[str, ...]:
        listed = [value] if isinstance(value, str) else value
        known = list(known)
        if not isinstance(listed, Sequence):
            self.problem(path, f"must be a list of names (got {value!r})")
            return ()
        for index, item in enumerate(listed):
            if item not in known:
                text = f"{item!r} is not {what}.{did_you_mean(str(item), known)} Known: {', '.join(known) or 'none'}."
                self.problem(path if isinstance(value, str) else (*path, index), text)
        return tuple(item for item in listed if item in known)

    def _optimizers(self, turns: Mapping[str, Turn], schedules: Mapping[str, Use]) -> dict[str, OptimizerSettings]:
        path = ("training", "optimizers")
        training = self.document.data.get("training")
        given = training.get("optimizers") if isinstance(training, Mapping) else None
        section = self.mapping(path, given, "turn names or sides to optimisers")
        for key in section:
            allowed = [*turns, *(side for side in SIDES if side not in turns)]
            if key not in allowed:
                text = f"no turn of this name.{did_you_mean(key, allowed)} Turns and sides: {', '.join(allowed)}."
                self.problem((*path, key), text, of="key")
        read = {key: self._optimizer((*path, key), value, schedules) for key, value in section.items()}
        default = self._optimizer((), DEFAULT_OPTIMIZER, schedules)
        return {name: read.get(name) or read.get(turn.side) or default for name, turn in turns.items()}

    def _optimizer(self, path: Path_, value: Any, schedules: Mapping[str, Use]) -> OptimizerSettings:
        value = self.mapping(path, value, "`name: adam` and parameters")
        settings = {**({} if "name" in value else DEFAULT_OPTIMIZER), **value}
        settings.setdefault("lr", DEFAULT_OPTIMIZER["lr"])
        for where, message in check_optimizer(settings):
            self.problem((*path, *where), message, of="key" if "no such" in message else "value")
        clips = {}
        for key in ("clip_norm", "clip_value", "clip_weights"):
            number = settings.get(key)
            if number is not None and (isinstance(number, bool) or not isinstance(number, int | float) or number <= 0):
                self.problem((*path, key), f"must be a number above 0 (got {number!r})")
                number = None
            clips[key] = number
        return OptimizerSettings(
            name=str(settings["name"]),
            lr=self.schedulable((*path, "lr"), settings["lr"], schedules),
            parameters={key: item for key, item in settings.items() if key not in OPTIMIZER_KEYS},
            **clips,
        )

    # -- the rest ---------------------------------------------------------------------------------------------------

    def exports(self) -> dict[str, Export]:
        """Read `export`."""
        section = self.mapping(("export",), self.document.data.get("export"), "names to exports")
        exports = {}
        for name, value in section.items():
            keys = self.section(ExportKeys, ("export", name), self.mapping(("export", name), value, "inputs and output"))
            output = self.expression(("export", name, "output"), keys.output) if keys.output else None
            if output is not None:
                exports[name] = Export(inputs=tuple(keys.inputs or ()), output=output)
        return exports

    def expressions(self, section: str) -> tuple[Expression, ...]:
        """Read a list of expressions."""
        value = self.document.data.get(section) or []
        if not isinstance(value, Sequence) or isinstance(value, str):
            self.problem((section,), f"must be a list of expressions (got {value!r})")
            return ()
        parsed = [self.expression((section, index), item) for index, item in enumerate(value)]
        return tuple(expression for expression in parsed if expression is not None)

    def transforms(self, data: DataKeys) -> None:
        """Check the augmentation."""
        if data.transforms:
            for where, message in check_transforms(data.transforms):
                self.problem(("data", "transforms", *where), message)

    def names_known(
        self, path: Path_, expression: Expression, values: Iterable[str], callables: Iterable[str]
    ) -> None:
        """Report names and functions that do not exist."""
        values, callables = list(values), list(callables)
        for name in sorted(names(expression) - set(values)):
            text = f"no value is named '{name}'.{did_you_mean(name, values)} Values: {', '.join(values)}."
            self.problem(path, text)
        for name in sorted(functions(expression) - set(callables)):
            text = f"no network or operation is named '{name}'.{did_you_mean(name, callables)}"
            self.problem(path, f"{text} Known: {', '.join(callables)}.")


def _model_at(model: type[Section], path: Sequence[str | int]) -> type[Section]:
    """The section model that the keys of a path lead to."""
    for part in path:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, Section):
                model = candidate
    return model


def side_of(use: Use) -> Side:
    """The side on which a network learns."""
    return SIDE_OF_KIND[use.entry.kind]
