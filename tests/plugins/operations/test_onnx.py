"""The operations that stand between networks at inference, in onnxruntime, at sizes that were not traced."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from translate_plugins.operations.add import add
from translate_plugins.operations.augment import Augment
from translate_plugins.operations.blur import blur
from translate_plugins.operations.boundaries import boundaries
from translate_plugins.operations.chroma import chroma
from translate_plugins.operations.edges import edges
from translate_plugins.operations.lab_to_rgb import lab_to_rgb
from translate_plugins.operations.lightness import lightness
from translate_plugins.operations.mirror import mirror
from translate_plugins.operations.negative import negative
from translate_plugins.operations.noise import Noise
from translate_plugins.operations.one_hot import one_hot
from translate_plugins.operations.paste import paste
from translate_plugins.operations.rotate import rotate
from translate_plugins.operations.sample_code import SampleCode
from translate_plugins.operations.to_classes import ToClasses

pytestmark = pytest.mark.slow

SIZES = [(2, 12, 18), (1, 20, 15), (3, 9, 9)]


class All(nn.Module):
    """Every operation, on an image, a patch for its hole, a mask and a label."""

    def __init__(self) -> None:
        super().__init__()
        self.augment, self.noise, self.sample = Augment(), Noise(), SampleCode()
        self.to_classes = ToClasses(palette=[[0, 0, 0], [200, 30, 60], [90, 255, 10]])

    def forward(self, image: Tensor, patch: Tensor, mask: Tensor, label: Tensor) -> dict[str, Tensor]:
        light, colour = lightness(image), chroma(image)
        classes = self.to_classes(image)
        return {
            "blur": blur(image, times=2),
            "edges": edges(image),
            "negative": negative(image),
            "rotate": rotate(image),
            "mirror": mirror(image, image.mean((1, 2, 3))[:, None] - 0.5),
            "boundaries": boundaries(classes),
            "add": add(image, negative(image), image),
            "centre": paste(patch, image),
            "mask": paste(patch, image, mask),
            "lightness": light,
            "chroma": colour,
            "again": lab_to_rgb(light, colour),
            "classes": classes,
            "one_hot": one_hot(label, classes=4),
            "augment": self.augment(image),
            "noise": self.noise(image, 0.5),
            "code": self.sample(torch.cat([image, image], dim=1)),
        }


def inputs(count, height, width):
    torch.manual_seed(count)
    mask = torch.full((count, 1, height, width), -1.0)
    for n in range(count):
        mask[n, :, n + 1 : n + 5, 2 * n + 1 : 2 * n + 5] = 1.0  # a hole of 6 with an overlap of 1
    image = torch.rand(count, 3, height, width) * 2 - 1
    return image, torch.randn(count, 3, 6, 6), mask, torch.randint(4, (count,))


@contextlib.contextmanager
def quiet():
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    logging.disable(before)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    batch, height, width = (torch.export.Dim(name) for name in ("batch", "height", "width"))
    image = {0: batch, 2: height, 3: width}
    path = tmp_path_factory.mktemp("onnx") / "operations.onnx"
    with quiet(), torch.no_grad():
        traced = torch.export.export(
            All().eval(),
            inputs(*SIZES[0]),
            dynamic_shapes=(image, {0: batch}, image, {0: batch}),
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )
        torch.onnx.export(traced, (), dynamo=True, opset_version=18, verbose=False).save(str(path))
    return path


@pytest.mark.parametrize("size", SIZES)
def test_onnxruntime_gives_the_same(file, size):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    values = inputs(*size)
    with torch.no_grad():
        expected = All().eval()(*values)
    given = {entry.name: value.numpy() for entry, value in zip(session.get_inputs(), values, strict=True)}
    found = dict(zip(expected, session.run(None, given), strict=True))
    for name, value in expected.items():
        assert found[name].shape == tuple(value.shape), name
        assert np.abs(found[name] - value.numpy()).max() < 2e-5, name
