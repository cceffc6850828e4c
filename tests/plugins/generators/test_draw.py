"""DRAW: its filters, reading and writing, and the network in its two calls."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate_plugins.generators.draw import draw
from translate_plugins.generators.draw_attention import Attention, Read, Write, filterbank
from translate_plugins.losses.kl import kl

DOUBLE = torch.float64


def by_hand(centre, spacing, log_variance, count, length):
    """Equations 19, 20 and 25 with one loop for every sum."""
    rows = []
    for i in range(1, count + 1):
        mean = centre + (i - count / 2 - 0.5) * spacing
        row = [torch.exp(-((a - mean) ** 2) / (2 * torch.exp(log_variance))) for a in range(1, length + 1)]
        whole = sum(row)
        rows.append(torch.stack([value / whole for value in row]))
    return torch.stack(rows)


def places(examples=3):
    torch.manual_seed(0)
    centre, spacing = torch.rand(examples, dtype=DOUBLE) * 7 + 1, torch.rand(examples, dtype=DOUBLE) + 0.5
    return [value.requires_grad_() for value in (centre, spacing, torch.randn(examples, dtype=DOUBLE))]


def aimed(attention, x=0.0, y=0.0, log_variance=0.0, log_spacing=0.0, log_gain=0.0):
    """An attention that looks at one place whatever the state is."""
    with torch.no_grad():
        attention.place.weight.zero_()
        attention.place.bias.copy_(torch.tensor([x, y, log_variance, log_spacing, log_gain]))
    return attention


def test_filters_and_their_gradients_are_those_of_a_double_loop():
    values, again = places(), places()
    found = filterbank(*values, count=4, length=9)
    expected = torch.stack([by_hand(*one, 4, 9) for one in zip(*again, strict=True)])
    torch.testing.assert_close(found, expected)
    weights = torch.randn(found.shape, dtype=DOUBLE)
    for mine, theirs in zip(
        torch.autograd.grad((found * weights).sum(), values),
        torch.autograd.grad((expected * weights).sum(), again),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs)
    assert torch.autograd.gradcheck(lambda *x: filterbank(*x, count=4, length=9), values)


def test_the_exponent_is_the_square_over_twice_the_variance():
    sigma = 1.7
    row = filterbank(torch.tensor([4.0]), torch.tensor([1.0]), torch.tensor([2 * math.log(sigma)]), count=1, length=9)
    one_away = row[0, 0, 4] / row[0, 0, 3]  # the filter's mean is position 4
    two_away = row[0, 0, 5] / row[0, 0, 3]
    assert one_away.item() == pytest.approx(math.exp(-1 / (2 * sigma**2)))
    assert two_away.item() == pytest.approx(math.exp(-4 / (2 * sigma**2)))
    assert one_away.item() != pytest.approx(math.exp(-((1 / (2 * sigma**2)) ** 2)), rel=0.05)  # a known mistake


@pytest.mark.parametrize(("centre", "variance"), [(4.0, 1.0), (-50.0, 1e-4), (400.0, 1e-6), (3.3, 1e6)])
def test_every_row_sums_to_one_also_far_outside(centre, variance):
    row = filterbank(torch.tensor([centre]), torch.tensor([3.0]), torch.tensor([math.log(variance)]), count=5, length=8)
    torch.testing.assert_close(row.sum(2), torch.ones(1, 5))
    assert row.min() >= 0


def test_at_rest_the_grid_spans_the_image_and_lies_in_its_middle():
    rows, columns, gain = aimed(Attention(3, 5, 9, 21), log_variance=-20.0)(torch.randn(1, 3))
    # spacing (21 - 1) / (5 - 1) = 5 around column 11 and row 5
    assert columns[0].argmax(1).tolist() == [0, 5, 10, 15, 20]
    assert rows[0].argmax(1).tolist()[2] == 4
    assert gain.item() == 1


@pytest.mark.parametrize(("x", "y", "column", "row"), [(0.5, 0.0, 8, 4), (0.0, -0.4, 5, 2)])
def test_x_is_along_the_width_and_y_along_the_height(x, y, column, row):
    """(A + 1) / 2 (x + 1) with A = 10: x = 0.5 is position 8.25, index 7."""
    rows, columns, _ = aimed(Attention(3, 3, 7, 10), x, y, log_variance=-20.0, log_spacing=-9.0)(torch.randn(1, 3))
    assert columns[0, 1].argmax().item() == pytest.approx(11 / 2 * (x + 1) - 1, abs=0.51)
    assert rows[0, 1].argmax().item() == pytest.approx(8 / 2 * (y + 1) - 1, abs=0.51)


def test_a_grid_as_large_as_the_image_reads_and_writes_it_as_it_is():
    """Distance 1 and tiny filters: the filters are the unit matrix."""
    image = torch.rand(2, 3, 6, 6)
    read, write = Read(4, 3, 6, 6, 6), Write(4, 3, 6, 6, 6)
    for part in (read, write):
        aimed(part.attention, log_variance=-20.0)
    state = torch.randn(2, 4)
    torch.testing.assert_close(read(image, state), image.flatten(1))
    torch.testing.assert_close(write(state[:, None]), write.patch(state).view(2, 3, 6, 6))


def test_intensity_multiplies_what_is_read_and_divides_what_is_written():
    image, state = torch.rand(1, 2, 5, 4), torch.randn(1, 4)
    read, write = Read(4, 2, 5, 4, 3), Write(4, 2, 5, 4, 3)
    plain = [aimed(read.attention) and read(image, state), aimed(write.attention) and write(state[:, None])]
    gain = math.log(2.5)
    aimed(read.attention, log_gain=gain), aimed(write.attention, log_gain=gain)
    torch.testing.assert_close(read(image, state), plain[0] * 2.5)
    torch.testing.assert_close(write(state[:, None]), plain[1] / 2.5)


def test_writing_is_the_transposed_of_reading():
    """<read(x), w> = <x, write(w)> for one place and gain 1."""
    image, state = torch.rand(1, 1, 6, 9, dtype=DOUBLE), torch.randn(1, 4, dtype=DOUBLE)
    read, write = Read(4, 1, 6, 9, 3).double(), Write(4, 1, 6, 9, 3).double()
    for part in (read, write):
        aimed(part.attention, 0.2, -0.3, 0.4, -0.5)
    seen, patch = read(image, state), write.patch(state)
    torch.testing.assert_close((seen * patch).sum(), (image * write(state[:, None])).sum())


@pytest.mark.parametrize("count", [None, 2, 5])
def test_shapes_of_reading_and_writing(count):
    image, state = torch.rand(3, 2, 8, 10), torch.randn(3, 4)
    read = Read(4, 2, 8, 10, count)
    assert read.size == (2 * 8 * 10 if count is None else 2 * count * count)
    assert read(image, state).shape == (3, read.size)
    assert Write(4, 2, 8, 10, count)(state[:, None]).shape == (3, 2, 8, 10)
    if count is None:
        assert torch.equal(read(image, state), image.flatten(1))


@pytest.mark.parametrize("count", [None, 3])
def test_what_several_steps_write_is_the_sum_of_what_each_writes(count):
    states, write = torch.randn(2, 4, 5, dtype=DOUBLE), Write(5, 2, 6, 9, count).double()
    torch.testing.assert_close(write(states), sum(write(states[:, [step]]) for step in range(4)))


# -- the network ------------------------------------------------------------------------------------------------------

IMAGE = Image(1, 6, 8, 0.0, 1.0)


def network(glimpses=4, code=3, **choices):
    torch.manual_seed(0)
    return draw(Vector(glimpses * code), IMAGE, makes=IMAGE, glimpses=glimpses, hidden=5, **choices)


def test_the_recurrence_is_that_of_the_paper():
    """Equations 3 to 8, written out for three steps."""
    net = network(glimpses=3)
    torch.manual_seed(1)
    noise, image = torch.randn(2, 9), torch.rand(2, 1, 6, 8).round()
    nn.init.normal_(net.canvas), nn.init.normal_(net.encoded), nn.init.normal_(net.decoded)
    found = net(noise, image)
    canvas = net.canvas.repeat(2, 1, 1, 1)
    encoded, decoded = ((first.repeat(2, 1), torch.zeros(2, 5)) for first in (net.encoded, net.decoded))
    means, log_variances = [], []
    for step in range(3):
        error = image - torch.sigmoid(canvas)
        glimpse = net.read(torch.cat([image, error], 1), decoded[0])
        encoded = net.encoder(torch.cat([glimpse, decoded[0]], 1), encoded)
        code = net.to_code(encoded[0])
        means.append(code[:, :3])
        log_variances.append(code[:, 3:])
        z = means[-1] + log_variances[-1].exp().sqrt() * noise[:, 3 * step : 3 * step + 3]
        decoded = net.decoder(z, decoded)
        canvas = canvas + net.write(decoded[0][:, None])
    torch.testing.assert_close(found["logits"], canvas)
    torch.testing.assert_close(found["code"], torch.cat([*means, *log_variances], 1))


def test_drawing_from_noise_uses_the_decoder_alone():
    net, noise = network(), torch.randn(2, 12)
    canvas, decoded = net.canvas.repeat(2, 1, 1, 1), (net.decoded.repeat(2, 1), torch.zeros(2, 5))
    for z in noise.chunk(4, 1):
        decoded = net.decoder(z, decoded)
        canvas = canvas + net.write(decoded[0][:, None])
    found = net(noise)
    assert set(found) == {"logits"}
    torch.testing.assert_close(found["logits"], canvas)
    found["logits"].sum().backward()
    idle = {name.partition(".")[0] for name, value in net.named_parameters() if value.grad is None}
    assert idle == {"read", "encoder", "to_code", "encoded"}


def test_a_code_at_the_prior_draws_what_noise_alone_draws():
    net, noise = network(), torch.randn(2, 12)
    nn.init.zeros_(net.to_code.weight), nn.init.zeros_(net.to_code.bias)
    found = net(noise, torch.rand(2, 1, 6, 8))
    assert not found["code"].any()
    torch.testing.assert_close(found["logits"], net(noise)["logits"])


def test_every_step_has_noise_of_its_own():
    net, image = network(), torch.rand(1, 1, 6, 8)
    noise = torch.randn(1, 12)
    codes = net(noise, image)["code"][:, :12].view(4, 3)
    for step in range(4):
        other = noise.clone()
        other[:, 3 * step : 3 * step + 3] += 1
        changed = net(other, image)["code"][:, :12].view(4, 3)
        assert torch.equal(changed[: step + 1], codes[: step + 1])  # what comes before has not seen it
        assert step == 3 or not torch.equal(changed[step + 1], codes[step + 1])
        assert not torch.equal(net(other)["logits"], net(noise)["logits"])


def test_both_calls_are_one_network_whichever_is_built_first():
    first, second = network(), None
    torch.manual_seed(0)
    second = draw(Vector(12), makes=IMAGE, glimpses=4, hidden=5)
    assert {name: value.shape for name, value in first.state_dict().items()} == {
        name: value.shape for name, value in second.state_dict().items()
    }


@pytest.mark.parametrize(
    ("inputs", "text"),
    [
        ([], "got nothing"),
        ([IMAGE], r"got Image\(1x6x8"),
        ([Vector(4), Image(1, 6, 6)], r"got Vector\(4\), Image\(1x6x6"),
        ([Vector(4), IMAGE, IMAGE], "noise, or noise and an image"),
        ([Vector(6)], r"as much noise for every one of 4 glimpses \(got 6 numbers\).*multiple of 4"),
    ],
)
def test_other_inputs_are_refused(inputs, text):
    with pytest.raises(ComponentError, match=text):
        draw(*inputs, makes=IMAGE, glimpses=4)


def conditional(*conditions):
    torch.manual_seed(0)
    return draw(Vector(12), IMAGE, *conditions, makes=IMAGE, glimpses=4, hidden=5)


def test_a_label_changes_both_the_drawing_and_the_code():
    net, noise, image = conditional(Label(3)), torch.randn(2, 12), torch.rand(2, 1, 6, 8)
    nn.init.normal_(net.write.patch.weight)
    first, second = torch.tensor([0, 1]), torch.tensor([0, 2])
    for calls in ([net(noise, value) for value in (first, second)],
                  [net(noise, image, value) for value in (first, second)]):  # fmt: skip
        for key in calls[0]:
            same = [torch.equal(a, b) for a, b in zip(calls[0][key], calls[1][key], strict=True)]
            assert same == [True, False], key


def test_conditions_are_joined_to_what_encoder_and_decoder_get():
    """Against a network without conditions whose biases hold what each condition adds."""
    net = conditional(Label(3), Vector(2))
    plain = network()
    noise, image = torch.randn(1, 12), torch.rand(1, 1, 6, 8)
    label, vector = torch.tensor([2]), torch.randn(1, 2)
    added = torch.cat([torch.eye(3)[label], vector], 1)[0]
    state = net.state_dict()
    for cell in ("encoder", "decoder"):
        whole = state[f"{cell}.weight_ih"]
        state[f"{cell}.weight_ih"] = whole[:, :-5]
        state[f"{cell}.bias_ih"] = state[f"{cell}.bias_ih"] + whole[:, -5:] @ added
    plain.load_state_dict(state)
    for key, value in net(noise, label, image, vector).items():  # the image may stand anywhere behind the noise
        torch.testing.assert_close(value, plain(noise, image)[key])
    torch.testing.assert_close(net(noise, label, vector)["logits"], plain(noise)["logits"])


def test_without_conditions_nothing_changes():
    assert not any("joined" in name for name in network().state_dict())
    assert network().decoder.input_size == 3


@pytest.mark.parametrize("given", [[], [torch.zeros(2, dtype=torch.int64)] * 2])
def test_a_call_with_other_conditions_is_refused(given):
    with pytest.raises(ComponentError, match=rf"built for 1 labels and vectors .*\(got {len(given)}\)"):
        conditional(Label(3))(torch.randn(2, 12), *given)


def test_the_divergence_at_the_prior_is_0_whatever_the_label():
    net = conditional(Label(3))
    nn.init.zeros_(net.to_code.weight), nn.init.zeros_(net.to_code.bias)
    noise, label = torch.randn(3, 12), torch.arange(3)
    found = net(noise, torch.rand(3, 1, 6, 8), label)
    assert kl(found["code"]).item() == 0
    torch.testing.assert_close(found["logits"], net(noise, label)["logits"])


@pytest.mark.gpu
def test_drawing_and_its_gradient_are_the_same_in_every_run_on_a_gpu():
    net = network(glimpses=6, code=4).cuda()
    torch.manual_seed(1)
    noise, image = torch.randn(64, 24).cuda(), torch.rand(64, 1, 6, 8).cuda()

    def once():
        net.zero_grad()
        found = net(noise, image)
        (found["logits"].square().sum() + found["code"].square().sum()).backward()
        return [net(noise)["logits"].detach(), *(value.grad.clone() for value in net.parameters())]

    assert all(torch.equal(a, b) for a, b in zip(once(), once(), strict=True))
