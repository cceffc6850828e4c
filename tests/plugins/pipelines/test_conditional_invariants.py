"""What the papers of CGAN, InfoGAN and AC-GAN fix, and what known re-implementations of them got wrong."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from small_sets import built, of_full_size, small_settings
from torch import Tensor, nn

import translate
from translate.errors import PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.computing import evaluate
from translate.pipeline.evaluating import Evaluator
from translate.pipeline.game import Game
from translate.pipeline.graph import Node
from translate.pipeline.opening import open_dataset, open_stream
from translate.pipeline.wrong_terms import squashing_end
from translate.specs import Image, Vector
from translate.training import train

MODELS = ("cgan", "acgan", "acgan_extra_class", "infogan")
EMBEDDED = ("networks.G_y={generator: embedding}", "networks.D_y={discriminator: embedding}")
MULTIPLIED = (
    "networks.G_y={generator: embedding, makes: z}",
    "networks.D_y={discriminator: embedding, makes: image}",
    "flow.fake=G(G_z(multiply(z, G_y(label))))",
    "losses.adversarial.real=D(D_x(multiply(image, D_y(label))))",
    "losses.adversarial.fake=D(D_x(multiply(fake, D_y(label))))",
)
ENTRIES = {"one-hot": (), "embedding": EMBEDDED, "multiplied": MULTIPLIED}


def needed(game: Game, turn: str) -> list[Node]:
    """Every value that a turn's losses are computed from."""
    nodes, found = game.graphs[0].nodes, {}
    pending = [slot // 2 for term in Evaluator(game).plan(turn, ()).terms for _, slot in term.arguments]
    while pending:
        node = nodes[pending.pop()]
        if node.index not in found:
            found[node.index] = node
            pending += [*node.inputs, *(index for _, index in node.keywords)]
    return list(found.values())


def terms(game: Game, turn: str) -> set[str]:
    return {term.name for term in Evaluator(game).plan(turn, ()).terms}


def term_node(game: Game, term: str, side: str) -> Node:
    return game.graphs[0].nodes[game.term_nodes[0][term][side]]


def widths(network: nn.Module) -> list[tuple[int, ...]]:
    """Shapes of the weights of dense layers and convolutions, in order."""
    kinds = nn.Linear | nn.Conv2d | nn.ConvTranspose2d
    return [tuple(part.weight.shape) for part in network.modules() if isinstance(part, kinds)]


def one_step(game: Game, turn: str, *, lr: float = 0.05) -> tuple[dict[str, bool], dict[str, list[float]]]:
    """Which networks a plain gradient step of one turn moves, and its terms before and after it, on the same draw."""
    stream = open_stream(game.pipeline, "train", batch_size=8)
    batch = next(stream.batches())
    drawn: dict[str, Tensor] = {}

    def sample(name: str) -> Tensor:
        if name not in drawn:
            generator = torch.Generator().manual_seed(len(name))
            drawn[name] = game.latents[name].sample(8, generator=generator, device=torch.device("cpu"))
        return drawn[name]

    evaluator = Evaluator(game)
    before = {name: [p.clone() for p in network.parameters()] for name, network in game.networks.items()}
    values: dict[str, list[float]] = {}
    for number in range(2):
        torch.manual_seed(0)  # dropout
        result = evaluator.run_turn(evaluator.begin(batch, 0, sample), turn)
        for name, value in result.terms.items():
            values.setdefault(name, []).append(float(value))
        if number == 0:
            assert result.loss is not None
            result.loss.backward()
            learning = [p for name in evaluator.phase.turns[turn].learn for p in game.trainable[name]]
            torch.optim.SGD(learning, lr).step()
    moved = {
        name: any(not torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True))
        for name, network in game.networks.items()
    }
    evaluator.release()
    return moved, values


# -- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_there_are_two_turns_and_every_parameter_has_one_optimiser(name, small_data):
    game = built(name, small_data)
    turns = game.pipeline.phases[0].turns
    assert list(turns) == ["discriminators", "generators"]
    assert turns["generators"].fresh  # the papers draw new latents for G's step
    owners = {turn: {id(p) for network in turns[turn].learn for p in game.trainable[network]} for turn in turns}
    assert not owners["discriminators"] & owners["generators"]
    everything = {id(p) for network in game.networks.values() for p in network.parameters()}
    assert owners["discriminators"] | owners["generators"] == everything


