"""A static check: nothing in the source opens a stranger's file in a way that can run what is in it.

What each call would do stands in SECURITY.md. A name is followed through imports and aliases, not through variables:
this is a guard against habit, not against malice.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for folder in ("translate", "plugins", "datasets") for path in (ROOT / folder).rglob("*.py"))

MODULES = {
    "pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve",
    "torchvision.io", "torch.distributed.checkpoint", "torch.package",
}  # fmt: skip
CALLS = {
    "eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "torch.load", "torch.jit.load",
    "torch.export.load", "torch.hub.load", "torch.hub.load_state_dict_from_url", "torch.serialization.load",
    "torch.serialization.add_safe_globals", "torchvision.io.read_image", "torchvision.io.decode_image", "os.system",
    "os.popen", "os.startfile", "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.load", "yaml.load_all",
    "yaml.unsafe_load", "yaml.full_load", "numpy.load", "numpy.fromregex", "pandas.read_pickle", "onnx.hub.load",
    "shutil.unpack_archive", "urllib.request.urlopen", "urllib.request.urlretrieve",
}  # fmt: skip
METHODS = {"register_custom_ops_library", "load_from_checkpoint", "extractall", "set_dir"}
KEYWORDS = {"shell": True, "allow_pickle": True, "weights_only": False, "trust_remote_code": True}
ALLOWED = {("translate/importing/child.py", "torch.load")}
"""The one door, a process of its own."""


def uses(source: str) -> Iterator[tuple[int, str]]:
    """Line and name of each forbidden thing in a source."""
    tree = ast.parse(source)
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            known |= {name.asname or name.name.partition(".")[0]: name.name if name.asname else
                      name.name.partition(".")[0] for name in node.names}  # fmt: skip
        elif isinstance(node, ast.ImportFrom) and node.module:
            known |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{name.name}" for name in node.names)]
        for name in names:
            parts = name.split(".")
            if {".".join(parts[:length]) for length in range(1, len(parts) + 1)} & MODULES or name in CALLS:
                yield node.lineno, name
        if isinstance(node, ast.Call):
            yield from _of_call(node, known)


def _of_call(node: ast.Call, known: dict[str, str]) -> Iterator[tuple[int, str]]:
    dotted = _dotted(node.func)
    first, _, rest = dotted.partition(".")
    name = ".".join(part for part in (known.get(first, first), rest) if part)
    if name in CALLS or any(name.startswith(f"{module}.") for module in MODULES):
        yield node.lineno, name
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield node.lineno, node.func.attr
    for keyword in node.keywords:
        value = getattr(keyword.value, "value", None)
        if keyword.arg in KEYWORDS and value is KEYWORDS[keyword.arg]:
            yield node.lineno, f"{keyword.arg}={value}"


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return f"{_dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else "?"


def test_no_source_uses_a_forbidden_call():
    assert len(SOURCES) > 200
    found = [
        f"{name}:{line}: {what}"
        for path in SOURCES
        for line, what in uses(path.read_text(encoding="utf-8"))
        if ((name := path.relative_to(ROOT).as_posix()), what) not in ALLOWED
    ]
    assert not found, "\n".join(found)


def test_the_one_door_is_as_it_should_be():
    source = (ROOT / "translate" / "importing" / "child.py").read_text(encoding="utf-8")
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    calls = [node for node in nodes if _dotted(node.func) == "torch.load"]
    (call,) = calls
    assert {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords} == {
        "map_location": "'cpu'",
        "weights_only": "True",
    }
    assert [what for _, what in uses(source)] == ["torch.load"]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p\np.loads(b'')",
        "from pickle import loads",
        "import torch\ntorch.load('x')",
        "from torch import load as read\nread('x', weights_only=True)",
        "import torch as t\nt.load('x')",
        "import torch.distributed.checkpoint as dcp",
        "import torch\ntorch.export.load('x')",
        "eval('1')",
        "exec('1')",
        "__import__('os')",
        "import os\nos.system('ls')",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import yaml\nyaml.load('x', Loader=yaml.Loader)",
        "import numpy as np\nnp.load('x')",
        "import numpy as np\nnp.lib.format.read_array(f, allow_pickle=True)",
        "from torchvision.io import read_image",
        "import torchvision\ntorchvision.io.read_image('x')",
        "options.register_custom_ops_library('x.so')",
        "archive.extractall('.')",
        "read('x', weights_only=False)",
    ],
)
def test_teeth_each_forbidden_thing_is_found(source):
    assert list(uses(source)), source


def test_what_only_looks_alike_passes():
    harmless = "network.eval()\nimport re\nre.compile('x')\nimport json\njson.loads('1')\nfrom torch import nn\nload(x)"
    assert not list(uses(harmless))
