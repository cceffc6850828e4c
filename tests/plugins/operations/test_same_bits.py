"""On a GPU, gradients are the same bits in every run, and nothing that torch calls nondeterministic is used."""

from __future__ import annotations

import pytest
import torch
from samples_losses import small_vgg19, write_vgg19

from translate_plugins.losses.patch_nce import PatchContrast
from translate_plugins.losses.perceptual import Perceptual
from translate_plugins.operations.augment import Augment
from translate_plugins.operations.edges import edges
from translate_plugins.operations.minibatch_stddev import minibatch_stddev
from translate_plugins.operations.paste import paste
from translate_plugins.operations.sample_patches import SamplePatches


def everything(image, mask, perceptual):
    """One number that depends on the image through every operation whose gradient could be summed in any order."""
    hole = paste(image[:, :, 4:20, 4:20], image, mask)
    patches = SamplePatches(count=256)([image, edges(image)], [hole, image])
    seen = minibatch_stddev(Augment()(torch.cat([image, hole], dim=1)))
    contrast = PatchContrast().generator(patches["first"], patches["second"])
    seen_alike = perceptual.generator(hole, image.flip(0)) if perceptual is not None else 0.0
    return contrast + seen.square().mean() + seen_alike


@pytest.fixture
def strict():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def gradients(device, perceptual=None):
    torch.manual_seed(0)
    image = torch.rand(2, 3, 32, 32).to(device)
    mask = torch.full((2, 1, 32, 32), -1.0)
    mask[:, :, 10:22, 6:18] = 1.0
    found = []
    for _ in range(4):
        torch.manual_seed(1)
        point = image.clone().requires_grad_()
        everything(point, mask.to(device), perceptual).backward()
        found.append(point.grad)
    return found


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.usefixtures("strict")
def test_gradients_are_the_same_bits_in_every_run(device, tmp_path, monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    file = write_vgg19(tmp_path / "weights.safetensors", small_vgg19())
    first, *others = gradients(device, Perceptual(weights_file=str(file)))
    assert torch.isfinite(first).all()
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.gpu
def test_gradients_are_the_same_bits_without_the_deterministic_mode_too():
    first, *others = gradients("cuda")  # cuDNN's convolutions, of which perceptual is made, need that mode
    assert all(torch.equal(first, other) for other in others)