@pytest.mark.parametrize("name", MODELS)
def test_each_turn_moves_its_own_side_and_all_of_it(name, small_data):
    for turn, kind in (("discriminators", "discriminator"), ("generators", "generator")):
        game = built(name, small_data)
        moved, _ = one_step(game, turn)
        assert moved == {network: use.entry.kind == kind for network, use in game.pipeline.networks.items()}


@pytest.mark.parametrize("name", MODELS)
def test_no_network_ends_in_a_softmax_or_a_sigmoid_before_its_loss(name, small_data):
    """Softmax in front of a cross-entropy: ten classes cannot get below 1.46, and the gradient is damped."""
    for network in of_full_size(name, small_data).networks.values():
        assert not any(isinstance(part, nn.Softmax | nn.LogSoftmax) for part in network.modules())
    head = {"cgan": "D", "infogan": "Q_digit"}.get(name, "C")
    change = f"networks.{head}.layers=[{'fc1' if head == 'D' else 'fc*'} sigmoid]"
    pipeline = load_pipeline(name, [*small_settings(name, small_data), change])
    fields = open_dataset(pipeline).fields
    with pytest.raises(PipelineError, match=f"network '{head}' ends in a sigmoid"):
        check(pipeline, fields)


def test_a_softmax_before_such_a_loss_is_found():
    assert squashing_end(nn.Sequential(nn.Linear(3, 4), nn.Softmax(1))) == ("softmax", 0.0, 1.0)
    assert squashing_end(nn.Sequential(nn.Linear(3, 4), nn.LogSoftmax(1))) == ("softmax", -math.inf, 0.0)
    assert not squashing_end(nn.Sequential(nn.Softmax(1), nn.Linear(4, 4)))


@pytest.mark.parametrize("name", MODELS)
def test_batch_norm_has_torchs_epsilon(name, small_data):
    """0.8 in the place of epsilon, in 22 files of a known collection, leaves small features as they are."""
    norms = [
        part
        for network in of_full_size(name, small_data).networks.values()
        for part in network.modules()
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d)
    ]
    assert norms
    assert all(part.eps == 1e-5 for part in norms)


# -- CGAN (Mirza & Osindero 2014) -------------------------------------------------------------------------------------


def test_cgan_has_the_widths_of_the_paper(small_data):
    networks = of_full_size("cgan", small_data).networks
    assert {name: widths(network) for name, network in networks.items()} == {
        "G_z": [(200, 100)],
        "G_y": [(1000, 10)],
        "G": [(1200, 1200), (784, 1200)],
        "D_x": [(5 * 240, 784)],
        "D_y": [(5 * 50, 10)],
        "D": [(4 * 240, 290), (1, 240)],
    }


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_label_reaches_both_players_of_cgan_in_every_form(entry, small_data):
    game = built("cgan", small_data, *ENTRIES[entry])
    for network in game.networks.values():
        network.eval()
    image, z = torch.rand(1, 1, 28, 28), torch.rand(1, 100) * 2 - 1
    phase = game.pipeline.phases[0]
    fake = game.graphs[0].add_at(("flow", "fake"), phase.flow["fake"])
    nodes = [fake, game.term_nodes[0]["adversarial"]["real"]]

    def asked(label: int) -> list[Tensor]:
        inputs = {"image": image, "z": z, "label": torch.tensor([label])}
        with torch.no_grad():
            return evaluate(game, nodes, inputs, networks=game.networks)

    for one, other in zip(asked(3), asked(7), strict=True):
        assert (one - other).abs().max() > 1e-6


@pytest.mark.parametrize("entry", ["embedding", "multiplied"])
def test_a_learned_label_learns_with_the_side_that_uses_it(entry, small_data):
    for turn, own, other in (("discriminators", "D_y", "G_y"), ("generators", "G_y", "D_y")):
        moved, _ = one_step(built("cgan", small_data, *ENTRIES[entry]), turn)
        assert moved[own]
        assert not moved[other]


def test_cgans_fake_is_judged_with_the_label_that_it_was_asked_for(small_data):
    game = built("cgan", small_data)
    nodes = game.graphs[0].nodes

    def label_of(term_side: str) -> int:
        judge = term_node(game, "adversarial", term_side)
        return judge.inputs[1]

    assert label_of("real") == label_of("fake")
    (label,) = nodes[label_of("fake")].inputs
    fake = nodes[nodes[term_node(game, "adversarial", "fake").inputs[0]].inputs[0]]
    assert nodes[label].name == "label"
    assert nodes[fake.inputs[1]].inputs == (label,)


