"""What grows: stages and sizes, the schedule, real images at a stage, and the networks' messages."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from translate import Image, Label, Vector
from translate.errors import ComponentError
from translate.specs import Scalar, Several
from translate_plugins.discriminators.progressive import progressive as discriminator
from translate_plugins.generators.progressive import progressive as generator
from translate_plugins.growing import last_stage, stage_at, width_of
from translate_plugins.losses.drift import Drift
from translate_plugins.operations.shrink import pyramid, shrink
from translate_plugins.schedules.growth import Growth

SMALL = {"base": 64}


def test_a_stage_stands_and_the_next_one_is_faded_in_along_a_line():
    growth = Growth(stages=3, stable=10, fade=4)
    found = [growth(step) for step in (0, 9, 10, 11, 13, 14, 23, 24, 25, 27, 28, 10**9)]
    assert found == [0.0, 0.0, 0.0, 0.25, 0.75, 1.0, 1.0, 1.0, 1.25, 1.75, 2.0, 2.0]
    assert growth.end == 28
    assert all(isinstance(value, float) for value in found)


def test_each_change_may_have_its_own_lengths():
    growth = Growth(stages=4, stable=[2, 0, 3], fade=[2, 2, 0])
    assert [growth(step) for step in range(10)] == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.0, 2.0, 3.0]
    assert Growth(stages=1, stable=5, fade=5)(100) == 0.0


def test_the_schedule_names_a_list_of_another_length():
    with pytest.raises(ComponentError, match="4 stages change 3 times, but `fade` has 4 numbers"):
        Growth(stages=4, stable=1, fade=[1, 2, 3, 4])


def test_feature_maps_are_those_of_the_paper():
    assert [width_of(stage, 8192, 512) for stage in range(9)] == [512, 512, 512, 512, 256, 128, 64, 32, 16]
    assert [width_of(stage, 4096, 128) for stage in range(4)] == [128, 128, 128, 128]
    assert width_of(8, 4, 512) == 1


@pytest.mark.parametrize("size", [(28, 28), (2, 2), (16, 32), (48, 48)])
def test_only_squares_of_a_power_of_two_have_stages(size):
    with pytest.raises(ComponentError, match=r"squares of 4, 8, 16, 32 \.\.\. pixels") as caught:
        last_stage("progressive", size)
    assert caught.value.fix == "set `data.image_size` to a power of two"


def test_a_growth_beyond_the_last_stage_says_how_many_there_are():
    assert stage_at("G", 0.0, 3) == (0, 1.0)
    assert stage_at("G", 3.0, 3) == (3, 1.0)
    with pytest.raises(
        ComponentError, match=r"growth of 3\.5 is asked for, but 32x32 pixels have the stages 0 to 3"
    ) as e:
        stage_at("G", 3.5, 3)
    assert e.value.fix == "give the schedule `stages: 4`"


def test_real_images_are_the_mean_of_what_a_pixel_covers():
    image = torch.randn(2, 3, 16, 16)
    assert torch.equal(shrink(image, 2.0), image)
    torch.testing.assert_close(shrink(image, 1.0), F.interpolate(image, size=8, mode="area"))
    torch.testing.assert_close(shrink(image, 0.0), F.interpolate(image, size=4, mode="area"))


def test_a_stage_that_is_faded_in_shows_real_images_between_both_resolutions():
    image = torch.randn(2, 3, 16, 16)
    coarse, fine = shrink(image, 0.0), shrink(image, 1.0)
    repeated = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(shrink(image, 0.3), 0.7 * repeated + 0.3 * fine)
    assert shrink(image, 1e-9).shape == (2, 3, 8, 8)


def test_a_pyramid_has_every_resolution():
    image = torch.randn(2, 3, 32, 32)
    images = pyramid(image)
    assert [part.shape[-1] for part in images] == [4, 8, 16, 32]
    for stage, part in enumerate(images):
        torch.testing.assert_close(part, shrink(image, float(stage)))


def test_drift_is_the_mean_square_on_the_discriminators_side_alone():
    values = torch.tensor([1.0, -3.0])
    assert Drift().discriminator(values).item() == 5.0
    assert Drift().discriminator([values, values]).item() == 10.0
    assert not hasattr(Drift, "generator")


LISTED = Several((Image(1, 4, 4), Image(1, 8, 8)))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: generator(Vector(3), makes=Image(1, 28, 28)), "squares of 4, 8, 16, 32"),
        (lambda: generator(Vector(3), makes=Vector(5)), "progressive makes images, but `makes` is Vector"),
        (lambda: generator(Scalar(), makes=Image(1, 8, 8)), "progressive needs at least one input"),
        (
            lambda: generator(Vector(3), Scalar(final=1.0), makes=Image(1, 16, 16)),
            "grows to stage 1, which is 8 pixels, but makes Image(1x16x16",
        ),
        (lambda: generator(Vector(3), Scalar(), Scalar(), makes=Image(1, 8, 8)), "takes one number, the growth"),
        (lambda: generator(Vector(3), Scalar(), makes=Image(1, 8, 8), scales="all"), "does not grow"),
        (
            lambda: generator(Vector(3), makes=Image(1, 32, 32), base=16),
            "pixel norm of one feature map leaves only its",
        ),
        (lambda: discriminator(Vector(3)), "progressive needs at least one image"),
        (lambda: discriminator(Image(1, 12, 12)), "squares of 4, 8, 16, 32"),
        (lambda: discriminator(LISTED, Scalar()), "takes a growth or a list of images, not both"),
        (lambda: discriminator(Several((Image(1, 8, 8), Image(1, 4, 4)))), "as the one before (got 8x8, 4x4)"),
        (lambda: discriminator(LISTED, Image(1, 8, 8)), "their sizes differ"),
    ],
)
def test_what_does_not_fit_is_refused(build, message):
    with pytest.raises(ComponentError) as caught:
        build()
    assert message in caught.value.what


def test_a_growth_that_ends_at_the_size_that_is_made_fits():
    assert generator(Vector(3), Scalar(final=2.0), makes=Image(1, 16, 16)).last == 2


def test_images_of_another_stage_are_refused():
    network = discriminator(Image(1, 16, 16), Scalar(), **SMALL)
    with pytest.raises(ComponentError, match="judges images of 8x8 now") as caught:
        network(torch.zeros(2, 1, 16, 16), 0.5)
    assert caught.value.fix == "write D(shrink(image, growth), growth) and D(G(z, growth), growth)"


@pytest.mark.parametrize("growth", [0.0, 0.4, 1.0, 1.5, 2.0, 2.5, 3.0])
def test_any_mix_of_inputs_grows(growth):
    """Labels and vectors in both players, and the growth anywhere among them."""
    make = generator(Vector(4), Scalar(), Label(3), makes=Image(2, 32, 32), **SMALL)
    judge = discriminator(Label(3), Image(2, 32, 32), Scalar(), Vector(4), outputs=5, **SMALL)
    z, label = torch.randn(6, 4), torch.arange(6) % 3
    made = make(z, growth, label)
    assert made.shape == shrink(torch.zeros(6, 2, 32, 32), growth).shape
    assert judge(label, made, growth, z).shape == (6, 5)


def test_without_a_growth_it_is_whole_and_has_no_parts_for_other_resolutions():
    make, judge = generator(Vector(4), makes=Image(2, 32, 32), **SMALL), discriminator(Image(2, 32, 32), **SMALL)
    made = make(torch.randn(2, 4))
    judge(made).sum().backward()
    assert made.shape == (2, 2, 32, 32)
    assert all(parameter.grad is not None for network in (make, judge) for parameter in network.parameters())


@pytest.mark.parametrize("growth", [1.0, 1.5])
def test_a_growing_generator_runs_in_onnxruntime(growth, tmp_path):
    import onnxruntime

    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = generator(Vector(4), Scalar(), makes=Image(2, 16, 16), **SMALL)

        def forward(self, z):
            return self.network(z, growth)

    z, file = torch.randn(2, 4), tmp_path / "g.onnx"
    network = Fixed().eval()
    torch.onnx.export(network, (z,), str(file), dynamo=True, external_data=False, verbose=False)
    (made,) = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"]).run(None, {"z": z.numpy()})
    torch.testing.assert_close(torch.from_numpy(made), network(z).detach(), rtol=1e-4, atol=1e-5)
