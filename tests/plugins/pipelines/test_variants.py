"""What attaches to any pipeline, attached to all of them: losses and techniques are settings of any model."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_sets import small_settings

import translate
from translate.errors import PipelineError
from translate.pipeline import Pipeline, load_pipeline
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset
from translate.plugin_manager import default_manager
from translate.training import train

ADVERSARIAL = sorted(set(default_manager().catalogue.pipelines) - {"pix2pix_l1", "vae", "draw"})
BOUNDED = {"progan", "spade", "stargan", "stylegan", "wgan_gp"}
"""Pipelines with a gradient penalty or spectral norm."""


def adversarial_terms(pipeline: Pipeline) -> list[str]:
    """Terms that compare real with fake."""
    return [name for name, term in pipeline.phases[0].losses.items() if {"real", "fake"} <= set(term.use.expressions)]


def judging(pipeline: Pipeline) -> str:
    """The turn in which discriminators learn."""
    return next(name for name, turn in pipeline.phases[0].turns.items() if turn.side == "discriminators")


def checked(name: str, settings: list[str]) -> Pipeline:
    pipeline = load_pipeline(name, settings)
    check(pipeline, open_dataset(pipeline).fields)
    return pipeline


LOSSES = {
    "bce": ["{}.label_noise=0.05", "{}.smoothing=0.1"],
    "lsgan": [],
    "hinge": [],
    "relativistic": ["{}.mode=paired"],
    "wasserstein": [],
}


def some_losses(pipeline: str) -> list[str]:
    """Two of the losses for each pipeline, by turns; all five are looked at with `-m slow`."""
    first = ADVERSARIAL.index(pipeline)
    return [list(LOSSES)[(first + step) % len(LOSSES)] for step in (0, 2)]


@pytest.mark.parametrize(
    ("name", "losses"),
    [
        *((name, some_losses(name)) for name in ADVERSARIAL),
        *(pytest.param(name, list(LOSSES), marks=pytest.mark.slow) for name in ADVERSARIAL),
    ],
)
def test_any_adversarial_loss_goes_into_any_pipeline(name, losses, small_data):
    settings = small_settings(name, small_data)
    loaded = load_pipeline(name, settings)
    terms, clip = adversarial_terms(loaded), f"training.optimizers.{judging(loaded)}.clip_weights"
    assert terms
    for loss in losses:
        more = LOSSES[loss]
        chosen = [f"losses.{term}.loss={loss}" for term in terms]
        judged = [term for term in terms if loaded.phases[0].losses[term].side != "generators"]  # whose labels they are
        chosen += [f"losses.{text.format(term)}" for term in judged for text in more]
        if loss == "wasserstein" and name not in BOUNDED:
            with pytest.raises(PipelineError, match="nothing bounds the slope of critic"):
                checked(name, [*settings, *chosen, f"{clip}=null"])
            stored = [network for network, use in loaded.networks.items() if use.weights is not None]
            chosen += [f"networks.{network}.weights=spectral" for network in stored] or [f"{clip}=0.01"]
        pipeline = checked(name, [*settings, *chosen])
        assert {pipeline.phases[0].losses[term].use.name for term in terms} == {loss}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_spectral_norm_averages_rates_turns_and_waiting_go_into_any_pipeline(name, small_data):
    settings = small_settings(name, small_data)
    pipeline = load_pipeline(name, settings)
    turns, tell = pipeline.resolved["turns"], judging(pipeline)
    clipped = set() if pipeline.phases[0].optimizers[tell].clip_weights is None else set(turns[tell]["learn"])
    spectral = pipeline.networks.keys() - clipped
    chosen = [f"networks.{network}.weights=spectral" for network in spectral]
    if not any(isinstance(turns[turn]["steps"], dict) for turn in turns):
        chosen += [f"turns.{tell}.steps=2"]
    chosen += ["training.ema={decay: 0.9}", f"turns.{tell}.skip_below=0.3"]
    chosen += [f"training.optimizers.{turn}={{name: adam, lr: 1e-4}}" for turn in turns if turn != tell]
    chosen += [f"training.optimizers.{tell}={{name: rmsprop, lr: 4e-4, clip_norm: 1.0}}"]
    found = checked(name, [*settings, *chosen])
    assert {network for network, use in found.networks.items() if use.weights is not None} == spectral
    if clipped:
        with pytest.raises(PipelineError, match=r"`clip_weights` in turn .* clamps the numbers that network"):
            checked(name, [*settings, *chosen, *(f"networks.{network}.weights=spectral" for network in clipped)])
    assert found.phases[0].turns[tell].skip_below == 0.3


VARIANTS = {
    "CycleGAN with U-Nets, WGAN-GP and augmentation": (
        "cyclegan",
        [
            *(
                f"networks.{name}={{generator: unet, makes: {to}, width: 4, norm: instance}}"
                for name, to in (("G_ab", "b"), ("G_ba", "a"))
            ),
            *(f"flow.between_{d}=mix({d}, fake_{d})" for d in "ab"),
            *(
                f"losses.adversarial_{d}="
                f"{{loss: wasserstein, real: D_{d}(augment({d})), fake: D_{d}(augment(fake_{d}))}}"
                for d in "ab"
            ),
            *(
                f"losses.penalty_{d}={{loss: gradient_penalty, of: D_{d}(between_{d}), at: between_{d}, weight: 10}}"
                for d in "ab"
            ),
            "turns.discriminators=2",
        ],
    ),
    "pix2pix with R1, minibatch stddev, fading noise and a residual generator": (
        "pix2pix",
        [
            "networks.G={generator: resnet, makes: target, width: 4, blocks: 1}",
            "networks.D.norm=instance",
            "schedules.fading={schedule: linear, initial: 1.0, final: 0.0, end: 10}",
            "flow.point=leaf(target)",
            (
                "losses.adversarial={loss: bce, real: 'D(source, minibatch_stddev(noise(target, fading)))',"
                " fake: 'D(source, minibatch_stddev(noise(fake, fading)))'}"
            ),
            "losses.r1={loss: r1, of: 'D(source, minibatch_stddev(point))', at: point, weight: 10}",
        ],
    ),
    "CoGAN of three domains": (
        "cogan_depth",
        [
            "data={dataset: multi_domain, root: ROOT/labelled_folders, domains: [one, two, three], image_size: 64}",
            "networks.G_a.makes=one",
            "networks.G_b.makes=two",
            "networks.G_c={generator: stack, makes: three, scale: 0.05, layers: [t64k4s2 batch relu, t*k4s2]}",
            "networks.D_c={discriminator: stack, scale: 0.05, layers: [c64k4s2 leaky, c128k4s2 batch leaky]}",
            "flow.fake_c=G_c(hidden)",
            (
                "losses={adversarial_a: {loss: bce, real: D(D_a(one)), fake: D(D_a(fake_a))},"
                " adversarial_b: {loss: bce, real: D(D_b(two)), fake: D(D_b(fake_b))},"
                " adversarial_c: {loss: bce, real: D(D_c(three)), fake: D(D_c(fake_c))}}"
            ),
            "preview=[fake_a, fake_b, fake_c]",
            "export.G_c={inputs: [z], output: fake_c}",
        ],
    ),
    "CycleGAN with some pairs": (
        "cyclegan",
        [
            "data.dataset=mixed",
            "data.root=ROOT/mixed",
            "losses.pairs={loss: l1, of: G_ab(source), to: target, weight: 100}",
        ],
    ),
    "CycleGAN with labels and a pool that keeps them": (
        "cyclegan_conditional",
        [
            f"losses.adversarial_{d}.{side}=D_{d}({seen.format(f'concat({made}{d}, one_hot(label_{d}, classes=2))')})"
            for d in "ab"
            for side, made, seen in (("real", "", "{}"), ("fake", "fake_", "pool({}, size=3)"))
        ],
    ),
    "MSG-GAN with WGAN-GP": (
        "msg_gan",
        [
            "flow.between=mix(pyramid(image), made.scales)",
            "losses.adversarial={loss: wasserstein, real: D(pyramid(image)), fake: D(made.scales)}",
            "losses.penalty={loss: gradient_penalty, of: D(between), at: between, weight: 10}",
        ],
    ),
    "MSG-GAN with R1, packs of noisy and replayed images of every size": (
        "msg_gan",
        [
            "flow.seen=pack(noise(pyramid(image)))",
            "flow.point=leaf(seen)",
            "losses.adversarial={loss: bce, real: D(seen), fake: D(pack(noise(replay(made.scales))))}",
            "losses.r1={loss: r1, of: D(point), at: point, weight: 10}",
        ],
    ),
    "holes at random places": ("context_encoder", ["data.where=random"]),
}


def test_a_pool_that_parts_fakes_from_their_labels_is_refused(small_data):
    parted = "losses.adversarial_a.fake=D_a(pool(fake_a), label_a)"
    right = r"`D_a\(pool\(concat\(fake_a, one_hot\(label_a, classes=2\)\)\)\)`"
    with pytest.raises(PipelineError, match=rf"judges earlier examples.* Keep them together: {right}"):
        checked("cyclegan_conditional", [*small_settings("cyclegan_conditional", small_data), parted])


@pytest.mark.parametrize("name", ["pix2pix_hd", "spade"])
def test_features_of_augmented_pictures_are_not_compared_place_by_place(name, small_data):
    """Each call of augment moves pictures elsewhere: a perfect fake would not be at distance 0."""
    small = small_settings(name, small_data)
    given, fake, true = ("given", "made", "wanted") if name == "pix2pix_hd" else ("source", "fake", "target")
    augmented = [f"flow.judged=D(augment(concat({given}, {fake})))", f"flow.real=D(augment(concat({given}, {true})))"]
    with pytest.raises(PipelineError, match="moves what it is given to places drawn at random"):
        checked(name, [*small, *augmented])
    checked(name, [*small, *augmented, "losses.features.match=batch_mean"])


def test_a_class_term_about_earlier_fakes_and_present_labels_is_refused(small_data):
    """AC-GAN's discriminator may judge old fakes, but must name the class of new ones."""
    small = [*small_settings("acgan", small_data), "flow.seen_fake=T(replay(fake))"]
    with pytest.raises(PipelineError) as caught:
        checked("acgan", small)
    text = " ".join(str(caught.value).split())
    assert "`of` (C(seen_fake)) is of earlier examples, from `replay(fake)`, and `to` (label) of the present" in text
    assert "Give this loss `fake` without replay" in text
    checked("acgan", [*small, "losses.class_fake.of=C(T(fake))"])


def trained(variant: str, root: Path, folder: Path) -> tuple[Path, str]:
    """Train a variant for two steps; gives its run and the name of its first export."""
    name, changes = VARIANTS[variant]
    settings = [*small_settings(name, root), *(change.replace("ROOT", str(root)) for change in changes)]
    result = train(name, [*settings, "training.observers=[metrics_file]"], out=folder)
    return result.folder, next(iter(load_pipeline(name, settings).exports))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_that_is_not_shipped_trains(variant, small_data, tmp_path):
    trained(variant, small_data, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_that_is_not_shipped_exports(variant, small_data, tmp_path):
    run, export = trained(variant, small_data, tmp_path / "run")
    assert Path(translate.export(run, name=export)).stat().st_size > 0
