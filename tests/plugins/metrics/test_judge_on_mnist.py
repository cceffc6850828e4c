"""The classifier on real digits: as good as it must be, and its Frechet distance in the order of what is wrong.

    pytest -m slow tests/plugins/metrics/test_judge_on_mnist.py -n 0 -s

About half a minute for each of two trainings on one processor core.
"""

from __future__ import annotations

import copy
import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from translate_plugins.metrics.classifier import Classifier

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def idx(path: Path) -> torch.Tensor:
    raw = gzip.decompress(path.read_bytes())
    sizes = np.frombuffer(raw, ">i4", count=raw[3], offset=4)
    return torch.from_numpy(np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sizes).copy())


@pytest.fixture(scope="module")
def digits(shared_data):
    folder = shared_data / "mnist"
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    images, labels, test, test_labels = (idx(folder / f"{name}-ubyte.gz") for name in names)
    return images[:, None], labels.long(), test[:, None].float() / 255, test_labels.long()


def trained(images, labels):
    metric = Classifier()
    for part, classes in zip(images.split(5000), labels.split(5000), strict=True):
        metric.fit(part.float() / 255, classes)
    metric.fitted()
    return metric


def measured(judge, of, to, **more):
    metric = copy.deepcopy(judge)
    metric.update(of, to, **more)
    found = metric.compute()
    return found, found["frechet"][0]


def test_the_judge_is_good_and_its_distances_are_in_order(digits):
    images, labels, test, test_labels = digits
    judge = trained(images, labels)
    found, real = measured(judge, images[:10_000].float() / 255, test, label=labels[:10_000], to_label=test_labels)
    print(f"accuracy {found['accuracy'].mean():.4f}, FD(real, real) {found['frechet']}, floor {found['floor']:.2f}")
    assert found["accuracy"].mean() >= 0.98
    assert found["agreement"].mean() >= 0.975
    assert found["classes"] == 10
    assert real <= 3
    assert found["floor"] <= 4
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(test.shape, generator=generator)
    controls = {
        "noise 0.1": (test + 0.1 * noise).clamp(0, 1),
        "blur": F.avg_pool2d(test, 3, 1, 1),
        "noise 0.3": (test + 0.3 * noise).clamp(0, 1),
        "digit 1": test[test_labels == 1],
        "one image": test[:1].expand(10_000, -1, -1, -1),
    }
    others = {"digits 0 to 4": test[test_labels < 5], "uniform": torch.rand(test.shape, generator=generator)}
    distances = {name: measured(judge, of, test)[1] for name, of in (controls | others).items()}
    print({name: round(value, 1) for name, value in distances.items()})
    in_order = [real, *(distances[name] for name in controls)]
    assert in_order == sorted(in_order)
    assert distances["noise 0.1"] > 3 * real
    assert distances["noise 0.1"] < distances["digits 0 to 4"] < distances["digit 1"] / 3
    assert distances["uniform"] > 3 * distances["noise 0.3"]
    assert measured(judge, controls["digit 1"], test)[0]["classes"] == 1


def test_shuffled_labels_fail(digits):
    images, labels, test, test_labels = digits
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    found, _ = measured(trained(images[:20_000], labels[order][:20_000]), test, test, to_label=test_labels)
    print(f"accuracy with shuffled labels {found['accuracy'].mean():.4f}")
    assert found["accuracy"].mean() < 0.3
