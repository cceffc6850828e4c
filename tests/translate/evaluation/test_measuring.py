"""Evaluating a run: known values for generators whose error is known, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from translate.errors import ComponentError, DataError, NumbersError, PipelineError, PluginError, UsageError
from translate.evaluation import evaluate
from translate.pictures import read_picture


def evaluation(*, baseline=True, **metrics):
    found = {"metrics": {name: dict(value) for name, value in metrics.items()}}
    if baseline:
        found["baseline"] = {"by": "source", "give": "target", "instead_of": "fake"}
    return found


def pictures(opened, split):
    from translate.pipeline.opening import open_stream

    stream = open_stream(opened.pipeline, split, batch_size=1, train=False)
    batch = stream.examples(range(len(stream)))
    return {name: ((value + 1) / 2).double().numpy() for name, value in batch.items()}


def retrieval_error(opened, split="test"):
    """Brute force, in numpy: error of the target of the training example with the nearest source."""
    train, test = pictures(opened, "train"), pictures(opened, split)
    errors = []
    for index, source in enumerate(test["source"]):
        distances = [np.square(other - source).sum() for other in train["source"]]
        if split == "train":
            distances[index] = np.inf
        errors.append(np.abs(train["target"][int(np.argmin(distances))] - test["target"][index]).mean())
    return float(np.mean(errors))


def test_a_generator_that_gives_the_target_has_no_error(opened):
    report = evaluate(opened(), device="cpu")
    assert report.values["l1"] == pytest.approx(0.0, abs=1e-6)
    assert report.ratio["l1"] == pytest.approx(0.0, abs=1e-5)
    assert report.n == 5
    assert (report.split, report.step, report.device) == ("test", 500, "cpu")


def test_the_baseline_is_what_brute_force_retrieves(opened):
    run = opened()
    report = evaluate(run, device="cpu", batch_size=2)
    assert report.baseline is not None
    assert report.baseline["l1"] == pytest.approx(retrieval_error(run), rel=1e-5)
    assert report.baseline["l1"] > 0.1


def test_the_identity_has_the_error_of_source_against_target(opened):
    run = opened(networks={"G": {"generator": "affine", "makes": "target", "a": 1.0}})
    report = evaluate(run, device="cpu")
    found = pictures(run, "test")
    expected = np.abs(found["source"] - found["target"]).mean()
    assert report.values["l1"] == pytest.approx(expected, rel=1e-5)
    assert report.ratio["l1"] == pytest.approx(expected / retrieval_error(run), rel=1e-5)


def test_outputs_are_mapped_from_the_value_range_to_0_1_and_clamped(opened):
    # 0.5 in [-1, 1] is 0.75; 5 is clamped to 1.
    metrics = evaluation(mean={"metric": "scaled", "of": "fake", "by": 2.0}, baseline=False)
    constant = {"generator": "affine", "makes": "target", "a": 0.0}
    run = opened(networks={"G": constant | {"b": 0.5}}, evaluation=metrics)
    report = evaluate(run, device="cpu")
    assert report.values["mean"] == pytest.approx(1.5)
    assert report.intervals["mean"] == pytest.approx((1.5, 1.5))
    assert report.baseline is None
    run = opened(networks={"G": constant | {"b": 5.0}}, evaluation=metrics)
    assert evaluate(run, device="cpu").values["mean"] == pytest.approx(2.0)


def test_another_value_range_gives_the_same_numbers(opened):
    # The negative in [0, 1] is 1 - x.
    run = opened(
        data={"dataset": "negatives", "image_size": 12, "value_range": [0.0, 1.0]},
        networks={"G": {"generator": "affine", "makes": "target", "b": 1.0}},
    )
    report = evaluate(run, device="cpu")
    assert report.values["l1"] == pytest.approx(0.0, abs=1e-6)
    assert report.baseline["l1"] == pytest.approx(evaluate(opened(), device="cpu").baseline["l1"], rel=1e-5)


def test_results_do_not_depend_on_the_batch_size(opened):
    sections = {
        "latents": {"z": {"latent": "normal"}},
        "flow": {"fake": "G(source, z)"},
        "evaluation": evaluation(
            l1={"metric": "l1", "of": "fake", "to": "target"}, all={"metric": "range", "of": "fake"}
        ),
    }
    one = evaluate(opened(**sections), device="cpu", batch_size=1)
    three = evaluate(opened(**sections), device="cpu", batch_size=3)
    assert one.values["l1"] > 0.01  # the latent does something
    assert one.values == pytest.approx(three.values, abs=1e-6)
    assert one.baseline == pytest.approx(three.baseline, abs=1e-6)
    fewer = evaluate(opened(**sections), device="cpu", count=2)
    assert fewer.n == 2


def test_the_networks_are_left_in_training_mode_and_on_their_weights(opened):
    run = opened()
    run.game.networks["G"].train()
    evaluate(run, device="cpu")
    assert run.game.networks["G"].training
    assert run.game.networks["G"].a.requires_grad


def test_metrics_over_the_set_give_their_parts(opened):
    metrics = evaluation(all={"metric": "range", "of": "fake"}, source={"metric": "range", "of": "source"})
    report = evaluate(opened(evaluation=metrics), device="cpu")
    assert set(report.values) == {"all.low", "all.high", "source.low", "source.high"}
    assert 0 <= report.values["all.low"] < report.values["all.high"] <= 1
    assert report.intervals == {}
    # A metric that does not look at the output has no baseline.
    assert set(report.baseline) == {"all.low", "all.high"}


def test_random_operations_are_seeded(opened):
    sections = {"flow": {"fake": "noise(G(source))"}}
    state = torch.get_rng_state()
    first = evaluate(opened(**sections), device="cpu").values
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(123)
    assert evaluate(opened(**sections), device="cpu").values == first
    assert first["l1"] > 0.1


def test_files_are_written(opened, tmp_path):
    run = opened()
    report = evaluate(run, device="cpu")
    assert [file.name for file in report.files] == ["evaluation-test-000500.json", "evaluation-test-000500.png"]
    assert all(file.parent == run.run_folder for file in report.files)
    saved = json.loads(report.files[0].read_text(encoding="utf-8"))
    assert saved == json.loads(json.dumps(report.as_dict()))
    assert saved["values"]["l1"] == report.values["l1"]
    assert saved["versions"]["metric l1"] == "test (test-plugin 1.0)"
    assert saved["checkpoint"].endswith("000500")
    # Four columns (source, fake, target, retrieved) of five pictures, 12 pixels enlarged tenfold.
    assert read_picture(report.files[1]).shape == (4 + 20 + 5 * 124, 4 + 4 * 124, 3)
    other = evaluate(run, device="cpu", output=tmp_path / "elsewhere")
    assert other.files[0].parent == tmp_path / "elsewhere"
    assert sorted(path.name for path in (tmp_path / "elsewhere").iterdir()) == [file.name for file in other.files]


def test_without_a_preview_the_grid_shows_what_the_metrics_look_at(opened):
    report = evaluate(opened(preview=[]), device="cpu")
    assert read_picture(report.files[1]).shape[1] == 4 + 4 * 124


def test_leaked_pictures_are_counted(opened):
    leaky = opened(data={"dataset": "negatives", "image_size": 12, "leaked": 2})
    report = evaluate(leaky, device="cpu")
    assert report.overlap == 2
    assert any("2 of 5 examples" in warning for warning in report.warnings)
    clean = evaluate(opened(), device="cpu")
    assert clean.overlap == 0
    assert not any("training data" in warning for warning in clean.warnings)


def test_overlap_is_looked_for_without_a_baseline_too(opened):
    metrics = evaluation(l1={"metric": "l1", "of": "fake", "to": "target"}, baseline=False)
    leaky = opened(data={"dataset": "negatives", "image_size": 12, "leaked": 3}, evaluation=metrics)
    assert evaluate(leaky, device="cpu").overlap == 3


def test_pictures_of_one_colour_are_no_overlap(opened):
    assert evaluate(opened(data={"dataset": "negatives", "image_size": 12, "plain": True}), device="cpu").overlap == 0


def test_the_training_split_must_be_asked_for(opened):
    sections = {"evaluation": evaluation(l1={"metric": "l1", "of": "fake", "to": "target"}) | {"split": "train"}}
    with pytest.raises(DataError, match="learned by heart"):
        evaluate(opened(**sections), device="cpu")
    run = opened()
    report = evaluate(run, device="cpu", split="train")
    assert report.overlap is None
    assert report.n == 9
    assert any("training split" in warning for warning in report.warnings)
    # Nobody retrieves himself.
    assert report.baseline["l1"] == pytest.approx(retrieval_error(run, "train"), rel=1e-5)
    assert report.baseline["l1"] > 0.1


def test_a_small_set_is_named_and_a_large_one_not(opened):
    assert any("only 5 examples" in warning for warning in evaluate(opened(), device="cpu").warnings)
    large = opened(data={"dataset": "negatives", "image_size": 12, "held_out": 50})
    assert evaluate(large, device="cpu").warnings == ()


@pytest.mark.parametrize(
    ("split", "says"), [("tset", "Did you mean 'test'"), ("val", "the val split cannot be opened")]
)
def test_a_split_that_is_not_there(opened, split, says):
    with pytest.raises(DataError, match=says):
        evaluate(opened(), split=split, device="cpu")


def test_outputs_that_are_not_finite(opened):
    run = opened()
    run.game.networks["G"].a.data.fill_(float("nan"))
    with pytest.raises(NumbersError, match="not finite at step 500"):
        evaluate(run, device="cpu")


def test_a_metric_that_is_not_finite_is_null_in_json(opened):
    report = evaluate(opened(evaluation=evaluation(m={"metric": "infinite", "of": "fake"})), device="cpu")
    assert report.values["m"] == float("inf")
    assert json.loads(report.files[0].read_text(encoding="utf-8"))["values"]["m"] is None
    assert any("m is inf" in warning for warning in report.warnings)


def test_a_metric_without_a_value_for_each_example(opened):
    with pytest.raises(
        PluginError, match=r"one value for each of the 5 examples .*test-plugin|test-plugin.*5 examples"
    ):
        evaluate(opened(evaluation=evaluation(m={"metric": "wrong_shape", "of": "fake"})), device="cpu")


def test_overrides_change_data_and_metrics_only(opened):
    run = opened()
    report = evaluate(run, device="cpu", overrides=["data.held_out=7", "evaluation.count=6"])
    assert report.n == 6
    report = evaluate(run, device="cpu", overrides=["evaluation.metrics.mean={metric: scaled, of: target}"])
    assert set(report.values) == {"l1", "mean"}
    with pytest.raises(UsageError, match="cannot be changed"):
        evaluate(run, overrides=["networks.G.a=2"])
    with pytest.raises(PipelineError, match="held_out"):
        evaluate(run, overrides=["data.held_ou=7"])
    with pytest.raises(PipelineError, match="no value is named 'fakes'"):
        evaluate(run, device="cpu", overrides=["evaluation.metrics.m={metric: scaled, of: fakes}"])
    with pytest.raises(DataError, match=r"networks were trained with .* in \[-1, 1\]"):
        evaluate(run, device="cpu", overrides=["data.value_range=[0.0, 1.0]"])


def test_a_pipeline_without_metrics(opened):
    with pytest.raises(UsageError, match="names no metric"):
        evaluate(opened(evaluation={}), device="cpu")


def test_retrieval_by_what_is_no_field(opened):
    metrics = evaluation(l1={"metric": "l1", "of": "fake", "to": "target"})
    metrics["baseline"]["by"] = "sauce"
    with pytest.raises(ComponentError, match="'sauce' is none"):
        evaluate(opened(evaluation=metrics), device="cpu")


def test_an_exported_file_is_refused_with_the_way_out():
    with pytest.raises(UsageError, match="its run can"):
        evaluate("model.onnx")


def test_the_table_holds_every_metric(opened):
    from rich.console import Console

    metrics = evaluation(l1={"metric": "l1", "of": "fake", "to": "target"}, all={"metric": "range", "of": "source"})
    report = evaluate(opened(evaluation=metrics), device="cpu")
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(report.table())
        text = console.export_text()
    for name in ("l1", "all.low", "all.high", "retrieval", "95 % interval"):
        assert name in text
    assert f"{report.baseline['l1']:.4g}" in text


def test_progress_is_told(opened):
    seen = []
    evaluate(opened(), device="cpu", batch_size=4, progress=lambda *what: seen.append(what))
    assert [step for step in seen if step[0] == "outputs"] == [("outputs", 4, 5), ("outputs", 5, 5)]
    assert seen[-1] == ("retrieval", 5, 5)
