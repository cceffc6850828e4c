"""Rules across sections: names, use, turns, optimisers, phases, overrides, extends."""

from __future__ import annotations

import pytest

from translate.errors import PipelineError, UsageError
from translate.pipeline import load_pipeline

TURNS = ("training:\n", "turns: {turns}\ntraining:\n")


def turns(text):
    return (TURNS[0], TURNS[1].format(turns=text))


def phases(text):
    return ("", f"phases:\n{text}\n")


# -- names and use ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("fake: G(source, z)", "fake: G(sorce, z)", "game.yaml:10:11: flow.fake: no value is named 'sorce'. Did you m"),
        ("fake: G(source, z)", "fake: Gg(source, z)", "game.yaml:10:9: flow.fake: no network or operation is named 'G"),
        ('"D(source, fake)"', '"D(source, fke)"', "game.yaml:12:72: losses.adversarial.fake: no value is named 'fke'."),
        ("of: fake, to: target, weight", "of: G, to: target, weight", "'G' is called, as `G(...)`."),
        ("makes: target", "makes: targt", "networks.G.makes: no value is named 'targt'. Did you mean 'target'?"),
        ("preview: [source, fake]", "preview: [source, fak]", "preview.1: no value is named 'fak'. Did you mean 'fake"),
        ("inputs: [source, z]", "inputs: [sourc, z]", "export.translate.inputs.0: 'sourc' is not a field or a latent."),
        ("inputs: [source, z]", "inputs: [growth, z]", "'growth' is not a field or a latent."),
        ("output: fake", "output: fakes", "export.translate.output: no value is named 'fakes'."),
        ("metric: l1, of: fake", "metric: l1, of: fkae", "evaluation.metrics.distance.of: no value is named 'fkae'. D"),
        ("by: source", "by: fake", "evaluation.baseline.by: 'fake' is not a field of the data."),
        ("instead_of: fake", "instead_of: source", "evaluation.baseline.instead_of: 'source' is not an entry of the f"),
        ("image_size: 4", "image_size: 4, interpolation: {sourc: area}", "data.interpolation.sourc: 'sourc' is not a"),
        ("fake: G(source, z)", "fake: G(source, z)\n  spare: G(target, z)", "flow.spare: nothing uses this value."),
        ("  D: {", "  E: {discriminator: toy_dense}\n  D: {", "networks.E: no expression calls this network."),
        ("fake: G(source, z)", "fake: G(source, z)\n  target: G(source, z)", "'target' is already the name of a field"),
        ("growth:", "z:", "schedules.z: 'z' is already the name of a latent"),
        ("fake: G(source, z)", "fake: G(source, b)\n  b: G(c, z)\n  c: G(b, z)", "this value depends on itself: b ->"),
        ("makes: target", "makes: target, width: 0.5", "networks.G.width: "),
        ("networks:\n  G: {generator: toy_dense, makes: target}\n  D: {discriminator: toy_dense}", "networks: {}",
         "networks: a pipeline needs at least one network"),
    ],
)  # fmt: skip
def test_names_and_use(load, old, new, expected):
    assert expected in str(load((old, new)))


def test_two_unknown_names_in_one_expression_have_a_column_each(load):
    tried = load(("fake: G(source, z)", "fake: G(sorce, y)"))
    assert [problem.position.column for problem in tried.problems] == [11, 18]


def test_a_network_that_is_called_as_an_operation_is_refused(load):
    text = str(load(("  D: {", "  mix: {discriminator: toy_dense}\n  D: {")))
    assert "networks.mix: 'mix' is already the name of an operation" in text


# -- turns ------------------------------------------------------------------------------------------------------------


def test_default_turns_are_discriminators_then_generators(load):
    turns = load().pipeline.phases[0].turns
    assert [(t.name, t.learn, t.side, t.steps, t.losses) for t in turns.values()] == [
        ("discriminators", ("D",), "discriminators", 1.0, None),
        ("generators", ("G",), "generators", 1.0, None),
    ]


