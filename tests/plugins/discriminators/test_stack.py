"""Discriminators as lists of layers: the papers' networks, logits and features."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate.testing import check_component
from translate_plugins.discriminators.stack import stack

DIGIT = Image(1, 28, 28)
PICTURE = Image(3, 64, 64)

COGAN = ["c20k5v pool2", "c50k5v pool2", "fc500 prelu dropout0.5", "fc1"]
DCGAN = ["c64k5s2 leaky", "c128k5s2 batch leaky", "c256k5s2 batch leaky", "c512k5s2 batch leaky", "fc1"]
INFOGAN = ["c64k4s2 leaky0.1", "c128k4s2 batch leaky0.1", "fc1024 batch leaky0.1"]
PATCH = ["c64k4s2 leaky", "c128k4s2 batch leaky", "c256k4s2 batch leaky", "c512k4p1 batch leaky", "c1k4p1"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(*inputs, **choices):
    with torch.device("meta"):
        return stack(*inputs, **choices)


def shapes(spec, layers, kinds=nn.Conv2d | nn.Linear | nn.MaxPool2d):
    """The shape of one example after each layer of some kinds."""
    network, found = on_meta(spec, layers=layers), []
    for module in network.layers:
        if isinstance(module, kinds):
            module.register_forward_hook(lambda _m, _i, out: found.append(tuple(out.shape[1:])))
    network(torch.empty(2, *spec.shape, device="meta"))
    return found


def test_cogans_discriminator_has_its_sizes():
    assert shapes(DIGIT, COGAN) == [(20, 24, 24), (20, 12, 12), (50, 8, 8), (50, 4, 4), (500,), (1,)]


def test_dcgans_and_infogans_have_theirs():
    assert shapes(PICTURE, DCGAN) == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1,)]
    assert shapes(DIGIT, INFOGAN) == [(64, 14, 14), (128, 7, 7), (1024,)]
    assert shapes(Vector(1024), ["fc128 batch leaky0.1", "fc14"]) == [(128,), (14,)]


def test_they_have_as_many_parameters_as_the_closed_form_says():
    def count(network):
        return sum(parameter.numel() for parameter in network.parameters())

    assert count(on_meta(DIGIT, layers=COGAN)) == 20 * 26 + 50 * (20 * 25 + 1) + 500 * 801 + 1 + 501
    normalised = 25 * (64 * 128 + 128 * 256 + 256 * 512) + 2 * (128 + 256 + 512)
    assert count(on_meta(PICTURE, layers=DCGAN)) == 64 * 76 + normalised + 512 * 16 + 1


def test_a_patch_discriminator_is_that_of_pix2pix():
    from translate_plugins.discriminators.patchgan import patchgan

    picture = Image(3, 64, 64)
    network, theirs = stack(picture, picture, layers=PATCH), patchgan(picture, picture)
    theirs.load_state_dict(network.state_dict())
    inputs = torch.randn(2, 3, 64, 64), torch.randn(2, 3, 64, 64)
    assert torch.equal(network(*inputs), theirs(*inputs))


def test_the_logits_are_one_number_or_a_map_of_them_and_nothing_is_added():
    image = torch.randn(2, 3, 16, 16)
    assert stack(Image(3, 16, 16), layers=["c4k4s2 leaky", "fc1"])(image).shape == (2, 1)
    network = stack(Image(3, 16, 16), layers=["c4k4s2 leaky", "c1k4v"])
    assert network(image).shape == (2, 1, 5, 5)
    assert [type(module) for module in network.layers] == [nn.Conv2d, nn.LeakyReLU, nn.Conv2d]


def test_a_classifier_has_a_logit_for_each_class():
    network = stack(DIGIT, makes=Label(10), layers=["c4k4s2 leaky", "fc*"])
    assert network(torch.randn(2, 1, 28, 28)).shape == (2, 10)
    with pytest.raises(ComponentError, match=r"stack makes 9, but Label\(10\) was asked for"):
        stack(DIGIT, makes=Label(10), layers=["fc9"])


def test_features_are_what_each_activation_gives_before_the_last_layer():
    words = ["c4k4s2 leaky", "c6 elu dropout0.5", "c8k4s2 batch leaky pool2", "fc5 tanh", "fc1"]
    network = stack(Image(3, 16, 16), layers=words, features=True).eval()
    given = []
    for module in network.layers:
        if isinstance(module, nn.LeakyReLU | nn.ELU | nn.Tanh):
            module.register_forward_hook(lambda _m, _i, out: given.append(out))
    x = torch.randn(2, 3, 16, 16)
    judged = network(x)
    assert [tuple(feature.shape[1:]) for feature in judged["features"]] == [(4, 8, 8), (6, 8, 8), (8, 4, 4), (5,)]
    assert all(feature is each for feature, each in zip(judged["features"], given, strict=True))
    plain = stack(Image(3, 16, 16), layers=words).eval()
    plain.load_state_dict(network.state_dict())
    assert torch.equal(judged["logits"], plain(x))


def test_an_activation_of_the_last_layer_is_no_feature():
    judged = stack(Image(3, 8, 8), layers=["c4 relu", "c1 tanh"], features=True)(torch.randn(2, 3, 8, 8))
    assert len(judged["features"]) == 1
    alone = stack(Image(3, 8, 8), layers=["c1 tanh"], features=True)(torch.randn(2, 3, 8, 8))
    assert alone["features"] == []
    assert alone["logits"].shape == (2, 1, 8, 8)


def test_features_of_equal_pictures_are_equal():
    network = stack(Image(3, 16, 16), layers=["c4k4s2 leaky", "c8k4s2 instance leaky", "c1k4v"], features=True)
    x = torch.randn(2, 3, 16, 16)
    for one, other in zip(network(x)["features"], network(x.clone())["features"], strict=True):
        assert torch.equal(one, other)


def test_scale_leaves_the_judges_one_logit_alone():
    network = on_meta(PICTURE, layers=DCGAN, scale=0.25)
    assert [m.out_channels for m in network.layers if isinstance(m, nn.Conv2d)] == [16, 32, 64, 128]
    assert network.layers[-1].out_features == 1


def test_uneven_kernels_are_refused_where_asked():
    with pytest.raises(ComponentError, match=r"layer 1 \(`c64k5s2 leaky`\): kernel 5 is not divisible by stride 2"):
        stack(PICTURE, layers=DCGAN, check_kernels="refuse")
    on_meta(PICTURE, layers=PATCH, check_kernels="refuse")


def test_the_gradient_that_an_uneven_kernel_passes_on_is_a_checkerboard():
    def gradients(word):
        network = stack(Image(1, 40, 40), layers=[word])
        nn.init.ones_(network.layers[0].weight)
        x = torch.zeros(1, 1, 40, 40, requires_grad=True)
        network(x).sum().backward()
        return set(x.grad[0, 0, 10:-10, 10:-10].flatten().tolist())

    assert len(gradients("c1k4s2")) == 1
    assert len(gradients("c1k5s2")) > 1


def test_a_condition_of_any_kind_is_joined():
    network = stack(DIGIT, Label(10), Vector(3), layers=["c4k4s2 leaky", "fc1"])
    assert network.layers[0].in_channels == 14
    assert network(torch.randn(2, 1, 28, 28), torch.tensor([1, 2]), torch.randn(2, 3)).shape == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "choices"),
    [
        ([DIGIT], {"layers": COGAN, "scale": 0.2}),
        ([PICTURE], {"layers": DCGAN, "scale": 0.1, "features": True}),
        ([DIGIT, Label(3)], {"layers": ["fc16 leaky", "fc8 layer leaky", "fc1"]}),
    ],
)
def test_it_gives_the_same_in_onnxruntime(inputs, choices):
    check_component("discriminator", "stack", inputs=inputs, choices=choices, onnx=True)