# -- InfoGAN (Chen et al. 2016) ---------------------------------------------------------------------------------------


def test_infogan_has_the_networks_and_latents_of_the_authors_code(small_data):
    game = of_full_size("infogan", small_data)
    assert {name: widths(network) for name, network in game.networks.items()} == {
        "G": [(1024, 74), (7 * 7 * 128, 1024), (128, 64, 4, 4), (64, 1, 4, 4)],
        "T": [(64, 1, 4, 4), (128, 64, 4, 4), (1024, 7 * 7 * 128)],
        "D": [(1, 1024)],
        "Q": [(128, 1024)],
        "Q_digit": [(10, 128)],
        "Q_style": [(2, 128)],
    }
    slopes = {part.negative_slope for part in game.networks["T"].modules() if isinstance(part, nn.LeakyReLU)}
    assert slopes == {0.1}
    latents = [game.latents[name] for name in ("z", "digit", "style")]
    assert [each.spec for each in latents] == [Vector(62), Vector(10), Vector(2)]
    assert (latents[0].low, latents[0].high, latents[2].low, latents[2].high) == (-1, 1, -1, 1)


def test_infogan_reads_no_label_in_training(small_data):
    game = built("infogan", small_data)
    for turn in game.pipeline.phases[0].turns:
        fields = {node.name for node in needed(game, turn) if node.kind == "input"} & set(game.fields)
        assert fields <= {"image"}


def test_infogans_d_takes_no_code_and_shares_its_trunk_with_q(small_data):
    game = built("infogan", small_data)
    (seen,) = game.network_inputs["T"].inputs
    assert isinstance(seen, Image)
    (judged,), (found,) = (game.network_inputs[name].inputs for name in ("D", "Q"))
    assert judged == found
    judge, category = term_node(game, "adversarial", "fake"), term_node(game, "category", "of")
    nodes = game.graphs[0].nodes
    q = nodes[category.inputs[0]]
    assert (q.name, q.inputs) == ("Q", judge.inputs)  # one and the same call of the trunk


def test_infogans_information_trains_g_in_one_turn_and_q_and_the_trunk_in_the_other(small_data):
    off = ("losses.adversarial.weight=0",)
    moved, values = one_step(built("infogan", small_data, *off), "generators")
    assert {name for name, is_moved in moved.items() if is_moved} == {"G"}
    assert values.keys() == {"category", "styles"}
    moved, _ = one_step(built("infogan", small_data, *off), "discriminators")
    assert {name for name, is_moved in moved.items() if is_moved} == {"T", "Q", "Q_digit", "Q_style"}


@pytest.mark.parametrize("turn", ["discriminators", "generators"])
def test_a_step_raises_the_information(turn, small_data):
    off = ("losses.adversarial.weight=0", "losses.styles.weight=0")
    _, values = one_step(built("infogan", small_data, *off), turn)
    before, after = values["category"]
    assert after > before


@pytest.mark.parametrize("weight", ["0.5", "half"])
def test_what_is_maximised_is_logged_as_it_is_and_subtracted(weight, small_data):
    schedule = "schedules.half={schedule: constant, value: 0.5}"
    changes = [f"losses.category.weight={weight}", *([schedule] if weight == "half" else [])]
    game = built("infogan", small_data, *changes)
    evaluator = Evaluator(game)
    batch = next(open_stream(game.pipeline, "train", batch_size=8).batches())
    drawn = {
        name: latent.sample(8, generator=torch.Generator(), device=torch.device("cpu"))
        for name, latent in game.latents.items()
    }
    result = evaluator.run_turn(evaluator.begin(batch, 0, drawn.__getitem__), "discriminators")
    parts = result.terms
    assert result.loss is not None
    expected = parts["adversarial"] - 0.5 * parts["category"] - parts["styles"]
    torch.testing.assert_close(result.loss.detach(), expected)
    assert parts["category"] <= math.log(10)


