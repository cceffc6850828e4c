"""Techniques in pipelines that they were not written for, by overrides alone, and their state in checkpoints."""

from __future__ import annotations

import shlex
from importlib import resources

import pytest
import torch

from translate.errors import PipelineError
from translate.pipeline import load_pipeline
from translate.pipeline.building import build
from translate.pipeline.checking import check
from translate.pipeline.opening import open_dataset
from translate.plugin_manager import default_manager
from translate.training import train
from translate.training.opening import open_trained

QUIET = ["training.observers=[]", "training.preview_every=0", "data.workers=0", "training.device=cpu"]
TOY = [*QUIET, "training.batch_size=6", "networks.G.layers=[fc8 batch relu, fc*]", "networks.D.layers=[fc8 leaky, fc1]"]
DEMO = [*QUIET, "data.image_size=32", "training.batch_size=2", "networks.G.width=4", "networks.D.width=4"]


def both(real, fake):
    return [f"losses.adversarial.real={real}", f"losses.adversarial.fake={fake}"]


TECHNIQUES = {
    "replay": both("D(concat(source, target))", "D(replay(concat(source, fake), size=8))"),
    "half and half": both("D(concat(source, target))", "D(replay(concat(source, fake), size=8, share=0.5))"),
    "packing": both("D(pack(source), pack(target))", "D(pack(source), pack(fake))"),
    "discrimination": [
        "networks.M={discriminator: minibatch_discrimination, kernels: 4}",
        *both("D(M(source, target))", "D(M(source, fake))"),
    ],
}


def proposals():
    """What the header of `mixture` proposes to try, each as its overrides."""
    shipped, _ = default_manager().catalogue.find_pipeline("mixture")
    lines = (resources.files(shipped.package) / shipped.file).read_text(encoding="utf-8").splitlines()
    written = [[part for part in shlex.split(line[1:]) if "=" in part] for line in lines if line.startswith("#   ")]
    return [settings for settings in written if settings]


def test_the_header_proposes_something():
    assert len(proposals()) >= 6


@pytest.mark.parametrize("settings", proposals(), ids=lambda settings: settings[0].partition("=")[0])
def test_what_the_header_of_mixture_proposes_passes_the_check(settings):
    pipeline = load_pipeline("mixture", settings)
    check(pipeline, open_dataset(pipeline).fields)


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_technique_joins_a_pipeline_of_paired_translation(technique, tmp_path):
    result = train("demo", [*DEMO, *TECHNIQUES[technique], "training.steps=2"], out=tmp_path / "run")
    opened = open_trained(result.folder)
    before = build(opened.pipeline, opened.game.fields).networks
    for name, network in opened.game.networks.items():
        for key, value in network.named_parameters():
            if value.ndim > 1:
                assert not torch.equal(value, before[name].get_parameter(key)), (name, key)


def test_packing_needs_a_batch_that_divides_and_says_so_before_training(tmp_path):
    with pytest.raises(PipelineError, match="a batch of 3 cannot be divided into packs of 2"):
        train("demo", [*DEMO, *TECHNIQUES["packing"], "training.batch_size=3"], out=tmp_path / "run")


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_training_with_replay_goes_on_in_the_same_bits(share, tmp_path):
    fake = f"losses.adversarial.fake=D(replay(fake, size=20, share={share}))"
    settings = [*TOY, fake]
    whole = train("mixture", [*settings, "training.steps=9"], out=tmp_path / "whole")
    train("mixture", [*settings, "training.steps=5"], out=tmp_path / "parts")
    parts = train("mixture", [*settings, "training.steps=9"], out=tmp_path / "parts")
    one, two = (open_trained(result.folder).game.networks for result in (whole, parts))
    for name, network in one.items():
        for key, value in network.state_dict().items():
            assert torch.equal(value, two[name].state_dict()[key]), (name, key)


def test_replay_changes_what_the_discriminator_learns_and_not_what_the_generator_sees(tmp_path):
    plain = train("mixture", [*TOY, "training.steps=1"], out=tmp_path / "plain")
    replayed = train(
        "mixture", [*TOY, "training.steps=1", "losses.adversarial.fake=D(replay(fake))"], out=tmp_path / "replay"
    )
    networks = [open_trained(result.folder).game.networks for result in (plain, replayed)]
    # The first batch finds nothing stored, so the two are the same up to here.
    for name in ("G", "D"):
        for key, value in networks[0][name].state_dict().items():
            assert torch.equal(value, networks[1][name].state_dict()[key]), (name, key)
    plain = train("mixture", [*TOY, "training.steps=2"], out=tmp_path / "plain")
    replayed = train(
        "mixture", [*TOY, "training.steps=2", "losses.adversarial.fake=D(replay(fake))"], out=tmp_path / "replay"
    )
    judges = [open_trained(result.folder).game.networks["D"] for result in (plain, replayed)]
    assert not torch.equal(*(next(judge.parameters()) for judge in judges))


def test_each_call_site_has_a_buffer_of_its_own():
    two = both("D(replay(point, size=3))", "D(replay(fake, size=3))")
    pipeline = load_pipeline("mixture", [*TOY, *two])
    game = check(pipeline, open_dataset(pipeline).fields)
    assert sum(type(site).__name__ == "Replay" for site in game.sites.values()) == 2


def test_minibatch_features_tell_a_collapsed_batch_from_a_varied_one():
    """A judge of single examples gives one mode the same outputs whether or not it comes alone; with M it does not."""
    settings = ["networks.M={discriminator: minibatch_discrimination}", *both("D(M(point))", "D(M(fake))")]
    pipeline = load_pipeline("mixture", [*TOY, *settings])
    game = build(pipeline, open_dataset(pipeline).fields)
    judge = torch.nn.Sequential(game.networks["M"], game.networks["D"])
    varied = torch.randn(6, 2)
    collapsed = varied[:1].expand(6, -1)
    with torch.no_grad():
        assert (judge(varied)[0] - judge(collapsed)[0]).abs() > 1e-3
