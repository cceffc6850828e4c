"""What an export finds out before anything is traced: the size divisor, depths, and what a file is made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from translate import Image
from translate.exporting.graph import Baked
from translate.exporting.plan import depth, make_plan
from translate.exporting.sizes import Call, divisor_at, divisor_of, other_size, padded

UNET = {"generator": "unet", "width": 2, "depth": 2, "norm": "none"}


def plan_of(games, tmp_path, generator, flow, **more):
    fields = more.pop("fields", None)
    opened = games.opened(tmp_path, games.document({**UNET, **generator}, flow=flow, **more), fields=fields)
    return make_plan(opened.game, None, opened.step)


@pytest.mark.parametrize(
    ("generator", "flow", "divisor"),
    [
        ({}, {"fake": "G(source)"}, 4),
        ({"makes": "resize(target, scale=0.5)"}, {"fake": "resize(G(resize(source, scale=0.5)), scale=2.0)"}, 8),
        ({"makes": "resize(target, scale=0.25)"}, {"fake": "G(resize(source, scale=0.25))"}, 16),
        ({"makes": "resize(target, scale=2.0)"}, {"fake": "resize(G(resize(source, scale=2.0)), scale=0.5)"}, 2),
        ({"makes": "resize(target, size=8)"}, {"fake": "G(resize(source, size=8))"}, 1),
        ({}, {"fake": "G(concat(source, resize(resize(source, size=4), size=16)))"}, 4),
        ({"generator": "resnet", "blocks": 1, "depth": None}, {"fake": "G(source)"}, 4),
    ],
    ids=["whole", "half", "quarter", "double", "of its own", "joined", "resnet"],
)  # fmt: skip
def test_the_divisor_is_that_of_the_picture_not_of_the_network(games, tmp_path, generator, flow, divisor):
    generator = {key: value for key, value in ({**UNET, **generator}).items() if value is not None}
    adversarial = {"loss": "bce", "real": "D(source)", "fake": "D(resize(fake, size=16))"}
    opened = games.opened(tmp_path, games.document(generator, flow=flow, losses={"adversarial": adversarial}))
    plan = make_plan(opened.game, None, 1)
    assert plan.divisor == divisor
    if "size=4" not in flow["fake"]:
        assert plan.free_size
    picture = torch.randint(0, 256, (1, 21, 19, 3), dtype=torch.uint8)
    if plan.free_size:
        with torch.no_grad():
            made = Baked(plan)(picture)
        expected = {"G(resize(source, scale=0.25))": (6, 5), "G(resize(source, size=8))": (8, 8)}
        assert made.shape[1:3] == expected.get(flow["fake"], (21, 19))


def test_divisors_by_calls():
    assert divisor_at([Call(4, (16, 16)), Call(8, (8, 8))], (16, 16)) == 16
    assert divisor_at([Call(1, (8, 16))], (16, 16)) == 2
    assert divisor_at([Call(4, (32, 32))], (16, 16)) == 2
    assert divisor_at([Call(6, (24, 24))], (16, 16)) == 4, "3/2 of a multiple of 4 is one of 6"
    assert divisor_at([Call(4, (16, 16))], (331, 331)) == 4, "no share that anyone would write"
    assert divisor_at([], (16, 16)) == 1
    size, other = (16, 16), (32, 48)
    assert divisor_of([Call(4, (8, 8))], size, [Call(4, (16, 24))], other) == 8
    assert divisor_of([Call(4, (8, 8))], size, [Call(4, (8, 8))], other) == 1
    assert divisor_of([Call(4, (14, 14))], size, [Call(4, (30, 46))], other) == 4, "two less than the picture"
    assert divisor_of([], size, [], other) == 1


def test_every_multiple_fits_and_nothing_between():
    for divisor in (1, 2, 3, 4, 6, 8):
        for numerator, denominator in ((1, 1), (1, 2), (3, 2), (2, 1), (3, 4), (1, 8)):
            whole = 16 * 3 * denominator * divisor
            found = divisor_at([Call(divisor, (whole * numerator // denominator,) * 2)], (whole, whole))
            good = [n for n in range(1, 200) if n * numerator % (denominator * divisor) == 0]
            assert good == list(range(found, 200, found))


def test_other_sizes_fit():
    assert [padded(side, 4) for side in (1, 4, 5)] == [4, 4, 8]
    height, width = other_size((16, 20), 8)
    assert height % 8 == width % 8 == 0
    assert height != width


def test_hooks_do_not_stay_in_the_networks(games, tmp_path):
    plan = plan_of(games, tmp_path, {}, {"fake": "G(source)"})
    assert not any(network._forward_pre_hooks for network in plan.networks.values())


@pytest.mark.parametrize(
    ("output", "bits"),
    [
        ("G(source)", 16),
        ("resize(G(source), scale=2.0)", 16),
        ("source", 8),
        ("resize(source, scale=2.0)", 8),
        ("mix(source, target)", 16),
        ("target", 16),
    ],
)
def test_the_depth_of_an_output_is_that_of_what_it_is_made_like(games, tmp_path, output, bits):
    fields = {"source": Image(3, 16, 16), "target": Image(3, 16, 16, bits=16)}
    document = games.document(UNET, flow={"fake": "G(source)", "x": output}, preview=["x"])
    game = games.opened(tmp_path, document, fields=fields).game
    node = next(node.index for node in game.graphs[-1].nodes if node.text == output)
    assert depth(game, node) == bits


def test_a_file_may_take_one_depth_and_make_another(games, tmp_path):
    fields = {"source": Image(1, 16, 16, bits=16), "target": Image(3, 16, 16)}
    plan = plan_of(games, tmp_path, {}, {"fake": "G(source)"}, fields=fields)
    module = Baked(plan)
    deep = torch.from_numpy(np.random.default_rng(0).integers(0, 65536, (1, 16, 16, 1), dtype=np.uint16))
    with torch.no_grad():
        made = module(deep)
        unit = deep.permute(0, 3, 1, 2).float() / 65535 * 2 - 1
        expected = plan.networks["G"](unit)
    assert made.dtype == torch.uint8
    assert torch.equal(made.permute(0, 3, 1, 2), ((expected + 1) * 127.5).clamp(0, 255).round().to(torch.uint8))


def test_white_and_black_of_16_bits_are_exact(games, tmp_path):
    fields = {"source": Image(3, 16, 16, bits=16), "target": Image(3, 16, 16, bits=16)}
    export = {"translate": {"inputs": ["source"], "output": "source"}}
    plan = plan_of(games, tmp_path, {}, {"fake": "G(source)"}, fields=fields, export=export)
    every = torch.arange(65536, dtype=torch.int32).to(torch.uint16).reshape(1, 256, 256, 1).expand(-1, -1, -1, 3)
    assert torch.equal(Baked(plan)(every), every), "all levels go through the value range and back"