def test_the_log_has_the_information_in_nats_and_below_the_entropy(small_data, tmp_path):
    settings = [*small_settings("infogan", small_data), "training.observers=[metrics_file]", "training.steps=4"]
    run = train("infogan", settings, out=tmp_path / "run")
    lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    for side in ("discriminators", "generators"):
        values = [line[f"{side}.category"] for line in lines]
        assert len(values) == 4
        assert all(-3 < value <= math.log(10) for value in values)


# -- AC-GAN (Odena et al. 2016) ---------------------------------------------------------------------------------------


def test_acgans_head_has_k_outputs_and_k_and_one_in_the_other_form(small_data):
    for name, count in (("acgan", 10), ("acgan_extra_class", 11)):
        game = built(name, small_data)
        node = game.term_nodes[0]["class_real"]["of"]
        image = torch.rand(2, 1, 28, 28)
        with torch.no_grad():
            (logits,) = evaluate(game, [node], {"image": image}, networks=game.networks)
        assert logits.shape == (2, count)


def test_acgans_fakes_keep_the_class_that_they_were_asked_for_on_both_sides(small_data):
    game = built("acgan", small_data)
    assert terms(game, "discriminators") == {"adversarial", "class_real", "class_fake"}
    assert terms(game, "generators") == {"adversarial", "class_fake"}
    nodes = game.graphs[0].nodes
    intended = game.term_nodes[0]["class_fake"]["to"]
    fake = nodes[game.graphs[0].add_at(("flow", "fake"), game.pipeline.phases[0].flow["fake"])]
    assert intended == fake.inputs[1]
    assert game.term_nodes[0]["class_real"]["to"] == intended  # the label of the batch
    assert term_node(game, "class_fake", "of").networks == {"G", "T", "C"}


def test_acgans_discriminator_takes_no_label(small_data):
    for name in ("acgan", "acgan_extra_class"):
        assert [type(spec) for spec in built(name, small_data).network_inputs["T"].inputs] == [Image]


def test_the_extra_class_is_for_fakes_in_ds_turn_and_never_wanted_by_g(small_data):
    game = built("acgan_extra_class", small_data)
    assert terms(game, "discriminators") == {"adversarial", "class_real", "class_made"}
    assert terms(game, "generators") == {"adversarial", "class_wanted"}
    assert term_node(game, "class_wanted", "to").name == term_node(game, "class_real", "to").name == "label"
    z, label = torch.rand(3, 100), torch.tensor([0, 4, 9])
    with torch.no_grad():
        (made,) = evaluate(
            game, [game.term_nodes[0]["class_made"]["to"]], {"z": z, "label": label}, networks=game.networks
        )
    assert made.tolist() == [10, 10, 10]


def test_the_class_terms_can_reach_zero(small_data):
    from translate_plugins.losses.cross_entropy import cross_entropy

    label = torch.arange(10)
    assert cross_entropy(1000 * torch.eye(10), label).item() == 0
    assert cross_entropy(torch.eye(10).softmax(1), label).item() > 1.46


# -- the exported files -----------------------------------------------------------------------------------------------

INPUTS = {
    "cgan": {"z": [100], "label": []},
    "acgan": {"z": [110], "label": []},
    "acgan_extra_class": {"z": [100], "label": []},
    "infogan": {"z": [62], "digit": [10], "style": [2]},
}


@pytest.mark.parametrize("name", MODELS)
def test_labels_and_codes_are_named_inputs_of_the_exported_file(name, small_data, tmp_path):
    """The export itself compares the file with PyTorch and fails above the tolerance."""
    import onnxruntime

    wide = "networks.G.init_std=0.5"  # two steps from 0.02 the pictures hardly differ
    settings = [*small_settings(name, small_data), "training.observers=[metrics_file]", wide]
    file = translate.export(train(name, settings, out=tmp_path / "run").folder)
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    assert {each.name: each.shape[1:] for each in session.get_inputs()} == INPUTS[name]

    def drawn(**others: Any) -> Any:
        generator = np.random.default_rng(0)
        values = {
            key: generator.standard_normal((2, *shape)).astype(np.float32) if shape else np.array([1, 2])
            for key, shape in INPUTS[name].items()
        }
        return session.run(None, {**values, **others})[0]

    assert drawn().shape == (2, 28, 28, 1)
    last = list(INPUTS[name])[-1]
    shape = INPUTS[name][last]
    changed = np.full((2, *shape), 7, np.int64) if not shape else np.full((2, *shape), 3, np.float32)
    assert (drawn(**{last: changed}) != drawn()).any()
