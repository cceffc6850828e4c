"""A look at all pictures of a data set before anything is trained: what is wrong, and what is worth a look.

Headers are read of all files. Pixels are decoded where they are asked for, where the data set is small, and of the
files whose size or end is suspicious: cut off, or too small for anything but one colour.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

from translate.data.examples import Examples
from translate.data.files_seen import Seen, look, look_inside, same_bytes
from translate.data.request import Dataset
from translate.errors import DataError
from translate.pictures import ACCEPTED, SUFFIXES, PictureInfo, shown
from translate.pictures.channels import convertible

Progress = Callable[[str, int, int], None]
"""Told the stage, how many files of it are done, and how many there are."""

SMALL: Final = 2**26  # pixels of a data set that is decoded without being asked for: a second or two
_NAMED: Final = 5
_TRIED: Final = 8
_TRIED_FULLY: Final = 10_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about the data.

    Attributes:
        kind: `unreadable`, `pair`, `size`, `mode`, `example`, `name`, `duplicate`, `constant` or `left_out`.
        where: The file, files or folder, as they can be printed.
        what: What there is to say, with what can be done.
        wrong: Whether training would fail, or learn from wrong pairs; otherwise it is worth a look.
    """

    kind: str
    where: str
    what: str
    wrong: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


@dataclass(slots=True)
class Survey:
    """What was found.

    Attributes:
        examples: Examples of each split that there is.
        pictures: What the files of each field are, in words.
        findings: Wrong ones first.
        files: How many files were looked at.
        decoded: How many of them were decoded.
    """

    examples: dict[str, int] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    decoded: int = 0

    @property
    def wrong(self) -> list[Finding]:
        """What must be mended."""
        return [finding for finding in self.findings if finding.wrong]

    @property
    def remarks(self) -> list[Finding]:
        """What is worth a look."""
        return [finding for finding in self.findings if not finding.wrong]


