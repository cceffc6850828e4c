"""The words of a stack: what is read, what random stacks build, and what is said about every mistake."""

from __future__ import annotations

import random

import pytest
import torch

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate_plugins.discriminators.stack import stack as judge_stack
from translate_plugins.generators.stack import stack
from translate_plugins.stack_words import ACTIVATIONS, GRAMMAR, NORMS, Modifier, read_layers


def read(text):
    (layer,) = read_layers([text])
    return layer


def test_every_part_of_a_layer_is_read():
    layer = read("c64k7s3p2r batch leaky0.1 dropout0.5")
    assert (layer.kind, layer.width, layer.kernel, layer.stride, layer.padding, layer.reflect) == (
        "c",
        64,
        7,
        3,
        2,
        True,
    )
    assert layer.modifiers == (Modifier("batch"), Modifier("leaky", 0.1), Modifier("dropout", 0.5))
    assert read("fc256x4x8").maps == (4, 8)
    assert read("t*k4s2").width is None
    assert read("up3").stride == 3


def test_pixel_norm_follows_where_it_is_written_and_takes_no_bias_away():
    network = stack(Image(3, 8, 8), layers=["c8 leaky pixelnorm", "fc5 pixelnorm"], makes=Vector(5))
    assert [type(layer).__name__ for layer in network.layers] == [
        *("Conv2d", "LeakyReLU", "PixelNorm", "Flatten", "Linear", "PixelNorm")
    ]
    assert network.layers[0].bias is not None
    made = network(torch.rand(2, 3, 8, 8))
    torch.testing.assert_close(made.square().mean(1), torch.ones(2))
    with pytest.raises(ComponentError, match="`pixelnorm` of one map leaves only its sign"):
        stack(Image(3, 8, 8), layers=["c1 pixelnorm"])


def test_maxout_is_the_largest_of_the_pieces():
    network = stack(Vector(3), layers=["fc4 maxout5", "fc1"])
    dense, maxout, _ = network.layers
    assert dense.weight.shape == (20, 3)
    assert dense.bias is not None
    x = torch.randn(7, 3)
    pieces = [x @ dense.weight[4 * i : 4 * i + 4].T + dense.bias[4 * i : 4 * i + 4] for i in range(5)]
    torch.testing.assert_close(maxout(dense(x)), torch.stack(pieces).amax(0))


def test_maxout_of_maps_of_a_norm_and_of_what_makes_needs():
    network = stack(
        Image(2, 6, 6), layers=["c4 batch maxout3", "fc3x2x2 maxout2", "t*k3 maxout4"], makes=Image(3, 2, 2)
    )
    assert [m.weight.shape[0] for m in network.layers if hasattr(m, "weight")] == [12, 12, 2 * 3 * 4, 3]
    assert network(torch.randn(2, 2, 6, 6)).shape == (2, 3, 2, 2)


def test_maxout_is_an_activation_for_feature_matching():
    judge = judge_stack(Vector(3), layers=["fc4 maxout2", "fc5 leaky", "fc1"], features=True)
    assert [feature.shape[1] for feature in judge(torch.randn(2, 3))["features"]] == [4, 5]


def test_the_defaults_are_kernel_3_stride_1_and_a_slope_of_a_fifth():
    layer = read("c8 leaky")
    assert (layer.kernel, layer.stride, layer.padding) == (3, 1, 1)
    assert layer.modifiers == (Modifier("leaky", 0.2),)


@pytest.mark.parametrize(
    ("word", "padding", "extra"),
    [
        ("c8k4s2", 1, 0),
        ("c8k5s2", 2, 0),
        ("c8k3s2", 1, 0),
        ("c8k7", 3, 0),
        ("t8k4s2", 1, 0),
        ("t8k3s2", 1, 1),
        ("t8k5s2", 2, 1),
        ("t8k2s2", 0, 0),
        ("t8k3s3", 0, 0),
        ("t8k4s2v", 0, 0),
        ("t8k3s2p1", 1, 0),
    ],
)
def test_the_paddings_are_the_usual_ones(word, padding, extra):
    layer = read(word)
    assert (layer.padding, layer.extra) == (padding, extra)


