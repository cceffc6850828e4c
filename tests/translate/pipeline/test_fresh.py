"""Turns with latents of their own: `fresh: true` (Goodfellow et al. 2014, algorithm 1)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pipelines import resolved_again

GAME: dict[str, Any] = {
    "latents": {"z": {"latent": "normal", "size": 3}},
    "networks": {"G": {"generator": "toy_dense", "makes": "target"}, "D": {"discriminator": "toy_dense"}},
    "flow": {"fake": "G(z)"},
    "losses": {"adversarial": {"loss": "bce", "real": "D(target)", "fake": "D(fake)"}},
}


def seen_by_generator(game: Any) -> list[torch.Tensor]:
    seen: list[torch.Tensor] = []
    game.game.networks["G"].register_forward_pre_hook(lambda _, values: seen.append(values[0].clone()))
    return seen


def turns(fresh: bool, steps: int = 1) -> dict[str, Any]:
    return {"discriminators": steps, "generators": {"fresh": fresh}}


def test_a_fresh_turn_draws_latents_anew_and_keeps_the_batch(table):
    game = table({**GAME, "turns": turns(fresh=True, steps=2)})
    seen = seen_by_generator(game)
    game.runner().iterate(0)
    game.runner().iterate(1)
    assert len(game.batches) == 4  # two a step, for the discriminator's draws alone
    assert len(seen) == 6
    assert len({value.numpy().tobytes() for value in seen}) == 6


def test_without_it_the_turns_share_their_latents(table):
    game = table({**GAME, "turns": turns(fresh=False)})
    seen = seen_by_generator(game)
    game.runner().iterate(0)
    assert len(seen) == 1


def test_its_place_in_the_sequence(table):
    evaluator = table({**GAME, "turns": turns(fresh=True, steps=2)}).runner().evaluator
    found = [(step.turn, step.begins_draw, step.keeps_batch, step.following) for step in evaluator.sequence(0)]
    assert found == [
        ("discriminators", True, False, ()),
        ("discriminators", True, False, ()),
        ("generators", True, True, ()),
    ]


def test_a_fresh_turn_that_comes_first_or_repeats_begins_a_draw_as_any_other(table):
    game = table({**GAME, "turns": {"generators": {"fresh": True, "steps": 2}, "discriminators": 1}})
    evaluator = game.runner().evaluator
    assert [step.keeps_batch for step in evaluator.sequence(0)] == [False, False, False]
    seen = seen_by_generator(game)
    game.runner().iterate(0)
    assert len(game.batches) == 2  # the discriminator shares the second draw
    assert torch.equal(seen[1], seen[2])
    assert not torch.equal(seen[0], seen[1])


def test_fresh_latents_are_a_function_of_seed_and_draw(table):
    first, second = (table({**GAME, "turns": turns(fresh=True)}) for _ in range(2))
    seen = [seen_by_generator(game) for game in (first, second)]
    for game in (first, second):
        for step in range(3):
            game.runner().iterate(step)
    assert all(torch.equal(one, other) for one, other in zip(*seen, strict=True))


def test_parts_of_a_batch_train_like_the_whole_with_fresh_latents(table):
    document = {**GAME, "turns": turns(fresh=True, steps=2)}
    whole, parts = table(document), table(document, accumulate=2)
    for game in (whole, parts):
        for step in range(3):
            game.runner().iterate(step)
    for name, network in whole.game.networks.items():
        for mine, other in zip(network.parameters(), parts.game.networks[name].parameters(), strict=True):
            assert torch.allclose(mine, other, rtol=0, atol=1e-12)


def test_it_is_resolved_checked_and_refused(load, catalogue):
    written = "turns: {discriminators: 1, generators: {fresh: true}}\ntraining:\n"
    pipeline = load(("training:\n", written)).pipeline
    assert pipeline.resolved["turns"]["generators"]["fresh"] is True
    assert "fresh" not in pipeline.resolved["turns"]["discriminators"]
    assert resolved_again(pipeline, catalogue) == pipeline.resolved
    wrong = load(("training:\n", written.replace("true", "2"))).only()
    assert "turns.generators.fresh: must be true or false (got 2)" in wrong


@pytest.mark.parametrize("fresh", [True, False])
def test_the_drawing_counts_its_calls(load, catalogue, fresh):
    from translate.drawing import describe
    from translate.pipeline.checking import check
    from translate.pipeline.opening import open_dataset

    written = f"turns: {{discriminators: 3, generators: {{fresh: {str(fresh).lower()}}}}}\ntraining:\n"
    pipeline = load(("training:\n", written)).pipeline
    (phase,) = describe(check(pipeline, open_dataset(pipeline).fields, catalogue=catalogue)).phases
    assert phase.draws == (4 if fresh else 3)
    assert phase.calls["G"] == (4 if fresh else 3)