def test_a_count_for_one_side_keeps_the_order(load):
    found = load(turns("{generators: 2}")).pipeline.phases[0].turns
    assert [(turn.name, turn.steps) for turn in found.values()] == [("discriminators", 1.0), ("generators", 2.0)]
    found = load(turns("{generators: 1, discriminators: 5}")).pipeline.phases[0].turns
    assert [(turn.name, turn.steps) for turn in found.values()] == [("generators", 1.0), ("discriminators", 5.0)]


def test_turns_by_hand(load):
    found = load(turns("{warm: {learn: G, losses: reconstruction}, all: {learn: [D, G], side: generators, steps: 2}}"))
    warm, both = found.pipeline.phases[0].turns.values()
    assert (warm.learn, warm.losses, warm.side) == (("G",), ("reconstruction",), "generators")
    assert (both.learn, both.losses, both.side, both.steps) == (("D", "G"), None, "generators", 2.0)


def test_steps_of_a_turn_may_be_a_schedule(load):
    named = load(turns("{discriminators: growth}")).pipeline
    assert named.phases[0].turns["discriminators"].steps is named.schedules["growth"]
    written = load(turns("{discriminators: {schedule: constant, value: 3}}")).pipeline
    assert written.phases[0].turns["discriminators"].steps.name == "constant"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{discriminatrs: 5}", "turns.discriminatrs: no network or side is named 'discriminatrs'. Did you mean 'discr"),
        ("{a: {learn: [G, E]}}", "turns.a.learn.1: no network or side is named 'E'."),
        ("{a: {learn: [[G]]}}", "turns.a.learn.0: no network or side is named ['G']."),
        ("{a: {learn: 3}}", "turns.a.learn: must be a list of networks (got 3)"),
        ("{a: {learn: []}}", "turns.a.learn: at least one network must learn"),
        ("{a: {learn: [G, D]}}", "turns.a.learn: networks of both sides learn here"),
        ("{a: {learn: G, side: generator}}", "turns.a.side: 'generator' is not a side. Did you mean 'generators'?"),
        ("{a: {learn: G, side: [x]}}", "turns.a.side: ['x'] is not a side."),
        ("{a: {learn: G, losses: [recon]}}", "turns.a.losses.0: 'recon' is not a loss of this pipeline."),
        ("{a: {learn: G, losses: 3}}", "turns.a.losses: must be a list of losses (got 3)"),
        ("{a: {lern: G}}", "turns.a.lern: no such key. Did you mean 'learn'?"),
        ("{discriminators: 1.5}", "turns.discriminators: must be a whole number of at least 0 (got 1.5)"),
        ("{discriminators: -1}", "must be a whole number of at least 0 (got -1)"),
        ("{discriminators: grwth}", "must be a number or a schedule (got 'grwth'). Did you mean 'growth'?"),
        ("{a: {learn: G}}", "networks.D: no turn trains this network"),
        ("{a: {learn: G, losses: [adversarial]}, b: {learn: D}, c: {learn: D, losses: adversarial}}", ""),
        ("{a: {learn: G, losses: [adversarial]}, b: {learn: D, losses: [adversarial]}}", "losses.reconstruction: no t"),
        ("3", "turns: must be a mapping of names to turns (got 3)"),
    ],
)  # fmt: skip
def test_turns(load, text, expected):
    tried = load(turns(text))
    assert expected in str(tried)
    assert bool(expected) == bool(tried.problems)


# -- optimisers -------------------------------------------------------------------------------------------------------