@pytest.mark.parametrize(
    ("text", "message", "todo"),
    [
        ("", "is empty", ""),
        ("   ", "is empty", ""),
        ("conv64k4", "no layer is named `conv64k4`", "Did you mean 'c64k4'?"),
        ("C64k4", "no layer is named `C64k4`", "Did you mean 'c64k4'?"),
        ("pol2", "no layer is named `pol2`", "Did you mean 'pool2'?"),
        ("flatten", "no layer is named `flatten`", "Did you mean 'flat'?"),
        ("?!", "no layer is named `?!`", ""),
        ("fc", "`fc` needs a number", "write `fc2`, for example."),
        ("relu", "`relu` is a modifier", "write it behind a layer, as in `c64k4s2 relu`."),
        ("c64k4s2 leeky", "no modifier is named `leeky`", "Did you mean 'leaky'?"),
        ("c64 dropot0.5", "no modifier is named `dropot0.5`", "Did you mean 'dropout0.5'?"),
        ("c64 RELU", "no modifier is named `RELU`", "Did you mean 'relu'?"),
        ("c64 pixel", "no modifier is named `pixel`", ""),
        ("c64 pixelnrm", "no modifier is named `pixelnrm`", "Did you mean 'pixelnorm'?"),
        ("c64 pixelnorm2", "`pixelnorm` takes no number (got `pixelnorm2`)", "write `pixelnorm`."),
        ("pixelnorm", "`pixelnorm` is a modifier", "write it behind a layer, as in `c64k4s2 pixelnorm`."),
        ("c64 c32", "`c32` is a layer of its own, not a modifier", "make it an entry of its own"),
        ("c64k", "`k` is no part of a convolution", "Did you mean 'k4'?"),
        ("c64k4q2", "`q2` is no part of a convolution", ""),
        ("c64p-1", "`p-1` is no part of a convolution", "Did you mean 'p1'?"),
        ("c64.5", "`.5` is no part of a convolution", ""),
        ("c64k4k4", "`k` is given twice", ""),
        ("c64rr", "`r` is given twice", ""),
        ("c64p1v", "`p1` and `v` both say the padding", "keep one of them."),
        (
            "c64k4",
            "a kernel of 4 with stride 1 cannot keep the size",
            "write its padding, `p1` or `v`",
        ),
        (
            "t64k6",
            "a kernel of 6 with stride 1 cannot keep the size",
            "write its padding, `p2` or `v`",
        ),
        (
            "t64k2s4",
            "a kernel of 2 with stride 4 leaves pixels that nothing reaches",
            "write `k4` or more, or `s2` or less.",
        ),
        ("c64k1r", "`r` reflects the border, but the padding is 0", "leave `r` out."),
        ("c64k5vr", "`r` reflects the border, but the padding is 0", "leave `r` out."),
        ("t64r", "`r` reflects the border, but a transposed convolution adds no border", "leave `r` out."),
        ("c0", "the number 0 must lie between 1 and 999999", ""),
        ("c1000000", "the number 1000000 must lie between 1 and 999999", ""),
        ("c64k0", "the number 0 must lie between 1 and 99", ""),
        ("c64s100", "the number 100 must lie between 1 and 99", ""),
        ("c64p100", "the number 100 must lie between 0 and 99", ""),
        ("fc64x0x4", "the number 0 must lie between 1 and 999999", ""),
        ("pool0", "the number 0 must lie between 1 and 99", ""),
        ("pool*", "`pool` takes one number, as in `pool2`", ""),
        ("up2s2", "`up` takes one number, as in `up2`", ""),
        ("fc256x4", "`x4` cannot follow `fc256`", ""),
        ("fc*x4x4", "`fc*` takes height and width from `makes` too", "write `fc*` alone."),
        ("c64 batch2", "`batch` takes no number (got `batch2`)", "write `batch`."),
        ("fc64 maxout", "`maxout` needs a number of pieces from 2 to 99, as in `maxout5`", ""),
        ("fc64 maxout1", "`maxout1` needs a number of pieces from 2 to 99, as in `maxout5`", ""),
        ("fc64 maxout2.5", "`maxout2.5` needs a number of pieces from 2 to 99, as in `maxout5`", ""),
        ("fc64 maxuot5", "no modifier is named `maxuot5`", "Did you mean 'maxout5'?"),
        ("fc64 maxout2 maxout3", "`maxout3` takes the pieces of one dense layer or convolution", "write it once"),
        ("c4 pool2 maxout3", "`maxout3` takes the pieces of one dense layer or convolution", "write it once"),
        ("maxout5", "`maxout5` is a modifier", "write it behind a layer"),
        ("c64 dropout", "`dropout` needs a share from 0 to below 1, as in `dropout0.5`", ""),
        ("c64 dropout1", "`dropout1` needs a share from 0 to below 1, as in `dropout0.5`", ""),
        ("c64 leaky2", "the slope in `leaky2` must lie between 0 and 1, as in `leaky0.2`", ""),
        ("c" + "9" * 5000, "the number " + "9" * 57 + "... must lie between 1 and 999999", ""),
    ],
)
def test_every_mistake_is_said_with_its_place_and_the_grammar(text, message, todo):
    with pytest.raises(ComponentError) as caught:
        read_layers(["c8k4s2", text])
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    assert caught.value.what == f"layer 2 (`{shown}`): {message}"
    assert caught.value.fix.startswith(todo)
    assert caught.value.fix.endswith(GRAMMAR)
    assert "\n" not in caught.value.fix


