"""Generators as lists of layers: the papers' networks, what the words build, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from translate import Image, Label, Scalar, Tensor, Vector
from translate.errors import ComponentError
from translate.plugin_manager import default_manager
from translate.testing import check_component
from translate_plugins.generators.stack import stack
from translate_plugins.layers import ReflectionPad
from translate_plugins.stack_layers import Mean

Z = Vector(100)
PICTURE = Image(3, 64, 64)
SMALL = Image(3, 16, 16)
WEIGHTED = nn.Conv2d | nn.ConvTranspose2d | nn.Linear

MLP = ["fc256 relu", "fc512 relu", "fc*"]
DCGAN = ["fc1024x4x4 batch relu", "t512k5s2 batch relu", "t256k5s2 batch relu", "t128k5s2 batch relu", "t*k5s2"]
INFOGAN = ["fc1024 batch relu", "fc128x7x7 batch relu", "t64k4s2 batch relu", "t*k4s2"]
COGAN = ["t1024k4v batch prelu", "t512k3s2p1 batch prelu", "t256k3s2p1 batch prelu", "t128k3s2p1 batch prelu", "t*k6p1"]
ENCODER = ["c64k4s2 leaky", "c128k4s2 batch leaky", "c256k4s2 batch leaky", "c512k4s2 batch leaky", "c100k4v"]
DECODER = ["t512k4v batch relu", "t256k4s2 batch relu", "t128k4s2 batch relu", "t64k4s2 batch relu", "t*k4s2"]
CONTEXT_ENCODER = [
    *("c64k4s2 leaky", "c64k4s2 batch leaky", "c128k4s2 batch leaky", "c256k4s2 batch leaky", "c512k4s2 batch leaky"),
    *("c4000k4v batch leaky", *DECODER),
]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def on_meta(*inputs, **choices):
    with torch.device("meta"):
        return stack(*inputs, **choices)


def filled(spec, device="cpu", count=2):
    if isinstance(spec, Label):
        return torch.zeros(count, dtype=torch.int64, device=device)
    return torch.randn(count, *spec.shape, device=device)


def made(*inputs, **choices):
    """The shape of one example, and height and width (or size) after each layer with weights."""
    network = on_meta(*inputs, **choices)
    sides = []
    for module in network.modules():
        if isinstance(module, WEIGHTED):
            module.register_forward_hook(lambda _m, _i, out: sides.append(out.shape[-1]))
    return tuple(network(*[filled(spec, "meta") for spec in inputs]).shape[1:]), sides


def kinds(network):
    return [type(module) for module in network.layers]


# ---- the papers' networks ----


@pytest.mark.parametrize(
    ("inputs", "makes", "layers", "sides"),
    [
        ([Z], Image(1, 28, 28), MLP, [256, 512, 784]),
        ([Z], PICTURE, DCGAN, [16384, 8, 16, 32, 64]),
        ([Vector(62), Label(10), Vector(2)], Image(1, 28, 28), INFOGAN, [1024, 6272, 14, 28]),
        ([Z], Image(1, 28, 28), COGAN, [4, 7, 13, 25, 28]),
        ([PICTURE], PICTURE, ENCODER + DECODER, [32, 16, 8, 4, 1, 4, 8, 16, 32, 64]),
        ([Image(3, 128, 128)], PICTURE, CONTEXT_ENCODER, [64, 32, 16, 8, 4, 1, 4, 8, 16, 32, 64]),
    ],
    ids=["mlp", "dcgan", "infogan", "cogan", "discogan", "context encoder"],
)
def test_the_papers_networks_have_their_sizes(inputs, makes, layers, sides):
    assert made(*inputs, makes=makes, layers=layers) == (makes.shape, sides)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_they_have_as_many_parameters_as_the_closed_form_says():
    mlp = on_meta(Z, makes=Image(1, 28, 28), layers=MLP)
    assert count(mlp) == 101 * 256 + 257 * 512 + 513 * 784
    # Weights without biases where a batch norm follows, its scale and shift, one slope for each PReLU, the last bias.
    cogan = on_meta(Z, makes=Image(1, 28, 28), layers=COGAN)
    weights = 100 * 1024 * 16 + 1024 * 512 * 9 + 512 * 256 * 9 + 256 * 128 * 9 + 128 * 36
    assert count(cogan) == weights + 2 * (1024 + 512 + 256 + 128) + 4 + 1
    # The dense layer keeps its biases: a norm of 4x4 maps takes only their mean away.
    dcgan = on_meta(Z, makes=PICTURE, layers=DCGAN)
    weights = 101 * 16384 + 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 3)
    assert count(dcgan) == weights + 2 * (1024 + 512 + 256 + 128) + 3


def test_discogans_code_has_100_numbers_and_all_passes_through_it():
    words = ["c8k4s2 leaky", "c16k4s2 batch leaky", "c100k4v", "t32k4v batch relu", *DECODER[3:]]
    network = stack(SMALL, makes=SMALL, layers=words, scale=0.5)
    code = next(module for module in network.layers if isinstance(module, nn.Conv2d) and module.padding == (0, 0))
    assert code.out_channels == 50
    code.register_forward_hook(lambda _m, _i, out: torch.zeros_like(out))
    x = torch.randn(2, 3, 16, 16, requires_grad=True)
    network(x).sum().backward()
    assert x.grad is None or not x.grad.any()


def test_it_equals_the_same_network_written_by_hand():
    by_hand = nn.Sequential(
        nn.Conv2d(3, 6, 4, 2, 1),
        nn.LeakyReLU(0.2),
        ReflectionPad(1),
        nn.Conv2d(6, 8, 3, 1, bias=False),
        nn.InstanceNorm2d(8),
        nn.ELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 12, bias=False),
        nn.BatchNorm1d(12),
        nn.PReLU(),
        nn.Linear(12, 5 * 4 * 4),
        nn.Unflatten(1, (5, 4, 4)),
        nn.GroupNorm(1, 5),
        nn.Sigmoid(),
        nn.ConvTranspose2d(5, 4, 3, 2, 1, 1),
        nn.ReLU(),
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(4, 3, 7, 1, 3),
        nn.Tanh(),
    )
    words = [
        "c6k4s2 leaky",
        "c8r instance elu",
        "pool2",
        "fc12 batch prelu",
        "fc5x4x4 layer sigmoid",
        "t4s2 relu",
        "up2",
    ]
    network = stack(SMALL, makes=SMALL, layers=[*words, "c*k7"], init_std=0.3)
    by_hand.load_state_dict({key.removeprefix("layers."): value for key, value in network.state_dict().items()})
    x = torch.randn(3, 3, 16, 16)
    assert torch.equal(network(x), by_hand(x))


@pytest.mark.parametrize(
    ("word", "by_hand"),
    [
        ("avg2", nn.AvgPool2d(2)),
        ("pool3", nn.MaxPool2d(3)),
        ("up3", nn.Upsample(scale_factor=3)),
        ("flat", nn.Flatten()),
        ("mean", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
    ],
)
def test_words_without_weights(word, by_hand):
    x = torch.randn(2, 3, 16, 16)
    torch.testing.assert_close(stack(SMALL, layers=[word])(x), by_hand(x))


def test_a_layer_without_weights_may_stand_in_the_entry_of_another():
    together = stack(SMALL, layers=["c4 relu pool2 batch flat"])
    apart = stack(SMALL, layers=["c4 relu", "pool2 batch", "flat"])
    assert kinds(together) == kinds(apart) == [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.BatchNorm2d, nn.Flatten]


# ---- sizes ----


@pytest.mark.parametrize("size", [1, 2, 5, 8, 15, 16])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_without_a_padding_the_stride_alone_decides_the_size(kernel, stride, size):
    picture = Image(1, size, size)
    if kernel % 2 == 0 and stride == 1:
        return  # refused, see the words' tests
    result = math.ceil(size / stride) if kernel % 2 else size // stride
    if result and (kernel % 2 or (kernel >= stride and stride % 2 == 0) or size % stride == 0):
        assert made(picture, layers=[f"c2k{kernel}s{stride}"])[0] == (2, result, result)
    if kernel >= stride:
        assert made(picture, layers=[f"t2k{kernel}s{stride}"])[0] == (2, size * stride, size * stride)


def test_an_explicit_padding_wins():
    assert made(Image(1, 28, 28), layers=["c2k5v"])[0] == (2, 24, 24)
    assert made(Image(1, 28, 28), layers=["c2k5p3"])[0] == (2, 30, 30)
    assert made(Image(1, 4, 4), layers=["t2k3s2p1"])[0] == (2, 7, 7)
    assert made(Image(1, 4, 4), layers=["t2k3s2v"])[0] == (2, 9, 9)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (
            ["c8k4s2", "c8k4s2", "c8k5v"],
            r"layer 3 \(`c8k5v`\): nothing is left of maps of 4x4; sizes: 3x16x16, `c8k4s2` 8",
        ),
        (["t8p9"], r"nothing is left of maps of 16x16"),
        (["pool4", "pool8"], r"layer 2 \(`pool8`\): nothing is left of maps of 4x4"),
        (["c8k5s4", "c8k9r"], r"layer 2 \(`c8k9r`\): maps of 4x4 cannot reflect a border of 4"),
        (["mean", "c8 instance"], r"layer 2 .*`instance` would turn 8x1x1 into zeros"),
        (["fc8 instance"], r"`instance` would turn 8 into zeros"),
        (["fc1 layer"], r"`layer` would turn 1 into zeros"),
        (["up99", "up99"], r"layer 2 .*values per example are more than a machine can hold"),
        (["fc999999x999x999"], r"values per example are more than a machine can hold"),
        (["c*"], r"`\*` is the number that `makes` needs, but `makes` is not given.*or give `makes`"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, message):
    with pytest.raises(ComponentError, match=message):
        on_meta(SMALL, layers=layers)


def test_a_result_of_another_size_is_refused_with_the_size_after_every_layer():
    with pytest.raises(ComponentError) as caught:
        on_meta(Z, makes=PICTURE, layers=["t512k4v batch relu", "t256k4s2 batch relu", "t*k5s2p1"])
    assert caught.value.what == (
        "stack makes 3x17x17, but Image(3x64x64 in [-1, 1]) was asked for; "
        "sizes: 100, `t512k4v` 512x4x4, `t256k4s2` 256x8x8, `t*k5s2p1` 3x17x17"
    )
    assert "change a kernel, stride or padding" in caught.value.fix


# ---- what is made ----


@pytest.mark.parametrize(
    ("makes", "last", "shape"),
    [
        (Image(3, 8, 8), "fc*", (3, 8, 8)),
        (Tensor((5, 4, 2)), "fc*", (5, 4, 2)),
        (Vector(7), "fc*", (7,)),
        (Vector(7), "c*k16v", (7,)),
        (Label(10), "fc*", (10,)),
        (Image(2, 16, 16), "c*k5", (2, 16, 16)),
    ],
)
def test_the_star_is_what_makes_needs(makes, last, shape):
    assert made(SMALL, makes=makes, layers=["c4", last])[0] == shape


@pytest.mark.parametrize("makes", [Scalar(), Tensor((2, 3))])
def test_other_kinds_cannot_be_made(makes):
    with pytest.raises(ComponentError, match="images, vectors and labels"):
        stack(SMALL, makes=makes, layers=["fc2"])


@pytest.mark.parametrize(
    ("low", "high", "last", "output", "ends"),
    [
        (-1, 1, "c*", None, [nn.Conv2d, nn.Tanh]),
        (0, 1, "c*", None, [nn.Conv2d, nn.Sigmoid]),
        (0, 1, "c* sigmoid", None, [nn.Conv2d, nn.Sigmoid]),
        (-1, 1, "c* batch", None, [nn.Conv2d, nn.BatchNorm2d, nn.Tanh]),
        (-1, 1, "c* relu", None, [nn.Conv2d, nn.ReLU]),
        (0, 255, "c*", "linear", [nn.Conv2d, nn.Identity]),
    ],
)
def test_the_last_activation_spans_the_range(low, high, last, output, ends):
    network = on_meta(SMALL, makes=Image(3, 16, 16, float(low), float(high)), layers=["c4 relu", last], output=output)
    assert kinds(network)[2:] == ends


def test_an_activation_before_the_last_layer_with_weights_does_not_count_and_one_behind_it_does():
    assert kinds(on_meta(SMALL, makes=SMALL, layers=["c4 tanh", "c*"]))[-1] is nn.Tanh
    assert kinds(on_meta(SMALL, makes=Image(3, 32, 32), layers=["c* tanh", "up2"]))[-1] is nn.Upsample


def test_vectors_labels_and_whatever_comes_get_no_activation():
    for makes in (Vector(3), Label(3), None):
        assert kinds(on_meta(Z, makes=makes, layers=["fc3"])) == [nn.Linear]


@pytest.mark.parametrize(
    ("last", "output", "message"),
    [
        ("c* sigmoid", None, r"layer 2 \(`c\* sigmoid`\): .*\[0, 1\], but .*leave `sigmoid` out"),
        ("c*", "sigmoid", r"'sigmoid'.*write `output: tanh`"),
        ("c* tanh", "tanh", r"ends in `tanh`, and `output` is 'tanh'.*keep one"),
    ],
)
def test_an_activation_that_does_not_fit_is_refused(last, output, message):
    with pytest.raises(ComponentError, match=message):
        stack(SMALL, makes=SMALL, layers=["c4 relu", last], output=output)
    with pytest.raises(ComponentError, match="`output` is for what makes images"):
        stack(SMALL, makes=Vector(3), layers=["fc3"], output="tanh")


# ---- widths, biases, initial weights ----


def widths(network):
    found = [module for module in network.modules() if isinstance(module, WEIGHTED)]
    return [getattr(module, "out_channels", getattr(module, "out_features", 0)) for module in found]


def test_scale_multiplies_all_widths_but_the_last_and_what_makes_needs():
    words = ["fc10x4x4 relu", "t20k4s2", "c*", "c6", "c1", "t7k4s2", "pool2"]
    assert widths(on_meta(Z, makes=Image(7, 8, 8), layers=words, scale=0.25)) == [2 * 16, 5, 7, 2, 1, 7]
    assert widths(on_meta(Z, makes=Image(7, 8, 8), layers=words, scale=2.0)) == [20 * 16, 40, 7, 12, 2, 7]


@pytest.mark.parametrize(
    ("word", "bias"),
    [
        ("c4", True),
        ("c4 batch relu", False),
        ("c4 instance", False),
        ("c4 layer", True),
        ("c4 relu batch", True),
        ("c4 dropout0.5 batch", True),
        ("t4 batch", False),
        ("fc4 batch", False),
        ("fc4x2x2 batch", True),
        ("fc4x1x1 batch", False),
    ],
)
def test_a_bias_is_left_out_only_where_the_norm_takes_it_away(word, bias):
    network = stack(SMALL, layers=[word])
    layer = next(module for module in network.modules() if isinstance(module, WEIGHTED))
    assert (layer.bias is not None) == bias


def test_a_dense_layers_biases_are_not_taken_away_by_a_norm_of_maps():
    network = stack(Z, layers=["fc4x2x2 batch"])
    z = torch.randn(3, 100)
    before = network(z)
    with torch.no_grad():
        network.layers[0].bias += torch.randn(16)
    assert not torch.allclose(network(z), before, atol=1e-3)


def test_the_initial_weights_are_dcgans_or_torchs_own():
    words = ["fc300 batch relu", "fc32x4x4 batch", "t64k4s2 layer", "c64"]
    network = stack(Z, layers=words)
    norms = nn.BatchNorm1d | nn.BatchNorm2d | nn.GroupNorm
    weights = torch.cat([module.weight.flatten() for module in network.layers if isinstance(module, WEIGHTED)])
    scales = torch.cat([module.weight for module in network.layers if isinstance(module, norms)])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    assert scales.mean().item() == pytest.approx(1, abs=0.01)
    assert scales.std().item() == pytest.approx(0.02, rel=0.2)
    torch.manual_seed(5)
    own = stack(Z, layers=["fc300"], init_std=None)
    torch.manual_seed(5)
    assert torch.equal(own.layers[0].weight, nn.Linear(100, 300).weight)


# ---- inputs ----


def test_inputs_of_every_kind_are_joined_on_their_channels():
    network = stack(Image(3, 8, 8), Vector(2), Label(4), layers=["c5"])
    assert network.layers[0].in_channels == 9
    image = torch.randn(2, 3, 8, 8)
    one, other = (network(image, torch.zeros(2, 2), torch.tensor([label, 0])) for label in (1, 2))
    assert not torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


def test_before_a_dense_layer_they_are_joined_as_vectors():
    # A label costs 4 inputs, not 4 maps of 8x8; pictures of different sizes can be joined.
    network = stack(Image(3, 8, 8), Image(1, 4, 2), Label(4), layers=["fc5"])
    assert network.layers[0].in_features == 192 + 8 + 4
    pictures, label = [torch.randn(2, 3, 8, 8), torch.randn(2, 1, 4, 2)], torch.tensor([3, 0])
    flat = torch.cat([*(picture.flatten(1) for picture in pictures), nn.functional.one_hot(label, 4)], 1)
    assert torch.equal(network(*pictures, label), network.layers[0](flat))


def test_a_vector_is_a_map_of_one_pixel_wherever_a_layer_of_maps_comes():
    network = stack(Vector(2), Label(3), layers=["t4k4v", "mean", "t6k2v", "fc7", "up2"])
    assert network(torch.randn(2, 2), torch.tensor([0, 1])).shape == (2, 7, 2, 2)
    assert [module for module in kinds(network) if module is nn.Unflatten] == [nn.Unflatten] * 3
    assert Mean in kinds(network)


def test_without_an_input_it_is_refused():
    with pytest.raises(ComponentError, match=r"stack needs at least one input \(got none\)"):
        stack(layers=["fc1"])


# ---- other sizes ----


@pytest.mark.parametrize(
    ("layers", "size", "divisor"),
    [
        (["c4k4s2", "c4k4s2", "t4k4s2", "t3k4s2"], 16, 4),
        (["c4k3s2", "t4k3s2"], 16, 2),
        (["c4k3s2", "t4k3s2", "c4k3s2", "t4k3s2"], 16, 2),
        (["t4k4s2", "c4k4s2"], 16, 1),
        (["pool2", "avg3", "up2"], 12, 6),
        (["pool2", "up2", "pool3", "up3"], 12, 6),
        (["c4k5", "c3k7r"], 16, 1),
        (["c4k3s2", "t4k3s2p1"], 15, 1),
        (["c4k5v", "t4k5v"], 16, 1),
        (["c4k4s2", "fc64", "fc3x16x16"], 16, 1),
        (["c4k4s2", "mean"], 16, 1),
        (["c4k4s2", "c1k4v"], 16, 1),
        (["c4k3s2"] * 9, 16, 1),
    ],
)
def test_the_size_divisor_is_what_the_result_needs_to_follow_the_input(layers, size, divisor):
    network = on_meta(Image(3, size, size), layers=layers)
    assert network.size_divisor == divisor
    if divisor > 1:
        shape = network(torch.empty(1, 3, size, size, device="meta")).shape

        def follows(side):
            return network(torch.empty(1, 3, side, side, device="meta")).shape[2] * size == side * shape[2]

        assert all(follows(side) for side in range(divisor, 40, divisor))
        assert not all(follows(side) for side in range(size + 1, 2 * size))


def test_a_network_without_pictures_has_no_divisor():
    assert on_meta(Z, makes=PICTURE, layers=DCGAN).size_divisor == 1


# ---- checkerboards ----


def overlaps(kernel, stride):
    """How many weights reach each pixel inside the result of a transposed convolution."""
    layer = nn.ConvTranspose2d(1, 1, kernel, stride, bias=False)
    nn.init.ones_(layer.weight)
    inside = layer(torch.ones(1, 1, 40, 40))[0, 0, 2 * kernel : -2 * kernel, 2 * kernel : -2 * kernel]
    return set(inside.flatten().tolist())


@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (2, 2), (6, 3), (5, 2), (3, 2), (4, 3), (5, 1), (4, 1)])
def test_kernels_that_draw_a_checkerboard_are_those_refused(kernel, stride):
    words = [f"t2k{kernel}s{stride}v"]
    stack(SMALL, layers=words)
    if len(overlaps(kernel, stride)) == 1:
        stack(SMALL, layers=words, check_kernels="refuse")
    else:
        with pytest.raises(
            ComponentError, match=f"kernel {kernel} is not divisible by stride {stride}.*into its result"
        ):
            stack(SMALL, layers=words, check_kernels="refuse")


def test_the_reason_says_which_kernels_fit_and_convolutions_count_too():
    with pytest.raises(ComponentError, match=r"layer 2 \(`c8k5s2 relu`\).*the gradient that.*`k4` or `k6`"):
        stack(SMALL, layers=["c8k4s2", "c8k5s2 relu"], check_kernels="refuse")
    with pytest.raises(ComponentError, match=r"layer 2 .*kernel 5"):
        on_meta(Z, makes=PICTURE, layers=DCGAN, check_kernels="refuse")


# ---- as a component ----


def test_the_schema_refuses_what_is_no_list_of_texts():
    schema = default_manager().catalogue.find("generator", "stack").schema
    assert [path for path, _ in schema.validate({"layers": ["c8", 8]})[1]] == [("layers", 1)]
    assert [path for path, _ in schema.validate({"layers": []})[1]] == [("layers",)]
    assert [path for path, _ in schema.validate({})[1]] == [("layers",)]
    assert schema.validate({"layers": ["c8"], "init_std": None, "scale": 0.5})[1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "choices"),
    [
        ([Vector(8)], {"layers": DCGAN, "makes": Image(3, 64, 64), "scale": 0.01}),
        ([Vector(8)], {"layers": COGAN, "makes": Image(1, 28, 28), "scale": 0.01}),
        ([Vector(6), Label(4), Vector(2)], {"layers": INFOGAN, "makes": Image(1, 28, 28, 0.0, 1.0), "scale": 0.05}),
        ([Image(3, 32, 32)], {"layers": ENCODER[:3] + DECODER[2:], "makes": Image(3, 32, 32), "scale": 0.05}),
        (
            [SMALL, Label(3)],
            {"layers": ["c4k7r instance elu", "pool2", "avg2", "up4", "c*k7r"], "makes": SMALL},
        ),
        (
            [Image(3, 16, 16)],
            {"layers": ["c4 layer prelu", "c6 batch leaky0.1 mean", "fc8 layer relu dropout0.5", "fc3"]},
        ),
    ],
)
def test_it_gives_the_same_in_onnxruntime(inputs, choices):
    check_component("generator", "stack", inputs=inputs, choices=choices, onnx=True)


# -- joined vectors and labels ----------------------------------------------------------------------------------------

LOST = [
    "c8k7r instance relu",
    "c8k3v instance relu",
    "c8k1 instance",
    "c8k3r avg2 instance leaky",
    "c8k3r batch instance",
]
KEPT = ["c8k7 instance relu", "c8k7r relu instance", "c8k7r batch relu", "c8k7r layer relu", "t8k3 instance relu"]


def with_label(first, *inputs):
    torch.manual_seed(0)
    return stack(*inputs, makes=None, layers=[first, "c2k3"])


@pytest.mark.parametrize("first", LOST)
@pytest.mark.parametrize("joined", [Label(3), Vector(2)])
def test_an_instance_norm_that_would_take_a_joined_input_away_is_refused(first, joined):
    with pytest.raises(ComponentError, match=r"layer 1 .*`instance` takes the joined vector or label away again"):
        with_label(first, Image(1, 12, 12), joined)
    with_label(first, Image(1, 12, 12), Image(2, 12, 12))


def test_over_two_layers_too():
    with pytest.raises(ComponentError, match=r"layer 2 .*takes the joined vector or label away again"):
        stack(Image(1, 12, 12), Label(3), makes=None, layers=["c8k3r", "c8k3r instance relu"])


@pytest.mark.parametrize("first", KEPT)
def test_where_nothing_is_refused_the_label_is_seen(first):
    network = with_label(first, Image(1, 12, 12), Label(3)).eval()
    image = torch.randn(1, 1, 12, 12)
    judged = [network(image, torch.tensor([label])) for label in (0, 1)]
    assert (judged[0] - judged[1]).abs().max() > 1e-3


@pytest.mark.parametrize("first", LOST)
def test_what_is_refused_would_not_have_seen_it(first, monkeypatch):
    monkeypatch.setattr("translate_plugins.stacks._refuse_lost_inputs", lambda _: None)
    network = with_label(first, Image(1, 12, 12), Label(3)).eval()
    image = torch.randn(1, 1, 12, 12)
    torch.testing.assert_close(*(network(image, torch.tensor([label])) for label in (0, 1)), rtol=1e-3, atol=1e-4)


# -- several times what is made ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3, 8])
def test_twice_what_is_made_follows_its_size(size):
    network = stack(Image(1, 8, 8), makes=Vector(size), layers=["c4k4s2 relu", "fc2*"], scale=0.5)
    assert network(torch.randn(2, 1, 8, 8)).shape == (2, 2 * size)
    inside = stack(Vector(3), makes=Image(1, 8, 8), layers=["t2*k4s2p1 relu", "t*k4s2p1", "fc*"])
    assert inside(torch.randn(2, 3)).shape == (2, 1, 8, 8)
    maps = stack(Image(1, 8, 8), makes=Tensor((size, 4, 4)), layers=["c2*k4s2"])
    assert maps(torch.randn(2, 1, 8, 8)).shape == (2, 2 * size, 4, 4)


def test_twice_an_image_and_other_sizes_are_refused():
    with pytest.raises(ComponentError, match=r"layer 1 .*`2.` as the last layer makes no image; write `.`"):
        stack(Vector(3), makes=Image(1, 8, 8), layers=["fc2*"])
    with pytest.raises(ComponentError, match=r"stack makes 6x4x4, but 2 times .* was asked for"):
        stack(Image(1, 8, 8), makes=Tensor((3, 8, 8)), layers=["c2*k4s2"])
    with pytest.raises(ComponentError, match="the number 0 must lie between 1 and 99"):
        stack(Vector(3), makes=Vector(2), layers=["fc0*"])
    with pytest.raises(ComponentError, match=r"`fc2.` takes height and width from `makes` too"):
        stack(Vector(3), makes=Vector(2), layers=["fc2*x4x4"])
