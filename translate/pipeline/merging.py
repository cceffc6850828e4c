"""One pipeline from several: `extends`, and overrides from the command line. Every value keeps its position.

Merging is deep for mappings; lists and scalars are replaced; the child wins; a null removes the key of the base (where
the base has none it stays a value, so that a misspelt key is reported and a new `norm: null` means null). Keys of the
base keep their place and new keys follow in the child's order, in every section.

When the child names another component, the parameters of the old one go, because they mean nothing to the new one; what
belongs to the game (the expressions of a loss and its weight, what a network makes, the core's keys of `data`) stays.
`keep` says which keys those are. Where a component can stand and under which key it is named is fixed for the known
sections; elsewhere any kind's key counts. `flow` holds free names (one may be called `latent`), so nothing there is a
component.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from translate.components import KINDS
from translate.errors import PipelineError, Position, Problem
from translate.pictures import shown
from translate.pipeline.composing import Node, Path_, compose, path_text
from translate.pipeline.document import Document, check_characters
from translate.pipeline.dumping import dump

__all__ = ["apply_overrides", "dump", "find_missing", "merge", "resolve_extends"]

Keep = Callable[[str, str], "frozenset[str] | None"]
"""Given the kind key and the name of a new component: the keys of the old one that stay. None = all."""

MAX_EXTENDS: Final = 16
MISSING: Final = "???"

_NO_KINDS: frozenset[str] = frozenset()
_KINDS_IN: Final[Mapping[str, frozenset[str]]] = {
    "networks": frozenset({"generator", "discriminator"}),
    "losses": frozenset({"loss"}),
    "latents": frozenset({"latent"}),
    "schedules": frozenset({"schedule"}),
    "optimizers": frozenset({"name"}),
    "metrics": frozenset({"metric"}),
}
_INDEX = re.compile(r"[0-9]{1,6}\Z")
_FORM = "write it as `section.key=value`, for example `training.steps=2000`; items of a list by number from 0"


def keep_nothing(_kind: str, _name: str) -> frozenset[str]:
    """The rule by which a replaced component takes all its keys with it."""
    return frozenset()


def merge(base: Document, child: Document, *, keep: Keep = keep_nothing) -> Document:
    """Lay a child over its base.

    Args:
        base: What is extended.
        child: What wins. Merged mappings take its position, so that problems point into the user's own file.
        keep: Which keys stay when the child names another component.

    Returns:
        A new document with the child's name; nothing is shared with the arguments.
    """
    return Document.from_tree(_merge(base.tree(), child.tree(), (), keep), child.name)


def resolve_extends(
    document: Document, load: Callable[[str, Position], Document], *, keep: Keep = keep_nothing
) -> Document:
    """Follow `extends` to the first pipeline that has none, and merge them from there on.

    Args:
        document: The pipeline; returned as it is when it extends nothing.
        load: Finds a pipeline by the name after `extends`; the position is that of the name, for its error.
        keep: As in `merge`.

    Raises:
        PipelineError: The value is not a name, the chain is a cycle or too long, or `load` raised it.
    """
    chain = [document]
    while "extends" in chain[-1].data:
        current = chain[-1]
        name, position = current.data["extends"], current.position(("extends",))
        if not isinstance(name, str) or not name.strip():
            raise _error(position, "extends", f"must be the name or the file of a pipeline (got {name!r})")
        base = load(name, position)
        shown = " -> ".join(link.name for link in [*chain, base])
        # Same name and same content: the user's own pix2pix.yaml may well extend the shipped file of that name.
        if any(link.name == base.name and link.data == base.data for link in chain):
            raise _error(position, "extends", f"the pipelines extend each other in a circle: {shown}")
        if len(chain) >= MAX_EXTENDS:
            raise _error(position, "extends", f"a chain of more than {MAX_EXTENDS} pipelines: {shown}")
        chain.append(base)
    if len(chain) == 1:
        return document
    result = _without_extends(chain.pop())
    while chain:
        result = merge(result, _without_extends(chain.pop()), keep=keep)
    return result


def apply_overrides(document: Document, overrides: Sequence[str], *, keep: Keep = keep_nothing) -> Document:
    """Apply `a.b.c=value` arguments, one after the other, by the rules of merging.

    One that names another component comes before those of its keys, wherever they stand: in `data.root=photos
    data.dataset=single_folder` the root is that of the new data set.

    Parts of the path are keys, or numbers from 0 for the items of a list; mappings on the way are made where they are
    missing. The value is one line of YAML: a scalar, `[a, b]` or `{a: b}`. `key=null` removes the key.

    Args:
        document: What is changed (a new document is returned).
        overrides: Arguments as given on the command line, split at their first `=`.
        keep: As in `merge`.

    Raises:
        PipelineError: One or more overrides are malformed or lead nowhere; holds a problem for each.
    """
    root = document.tree()
    problems: list[Problem] = []
    read: list[tuple[list[str], Node]] = []
    for override in overrides:
        try:
            path, value = _read_override(override)
            read.insert(_place(path, [before for before, _ in read]), (path, value))
        except PipelineError as exc:
            problems += exc.problems
    for path, value in read:
        try:
            root = _put(root, path, value, (), keep)
        except PipelineError as exc:
            problems += exc.problems
    if problems:
        raise PipelineError(problems)
    return Document.from_tree(root, document.name)


def find_missing(document: Document) -> list[Problem]:
    """A problem for every value that the user has still to give, `???`."""
    return _missing(document.tree(), ())


def _missing(node: Node, path: Path_) -> list[Problem]:
    if node.value == MISSING:
        where = path_text(path)
        message = f"must be given: add `{where}=VALUE` to the command line or write it in the file"
        return [Problem(node.at, where, message)]
    if isinstance(node.value, dict):
        return [problem for key, child in node.value.items() for problem in _missing(child, (*path, key))]
    if isinstance(node.value, list):
        return [problem for index, child in enumerate(node.value) for problem in _missing(child, (*path, index))]
    return []


# -- merging of nodes -------------------------------------------------------------------------------------------------


def _merge(base: Node, child: Node, path: Path_, keep: Keep) -> Node:
    if not isinstance(base.value, dict) or not isinstance(child.value, dict):
        return child
    merged = dict(base.value)
    named = _newly_named(base.value, child.value, _kind_keys(path))
    if named is not None and (staying := keep(*named)) is not None:
        merged = {key: node for key, node in merged.items() if key in staying}
    for key, node in child.value.items():
        if key not in merged:
            merged[key] = node
        elif node.value is None:
            del merged[key]
        else:
            merged[key] = _merge(merged[key], node, (*path, key), keep)
    return replace(child, value=merged)


def _kind_keys(path: Path_) -> frozenset[str]:
    """Keys that name the component at a path."""
    if len(path) > 1 and path[0] == "phases" and isinstance(path[1], int):
        path = path[2:]
    if not path or path[0] == "flow":
        return _NO_KINDS
    if len(path) == 1:
        return frozenset({"dataset"}) if path[0] == "data" else _NO_KINDS
    if len(path) == 2 or path[-2] in {"optimizers", "metrics"}:
        return _KINDS_IN.get(str(path[-2]), frozenset(KINDS))
    return frozenset(KINDS)


def _newly_named(base: Mapping[str, Node], child: Mapping[str, Node], keys: frozenset[str]) -> tuple[str, str] | None:
    """The kind key and the name of the component that the child names in place of the base's, if it does."""
    old = {key: base[key].value for key in keys & base.keys() if isinstance(base[key].value, str)}
    new = {key: child[key].value for key in sorted(keys & child.keys()) if isinstance(child[key].value, str)}
    return next(((key, str(name)) for key, name in new.items() if old and old.get(key) != name), None)