def test_an_empty_stack_is_refused():
    with pytest.raises(ComponentError, match="at least one layer"):
        read_layers([])


# ---- random stacks ----


def random_modifiers(numbers, shape):
    """Modifiers that fit a shape."""
    plain = [*sorted(ACTIVATIONS - {"maxout"}), "leaky0.1", "dropout0.5", "dropout0", "batch"]
    if len(shape) == 3 and shape[1] * shape[2] > 1:
        plain.append("instance")
    if shape != (1,) and shape != (1, 1, 1):
        plain.append("layer")
    return [numbers.choice(plain) for _ in range(numbers.randrange(4))]


def random_layer(numbers, shape):
    """A word that fits a shape, and the shape that it makes, by the definitions and not by the code under test."""
    side = shape[1] if len(shape) == 3 else 1
    width = numbers.randint(1, 6)
    kind = numbers.choice(["fc", "maps", "c", "c", "cv", "c2", "t", "t", "tv", "pool", "avg", "up", "flat", "mean"])
    if kind == "fc":
        return f"fc{width}", (width,)
    if kind == "maps":
        return f"fc{width}x3x3", (width, 3, 3)
    if kind == "flat":
        return "flat", (shape[0] * side * side,)
    if kind == "mean":
        return "mean", (shape[0],)
    if kind == "c":
        kernel, stride = numbers.choice([1, 3, 5]), numbers.randint(1, 3)
        reflected = "r" if kernel > 1 and kernel // 2 < side and numbers.random() < 0.3 else ""
        return f"c{width}k{kernel}s{stride}{reflected}", (width, *[-(-side // stride)] * 2)
    if kind == "t" and side < 20:
        stride = numbers.randint(1, 2)
        kernel = numbers.choice([2, 4, 6]) if stride == 2 and numbers.random() < 0.5 else numbers.choice([3, 5])
        return f"t{width}k{kernel}s{stride}", (width, *[side * stride] * 2)
    if kind == "tv" and side < 20:
        return f"t{width}k4v", (width, *[side + 3] * 2)
    if kind == "up" and side < 20:
        return "up2", (shape[0], *[2 * side] * 2)
    if kind == "cv" and side >= 3:
        return f"c{width}v", (width, *[side - 2] * 2)
    if kind == "c2" and side >= 2:
        return f"c{width}k4s2", (width, *[side // 2] * 2)
    if side >= 3:
        window = numbers.randint(2, 3)
        return f"{'avg' if kind == 'avg' else 'pool'}{window}", (shape[0], *[side // window] * 2)
    return f"c{width}", (width, side, side)


STARTS = [
    ([Image(3, 16, 16)], (3, 16, 16)),
    ([Vector(5)], (5,)),
    ([Label(4), Vector(2)], (6,)),
    ([Image(1, 9, 9), Label(3)], None),
]


@pytest.mark.parametrize("number", range(100))
def test_random_stacks_have_the_shape_that_their_words_say(number):
    numbers = random.Random(number)
    torch.manual_seed(number)
    inputs, shape = STARTS[number % len(STARTS)]
    layers = []
    for place in range(numbers.randint(1, 8)):
        if shape is None:  # a picture and a label are joined as vectors before a dense layer, as maps before others
            word, after = random_layer(numbers, (4, 9, 9))
            shape = after if word != "flat" else (81 + 3,)
        else:
            word, shape = random_layer(numbers, shape)
        modifiers = random_modifiers(numbers, shape)
        if len(inputs) == 2:
            modifiers = [name for name in modifiers if name != "instance"]  # one that takes the label away is refused
        if word[0] in "fct" and word != "flat" and numbers.random() < 0.2:
            modifiers.append(f"maxout{numbers.randint(2, 4)}")
        layers.append(" ".join([word, *modifiers]))
        if place and numbers.random() < 0.2 and len(shape) == 3 and shape[1] >= 2:
            layers[-1] += " pool2"
            shape = (shape[0], *[side // 2 for side in shape[1:]])
    network = stack(*inputs, layers=layers)
    values = [
        torch.randint(spec.classes, (2,)) if isinstance(spec, Label) else torch.randn(2, *spec.shape) for spec in inputs
    ]
    result = network(*values)
    assert tuple(result.shape) == (2, *shape), layers
    assert torch.isfinite(result).all()


ALPHABET = "ctfcpoolavgupflatmeankspvrx*0123456789. -_batchrelu leaky\tCT\n'`{}é٣²"


def test_random_garbage_is_read_or_refused_and_never_crashes():
    numbers, refused = random.Random(0), []
    for _ in range(5000):
        text = "".join(numbers.choices(ALPHABET, k=numbers.randint(0, 12)))
        try:
            layers = read_layers([text])
        except ComponentError as exc:
            refused.append(exc.what)
        else:
            assert text.split() == [layers[0].word, *text.split()[1:]]
    assert len(refused) > 4000
    assert all(what.startswith("layer 1 (`") for what in refused)


def test_one_slip_in_a_right_word_is_refused_or_builds():
    words = ["c4k4s2 batch leaky", "t4k3s2p1 relu", "fc8x2x2 layer", "pool2", "mean", "c4k5r elu dropout0.5", "up2"]
    numbers, outcomes = random.Random(1), set()
    for _ in range(1000):
        text = list(numbers.choice(words))
        text[numbers.randrange(len(text))] = numbers.choice(ALPHABET)
        try:
            with torch.device("meta"):
                stack(Image(3, 8, 8), layers=["".join(text)])
            outcomes.add("built")
        except ComponentError:
            outcomes.add("refused")
    assert outcomes == {"built", "refused"}


def test_words_of_other_scripts_are_no_numbers():
    for text in ("c٣", "c4k²", "leaky٠", "c4 leaky٠.٢"):
        with pytest.raises(ComponentError):
            read_layers([text])


def test_the_grammar_names_every_modifier():
    assert all(name in GRAMMAR for name in NORMS | ACTIVATIONS)
