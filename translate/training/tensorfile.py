"""Reading and writing safetensors files.

Written here rather than by the library, which gives files the mode 0600 and holds everything in memory twice: the
format is eight bytes of length, a JSON header and the tensors one after another. Read by the library, after
the header was checked field by field: so an error can name the field, and nothing is allocated for a false size.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from translate.errors import ModelFileError
from translate.foreign import printable

DTYPES: Final[Mapping[str, torch.dtype]] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}
_CODES: Final = {dtype: code for code, dtype in DTYPES.items()}
_MAX_HEADER: Final = 100_000_000  # the library's own limit


def tensor_chunks(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> tuple[int, Iterator[bytes | memoryview]]:
    """The content of a safetensors file, a piece at a time; one tensor's copy on the CPU is held at once.

    Views of shared memory (tied weights) are written in full, each under its own name.

    Args:
        tensors: Any dense tensors on any device.
        metadata: Text entries for the header.

    Returns:
        The file's size in bytes and its content in order.

    Raises:
        ValueError: A tensor that the format cannot hold; names it.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # large first: all are aligned
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    offset = 0
    for name in order:
        tensor = tensors[name]
        _check_tensor(name, tensor)
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)

    def chunks() -> Iterator[bytes | memoryview]:
        yield len(text).to_bytes(8, "little")
        yield text
        for name in order:
            if tensors[name].numel():
                yield _bytes_of(tensors[name])

    return 8 + len(text) + offset, chunks()


def read_tensors(path: Path, *, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: The file.
        device: Where the tensors are wanted.

    Returns:
        The tensors by name, and the text entries of the header.

    Raises:
        ModelFileError: The file is damaged; names the field.
    """
    _, metadata = read_header(path)
    try:
        if not _is_text(path):
            whole: dict[str, Tensor] = load(path.read_bytes())
            return {name: tensor.to(device) for name, tensor in whole.items()}, metadata
        with safe_open(path, framework="pt", device="cpu") as file:
            # Copies: what the library returns may be mapped from a file that is pruned or replaced later.
            return {name: file.get_tensor(name).clone().to(device) for name in file.keys()}, metadata  # noqa: SIM118
    except SafetensorError as exc:
        raise ModelFileError(f"the file is damaged: {exc}", where=str(path), fix=_FIX) from exc


def _is_text(path: Path) -> bool:
    """Whether a path is UTF-8, as all are that the library opens."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class TensorForm:
    """What a header says of a tensor.

    Attributes:
        dtype: Its type.
        shape: Its sizes.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]


def read_header(path: Path) -> tuple[dict[str, TensorForm], dict[str, str]]:
    """Read a file's header, and check that it is sound and fits the file's size; allocates no tensor.

    Returns:
        The forms of the tensors by name, and the text entries of the header.

    Raises:
        ModelFileError: It is damaged; names the field.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _MAX_HEADER):
            raise _damaged(path, "header length", f"{length:,} bytes in a file of {size:,}")
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as exc:
        raise _damaged(path, "header", f"not JSON ({exc})") from exc
    if not isinstance(header, dict):
        raise _damaged(path, "header", "not a mapping")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _damaged(path, "__metadata__", "not a mapping of texts")
    _check_entries(path, header, size - 8 - length)
    forms = {name: TensorForm(DTYPES[entry["dtype"]], tuple(entry["shape"])) for name, entry in header.items()}
    return forms, metadata


def _check_entries(path: Path, header: Mapping[str, Any], size: int) -> None:
    spans = sorted(_span(path, name, entry) for name, entry in header.items())
    position = 0
    for begin, end, name in spans:
        if begin != position:
            raise _damaged(path, f"{name}.data_offsets", f"begins at {begin:,} instead of {position:,}")
        position = end
    if position != size:
        raise _damaged(path, "data_offsets", f"end at {position:,} but the file holds {size:,} bytes of data")


def _span(path: Path, name: str, entry: Any) -> tuple[int, int, str]:
    if not isinstance(entry, dict):
        raise _damaged(path, name, "not a mapping")
    dtype, shape, offsets = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise _damaged(path, f"{name}.dtype", f"{dtype!r} is not one of {', '.join(DTYPES)}")
    if not _are_counts(shape):
        raise _damaged(path, f"{name}.shape", f"{shape!r} is not a list of sizes")
    if not _are_counts(offsets) or len(offsets) != 2:
        raise _damaged(path, f"{name}.data_offsets", f"{offsets!r} is not a pair of positions")
    need = math.prod(shape) * DTYPES[dtype].itemsize
    if offsets[1] - offsets[0] != need:
        raise _damaged(path, f"{name}.data_offsets", f"{offsets[1] - offsets[0]:,} bytes for a tensor of {need:,}")
    return offsets[0], offsets[1], name


def _are_counts(value: Any) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


_FIX: Final = "use another checkpoint, or copy the file again from where it came"


def _damaged(path: Path, field: str, found: str) -> ModelFileError:
    shown = f"field '{printable(field)}': {printable(found)}"
    return ModelFileError(f"the file is damaged: {shown}", where=str(path), fix=_FIX)


def _check_tensor(name: str, tensor: Tensor) -> None:
    reason = ""
    if tensor.layout != torch.strided or tensor.is_quantized:
        reason = "it is sparse or quantised"
    elif tensor.device.type == "meta":
        reason = "it has no values (meta device)"
    elif tensor.dtype not in _CODES:
        reason = f"the file format has no {tensor.dtype}"
    if reason:
        msg = f"the tensor '{name}' cannot be saved: {reason}"
        raise ValueError(msg)


def _bytes_of(tensor: Tensor) -> memoryview:
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    data: Any = plain.reshape(-1).view(torch.uint8).numpy()
    return memoryview(data)