def _without_extends(document: Document) -> Document:
    data = {key: value for key, value in document.data.items() if key != "extends"}
    return replace(document, data=data)


# -- overrides --------------------------------------------------------------------------------------------------------


def _place(path: Sequence[str], before: Sequence[Sequence[str]]) -> int:
    """Where an override comes among earlier ones: the name of a component before keys that were given for it."""
    *parent, key = path
    names = _kind_keys(tuple(int(part) if _INDEX.match(part) else part for part in parent))
    place = len(before)
    if key not in names:
        return place
    for index, other in reversed(list(enumerate(before))):
        if other == parent[: len(other)] or (other[:-1] == parent and other[-1] in names):
            break  # of the whole, or of its name: the later one wins
        if other[: len(parent)] == parent:
            place = index
    return place


def _read_override(override: str) -> tuple[list[str], Node]:
    """Split `a.b.c=value` into its parts and the value as a node."""
    position = Position(file=f"command line `{shown(override)}`")
    dotted, equals, text = override.partition("=")
    path = dotted.split(".")
    if not equals:
        raise _error(position, "", f"an override needs a value; {_FORM}")
    if any(not part or part != part.strip() for part in path):
        raise _error(position, "", f"'{dotted}' is not the path of a key; {_FORM}")
    if not text.strip():
        message = f'no value; write `{dotted}=null` to remove the key, `{dotted}=""` for an empty text'
        raise _error(position, dotted, message)
    return path, _read_value(text, position, dotted)


