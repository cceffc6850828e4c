"""Every rule for single values: keys, names, types, ranges, with position and did-you-mean."""

from __future__ import annotations

import pytest


def test_the_small_pipeline_is_right(load):
    assert not load(whole=True).problems


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        # keys
        ("preview:", "preveiw:", "game.yaml:17:1: preveiw: no such key. Did you mean 'preview'?"),
        ("steps: 10\n", "stpes: 10\n", "game.yaml:15:3: training.stpes: no such key. Did you mean 'steps'?"),
        ("size: 3", "sise: 3", "latents.z.sise: no such key. Did you mean 'size'?"),
        ("image_size", "imagesize", "data.imagesize: no such key. Did you mean 'image_size'?"),
        ("weight: 100", "wieght: 100", "losses.reconstruction.wieght: no such key. Did you mean 'weight'?"),
        ("generator: toy", "genrator: toy", "networks.G.genrator: no such key. Did you mean 'generator'?"),
        ("dataset:", "datset:", "game.yaml:1:8: data.datset: no such key. Did you mean 'dataset'?"),
        ("by:", "bye:", "evaluation.baseline.bye: no such key. Did you mean 'by'?"),
        # names of components
        ("toy_data", "toy_dta", "game.yaml:1:17: data.dataset: 'toy_dta' is not a dataset. Did you mean 'toy_data'?"),
        ("loss: l1", "loss: l", "'l' is not a loss. Did you mean 'kl' or 'l1' or 'l2'?"),
        ("loss: bce", "loss: 3", "losses.adversarial.loss: must be the name of a loss (got 3)"),
        ("{generator: toy_dense, makes: target}", "toy_dense", "networks.G: must be a component, as {generator: NAME"),
        ("{generator: toy_dense, makes: target}", "{makes: target}", "needs `generator: NAME` or `discriminator: NAME"),
        # required
        ("of: fake, to: target, weight", "of: fake, weight", "loss 'l1' takes the expressions of, to, weights."),
        ("{latent: normal, size: 3}", "{latent: normal, size: []}", "latents.z.size: "),
        ("inputs: [source, z], ", "", "export.translate.inputs: is required"),
        ("by: source, ", "", "evaluation.baseline.by: is required"),
        # types and ranges
        ("image_size: 4", "image_size: [4, 0]", "data.image_size.1: Input should be greater than or equal to 1 (got 0"),
        ("image_size: 4", "image_size: four", "data.image_size: must be "),
        ("image_size: 4", "image_size: 4, value_range: 5", "data.value_range: Input should be a valid list"),
        ("image_size: 4", "image_size: 4, value_range: [1, 1]", "data.value_range: must be two numbers, the first bel"),
        ("image_size: 4", "image_size: 4, value_range: [0, .inf]", "data.value_range: must be two numbers"),
        ("image_size: 4", "image_size: 4, workers: atuo", "data.workers: must be int >= 0 | 'auto' (got 'atuo'). Did"),
        ("image_size: 4", "image_size: 4, transforms: [HorizontlFlip]", "data.transforms.0: 'HorizontlFlip' is not a"),
        ("image_size: 4", "image_size: 4, interpolation: {source: aera}", "data.interpolation.source: Input should be"),
        ("batch_size: 4", "batch_size: true", "training.batch_size: Input should be a valid integer (got True)"),
        ("batch_size: 4", "batch_size: 0", "training.batch_size: Input should be greater than or equal to 1 (got 0)"),
        ("batch_size: 4", "batch_size: 4\n  accumulate: 3", "must be a multiple of accumulate x devices x nodes = 3"),
        ("batch_size: 4", "batch_size: 4\n  device: cdua", "training.device: Input should be 'auto', 'cpu', 'cuda' or"),
        ("batch_size: 4", "batch_size: 4\n  ema: {decy: 0.9}", "training.ema.decy: no such key. Did you mean 'decay'?"),
        ("batch_size: 4", "batch_size: 4\n  observers: [termnal]", "training.observers.0.observer: 'termnal' is not a"),
        ("weight: 100", "weight: true", "weight: must be a number or a schedule (got True)."),
        ("weight: 100", "weight: .inf", "weight: must be a number or a schedule (got inf)."),
        ("weight: 100", "weight: grwth", "weight: must be a number or a schedule (got 'grwth'). Did you mean 'growth'"),
        ("weight: 100", "weight: {schedule: liner}", "reconstruction.weight.schedule: 'liner' is not a schedule."),
        ("size: 3", "size: -3", "latents.z.size: "),
        # expressions
        ("fake: G(source, z)", "fake: 3", "flow.fake: must be an expression such as `G(source)` (got 3)"),
        ("fake: G(source, z)", "fake: G(source, z) + 1", "game.yaml:10:9: flow.fake: arithmetic is not part of"),
        ("of: fake, to: target, weight", "of: [fake], to: target, weight", "losses.reconstruction.of: must be an expr"),
        ("makes: target", "makes: 5", "networks.G.makes: must be an expression"),
        ("makes: target", "makes: G(", "has an open '('"),
        ("preview: [source, fake]", "preview: source", "preview: must be a list of expressions (got 'source')"),
        # shapes of sections
        ("latents:\n  z: {latent: normal, size: 3}", "latents: [z]", "latents: must be a mapping of names to latents"),
        ("flow:\n  fake: G(source, z)", "flow: 3", "flow: must be a mapping of names to expressions (got 3)"),
        ("export:\n  translate: {inputs: [source, z], output: fake}", "export: 3", "export: must be a mapping of name"),
        ("{inputs: [source, z], output: fake}", "{inputs: [], output: fake}", "export.translate.inputs: "),
        # names
        ("  z: {", "  z-1: {", "latents.z-1: a name is made of letters, digits and underscores"),
        ("  z: {", "  lambda: {", "latents.lambda: a name is made of letters"),
    ],
)  # fmt: skip
def test_single_values(load, old, new, expected):
    assert expected in str(load((old, new)))