def optimizers(text):
    return ("batch_size: 4", f"batch_size: 4\n  optimizers: {text}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "{generators: {name: adm}}",
            "training.optimizers.generators.name: 'adm' is not an optimiser. Did you mean 'adam",
        ),
        ("{generators: {name: adam, beta: [0, 1]}}", "'beta' is not a setting of adam. Did you mean 'betas'?"),
        ("{generators: {name: sgd, betas: [0, 1]}}", "generators.betas: 'betas' is not a setting of sgd."),
        ("{generators: {name: adam, betas: [0.5, 1.5]}}", "training.optimizers.generators.betas: adam refuses"),
        (
            "{generator: {name: adam}}",
            "training.optimizers.generator: no turn of this name. Did you mean 'generators'?",
        ),
        ("{generators: {lr: fast}}", "generators.lr: must be a number or a schedule (got 'fast')."),
        ("{generators: {lr: -1}}", "generators.lr: must be at least 0 (got -1)"),
        ("{generators: {clip_norm: 0}}", "generators.clip_norm: must be a number above 0 (got 0)"),
        ("{generators: {clip_weight: 1}}", "'clip_weight' is not a setting of adam. Did you mean 'clip_weights'?"),
        ("{generators: adam}", "generators: must be a mapping of `name: adam` and parameters (got 'adam')"),
        ("[adam]", "training.optimizers: Input should be a valid dictionary"),
    ],
)
def test_optimizers(load, text, expected):
    assert expected in load(optimizers(text)).only()


def test_an_optimizer_belongs_to_a_turn_or_to_its_side(load):
    tried = load(
        turns("{one: {learn: G}, two: {learn: G}, three: {learn: D}}"),
        optimizers("{generators: {name: sgd, lr: growth}, two: {name: rmsprop, lr: 1, clip_weights: 0.01}}"),
    )
    found = tried.pipeline.phases[0].optimizers
    assert [found[name].name for name in ("one", "two", "three")] == ["sgd", "rmsprop", "adam"]
    assert found["one"].lr is tried.pipeline.schedules["growth"]
    assert (found["two"].lr, found["two"].clip_weights) == (1.0, 0.01)
    assert found["three"].parameters == {"betas": [0.5, 0.999]}


# -- phases -----------------------------------------------------------------------------------------------------------


def test_a_phase_overrides_adds_and_removes(load):
    tried = load(
        phases(
            "  - start: 3\n"
            "    losses: {reconstruction: {weight: 5}, extra: {loss: l2, of: other, to: target}}\n"
            '    flow: {other: "G(target, z)"}\n'
            "    training: {optimizers: {generators: {lr: 0.5}}}\n"
            "  - start: 6\n"
            "    losses: {reconstruction: null}\n"
            "    turns: {discriminators: null}"
        )
    )
    assert not tried.problems, str(tried)
    first, second, third = tried.pipeline.phases
    assert [phase.start for phase in tried.pipeline.phases] == [0, 3, 6]
    assert (first.losses["reconstruction"].weight, second.losses["reconstruction"].weight) == (100.0, 5.0)
    assert list(second.flow) == ["fake", "other"]
    assert list(third.losses) == ["adversarial", "extra"]
    assert (list(second.turns), list(third.turns)) == (["discriminators", "generators"], ["generators"])
    assert (first.optimizers["generators"].lr, third.optimizers["generators"].lr) == (2e-4, 0.5)
    assert [tried.pipeline.phase_at(step) for step in (0, 2, 3, 5, 6, 99)] == [0, 0, 1, 1, 2, 2]


def test_a_phase_does_not_change_the_order_of_the_turns_by_naming_one(load):
    tried = load(turns("{generators: 2}"), phases("  - {start: 3, turns: {discriminators: 3}}"))
    assert list(tried.pipeline.phases[1].turns) == ["discriminators", "generators"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  - {start: 3, loses: {}}", "game.yaml:25:16: phases.0.loses: no such key. Did you mean 'losses'?"),
        ("  - {strt: 3}", "phases.0.strt: no such key. Did you mean 'start'?"),
        ("  - {losses: {}}", "phases.0.start: a phase needs `start: STEP`, a whole number (it has none)"),
        ("  - {start: 2.5}", "phases.0.start: a phase needs `start: STEP`, a whole number (got 2.5)"),
        ("  - {start: 0}", "phases.0.start: must be later than step 0"),
        ("  - {start: 5}\n  - {start: 5}", "phases.1.start: must be later than step 5"),
        ("  - 5", "phases.0: must be a phase"),
        ("  - {start: 3, training: {steps: 5}}", "phases.0.training.steps: no such key."),
        ("  - {start: 3, training: 5}", "phases.0.training: must be a mapping with any of batch_size, optimizers, "),
        ("  - {start: 3, losses: {reconstruction: {of: fke}}}",
         "game.yaml:25:46: phases.0.losses.reconstruction.of: no value is named 'fke'."),
        ("  - {start: 3, losses: {more: {loss: l11}}}", "phases.0.losses.more.loss: 'l11' is not a loss."),
        ("  - {start: 3, losses: {reconstuction: null}}", "phases.0.losses.reconstuction: must be a component"),
        ("  - {start: 3, flow: {other: G(z)}}", "game.yaml:25:23: phases.0.flow.other: nothing uses this value."),
        ("  - {start: 3, flow: {fake: G(fake)}}", "phases.0.flow.fake: this value depends on itself: fake -> fake"),
        ("  - {start: 3, training: {optimizers: {generators: {lr: x}}}}", "phases.0.training.optimizers.generators.lr"),
        ("  - {start: 3, turns: {generators: null, discriminators: null}}", "turns: at least one turn is needed"),
    ],
)  # fmt: skip
def test_phases(load, text, expected):
    assert expected in str(load(phases(text)))