def _read_value(text: str, position: Position, dotted: str) -> Node:
    """The value of an override: one line of YAML without block collections."""
    if "\n" in text or "\r" in text:
        raise _error(position, dotted, "a value is one line; write lists as [a, b] and mappings as {a: b}")
    check_characters(text, position.file)
    try:
        node, rest = compose(text, lambda _line, _column: position)
    except PipelineError as exc:
        inside = (path_text((dotted, *filter(None, [problem.path]))) for problem in exc.problems)
        problems = [replace(problem, path=path) for problem, path in zip(exc.problems, inside, strict=True)]
        raise PipelineError(problems) from exc
    if node is None or rest.strip():
        raise _error(position, dotted, "a '#' starts a comment in YAML; put the value in quotes")
    block = isinstance(node.value, dict | list) and not text.strip().startswith(("{", "[", "&"))
    if block or text.strip().startswith(("---", "...", "|", ">")):
        raise _error(position, dotted, "put the text in quotes, or write lists as [a, b] and mappings as {a: b}")
    return node


def _put(node: Node, parts: Sequence[str], value: Node, path: Path_, keep: Keep) -> Node:
    """The node with a value laid over what stands at the end of the path."""
    part, rest = parts[0], parts[1:]
    if isinstance(node.value, list):
        return _put_item(node, parts, value, path, keep)
    if node.value is None:
        node = replace(node, value={})
    if not isinstance(node.value, dict):
        where = path_text(path)
        message = f"`{where}` is {node.value!r}, not a mapping, so it has no key `{part}`; override `{where}` itself"
        raise _error(value.at, path_text((*path, *parts)), message)
    if not rest:
        laid = _merge(node, Node({part: value}, value.at, value.at), path, keep)
        return replace(node, value=laid.value)
    inside = node.value.get(part) or Node({}, value.at, value.at)
    return replace(node, value={**node.value, part: _put(inside, rest, value, (*path, part), keep)})


def _put_item(node: Node, parts: Sequence[str], value: Node, path: Path_, keep: Keep) -> Node:
    items = list(node.value) if isinstance(node.value, list) else []
    part, rest = parts[0], parts[1:]
    if not _INDEX.match(part) or int(part) >= len(items):
        allowed = f"items 0 to {len(items) - 1}" if items else "no items"
        message = f"`{path_text(path)}` is a list with {allowed}; '{part}' is none of them. Or give the whole list"
        raise _error(value.at, path_text((*path, *parts)), message)
    index = int(part)
    if rest:
        items[index] = _put(items[index], rest, value, (*path, index), keep)
    elif value.value is None:
        del items[index]
    else:
        items[index] = _merge(items[index], value, (*path, index), keep)
    return replace(node, value=items)


def _error(position: Position, path: str, message: str) -> PipelineError:
    return PipelineError([Problem(position, path, message)])
