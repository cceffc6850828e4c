"""The perceptual loss: against torchvision's network, where weights are looked for, what is refused."""

from __future__ import annotations

import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file
from samples_losses import small_vgg19, write_vgg19
from torch import nn

from translate.errors import ComponentError
from translate_plugins.losses import vgg19
from translate_plugins.losses.perceptual import Perceptual


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_vgg19(tmp_path_factory.mktemp("weights") / "vgg19-test.safetensors", small_vgg19())


@pytest.fixture(scope="module")
def loss(weights):
    return Perceptual(weights_file=str(weights))


def images(seed, *shape):
    torch.manual_seed(seed)
    return torch.rand(*(shape or (2, 3, 32, 37))) * 2 - 1


def reference(weights):
    """torchvision's network with the file's weights, cut after the compared layers."""
    import torchvision

    with torch.device("meta"):  # its 144 million weights are not drawn
        network = torchvision.models.vgg19(weights=None).features[:30]
    state = {key.removeprefix("features."): value for key, value in load_file(weights).items()}
    network.load_state_dict(state, assign=True)
    return network.requires_grad_(False)


@pytest.mark.parametrize("span", [(-1.0, 1.0), (0.0, 1.0)])
def test_as_torchvision_computes_it(weights, span):
    low, high = span
    of, to = images(0), images(1)
    network = reference(weights)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected, pair = 0.0, [((x + 1) / 2 - mean) / std for x in (of, to)]
    for index, layer in enumerate(network):
        pair = [nn.functional.relu(x) if isinstance(layer, nn.ReLU) else layer(x) for x in pair]
        weight = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}.get(index)
        if weight is not None:
            expected = expected + weight * nn.functional.l1_loss(*pair)
    given = [low + (high - low) * (x + 1) / 2 for x in (of, to)]
    found = Perceptual(weights_file=str(weights), low=low, high=high).generator(*given)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.shape == ()


def test_it_is_zero_for_equal_images_and_grows_with_the_difference(loss):
    image, other = images(0), images(1)
    assert loss.generator(image, image).item() == 0
    near, far = (loss.generator(image, image + step * (other - image)) for step in (0.1, 0.5))
    assert 0 < near < far


def test_grey_images_are_three_equal_channels(loss):
    of, to = images(0, 2, 1, 16, 16), images(1, 2, 1, 16, 16)
    torch.testing.assert_close(
        loss.generator(of, to), loss.generator(of.expand(-1, 3, -1, -1), to.expand(-1, 3, -1, -1))
    )


def test_the_gradient_is_right_and_reaches_the_first_image_alone(loss):
    of, to = (images(seed, 1, 3, 16, 16).double().requires_grad_() for seed in (0, 1))
    loss.generator(of, to).backward()
    assert to.grad is None
    direction = torch.randn_like(of)
    step = 1e-6
    with torch.no_grad():
        ahead, behind = (loss.generator(of + sign * step * direction, to) for sign in (1, -1))
    slope = ((ahead - behind) / (2 * step)).item()
    assert (of.grad * direction).sum().item() == pytest.approx(slope, rel=1e-4)


def test_nothing_of_it_learns_or_is_saved(loss):
    assert not isinstance(loss, nn.Module)
    of = images(0, 1, 3, 16, 16).requires_grad_()
    loss.generator(of, images(1, 1, 3, 16, 16)).backward()
    assert all(not tensor.requires_grad and tensor.grad is None for pair in loss._layers for tensor in pair)


def test_it_works_without_memory_and_then_with(weights):
    loss = Perceptual(weights_file=str(weights))
    on_meta = torch.empty(2, 3, 32, 32, device="meta")
    assert loss.generator(on_meta, on_meta).device.type == "meta"
    assert loss.generator(images(0), images(1)).item() > 0


def test_half_precision_images_are_taken_in_single(loss):
    assert loss.generator(images(0).half(), images(1).half()).dtype == torch.float32


