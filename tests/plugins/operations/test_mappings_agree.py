"""The maps that data sets compute and the operations of the same name are one definition."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from translate_datasets.mappings import TRANSFORMS
from translate_plugins.operations.edges import edges
from translate_plugins.operations.negative import negative
from translate_plugins.operations.rotate import rotate

OPERATIONS = {"edge": edges, "negative": negative, "rotation": rotate}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_data_sets_map_is_the_operation_of_its_name(name, channels):
    picture = np.random.default_rng(0).integers(0, 256, (9, 12, channels), dtype=np.uint8)

    def tensor(array):
        return torch.from_numpy(array.copy()).permute(2, 0, 1)[None].float() / 255 * 2 - 1

    mapped = np.asarray(TRANSFORMS[name](picture))
    torch.testing.assert_close(OPERATIONS[name](tensor(picture)), tensor(mapped), rtol=0, atol=1e-6)