# -- overrides, extends, sources --------------------------------------------------------------------------------------


def test_an_override_replaces_a_component_and_leaves_the_old_parameters_behind(load):
    tried = load(("size: 3", "size: 3, std: 2.0"), overrides=["latents.z.latent=uniform"])
    assert tried.pipeline is None or "std" not in tried.pipeline.latents["z"].choices
    tried = load(overrides=["losses.reconstruction.loss=l2", "training.steps=7"])
    assert (tried.pipeline.phases[0].losses["reconstruction"].use.name, tried.pipeline.training.steps) == ("l2", 7)


def test_a_wrong_override_is_shown_as_such(load):
    assert (
        load(overrides=["training.stpes=7"])
        .only()
        .startswith("command line `training.stpes=7`: training.stpes: no such")
    )


def test_extends_cannot_be_overridden(load):
    assert "an override comes too late" in load(overrides=["extends=pix2pix"]).only()


def test_shipped_pipelines_can_be_extended(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: demo\nnetworks: {G: {width: 8}}\n")
    (tmp_path / "next.yaml").write_text("extends: mine.yaml\nnetworks: {G: {generator: resnet, blocks: 1}}\n")
    assert load_pipeline(tmp_path / "mine.yaml").networks["G"].choices["width"] == 8
    found = load_pipeline(str(tmp_path / "next.yaml")).networks["G"]
    assert (found.name, found.choices["blocks"], found.choices["width"]) == ("resnet", 1, 64)


def test_what_cannot_be_extended_is_shown_where_it_is_named(tmp_path):
    (tmp_path / "mine.yaml").write_text("extends: pix2px\n")
    with pytest.raises(
        PipelineError, match=r"mine.yaml:1:10: extends: 'pix2px' is not a pipeline. Did you mean 'pix2pix'"
    ):
        load_pipeline(tmp_path / "mine.yaml")
    (tmp_path / "mine.yaml").write_text("extends: othr.yaml\n")
    (tmp_path / "other.yaml").write_text("extends: demo\n")
    with pytest.raises(PipelineError, match=r"there is no pipeline file .* Did you mean 'other.yaml'"):
        load_pipeline(tmp_path / "mine.yaml")


def test_a_pipeline_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"'pix2px' is not a pipeline. Did you mean 'pix2pix'"):
        load_pipeline("pix2px")
    with pytest.raises(UsageError, match="there is no pipeline file"):
        load_pipeline("folder/that/is/not/there")


def test_a_shipped_pipeline_has_a_qualified_name():
    assert load_pipeline("pipelines/demo").resolved == load_pipeline("demo").resolved


def test_what_the_user_must_give_is_asked_for():
    with pytest.raises(PipelineError, match=r"pix2pix.yaml:\d+:9: data.root: must be given: add `data.root=VALUE`"):
        load_pipeline("pix2pix")


def test_a_file_without_any_section():
    with pytest.raises(PipelineError) as caught:
        load_pipeline({"description": "nothing"})
    assert {problem.path for problem in caught.value.problems} == {"data", "networks", "losses"}
