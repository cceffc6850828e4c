"""Metrics on foreign weights: what is said where they are missing, and what is done where they are there.

The real weights are never needed: the arithmetic around them is checked with small networks in their place.
"""

from __future__ import annotations

import hashlib
import socket

import pytest
import torch
from torch import nn

from translate.errors import ComponentError, ModelFileError
from translate_plugins.metrics import frechet_inception, inception, kernel_inception, lpips
from translate_plugins.metrics.frechet import frechet_distance
from translate_plugins.metrics.frechet_inception import FrechetInception
from translate_plugins.metrics.kernel_inception import KernelInception
from translate_plugins.metrics.lpips import Lpips
from translate_plugins.metrics.weights import missing_weights, weights_path


@pytest.fixture(autouse=True)
def hub(tmp_path, monkeypatch):
    """An empty cache, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def refuse(*_):
        raise AssertionError("it asks the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def url_of(content):
    return f"https://example.org/net-{hashlib.sha256(content).hexdigest()[:8]}.pth"


def test_missing_and_damaged_and_whole_weights(hub):
    url = url_of(b"weights")
    assert weights_path(url).parent == hub
    assert missing_weights(url) == f"its weights are not at {weights_path(url)}. Get {url} and put the file there"
    weights_path(url).write_bytes(b"half of the wei")
    assert "is damaged or another file (its SHA-256 begins with " in missing_weights(url)
    weights_path(url).write_bytes(b"weights")
    assert missing_weights(url) is None


@pytest.mark.parametrize("kind", [FrechetInception, KernelInception])
def test_without_the_package_or_the_weights_inception_is_unavailable(kind, monkeypatch):
    monkeypatch.setattr(inception, "PACKAGE", "no_such_package")
    reason = kind().unavailable()
    assert "pip install torch-fidelity" in reason
    assert inception.URL in reason
    monkeypatch.setattr(inception, "PACKAGE", "torch")
    assert kind().unavailable().startswith("its weights are not at ")


@pytest.mark.parametrize("network", ["alex", "vgg", "squeeze"])
def test_without_its_weights_lpips_is_unavailable(network, hub):
    reason = Lpips(network=network).unavailable()
    assert str(hub) in reason
    assert "https://download.pytorch.org/models/" in reason


def test_the_addresses_are_those_of_torchvision():
    import torchvision

    names = {"alex": "AlexNet", "vgg": "VGG16", "squeeze": "SqueezeNet1_1"}
    for network, name in names.items():
        assert torchvision.models.get_weight(f"{name}_Weights.DEFAULT").url == lpips._WEIGHTS[network]


@pytest.mark.parametrize("kind", [FrechetInception, KernelInception, Lpips])
def test_a_file_that_holds_code_is_not_loaded(kind, hub, tmp_path):
    url = lpips._WEIGHTS["alex"] if kind is Lpips else inception.URL
    trace = tmp_path / "it_ran"
    weights_path(url).write_bytes(f"cpathlib\nPath.touch\n(cpathlib\nPath\n(S'{trace}'\ntRtR.".encode())
    images = torch.zeros(2, 3, 64, 64)
    with pytest.raises(ModelFileError, match="cannot be read as weights"):
        kind().update(images, images)
    assert not trace.exists()


class Means(nn.Module):
    """Three features: the mean of each channel, of bytes."""

    num_features = 3

    def forward(self, images):
        assert images.dtype == torch.uint8
        return images.float().mean((2, 3)) / 100


@pytest.fixture
def no_weights(monkeypatch):
    """Torchmetrics' metrics on a network that needs none."""
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    def fid():
        torch.rand(7)  # as the making of Inception does
        return FrechetInceptionDistance(feature=Means())

    def kid(subsets, subset_size):
        return KernelInceptionDistance(feature=Means(), subsets=subsets, subset_size=subset_size)

    monkeypatch.setattr(inception, "refuse_code", lambda url: None)
    monkeypatch.setattr(frechet_inception, "_metric", fid)
    monkeypatch.setattr(kernel_inception, "_metric", kid)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(40, 3, 6, 6, generator=generator), torch.rand(40, 3, 6, 6, generator=generator) ** 1.2


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
@pytest.mark.parametrize("kind", [FrechetInception, KernelInception])
def test_distances_of_equal_and_different_sets(kind, images, no_weights):
    of, to = images
    before = torch.get_rng_state()
    values = []
    for other in (of, to, to[:, :, :3].repeat(1, 1, 2, 1) * 0.7):
        metric = kind()
        metric.update([of[:10], of[10:25]], other[:25])
        metric.update(of[25:], other[25:])
        values.append(metric.compute())
    assert torch.equal(before, torch.get_rng_state())
    assert values[0] <= 1e-4 < values[1] < values[2]


def test_fid_is_the_frechet_distance_of_rounded_images(images, no_weights):
    of, to = images
    metric = FrechetInception()
    metric.update(of, to)
    features = [((each * 255).round() / 100).double().mean((2, 3)) for each in images]
    assert metric.compute() == pytest.approx(frechet_distance(*features), rel=1e-3)
    assert metric.warnings() == [
        "FID of 40 examples is mostly the error of small sets (it needs 2048): use kernel_inception"
    ]


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
def test_kid_against_numpy_over_all_examples(images, no_weights):
    metric = KernelInception(subsets=3)
    metric.update(*images)
    x, y = (((each * 255).round() / 100).double().mean((2, 3)).numpy() for each in images)

    def kernel(a, b):
        return (a @ b.T / 3 + 1) ** 3

    n = 40
    within = sum((kernel(z, z).sum() - kernel(z, z).trace()) / (n * (n - 1)) for z in (x, y))
    assert metric.compute() == pytest.approx(within - 2 * kernel(x, y).mean(), rel=2e-2)
    assert metric.compute() == metric.compute()


@pytest.mark.parametrize("kind", [FrechetInception, KernelInception, Lpips])
def test_too_few_examples_are_refused(kind):
    with pytest.raises(ComponentError, match=r"two examples at least|has seen no examples"):
        kind().compute()


def test_lpips_of_pairs_on_random_weights(hub):
    import torchvision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), weights_path(lpips._WEIGHTS["squeeze"]))
        of, to = torch.rand(4, 1, 24, 24), torch.rand(4, 1, 24, 24)
    to[3] = of[3]
    before = torch.get_rng_state()
    metric = Lpips(network="squeeze")
    metric.update(of[:3], to[:3])
    metric.update(of[3:], to[3:])
    found = metric.compute()
    assert torch.equal(before, torch.get_rng_state())
    assert found.shape == (4,)
    assert found[3] == 0
    assert (found[:3] > 0.01).all()
    assert not found.requires_grad
    with pytest.raises(ComponentError, match=r"31x31 at least with the network alex \(got 24x24\)"):
        Lpips().update(of, to)
