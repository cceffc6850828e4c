"""The pieces that the sections of a pipeline are read with; problems are collected at their positions, not raised."""

from __future__ import annotations

import difflib
import keyword
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from translate.components import Catalogue, Entry, Kind, PluginLookupError
from translate.errors import Problem, did_you_mean
from translate.pipeline.document import Document
from translate.pipeline.expressions import Expression, ExpressionError, parse_expression
from translate.pipeline.settings import DataKeys, Path_, Schedulable, Section, Use, problem_at
from translate.signatures import literals, pydantic_message, type_text

SectionT = TypeVar("SectionT", bound=Section)

TOP_LEVEL = (
    "description", "extends", "data", "latents", "schedules", "networks", "flow", "losses", "turns", "training",
    "phases", "preview", "inference", "export", "evaluation",
)  # fmt: skip
DATA_KEYS = frozenset(DataKeys.model_fields)


class Reader:
    """Reads the pieces of one document and collects problems instead of raising them.

    Args:
        document: The merged document, which knows where everything stands.
        catalogue: Where components are looked up.
        data: What is read, where it is not the document's data: that of a later phase.
        phase: Index of the phase that is read.
    """

    def __init__(
        self, document: Document, catalogue: Catalogue, *, data: Mapping[str, Any] | None = None, phase: int = 0
    ) -> None:
        self.document = document
        self.catalogue = catalogue
        self.data = document.data if data is None else data
        self.phase = phase
        self.problems: list[Problem] = []

    # -- plain values -----------------------------------------------------------------------------------------------

    def problem(
        self,
        path: Path_,
        message: str,
        *,
        of: Literal["key", "value"] = "value",
        column: int = 0,
        plugin: bool = False,
    ) -> None:
        """Record one problem at a path; `column` counts within the value, `plugin` says who is to blame."""
        problem = problem_at(self.document, path, message, of=of, column=column, phase=self.phase)
        self.problems.append(replace(problem, plugin=plugin))

    def mapping(self, path: Path_, value: Any, what: str) -> Mapping[str, Any]:
        """The value as a mapping, or a problem and an empty one."""
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self.problem(path, f"must be a mapping of {what} (got {value!r})")
            return {}
        return value

    def listed(self, path: Path_, value: Any, what: str) -> Sequence[Any]:
        """The value as a list, or a problem and an empty one."""
        if value is None:
            return ()
        if not isinstance(value, list | tuple):
            self.problem(path, f"must be a list of {what} (got {value!r})")
            return ()
        return value

    def allowed_keys(self, path: Path_, value: Mapping[str, Any], allowed: Iterable[str]) -> None:
        """Report keys that mean nothing here."""
        allowed = list(allowed)
        for key in value:
            if key not in allowed:
                text = f"no such key.{did_you_mean(key, allowed)} Keys: {', '.join(allowed)}."
                self.problem((*path, key), text, of="key")

    def free_name(self, path: Path_) -> None:
        """Report a name that no expression could use."""
        name = str(path[-1])
        if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("__"):
            text = "a name is made of letters, digits and underscores, and is no reserved word of Python"
            self.problem(path, text, of="key")

    def known(self, path: Path_, name: Any, names: Iterable[str], what: str) -> bool:
        """Whether a name is one of some; if not, report it."""
        names = list(names)
        if isinstance(name, str) and name in names:
            return True
        text = f"{name!r} is not {what}.{did_you_mean(str(name), names)} Known: {', '.join(names) or 'none'}."
        self.problem(path, text)
        return False

    def section(self, model: type[SectionT], path: Path_, value: Mapping[str, Any]) -> SectionT | None:
        """Read a closed section. With problems defaults stand in for what is wrong; None where a key has no default."""
        try:
            return model.model_validate(dict(value))
        except ValidationError as exc:
            errors = exc.errors(include_url=False)
        by_path: dict[Path_, list[Any]] = {}
        for error in errors:
            by_path.setdefault(_present(value, error), []).append(error)
        for where, found in by_path.items():
            if not any(other != where and other[: len(where)] == where for other in by_path):  # a union's other member
                self._section_problem(model, path, where, found)
        wrong = {error["loc"][0] for error in errors}
        try:
            return model.model_validate({key: item for key, item in value.items() if key not in wrong})
        except ValidationError:
            return None

    def _section_problem(self, model: type[Section], path: Path_, where: Path_, errors: Sequence[Any]) -> None:
        error = errors[0]
        place = (*path, *where)
        owner = _model_at(model, where[:-1])
        if error["type"] == "extra_forbidden":
            allowed = list(owner.model_fields)
            text = f"no such key.{did_you_mean(str(where[-1]), allowed)} Keys: {', '.join(allowed)}."
            self.problem(place, text, of="key")
        elif error["type"] == "missing":
            self.problem(place, "is required")
        elif len(errors) > 1 and where[-1] in owner.model_fields:  # the members of a union each have their say
            annotation = owner.model_fields[str(where[-1])].annotation
            found = error["input"]
            hint = did_you_mean(found, map(str, literals(annotation))) if isinstance(found, str) else ""
            self.problem(place, f"must be {type_text(annotation)} (got {found!r}).{hint}")
        else:
            self.problem(place, pydantic_message(error))

    # -- expressions and components ---------------------------------------------------------------------------------

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
        """Read a component: its name under the key of its kind, its expressions, its choices.

        Args:
            kinds: What may stand here.
            path: Where it stands.
            value: A mapping; where only one kind may stand and nothing is required, the bare name will do.
            core: Keys of the mapping that are read elsewhere.
        """
        if isinstance(value, str) and len(kinds) == 1:
            value = {kinds[0]: value}
        if not isinstance(value, Mapping):
            self.problem(path, f"must be a component, as {{{kinds[0]}: NAME, ...}} (got {value!r})")
            return None
        core = set(core)
        entry = self._entry(kinds, path, value, core)
        if entry is None:
            return None
        expressions = self._expressions(entry, path, value)
        clean = self._choices(entry, path, value, core)
        wanted = [choice.name for choice in entry.schema.choices if choice.takes_spec]
        specs = {key: self._spec((*path, key), clean[key]) for key in wanted if clean.get(key) is not None}
        return Use(
            entry=entry,
            path=path,
            written=value[entry.kind],
            choices={key: item for key, item in clean.items() if key not in specs},
            specs={key: item for key, item in specs.items() if item is not None},
            expressions=expressions,
        )

    def _entry(self, kinds: Sequence[Kind], path: Path_, value: Mapping[str, Any], core: set[str]) -> Entry | None:
        kind = next((kind for kind in kinds if kind in value), None)
        if kind is None:
            self._no_kind(kinds, path, [key for key in value if key not in core])
            return None
        name = value[kind]
        if not isinstance(name, str):
            self.problem((*path, kind), f"must be the name of a {kind} (got {name!r})")
            return None
        try:
            return self.catalogue.find(kind, name)
        except LookupError as exc:
            self.problem((*path, kind), exc.args[0], plugin=isinstance(exc, PluginLookupError))
            return None

    def _no_kind(self, kinds: Sequence[Kind], path: Path_, keys: Sequence[str]) -> None:
        needs = f"needs {' or '.join(f'`{kind}: NAME`' for kind in kinds)}"
        near = [key for key in keys if did_you_mean(key, kinds)]
        if not near:
            self.problem(path, f"{needs} (got the keys {', '.join(keys) or 'none'})")
            return
        key = max(near, key=lambda key: max(difflib.SequenceMatcher(None, key, kind).ratio() for kind in kinds))
        self.problem((*path, key), f"no such key.{did_you_mean(key, kinds)} A component {needs}.", of="key")

    def _expressions(self, entry: Entry, path: Path_, value: Mapping[str, Any]) -> dict[str, Expression]:
        expressions: dict[str, Expression] = {}
        takes = entry.schema.expressions
        for parameter, required in takes.items():
            if parameter in value:
                parsed = self.expression((*path, parameter), value[parameter])
                expressions |= {} if parsed is None else {parameter: parsed}
            elif required:
                text = f"is required: {entry.kind} '{entry.name}' takes the expressions {', '.join(takes)}."
                self.problem((*path, parameter), text)
        return expressions

    def _choices(self, entry: Entry, path: Path_, value: Mapping[str, Any], core: set[str]) -> dict[str, Any]:
        """The choices that are right, with defaults; those whose value is wrong are left out."""
        schema = entry.schema
        choices = [choice.name for choice in schema.choices]
        own = [*choices, *schema.expressions]
        origin = f"({entry.kind} '{entry.name}' from {entry.provider})"
        for key in value:
            if key not in own and key not in core and key != entry.kind:
                text = f"no such key.{did_you_mean(key, [*own, entry.kind, *sorted(core)])}"
                text += f" Parameters: {'; '.join(map(str, schema.choices)) or 'none'}."
                others = [*schema.expressions, *sorted(core)]
                text += f" Also: {', '.join(others)}." if others else ""
                self.problem((*path, key), f"{text} {origin}", of="key")
        clean, problems = schema.validate({key: item for key, item in value.items() if key in choices})
        for where, message in problems:
            self.problem((*path, *where), f"{message} {origin}")
        wrong = {where[0] for where, _ in problems}
        return {key: item for key, item in clean.items() if key not in wrong}

    def _spec(self, path: Path_, value: Any) -> Expression | dict[str, Expression] | None:
        """Expressions whose specs a network receives: one, or several by name (a list names itself)."""
        if isinstance(value, str):
            return self.expression(path, value)
        if isinstance(value, Mapping):
            parsed = {key: self.expression((*path, key), item) for key, item in value.items()}
        else:
            parsed = {item: self.expression((*path, index), item) for index, item in enumerate(value)}
        return {key: item for key, item in parsed.items() if item is not None}

    def schedulable(self, path: Path_, value: Any, schedules: Mapping[str, Use]) -> Schedulable:
        """A number, the name of a schedule, or a schedule written in place."""
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        if isinstance(value, str) and value in schedules:
            return schedules[value]
        if isinstance(value, Mapping):
            return self.use(("schedule",), path, value) or 0.0
        hint = did_you_mean(value, schedules) if isinstance(value, str) else ""
        known = f" Schedules: {', '.join(schedules)}." if schedules else ""
        self.problem(path, f"must be a number or a schedule (got {value!r}).{hint}{known}")
        return 0.0

    def uses(self, kinds: Sequence[Kind], section: str, *, core: Iterable[str] = ()) -> dict[str, Use]:
        """A section that maps free names to components."""
        found: dict[str, Use] = {}
        for name, value in self.mapping((section,), self.data.get(section), f"names to {kinds[0]}s").items():
            self.free_name((section, name))
            use = self.use(kinds, (section, name), value, core=core)
            found |= {} if use is None else {name: use}
        return found


def _present(value: Any, error: Mapping[str, Any]) -> Path_:
    """An error's path without the parts that pydantic adds for the members of unions."""
    where: list[str | int] = []
    for part in error["loc"]:
        if isinstance(part, int) or (isinstance(value, Mapping) and part in value):
            where.append(part)
            value = value[part]
        elif error["type"] == "missing" and part == error["loc"][-1]:
            where.append(part)
    return tuple(where)


def _model_at(model: type[Section], path: Path_) -> type[Section]:
    """The section model that the keys of a path lead to."""
    for part in path:
        annotation = model.model_fields[str(part)].annotation if str(part) in model.model_fields else None
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, Section):
                model = candidate
    return model
