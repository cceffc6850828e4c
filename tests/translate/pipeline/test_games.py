"""The proof that models are data: each game as pure YAML equals the same step written by hand, to float64 rounding.

Every test lets the evaluator do one or more iterations from a pipeline, then repeats them on copies of the networks in
plain PyTorch, with the batches and latents that were drawn, and compares all weights.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Nets = dict[str, nn.Module]
DENSE = {"generator": "toy_dense"}
CRITIC = {"discriminator": "toy_dense"}


def copies(table: Any) -> Nets:
    return {name: copy.deepcopy(network) for name, network in table.game.networks.items()}


def compare(table: Any, by_hand: Nets) -> None:
    for name, network in table.game.networks.items():
        moved = False
        for (key, value), expected in zip(network.named_parameters(), by_hand[name].parameters(), strict=True):
            torch.testing.assert_close(
                value, expected, rtol=1e-12, atol=1e-12, msg=lambda m, at=f"{name}.{key}": f"{at}: {m}"
            )
            moved |= not torch.equal(value, dict(table.before[name].named_parameters())[key])
        assert moved, f"{name} did not learn, so the comparison shows nothing"


def play(table: Any, steps: int = 1, *, phase: Callable[[int], int] = lambda _: 0) -> Nets:
    by_hand = copies(table)
    table.before = copies(table)
    table.runner()
    torch.manual_seed(3)
    for step in range(steps):
        table.runner(phase(step)).iterate(step)
    torch.manual_seed(3)
    return by_hand


class Sgd:
    """Plain gradient descent on chosen networks, from whatever backward left; clears every gradient."""

    def __init__(self, nets: Nets, lr: float = 0.1) -> None:
        self.nets, self.lr = nets, lr

    def __call__(self, loss: Tensor, *names: str) -> None:
        for net in self.nets.values():
            net.zero_grad(set_to_none=True)
        loss.backward()
        with torch.no_grad():
            for name in names:
                for parameter in self.nets[name].parameters():
                    if parameter.grad is not None:
                        parameter -= self.lr * parameter.grad


def bce(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def test_pix2pix(table):
    game = table(
        {
            "networks": {"G": {**DENSE, "makes": "target"}, "D": CRITIC},
            "flow": {"fake": "G(source)"},
            "losses": {
                "adversarial": {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"},
                "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 100},
            },
        }
    )
    nets = play(game, 2)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for batch in game.batches:
        a, b = batch["source"], batch["target"]
        sgd(0.5 * (bce(D(a, b), 1) + bce(D(a, G(a).detach()), 0)), "D")
        fake = G(a)
        sgd(bce(D(a, fake), 1) + 100 * (fake - b).abs().mean(), "G")
    compare(game, nets)


def test_cyclegan_with_pool_and_identity(table):
    game = table(
        {
            "networks": {
                "G_ab": {**DENSE, "makes": "target"},
                "G_ba": {**DENSE, "makes": "source"},
                "D_a": CRITIC,
                "D_b": CRITIC,
            },
            "flow": {
                "fake_b": "G_ab(source)",
                "fake_a": "G_ba(target)",
                "again_a": "G_ba(fake_b)",
                "again_b": "G_ab(fake_a)",
            },
            "losses": {
                "gan_a": {"loss": "lsgan", "real": "D_a(source)", "fake": "D_a(pool(fake_a, size=6))"},
                "gan_b": {"loss": "lsgan", "real": "D_b(target)", "fake": "D_b(pool(fake_b, size=6))"},
                "cycle_a": {"loss": "l1", "of": "again_a", "to": "source", "weight": 10},
                "cycle_b": {"loss": "l1", "of": "again_b", "to": "target", "weight": 10},
                "identity_a": {"loss": "l1", "of": "G_ba(source)", "to": "source", "weight": 5},
                "identity_b": {"loss": "l1", "of": "G_ab(target)", "to": "target", "weight": 5},
            },
        }
    )
    nets = play(game, 3)
    from translate_plugins.operations.pool import Pool

    G, H, Da, Db, sgd = *(nets[n] for n in ("G_ab", "G_ba", "D_a", "D_b")), Sgd(nets)
    pool_a, pool_b = Pool(size=6), Pool(size=6)

    def d_loss(real: Tensor, fake: Tensor) -> Tensor:
        return 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean()

    def g_loss(fake: Tensor) -> Tensor:
        return 0.5 * ((fake - 1) ** 2).mean()

    for batch in game.batches:
        a, b = batch["source"], batch["target"]
        old_a, old_b = pool_a(H(b).detach()), pool_b(G(a).detach())
        sgd(d_loss(Da(a), Da(old_a)) + d_loss(Db(b), Db(old_b)), "D_a", "D_b")
        fake_b, fake_a = G(a), H(b)
        cycle = 10 * (H(fake_b) - a).abs().mean() + 10 * (G(fake_a) - b).abs().mean()
        identity = 5 * (H(a) - a).abs().mean() + 5 * (G(b) - b).abs().mean()
        sgd(g_loss(Da(fake_a)) + g_loss(Db(fake_b)) + cycle + identity, "G_ab", "G_ba")
    compare(game, nets)


WGAN = {
    "latents": {"z": {"latent": "normal", "size": 3}},
    "networks": {"G": {**DENSE, "makes": "target"}, "D": CRITIC},
    "flow": {"fake": "G(z)"},
}


def test_wgan_gp_with_five_critic_draws(table):
    game = table(
        {
            **WGAN,
            "flow": {"fake": "G(z)", "between": "mix(target, fake)"},
            "losses": {
                "critic": {"loss": "wasserstein", "real": "D(target)", "fake": "D(fake)"},
                "penalty": {"loss": "gradient_penalty", "of": "D(between)", "at": "between", "weight": 0.5},
            },
            "turns": {"discriminators": 5},
        }
    )
    nets = play(game, 2)  # a weight at which plain SGD is stable: else the rounding of another order grows beyond 1e-12
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    assert len(game.batches) == 10
    for index, batch in enumerate(game.batches):
        x, z = batch["target"], game.latents["z", index]
        fake = G(z).detach()
        eps = torch.rand(len(x), 1, 1, 1)
        between = (eps * x + (1 - eps) * fake).requires_grad_()
        real_out, fake_out = D(x), D(fake)
        slope = torch.autograd.grad(D(between).sum(), between, create_graph=True)[0]
        penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
        sgd(fake_out.mean() - real_out.mean() + 0.5 * penalty, "D")
        if index % 5 == 4:
            sgd(-D(G(z)).mean(), "G")
    compare(game, nets)


def test_wgan_with_clipping(table):
    sides = {
        "generators": {"name": "sgd", "lr": 0.1},
        "discriminators": {"name": "sgd", "lr": 0.1, "clip_weights": 0.05},
    }
    game = table(
        {
            **WGAN,
            "losses": {"critic": {"loss": "wasserstein", "real": "D(target)", "fake": "D(fake)"}},
            "training": {"optimizers": sides},
        }
    )
    nets = play(game, 2)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        z = game.latents["z", index]
        sgd(D(G(z).detach()).mean() - D(batch["target"]).mean(), "D")
        with torch.no_grad():
            for parameter in D.parameters():
                parameter.clamp_(-0.05, 0.05)
        sgd(-D(G(z)).mean(), "G")
    compare(game, nets)
    assert max(p.abs().max().item() for p in game.game.networks["D"].parameters()) <= 0.05


def test_infogan_with_structured_outputs(table):
    game = table(
        {
            "latents": {"z": {"latent": "normal", "size": 3}, "c": {"latent": "categorical", "classes": 5}},
            "networks": {
                "G": {**DENSE, "makes": "target"},
                "D": {"discriminator": "toy_info", "makes": {"code": "c"}},
            },
            "flow": {"fake": "G(z, c)", "judged": "D(fake)"},
            "losses": {
                "adversarial": {"loss": "bce", "real": "D(target).validity", "fake": "judged.validity"},
                "information": {"loss": "toy_cross_entropy", "of": "judged.code", "to": "c", "weight": 0.5},
            },
        }
    )
    nets = play(game, 2)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        z, c = game.latents["z", index], game.latents["c", index]

        def information(code: Tensor, c: Tensor = c) -> Tensor:
            return F.cross_entropy(code, c.argmax(1))

        judged = D(G(z, c).detach())
        loss = 0.5 * (bce(D(batch["target"])["validity"], 1) + bce(judged["validity"], 0))
        sgd(loss + 0.5 * information(judged["code"]), "D")
        judged = D(G(z, c))
        sgd(bce(judged["validity"], 1) + 0.5 * information(judged["code"]), "G")
    compare(game, nets)


def test_cogan_with_shared_weights_and_two_domains(table):
    game = table(
        {
            "latents": {"z": {"latent": "uniform", "size": 3}},
            "networks": {
                "G": {"generator": "toy_pair_g", "makes": {"a": "source", "b": "target"}},
                "D": {"discriminator": "toy_pair_d"},
            },
            "flow": {"pair": "G(z)"},
            "losses": {
                "a": {"loss": "bce", "real": "D(source, domain='a')", "fake": "D(pair.a, domain='a')"},
                "b": {"loss": "bce", "real": "D(target, domain='b')", "fake": "D(pair.b, domain='b')"},
            },
        }
    )
    nets = play(game, 2)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        z = game.latents["z", index]
        reals = {"a": batch["source"], "b": batch["target"]}
        fakes = {name: fake.detach() for name, fake in G(z).items()}
        sgd(sum(0.5 * (bce(D(reals[d], d), 1) + bce(D(fakes[d], d), 0)) for d in "ab"), "D")
        fakes = G(z)
        sgd(sum(bce(D(fakes[d], d), 1) for d in "ab"), "G")
    compare(game, nets)


def test_aae_with_three_explicit_turns(table):
    game = table(
        {
            "latents": {"prior": {"latent": "normal", "size": 3}},
            "networks": {
                "E": {**DENSE, "makes": "prior"},
                "decoder": {**DENSE, "makes": "source"},
                "D": CRITIC,
            },
            "flow": {"code": "E(source)", "again": "decoder(code)"},
            "losses": {
                "reconstruction": {"loss": "l2", "of": "again", "to": "source"},
                "adversarial": {"loss": "bce", "real": "D(prior)", "fake": "D(code)"},
            },
            "turns": {
                "reconstruct": {"learn": ["E", "decoder"], "losses": ["reconstruction"]},
                "tell": {"learn": "D"},
                "regularise": {"learn": "E", "losses": ["adversarial"]},
            },
        }
    )
    nets = play(game, 2)
    E, decoder, D, sgd = nets["E"], nets["decoder"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        x, prior = batch["source"], game.latents["prior", index]
        sgd(((decoder(E(x)) - x) ** 2).mean(), "E", "decoder")
        sgd(0.5 * (bce(D(prior), 1) + bce(D(E(x).detach()), 0)), "D")
        sgd(bce(D(E(x)), 1), "E")
    compare(game, nets)


def test_growth_schedule_passed_into_both_networks(table):
    game = table(
        {
            "latents": {"z": {"latent": "normal", "size": 3}},
            "schedules": {"growth": {"schedule": "linear", "initial": 0.25, "final": 1.0, "start": 0, "end": 3}},
            "networks": {
                "G": {"generator": "toy_growing_g", "makes": "target"},
                "D": {"discriminator": "toy_growing_d"},
            },
            "flow": {"fake": "G(z, growth)"},
            "losses": {"adversarial": {"loss": "hinge", "real": "D(target, growth)", "fake": "D(fake, growth)"}},
        }
    )
    nets = play(game, 3)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        z, growth = game.latents["z", index], 0.25 + index * 0.25
        real, fake = D(batch["target"], growth), D(G(z, growth).detach(), growth)
        sgd(F.relu(1 - real).mean() + F.relu(1 + fake).mean(), "D")
        sgd(-D(G(z, growth), growth).mean(), "G")
    compare(game, nets)


def test_relativistic_loss(table):
    losses = {"adversarial": {"loss": "relativistic", "real": "D(target)", "fake": "D(fake)"}}
    game = table({**WGAN, "losses": losses})
    nets = play(game, 2)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        z = game.latents["z", index]

        def relative(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
            return first - second.mean(), second - first.mean()  # equation 12 of arXiv 1807.00734

        real, fake = relative(D(batch["target"]), D(G(z).detach()))
        sgd(bce(real, 1) + bce(fake, 0), "D")
        real, fake = relative(D(batch["target"]), D(G(z)))
        sgd(bce(fake, 1) + bce(real, 0), "G")
    compare(game, nets)


def test_r1(table):
    game = table(
        {
            **WGAN,
            "flow": {"fake": "G(z)", "point": "leaf(target)"},
            "losses": {
                "adversarial": {"loss": "bce", "real": "D(target)", "fake": "D(fake)"},
                "r1": {"loss": "r1", "of": "D(point)", "at": "point", "weight": 4},
            },
        }
    )
    nets = play(game, 2)
    G, D, sgd = nets["G"], nets["D"], Sgd(nets)
    for index, batch in enumerate(game.batches):
        z, x = game.latents["z", index], batch["target"].clone().requires_grad_()
        slope = torch.autograd.grad(D(x).sum(), x, create_graph=True)[0]
        r1 = 0.5 * (slope.flatten(1) ** 2).sum(1).mean()
        sgd(0.5 * (bce(D(batch["target"]), 1) + bce(D(G(z).detach()), 0)) + 4 * r1, "D")
        sgd(bce(D(G(z)), 1), "G")
    compare(game, nets)


def test_loss_weight_that_follows_a_schedule(table):
    falling = {"schedule": "linear", "initial": 2.0, "final": 0.0, "start": 0, "end": 4}
    losses = {
        "first": {"loss": "l1", "of": "fake", "to": "target", "weight": falling},
        "second": {"loss": "l2", "of": "fake", "to": "target"},
    }
    game = table({"networks": {"G": {**DENSE, "makes": "target"}}, "flow": {"fake": "G(source)"}, "losses": losses})
    nets = play(game, 3)
    sgd = Sgd(nets)
    for step, batch in enumerate(game.batches):
        error = nets["G"](batch["source"]) - batch["target"]
        sgd((2.0 - 0.5 * step) * error.abs().mean() + (error**2).mean(), "G")
    compare(game, nets)


def test_learning_rate_that_follows_a_schedule(table):
    rate = {"schedule": "linear", "initial": 0.2, "final": 0.0, "start": 0, "end": 4}
    game = table(
        {
            "networks": {"G": {**DENSE, "makes": "target"}},
            "losses": {"l2": {"loss": "l2", "of": "G(source)", "to": "target"}},
            "training": {"optimizers": {"generators": {"name": "sgd", "lr": rate}}},
        }
    )
    nets = play(game, 3)
    for step, batch in enumerate(game.batches):
        Sgd(nets, 0.2 - 0.05 * step)(((nets["G"](batch["source"]) - batch["target"]) ** 2).mean(), "G")
    compare(game, nets)


def test_two_phase_training(table):
    game = table(
        {
            "networks": {"G": {**DENSE, "makes": "target"}, "E": {**DENSE, "makes": "target"}},
            "flow": {"coarse": "G(source)", "fine": "E(coarse)"},
            "losses": {
                "coarse": {"loss": "l2", "of": "coarse", "to": "target"},
                "fine": {"loss": "l1", "of": "fine", "to": "target"},
            },
            "turns": {"first": {"learn": "G", "losses": ["coarse"]}},
            "training": {"optimizers": {"generators": {"name": "sgd", "lr": 0.1}}},
            "phases": [
                {
                    "start": 2,
                    "turns": {"first": None, "second": {"learn": "E"}},
                    "losses": {"coarse": None},
                }
            ],
        }
    )
    nets = play(game, 4, phase=game.game.pipeline.phase_at)
    G, E, sgd = nets["G"], nets["E"], Sgd(nets)
    for step, batch in enumerate(game.batches):
        a, b = batch["source"], batch["target"]
        if step < 2:
            sgd(((G(a) - b) ** 2).mean(), "G")
        else:
            sgd((E(G(a)) - b).abs().mean(), "E")
    compare(game, nets)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulated_parts_equal_the_whole_batch(table, parts):
    document = {
        "networks": {"G": {**DENSE, "makes": "target"}, "D": CRITIC},
        "latents": {"z": {"latent": "normal", "size": 3}},
        "flow": {"fake": "G(source, z)"},
        "losses": {
            "adversarial": {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"},
            "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 10},
        },
    }
    whole, cut = table(document), table({**document, "training": {"accumulate": parts}}, accumulate=parts)
    play(whole, 2)
    cut.before = copies(cut)
    for step in range(2):
        cut.runner().iterate(step)
    compare(cut, whole.game.networks)


def test_components_may_hold_constants_of_their_own(table):
    game = table(
        {
            "networks": {"G": {"generator": "toy_scaled"}},
            "flow": {"fake": "G(toy_scaling(source))"},
            "losses": {"reconstruction": {"loss": "l1", "of": "fake", "to": "target"}},
        }
    )
    assert {tensor.device.type for tensor in game.game.networks["G"].state_dict().values()} == {"cpu"}
    game.runner().iterate(0)
    assert {site.scale.device.type for site in game.game.sites.values()} == {"cpu"}
