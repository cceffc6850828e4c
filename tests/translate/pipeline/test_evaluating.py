"""The rules of translate.pipeline.evaluating, one by one. Each test fails when its rule is broken."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch

from translate.errors import PipelineError, PluginError

PIX2PIX: dict[str, Any] = {
    "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
    "flow": {"fake": "G(source)"},
    "losses": {
        "adversarial": {"loss": "bce", "real": "D(source, target)", "fake": "D(source, fake)"},
        "reconstruction": {"loss": "l1", "of": "fake", "to": "target", "weight": 100},
    },
}


def count_calls(table: Any) -> Counter[str]:
    calls: Counter[str] = Counter()
    for name, network in table.game.networks.items():
        network.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.clone() for key, value in network.state_dict().items()}


# Rule 1


def test_turns_of_an_iteration_share_one_draw(table):
    game = table(PIX2PIX)
    sequence = game.runner().evaluator.sequence(0)
    assert [(s.turn, s.begins_draw, s.following) for s in sequence] == [
        ("discriminators", True, ("generators",)),
        ("generators", False, ()),
    ]
    game.runner().iterate(0)
    assert len(game.batches) == 1


def test_each_repetition_is_a_draw_of_its_own(table):
    game = table({**PIX2PIX, "turns": {"discriminators": 3, "generators": 2}})
    sequence = game.runner().evaluator.sequence(0)
    assert [s.begins_draw for s in sequence] == [True, True, True, False, True]
    assert [s.following for s in sequence] == [(), (), ("generators",), (), ()]
    game.runner().iterate(0)
    assert len(game.batches) == 4


def test_steps_of_a_turn_follow_a_schedule(table):
    cycle = {"schedule": "cycle", "values": [1, 0, 0]}
    game = table({**PIX2PIX, "turns": {"discriminators": cycle, "generators": 1}})
    turns = [[s.turn for s in game.runner().evaluator.sequence(step)] for step in range(4)]
    both = ["discriminators", "generators"]
    assert turns == [both, ["generators"], ["generators"], both]


# Rule 2


def test_no_gradient_reaches_what_does_not_learn(table):
    game = table({**PIX2PIX, "networks": {**PIX2PIX["networks"], "D": {"discriminator": "toy_dense", "norm": True}}})
    runner, nets = game.runner(), game.game.networks
    seen: dict[str, list[bool]] = {"G": [], "D": []}
    for name, network in nets.items():
        network.register_forward_pre_hook(
            lambda module, _, name=name: seen[name].append(all(p.requires_grad for p in module.parameters()))
        )
    evaluator = runner.evaluator
    draw = evaluator.begin(game.next_batch(), 0, lambda name: None)
    before = weights(nets["G"])
    evaluator.run_turn(draw, "discriminators", ("generators",)).loss.backward()
    assert all(p.grad is None for p in nets["G"].parameters())
    assert all(p.grad is not None for p in nets["D"].parameters())
    assert all(torch.equal(value, before[key]) for key, value in nets["G"].state_dict().items())
    evaluator.finish_turn(draw, "discriminators")
    nets["D"].zero_grad(set_to_none=True)
    before = weights(nets["D"])
    evaluator.run_turn(draw, "generators").loss.backward()
    assert all(p.grad is None for p in nets["D"].parameters())
    assert all(p.grad is not None for p in nets["G"].parameters())
    # Parameters, and batch-norm statistics: nothing of D moved in the generators' turn.
    assert all(torch.equal(value, before[key]) for key, value in nets["D"].state_dict().items())
    assert seen["D"] == [True, True, False], "weight gradients of D would be computed in the generators' turn"


def test_statistics_move_once_for_each_training_forward(table):
    normed = {"generator": "toy_dense", "makes": "target", "norm": True}
    game = table({**PIX2PIX, "networks": {**PIX2PIX["networks"], "G": normed}, "turns": {"discriminators": 4}})
    game.runner().iterate(0)
    assert game.game.networks["G"].norm.num_batches_tracked.item() == 1  # the critic's own draws do not count


def test_an_optimiser_of_the_other_side_does_not_move(table):
    game = table(PIX2PIX)
    runner = game.runner()
    runner.optimizers = {
        name: torch.optim.Adam([p for n in turn.learn for p in game.game.trainable[n]])
        for name, turn in runner.evaluator.phase.turns.items()
    }
    runner.evaluator._steps["generators"] = 0.0
    runner.iterate(0)
    assert runner.optimizers["discriminators"].state
    assert not runner.optimizers["generators"].state


# Rule 3


def test_what_does_not_learn_is_a_constant(table):
    game = table(PIX2PIX)
    evaluator = game.runner().evaluator
    plan = evaluator.plan("discriminators", ())
    draw = evaluator.begin(game.next_batch(), 0, lambda name: None)
    evaluator.run_turn(draw, "discriminators")
    fake = next(i.out for i in plan.instructions if i.node.text == "G(source)")
    assert not draw.values[fake].requires_grad
    assert draw.values[fake].grad_fn is None


# Rule 4


@pytest.mark.parametrize(("loss", "d_calls"), [("bce", 3), ("relativistic", 4)])
def test_only_what_a_side_asks_for_is_evaluated(table, loss, d_calls):
    losses = {"adversarial": {"loss": loss, "real": "D(target)", "fake": "D(fake)"}}
    game = table({**PIX2PIX, "losses": losses})
    calls = count_calls(game)
    game.runner().iterate(0)
    assert calls == {"G": 1, "D": d_calls}


def test_a_term_without_weight_costs_nothing(table):
    losses = {**PIX2PIX["losses"], "identity": {"loss": "l1", "of": "G(target)", "to": "target", "weight": 0}}
    game = table({**PIX2PIX, "losses": losses})
    calls = count_calls(game)
    game.runner().iterate(0)
    assert calls["G"] == 1


# Rule 5


def test_pix2pix_runs_g_once_and_d_three_times(table):
    game = table(PIX2PIX)
    calls = count_calls(game)
    for step in range(3):
        game.runner().iterate(step)
    assert calls == {"G": 3, "D": 9}


def test_a_value_is_computed_again_once_it_is_no_longer_valid(table):
    game = table({**PIX2PIX, "turns": {"generators": 1, "discriminators": 1}})
    calls = count_calls(game)
    seen: list[torch.Tensor] = []
    game.game.networks["D"].register_forward_pre_hook(lambda _, args: seen.append(args[1].detach().clone()))
    G = game.game.networks["G"]
    game.runner().iterate(0)
    assert calls == {"G": 2, "D": 3}
    fakes = [value for value in seen if not torch.equal(value, game.batches[0]["target"])]
    assert not torch.equal(fakes[0], fakes[1]), "D must see what G makes now, not before its step"
    torch.testing.assert_close(fakes[1], G(game.batches[0]["source"]).detach(), rtol=0, atol=0)


def test_extra_critic_draws_keep_no_graph(table):
    game = table({**PIX2PIX, "turns": {"discriminators": 5}})
    graphs: list[bool] = []
    game.game.networks["G"].register_forward_hook(lambda _m, _a, out: graphs.append(out.requires_grad))
    calls = count_calls(game)
    game.runner().iterate(0)
    assert calls == {"G": 5, "D": 11}
    assert graphs == [False, False, False, False, True]


def test_equal_expressions_are_one_value(table):
    losses = {
        "first": {"loss": "l1", "of": "G(source)", "to": "target"},
        "second": {"loss": "l2", "of": "fake", "to": "target"},
    }
    game = table({"networks": {"G": PIX2PIX["networks"]["G"]}, "flow": PIX2PIX["flow"], "losses": losses})
    calls = count_calls(game)
    game.runner().iterate(0)
    assert calls == {"G": 1}


def test_dropout_is_drawn_once_for_both_turns(table):
    dropping = {"generator": "toy_dense", "makes": "target", "dropout": 0.5}
    game = table({**PIX2PIX, "networks": {**PIX2PIX["networks"], "G": dropping}})
    seen: list[torch.Tensor] = []
    game.game.networks["D"].register_forward_pre_hook(lambda _, args: seen.append(args[1].detach().clone()))
    game.runner().iterate(0)
    fakes = [value for value in seen if not torch.equal(value, game.batches[0]["target"])]
    assert len(fakes) == 2
    assert torch.equal(*fakes), "within a draw every name has one value"


def test_no_network_is_kept_that_a_turn_passes_gradients_through(table):
    # In the discriminators' turn E is on the way from the loss to D's input only as a constant; in the encoder's
    # turn D is a conduit. Nothing of that may leak a gradient into a network that does not learn.
    game = table(
        {
            "networks": {
                "E": {"generator": "toy_dense", "makes": "source"},
                "G": {"generator": "toy_dense", "makes": "target"},
                "D": {"discriminator": "toy_dense"},
            },
            "flow": {"code": "E(source)", "fake": "G(code)"},
            "losses": {
                "adversarial": {"loss": "bce", "real": "D(target)", "fake": "D(fake)"},
                "code": {"loss": "l2", "of": "code", "to": "source"},
            },
            "turns": {"d": {"learn": "D"}, "e": {"learn": "E"}, "g": {"learn": "G", "losses": ["adversarial"]}},
        }
    )
    calls = count_calls(game)
    game.runner().iterate(0)
    # d: E, G (constants; E is kept for e, and so is G's result), e: D; then E has changed: g needs E, G, D again.
    assert calls == {"E": 2, "G": 2, "D": 4}


# Rule 6


def test_memory_belongs_to_the_call_site(table):
    game = table(
        {
            **PIX2PIX,
            "flow": {"fake": "G(source)", "seen": "toy_counting(fake)"},
            "losses": {
                "first": {"loss": "bce", "real": "D(toy_counting(target))", "fake": "D(toy_counting(seen))"},
                "second": {"loss": "l1", "of": "seen", "to": "target"},
            },
        }
    )
    game.runner().iterate(0)
    sites = {key: module.calls.item() for key, module in game.game.sites.items()}
    assert set(sites) == {
        "flow.seen#1:toy_counting",
        "losses.first.fake#1:toy_counting",
        "losses.first.real#1:toy_counting",
    }
    assert sites["flow.seen#1:toy_counting"] == 1, "a named value is computed once in a draw"


# Rule 7


def test_a_leaf_stays_attached(table):
    losses = {"penalty": {"loss": "gradient_penalty", "of": "D(between)", "at": "between"}}
    flow = {"fake": "G(source)", "between": "mix(target, fake)"}
    reconstruction = {"reconstruction": PIX2PIX["losses"]["reconstruction"]}
    game = table({**PIX2PIX, "flow": flow, "losses": {**losses, **reconstruction}})
    evaluator = game.runner().evaluator
    draw = evaluator.begin(game.next_batch(), 0, lambda name: None)
    evaluator.run_turn(draw, "discriminators", ("generators",)).loss.backward()
    assert all(p.grad is None for p in game.game.networks["G"].parameters())
    assert any(p.grad.abs().sum() > 0 for p in game.game.networks["D"].parameters() if p.grad is not None)


# Rule 8


def test_a_turn_never_reads_a_value_on_the_host(table, monkeypatch):
    game = table({**PIX2PIX, "flow": {"fake": "G(source)"}})
    evaluator = game.runner().evaluator
    batch = game.next_batch()

    def waited(*_args: Any, **_options: Any) -> Any:
        raise AssertionError("a step waited for the device")

    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, waited)
    draw = evaluator.begin(batch, 0, lambda name: None)
    for turn, following in (("discriminators", ("generators",)), ("generators", ())):
        evaluator.run_turn(draw, turn, following)
        evaluator.finish_turn(draw, turn)


# What goes wrong


def test_a_failing_component_is_named(table):
    game = table(PIX2PIX)
    game.game.networks["G"].second = torch.nn.Linear(3, 3).double()
    said = r"network 'G' in `G\(source\)` \(generator 'toy_dense' from toys .*\) failed: RuntimeError"
    with pytest.raises(PluginError, match=said) as caught:
        game.runner().iterate(0)
    assert caught.value.where == "flow.fake"


def test_a_missing_part_of_an_output_is_named(table):
    losses = {**PIX2PIX["losses"], "l1": {"loss": "l1", "of": "fake.validity", "to": "target"}}
    with pytest.raises(PipelineError, match="there is no part 'validity'"):
        table({**PIX2PIX, "losses": losses})


def test_every_network_is_given_back_as_it_was(table):
    game = table(PIX2PIX)
    before = copy.deepcopy(game.game.networks["D"])
    game.runner().iterate(0)
    game.runner().evaluator.release()
    assert all(p.requires_grad for n in game.game.networks.values() for p in n.parameters())
    assert [type(m) for m in before.modules()] == [type(m) for m in game.game.networks["D"].modules()]


@pytest.mark.parametrize("form", ["{}", "concat(source, {})", "noise(resize({}, size=2))"])
def test_a_history_is_not_passed_by_where_something_follows_it(table, form, monkeypatch):
    # What the discriminator sees comes from the history, also where the generators' turn wants the same value live.
    from translate_plugins.operations.pool import Pool

    calls: list[str] = []
    forward, live = Pool.forward, Pool.live
    monkeypatch.setattr(Pool, "forward", lambda self, x: calls.append("history") or forward(self, x))
    monkeypatch.setattr(Pool, "live", lambda self, x: calls.append("live") or live(self, x))
    game = table(
        {
            **PIX2PIX,
            "flow": {"fake": "G(source)", "seen": form.format("pool(fake)")},
            "losses": {"adversarial": {"loss": "bce", "real": f"D({form.format('target')})", "fake": "D(seen)"}},
        }
    )
    evaluator = game.runner().evaluator
    draw = evaluator.begin(game.next_batch(), 0, lambda name: None)
    calls.clear()
    evaluator.run_turn(draw, "discriminators", ("generators",)).loss.backward()
    assert calls == ["history"]
    evaluator.finish_turn(draw, "discriminators")
    evaluator.run_turn(draw, "generators").loss.backward()
    assert calls == ["history", "live"]


def test_a_phase_that_changes_an_operations_choice_gets_it(table):
    game = table(
        {
            **PIX2PIX,
            "losses": {"adversarial": {"loss": "bce", "real": "D(target)", "fake": "D(noise(fake, std=0.5))"}},
            "phases": [
                {"start": 3, "losses": {"adversarial": {"fake": "D(noise(fake, std=0.0))"}}},
                {"start": 5, "losses": {"adversarial": {"fake": "D(noise(fake, std=0.5))"}}},
            ],
        }
    )
    used = []
    for phase in range(3):
        game.runner(phase)
        (node,) = [node for node in game.game.graphs[phase].nodes if node.name == "noise"]
        used.append(game.game.operation(node))
    assert [noise.std for noise in used] == [0.5, 0.0, 0.5]
    assert used[0] is used[2], "an operation with the same choices goes on with its memory"
