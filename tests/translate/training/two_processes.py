"""What each of two processes does in test_engine.py: a small adversarial training whose result both must share."""

import os
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from translate.errors import UsageError
from translate.optimizers import build_optimizer
from translate.training.engine import Engine


def refuse(engine):
    if engine.is_main:
        raise UsageError("the folder is not empty", where="here", fix="choose another")


def main(folder):
    engine = Engine(device="cpu", devices=2)
    engine.launch()
    assert engine.world_size == 2
    assert engine.any(engine.rank == 1)
    assert not engine.any(False)
    assert engine.mean({"b": float(engine.rank), "a": 1.0}) == {"b": 0.5, "a": 1.0}
    assert engine.gather_objects(("r", engine.rank)) == [("r", 0), ("r", 1)]
    engine.seed(3)
    assert len({*engine.gather_objects(torch.rand(()).item())}) == 2

    # different weights in each process until they are wrapped
    raw_g, raw_d = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), nn.Linear(2, 1)
    g, d = engine.setup_module(raw_g), engine.setup_module(raw_d)
    assert g is raw_g
    assert engine.setup_module(empty := nn.Flatten()) is empty
    opt_g = build_optimizer({"betas": [0.5, 0.9]}, raw_g.parameters(), lr=0.05)
    opt_d = build_optimizer({"name": "sgd", "momentum": 0.9}, raw_d.parameters(), lr=0.05)
    for step in range(4):
        x = torch.randn(4, 2)
        fake = g(x)
        raw_d.requires_grad_(True)
        opt_d.zero_grad()
        loss = (d(fake.detach()) - d(x)).mean() * (float("nan") if step == 2 and engine.rank == 1 else 1.0)
        engine.backward(loss)
        engine.step(opt_d, raw_d.parameters())  # one process's nan skips the step in both
        raw_d.requires_grad_(False)
        opt_g.zero_grad()
        engine.backward(-d(fake).mean())  # two parts, one exchange
        engine.backward(-d(g(x)).mean())
        engine.step(opt_g, raw_g.parameters(), clip_norm=1.0)
    assert engine.read_skips(opt_d) == 1
    assert engine.read_skips(opt_g) == 0
    engine.barrier()
    with pytest.raises(UsageError, match="here; the folder is not empty; choose another"), engine.together():
        refuse(engine)
    result = [p.detach().tolist() for p in (*raw_g.parameters(), *raw_d.parameters())]
    Path(folder, str(engine.rank)).write_text(repr(result))
    if "TORCHELASTIC_RUN_ID" in os.environ:
        engine.close()
    elif engine.is_main:  # Fabric looks every five seconds, and would kill this process for the other's exit code
        engine.close()
        time.sleep(6)
        Path(folder, "end").touch()
    else:
        engine.close()
        sys.exit(75)


if __name__ == "__main__":
    main(sys.argv[1])