def survey(
    splits: Mapping[str, Examples],
    *,
    others: Iterable[Path] = (),
    full: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> Survey:
    """Look at all files of a data set.

    Args:
        splits: The examples of each split that there is, as they are trained and measured on.
        others: Files that belong to it and are in no split, such as those without a partner.
        full: Decode every picture, whatever it takes.
        progress: Told how far it is.
    """
    listed = {split: _files(examples.dataset) for split, examples in splits.items()}
    held = (path for files in listed.values() for column in files.values() for path in column)
    paths = list(dict.fromkeys([*held, *others]))
    seen: dict[Path, Seen] = {}
    for done, path in enumerate(paths):
        seen[path] = look(path)
        progress("headers", done + 1, len(paths))
    everything = full or sum(one.pixels for one in seen.values()) <= SMALL
    chosen = [path for path, one in seen.items() if not one.error and (everything or one.suspicious)]
    for done, path in enumerate(chosen):
        look_inside(path, seen[path])
        progress("pixels", done + 1, len(chosen))
    result = Survey({split: len(examples.dataset) for split, examples in splits.items()})
    result.files, result.decoded = len(paths), len(chosen)
    names = dict.fromkeys(name for files in listed.values() for name in files)
    of_field = {name: _of_field(name, listed) for name in names}
    result.pictures = {name: _in_words(files, seen) for name, files in of_field.items()}
    found = [*_unreadable(seen), *_pairs(splits, listed, seen), *_channels(splits, listed, seen)]
    known = {finding.where for finding in found}
    found += [finding for finding in _tried(splits, listed, seen, full=full) if finding.where not in known]
    found += [*_modes(of_field, seen), *_names(seen), *_constant(seen)]
    found += [*_duplicates(of_field, seen), *_left_out(paths)]
    result.findings = sorted(found, key=lambda finding: not finding.wrong)
    return result


def _files(dataset: Dataset) -> dict[str, Sequence[Path]]:
    ask: Any = getattr(dataset, "files", None)
    return {name: [Path(path) for path in column] for name, column in ask().items()} if callable(ask) else {}


def _of_field(name: str, listed: Mapping[str, Mapping[str, Sequence[Path]]]) -> dict[Path, str]:
    """The files of a field, each with the splits that it is in."""
    splits: dict[Path, list[str]] = defaultdict(list)
    for split, files in listed.items():
        for path in files.get(name, ()):
            splits[path].append(split)
    return {path: "/".join(dict.fromkeys(held)) for path, held in splits.items()}


def _unreadable(seen: Mapping[Path, Seen]) -> Iterator[Finding]:
    for path, one in seen.items():
        if one.error is not None:
            yield Finding("unreadable", one.error.where or shown(path), one.error.sentences)


def _pairs(
    splits: Mapping[str, Examples], listed: Mapping[str, Mapping[str, Sequence[Path]]], seen: Mapping[Path, Seen]
) -> Iterator[Finding]:
    """Files that belong together and have different shapes; another resolution is fine."""
    for split, examples in splits.items():
        files = listed[split]
        for group in examples.groups:
            for a, b in combinations([name for name in group if name in files], 2):
                for first, second in zip(files[a], files[b], strict=False):
                    one, other = seen[first].info, seen[second].info
                    if one and other and not _same_shape(one, other):
                        sizes = f"{_size(one)} and {_size(other)} (height x width)"
                        what = f"the pictures of a pair have different shapes: {sizes}. Crop one, or remove the pair"
                        yield Finding("pair", f"{shown(first)} and {shown(second)}", what)


def _same_shape(a: PictureInfo, b: PictureInfo) -> bool:
    return abs(a.height * b.width - b.height * a.width) <= max(a.height, a.width, b.height, b.width)


def _channels(
    splits: Mapping[str, Examples], listed: Mapping[str, Mapping[str, Sequence[Path]]], seen: Mapping[Path, Seen]
) -> Iterator[Finding]:
    """Files whose channels cannot be converted into those of their field."""
    for split, examples in splits.items():
        for name, paths in listed[split].items():
            spec = examples.images.get(name)
            for path in dict.fromkeys(paths) if spec else ():
                info = seen[path].info
                if info and spec and not convertible(info.channels, spec.channels):
                    what = f"the picture has {info.channels} channels, and the field '{name}' has {spec.channels}"
                    yield Finding("mode", shown(path), what)


def _tried(
    splits: Mapping[str, Examples],
    listed: Mapping[str, Mapping[str, Sequence[Path]]],
    seen: Mapping[Path, Seen],
    *,
    full: bool,
) -> Iterator[Finding]:
    """Examples of unusual size, made as training makes them; of a data set without files, some or many."""
    told = set()
    for split, examples in splits.items():
        count = len(examples.dataset)
        for index in _unusual(listed[split], seen, count) if listed[split] else _spread(count, full=full):
            try:
                examples.try_out(index)
            except DataError as exc:
                if str(exc) not in told:
                    told.add(str(exc))
                    yield Finding("example", exc.where or split, exc.sentences)


def _unusual(files: Mapping[str, Sequence[Path]], seen: Mapping[Path, Seen], count: int) -> list[int]:
    """The first example, and those of the smallest and largest pictures, whose files can be read.

    An example holds the file of its number in each field, and begins again where a field has fewer.
    """
    columns = [paths for paths in files.values() if paths]
    bad = {path for path, one in seen.items() if one.error}
    good = [index for index in range(count) if not any(column[index % len(column)] in bad for column in columns)]
    found = good[:1]
    for column in columns:
        first: dict[Path, int] = {}
        for index in good:
            first.setdefault(column[index % len(column)], index)
        sizes = {index: info[:2] for path, index in first.items() if (info := seen[path].info)}
        if len(set(sizes.values())) < 2:
            continue
        usual = Counter(sizes.values()).most_common(1)[0][0]
        found += [index for index, size in sizes.items() if size != usual][:_NAMED]
        for ordered in (sizes.items(), [(index, size[::-1]) for index, size in sizes.items()]):
            by_side = sorted(ordered, key=lambda item: item[1])
            found += [by_side[0][0], by_side[-1][0]]
    return list(dict.fromkeys(found))


def _spread(count: int, *, full: bool) -> Sequence[int]:
    most = _TRIED_FULLY if full else _TRIED
    return range(0, count, max(1, -(-count // most)))


def _modes(of_field: Mapping[str, Mapping[Path, str]], seen: Mapping[Path, Seen]) -> Iterator[Finding]:
    """Fields whose files are not all of one kind: converted by rule, but seldom meant."""
    for name, files in of_field.items():
        kinds: dict[str, list[Path]] = defaultdict(list)
        for path in files:
            info = seen[path].info
            if info is not None:
                kinds[_kind(info)].append(path)
        if len(kinds) > 1:
            _, *others = sorted(kinds.items(), key=lambda item: -len(item[1]))
            rest = "; ".join(f"{kind}: {_some(paths)}" for kind, paths in others)
            counts = ", ".join(f"{len(paths)} {kind}" for kind, paths in kinds.items())
            what = f"the pictures of '{name}' are of several kinds ({counts}) and are converted into one. {rest}"
            yield Finding("mode", "", what, wrong=False)


def _names(seen: Mapping[Path, Seen]) -> Iterator[Finding]:
    wrong = {path: one for path, one in seen.items() if not one.error and one.named_wrongly}
    for path, one in wrong.items():
        what = f"the file holds {one.format}, though its name says {shown(path.suffix)}; it is read by what it holds"
        yield Finding("name", shown(path), what, wrong=False)


def _constant(seen: Mapping[Path, Seen]) -> Iterator[Finding]:
    for path, one in seen.items():
        if one.constant:
            yield Finding("constant", shown(path), "every pixel of the picture has the same value", wrong=False)


def _duplicates(of_field: Mapping[str, Mapping[Path, str]], seen: Mapping[Path, Seen]) -> Iterator[Finding]:
    told = set()
    for name, files in of_field.items():
        inside = [path for path in files if not seen[path].error and not seen[path].constant]
        by_pixels: dict[Any, list[Path]] = defaultdict(list)
        by_size: dict[int, list[Path]] = defaultdict(list)
        for path in inside:
            if seen[path].digest is not None:
                by_pixels[seen[path].digest].append(path)
            else:
                by_size[seen[path].bytes].append(path)
        groups = [*by_pixels.values(), *(group for paths in by_size.values() for group in same_bytes(paths))]
        for group in groups:
            if len(group) < 2 or (key := tuple(group)) in told:
                continue
            told.add(key)
            splits = list(dict.fromkeys(files[path] for path in group))
            across = f", in {' and '.join(splits)}: what is measured was learnt" if len(splits) > 1 else ""
            what = f"the same picture {len(group)} times in '{name}'{across}: {_some(group[1:])}"
            yield Finding("duplicate", shown(group[0]), what, wrong=False)


def _left_out(paths: Sequence[Path]) -> Iterator[Finding]:
    """Files beside the pictures that are not read, and why."""
    known = set(paths)
    for folder in dict.fromkeys(path.parent for path in paths):
        hidden, others = 0, Counter[str]()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        hidden += 1
                    elif folder / entry.name not in known and entry.is_file():
                        others[os.path.splitext(entry.name)[1].lower() or "no suffix"] += 1
        except OSError:
            continue
        parts = [f"{count} of {shown(kind)}" for kind, count in others.most_common() if kind not in SUFFIXES][:_NAMED]
        parts += [f"{hidden} hidden"] if hidden else []
        if parts:
            what = f"files that are no pictures by their name are left out ({', '.join(parts)})"
            yield Finding("left_out", shown(folder), f"{what}. Accepted are {ACCEPTED}", wrong=False)


def _in_words(files: Mapping[Path, str], seen: Mapping[Path, Seen]) -> str:
    infos = [info for path in files if (info := seen[path].info)]
    if not infos:
        return f"{len(files)} files, none of them readable"
    heights, widths = {info.height for info in infos}, {info.width for info in infos}
    if len(heights) == len(widths) == 1:
        sizes = _size(infos[0])
    else:
        sizes = f"{min(heights)} to {max(heights)} high and {min(widths)} to {max(widths)} wide"
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(map(_kind, infos)).most_common())
    return f"{len(files)} files, {sizes}, {kinds}"


def _kind(info: PictureInfo) -> str:
    name = {1: "grey", 3: "colour"}.get(info.channels, f"of {info.channels} channels")
    return f"{name} of 16 bits" if info.bits == 16 else name


def _size(info: PictureInfo) -> str:
    return f"{info.height}x{info.width}"


def _some(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return ", ".join(shown(path) for path in paths[:_NAMED]) + more