def test_the_pooling_is_torchs():
    value = torch.randn(2, 3, 7, 10)
    assert torch.equal(vgg19._pooled(value), nn.functional.max_pool2d(value, 2))


def test_a_file_is_read_once_and_again_where_it_changed(weights, tmp_path):
    file = tmp_path / "copy.safetensors"
    shutil.copy(weights, file)
    first = Perceptual(weights_file=str(file))
    assert Perceptual(weights_file=str(file))._layers is first._layers
    write_vgg19(file, small_vgg19(seed=1))
    assert not torch.equal(Perceptual(weights_file=str(file))._layers[0][0], first._layers[0][0])


def test_weights_are_taken_from_torchs_cache(weights, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    state = {**small_vgg19(), "classifier.6.bias": torch.zeros(1000)}
    write_vgg19(tmp_path / "checkpoints" / "vgg19-dcbb9e9d.safetensors", state)
    (tmp_path / "checkpoints" / "vgg19_bn-c79401a0.safetensors").write_bytes(b"another network")
    of, to = images(0), images(1)
    assert Perceptual().generator(of, to) == Perceptual(weights_file=str(weights)).generator(of, to)


def test_a_pickled_file_is_refused_with_the_command_that_imports_it(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth"
    file.parent.mkdir()
    file.write_bytes(b"PK")
    for given in (None, str(file)):
        with pytest.raises(ComponentError) as caught:
            Perceptual(weights_file=given)
        assert caught.value.fix == f"translate import-weights {file} --output {file.with_suffix('.safetensors')}"


def test_weights_that_are_not_there_are_refused_with_the_place(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ComponentError) as caught:
        Perceptual()
    text = str(caught.value)
    assert f"no weights of VGG-19 (vgg19-*.safetensors) in {tmp_path / 'checkpoints'}, and none are downloaded" in text
    assert "torchvision.models.vgg19(weights='IMAGENET1K_V1')" in text
    assert "weights_file: PATH" in text
    with pytest.raises(ComponentError, match=r"no weights of VGG-19 at .*gone.safetensors; .*leave weights_file out"):
        Perceptual(weights_file=str(tmp_path / "gone.safetensors"))


class Planted:
    """What a pickle would run."""

    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", ["empty", "noise", "half", "code"])
def test_a_damaged_or_dangerous_file_is_refused(weights, tmp_path, content, capsys):
    whole = weights.read_bytes()
    written = {
        "empty": b"",
        "noise": b"not a file of weights",
        "half": whole[: len(whole) // 2],
        "code": pickle.dumps(Planted(), 2),
    }
    file = tmp_path / "bad.safetensors"
    file.write_bytes(written[content])
    with pytest.raises(ComponentError, match=r"bad.safetensors cannot be read \(.+\); replace it"):
        Perceptual(weights_file=str(file))
    assert "run" not in capsys.readouterr().out.split()


def test_another_networks_weights_are_refused(weights, tmp_path):
    file = tmp_path / "other.safetensors"
    state = load_file(weights)
    for wrong in ({**state, "features.10.bias": torch.zeros(3)}, {"features.0.weight": torch.zeros(3)}, {}):
        write_vgg19(file, wrong)
        with pytest.raises(ComponentError, match=r"does not hold torchvision's VGG-19: features.\d+.(weight|bias) is"):
            Perceptual(weights_file=str(file))


@pytest.mark.parametrize("shape", [(2, 3, 15, 16), (2, 2, 16, 16), (2, 3, 16)])
def test_images_that_do_not_fit_are_refused(loss, shape):
    with pytest.raises(ComponentError, match=r"images of one shape, with 3 channels or 1 and sides of at least 16"):
        loss.generator(torch.zeros(shape), torch.zeros(shape))
    with pytest.raises(ComponentError, match="of one shape"):
        loss.generator(torch.zeros(2, 3, 16, 16), torch.zeros(1, 3, 16, 16))


def test_an_empty_range_is_refused(weights):
    with pytest.raises(ComponentError, match="low must be below high"):
        Perceptual(weights_file=str(weights), low=1.0, high=1.0)