def test_a_network_may_make_one_spec_or_several_by_name(load, catalogue):
    makes = "{generator: toy_dense, makes: target}"
    right = load((makes, "{generator: toy_pair_g, makes: {a: source, b: target}}"))
    assert sorted(right.pipeline.networks["G"].specs["makes"]) == ["a", "b"]
    wrong = load((makes, "{generator: toy_pair_g, makes: {a: source, b: 3}}"))
    assert "networks.G.makes: must be names with expressions" in str(wrong)
    wrong = load((makes, "{generator: toy_pair_g, makes: {a: source, b: targt}}"))
    assert "no value is named 'targt'. Did you mean 'target'?" in str(wrong)


def test_a_wrong_choice_says_who_supplied_the_component(load):
    text = str(load(("size: 3", "size: many")))
    assert "(latent 'normal' from latents (translate-images" in text


def test_bare_names_will_do_where_nothing_else_is_needed(load):
    tried = load(("batch_size: 4", "batch_size: 4\n  observers: [terminal]"))
    assert tried.pipeline.observers[0].name == "terminal"


def test_everything_is_reported_at_once_in_the_order_of_the_file(load):
    tried = load(
        ("image_size: 4", "image_size: 0"),
        ("makes: target", "makes: target, wdth: 3"),
        ("loss: l1", "loss: l11"),
        ("steps: 10\n", "steps: x\n"),
    )
    assert len(tried.problems) == 4
    lines = [problem.position.line for problem in tried.problems]
    assert lines == sorted(lines)


def test_a_broken_entry_is_reported_once_and_not_wherever_it_is_used(load):
    assert "networks.D.discriminator" in load(("discriminator: toy_dense", "discriminator: toy_dens")).only()
    assert "flow.fake" in load(("fake: G(source, z)", "fake: G(source, z) + 1")).only()
    assert "latents.z.size" in load(("size: 3", "size: x")).only()
