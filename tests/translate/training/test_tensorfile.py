"""Our safetensors files and the library's are the same thing; damaged headers are named."""

import json
import struct

import pytest
import safetensors.torch
import torch

from translate.errors import ModelFileError
from translate.training.tensorfile import DTYPES, TensorForm, read_header, read_tensors, tensor_chunks


def write(path, tensors, metadata=None):
    size, chunks = tensor_chunks(tensors, metadata or {})
    path.write_bytes(b"".join(chunks))
    assert path.stat().st_size == size
    return path


def all_dtypes():
    return {f"x.{name}": (torch.arange(6) % 2).reshape(2, 3).to(dtype) for name, dtype in DTYPES.items()} | {
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 3),
        "none": torch.zeros(3, 0, dtype=torch.int64),
    }


def bits(tensor):
    return tensor.dtype, tensor.shape, tensor.contiguous().reshape(-1).view(torch.uint8).tolist()


def test_the_library_reads_what_we_write(tmp_path):
    tensors = all_dtypes()
    path = write(tmp_path / "a.safetensors", tensors, {"format": "pt"})
    found = safetensors.torch.load_file(path)
    assert {k: bits(v) for k, v in found.items()} == {k: bits(v) for k, v in tensors.items()}


def test_we_read_what_the_library_writes(tmp_path):
    tensors = all_dtypes()
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors", metadata={"who": "library"})
    found, metadata = read_tensors(tmp_path / "a.safetensors")
    assert {k: bits(v) for k, v in found.items()} == {k: bits(v) for k, v in tensors.items()}
    assert metadata == {"who": "library"}


def test_views_ties_and_strides_are_written_in_full(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    tensors = {"a": base, "tied": base, "part": base[1:], "turned": base.t(), "channels": base[None, None].contiguous()}
    found, _ = read_tensors(write(tmp_path / "a", tensors))
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_what_is_read_does_not_hang_on_the_file(tmp_path):
    path = write(tmp_path / "a", {"a": torch.ones(1000)})
    found, _ = read_tensors(path)
    with path.open("r+b") as file:
        file.truncate(0)
    assert found["a"].sum() == 1000


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (torch.zeros(2).to_sparse(), "sparse"),
        (torch.zeros(2, device="meta"), "meta"),
        (torch.zeros(2, dtype=torch.complex128), "complex128"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_by_name(tensor, says):
    with pytest.raises(ValueError, match=f"'layer.w' cannot be saved: .*{says}"):
        tensor_chunks({"layer.w": tensor}, {})


def damaged_file(path, change, data=8):
    header = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * data)
    return path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda h: h["w"].update(dtype="F31"), "'w.dtype'"),
        (lambda h: h["w"].update(shape=[-2]), "'w.shape'"),
        (lambda h: h["w"].update(shape=[2.0]), "'w.shape'"),
        (lambda h: h["w"].update(shape=[2**40, 2**40]), "'w.data_offsets'"),
        (lambda h: h["w"].update(data_offsets=[8, 16]), "'w.data_offsets'"),
        (lambda h: h["w"].update(data_offsets=[8, 0]), "'w.data_offsets'"),
        (lambda h: h["w"].update(data_offsets=None), "'w.data_offsets'"),
        (lambda h: h["w"].update(data_offsets=[0, 2**50], shape=[2**48]), "'data_offsets'"),
        (lambda h: h.update(w=3), "'w'"),
        (lambda h: h.update(v=h["w"]), "'w.data_offsets'"),
        (lambda h: h.update(__metadata__={"a": 1}), "'__metadata__'"),
    ],
)
def test_a_damaged_header_is_named_before_anything_is_read(tmp_path, change, says):
    path = damaged_file(tmp_path / "a", change)
    with pytest.raises(ModelFileError, match=says) as caught:
        read_header(path)
    assert caught.value.where == str(path)


def test_a_name_in_it_cannot_move_the_terminal(tmp_path):
    header = json.dumps({"a\x1b[31m" + "b" * 1000: 5}).encode()
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelFileError, match=r"a\?\[31mb+': not a mapping") as caught:
        read_tensors(tmp_path / "x.safetensors")
    assert len(caught.value.what) < 400


def test_a_sound_header_passes(tmp_path):
    assert read_header(damaged_file(tmp_path / "a", lambda h: None)) == ({"w": TensorForm(torch.float32, (2,))}, {})


@pytest.mark.parametrize(
    "content", [b"", b"123", struct.pack("<Q", 2**60), struct.pack("<Q", 2) + b"[]", b"\2" + b"\0" * 7 + b"{x"]
)
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ModelFileError, match="header"):
        read_tensors(tmp_path / "a")


def test_data_behind_the_last_tensor_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="data_offsets"):
        read_header(damaged_file(tmp_path / "a", lambda h: None, data=9))
