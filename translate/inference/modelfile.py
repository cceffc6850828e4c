"""Looking into an ONNX file before it is given to onnxruntime: is it one, how new, and does it read other files?

ONNX is protobuf: fields of a number and a wire type. Only the path to places where a model can name another file is
followed; everything else is skipped by its length. The numbers are those of `onnx.proto`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from translate.errors import ModelFileError
from translate.foreign import printable, refuse_pickled

MAX_BYTES: Final = 2**31 - 1
_MAX_DEPTH: Final = 64
_LONGEST_NAME: Final = 80  # of a library of operators in a message
REMEDY: Final = "export it again, or copy it again from where it came"

# What is read at most: the runtime's own limits can be switched off by a variable of the environment.
NEWEST_OPSET: Final = 28
NEWEST_IR: Final = 14
# Operators of other names come from a library of somebody's; none is ever loaded. The last are the runtime's own.
_DOMAINS: Final = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
_IR_VERSION: Final = 1
_OPSET_IMPORT: Final = 8
_FUNCTION: Final = 25
_FUNCTION_DOMAIN: Final = 10

# Which fields of a message hold messages that can lead to a tensor, and of what kind they are.
_CHILDREN: Final[Mapping[str, Mapping[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA: Final = 13
_DATA_LOCATION: Final = 14


class _MalformedError(ValueError):
    """Not protobuf."""


def read_model(path: Path, *, external_data: bool) -> bytes | None:
    """The content of an ONNX file, or None where it lawfully has external data and must be opened by its path.

    Raises:
        ModelFileError: It is missing, too large, too new, damaged, needs operators of others, or reads other files than
            it may.
    """
    content = _content(path)
    refuse_pickled(path, content[:4])
    try:
        _check_versions(path, memoryview(content))
        locations = set(_locations(memoryview(content), "model", 0))
    except _MalformedError as exc:
        raise _damaged(path, str(exc)) from exc
    if not locations:
        return content
    if not external_data:
        raise ModelFileError(
            "the file reads its weights from other files, which is not allowed unless asked for",
            where=str(path),
            fix="if you trust it, as your own export above 1.5 GB: add --external-data (in Python Translator(file, "
            "external_data=True)); else have it exported as one file",
        )
    for location in locations:
        _check_contained(path, location)
    return None


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            what = "is a folder or a special file" if path.exists() else "there is no such file"
            raise ModelFileError(
                f"{what}: '{path.name}'", where=str(path), fix="give an ONNX file: `translate export RUN`"
            )
        if path.stat().st_size > MAX_BYTES:
            raise ModelFileError("more than 2 GB: not an ONNX file", where=str(path), fix=REMEDY)
        content = path.read_bytes()
    except (OSError, ValueError) as exc:  # ValueError: a name with a null character
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ModelFileError(f"the file cannot be read ({reason})", where=str(path)) from exc
    if not content:
        raise _damaged(path, "it is empty")
    return content


def _damaged(path: Path, why: str) -> ModelFileError:
    return ModelFileError(f"not an ONNX file, or damaged ({why})", where=str(path), fix=REMEDY)


def _check_versions(path: Path, data: memoryview) -> None:
    """Refuse formats and operators that no library here knows, before a runtime looks for them."""
    known = set(_DOMAINS) | {_text(dict(_fields(value)).get(_FUNCTION_DOMAIN)) for value in _messages(data, _FUNCTION)}
    for version in (value for number, value in _fields(data) if number == _IR_VERSION):
        if isinstance(version, int) and version > NEWEST_IR:
            raise _newer(path, f"version {version} of the ONNX format", NEWEST_IR)
    for value in _messages(data, _OPSET_IMPORT):
        entry = dict(_fields(value))
        domain, version = _text(entry.get(1)), entry.get(2, 0)
        if domain not in known:
            name = printable(domain, _LONGEST_NAME)
            raise ModelFileError(
                f"the file needs operators of '{name}'; libraries of operators are never loaded here",
                where=str(path),
                fix="export it with the operators of ONNX alone",
            )
        if domain in _DOMAINS[:2] and isinstance(version, int) and version > NEWEST_OPSET:
            raise _newer(path, f"operator set {version}", NEWEST_OPSET)


def _messages(data: memoryview, number: int) -> Iterator[memoryview]:
    return (value for found, value in _fields(data) if found == number and isinstance(value, memoryview))


def _text(value: int | memoryview | None) -> str:
    """A text of a file."""
    return bytes(value).decode("utf-8", "replace") if isinstance(value, memoryview) else ""


def _newer(path: Path, what: str, known: int) -> ModelFileError:
    fix = "export it for an older one, or pip install --upgrade translate-images"
    return ModelFileError(f"the file has {what}; this version reads up to {known}", where=str(path), fix=fix)


def _check_contained(path: Path, location: str) -> None:
    beside = path.parent / location
    plain = location and location == Path(location).name and location not in {".", ".."} and "\\" not in location
    if not plain or beside.is_symlink() or not beside.is_file():
        raise ModelFileError(
            f"the file's weights are said to be in '{printable(location)}', which is not an ordinary file beside it",
            where=str(path),
            fix=REMEDY,
        )


def _locations(data: memoryview, kind: str, depth: int) -> Iterator[str]:
    """Names of the files that a message's tensors read."""
    if depth > _MAX_DEPTH:
        msg = "nested too deeply"
        raise _MalformedError(msg)
    children = _CHILDREN.get(kind, {})
    if kind == "tensor":
        yield from _tensor_locations(data)
        return
    for number, value in _fields(data):
        if number not in children or not isinstance(value, memoryview):
            continue
        yield from _locations(value, children[number], depth + 1)


def _tensor_locations(data: memoryview) -> Iterator[str]:
    """Where a tensor reads its values; an empty name where it is external and does not say."""
    external, found = False, []
    for number, value in _fields(data):
        if number == _DATA_LOCATION:
            external = external or value == 1
        elif number == _EXTERNAL_DATA and isinstance(value, memoryview):
            external = True
            entry = {key: bytes(item) for key, item in _fields(value) if isinstance(item, memoryview)}
            if entry.get(1) == b"location":
                found.append(entry.get(2, b"").decode("utf-8", "replace"))
    if external:
        yield from found or [""]


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an integer, or the bytes of a length-delimited one."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(data, position)
        elif wire in {1, 5}:
            length = 8 if wire == 1 else 4
        else:
            msg = f"a field of an unknown type at byte {position}"
            raise _MalformedError(msg)
        if number == 0 or position + length > len(data):
            msg = "it is cut off, or its lengths are wrong"
            raise _MalformedError(msg)
        if wire == 2:
            yield number, data[position : position + length]
        position += length


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        result |= (byte & 127) << shift
        if byte < 128:
            return result, position
    msg = "it is cut off, or its lengths are wrong"
    raise _MalformedError(msg)
