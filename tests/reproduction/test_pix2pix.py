"""pix2pix against its ablation on real photographs (Isola et al. 2017, arXiv 1611.07004, section 4.2).

    pytest -m reproduction tests/reproduction/test_pix2pix.py -n 0 -s

CMP facades at 64 pixels, labels to photographs, width 16: about 20 minutes for each of six trainings on two cores.
Checked on the 106 held-out pictures, two of three seeds at least, all printed:

a. the L1 error of L1 + cGAN is at most 0.8 times that of nearest-neighbour retrieval;
b. the gradients of L1 + cGAN are 0.8 to 1.2 as long as the photographs', those of L1 alone at most 0.7 (the control:
   without the adversarial term the pictures must blur).

Read (a) together with (b): a constant picture passes (a) on this set. In (b) the mean length of the gradient is judged
and its mean square, which the few strongest edges of a photograph decide, is printed beside it: with squares L1 alone
has 0.1, far from a bound of 0.7 that is meant to be near, and L1 + cGAN reached 0.67 to 0.71 in the runs of
docs/measurements.md, short of 0.8.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from translate.evaluation import evaluate
from translate.training import train

SEEDS = (0, 1, 2)
STEPS = int(os.environ.get("REPRODUCTION_STEPS", "24000"))
SETTINGS = [
    "data.image_size=64",
    "data.direction=b_to_a",
    "data.labels=[source]",
    "data.transforms=[{Resize: 72}, {RandomCrop: 64}, HorizontalFlip]",
    "networks.G.width=16",
    f"training.steps={STEPS}",
    "training.preview_every=0",
    "training.checkpoint_every=2000",
    "training.keep_checkpoints=1",
    "training.observers=[metrics_file]",
]
ADVERSARIAL = ["networks.D.width=16", "networks.D.receptive_field=16"]


@pytest.mark.reproduction
@pytest.mark.timeout(0)
def test_the_adversarial_term_sharpens_and_l1_alone_blurs(shared_data: Path, tmp_path: Path) -> None:
    rows = []
    for seed in SEEDS:
        found = {}
        for name, more in (("pix2pix", ADVERSARIAL), ("pix2pix_l1", [])):
            settings = [f"data.root={shared_data / 'facades'}", f"training.seed={seed}", *SETTINGS, *more]
            run = train(name, settings, out=tmp_path / f"{name}-{seed}").folder
            report = evaluate(run, device="cpu")
            values = report.values
            found[name] = (report.ratio["l1"], values["gradient_length"], values["gradient_energy"])
            print(f"seed {seed} {name}: L1/retrieval, gradient length, energy: {found[name]}", flush=True)
        rows.append((*found["pix2pix"][:2], found["pix2pix_l1"][1]))
    good = [row for row in rows if row[0] <= 0.8 and 0.8 <= row[1] <= 1.2 and row[2] <= 0.7]
    assert len(good) >= 2, rows
