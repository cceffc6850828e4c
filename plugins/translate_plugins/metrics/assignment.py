"""The best one-to-one assignment of rows to columns."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

Matrix = np.ndarray[Any, np.dtype[Any]]


def best_assignment(gains: Matrix) -> list[int]:
    """The column of each row, all different, with the largest sum of gains.

    The Hungarian method with potentials (Kuhn 1955; Jonker and Volgenant 1987): shortest augmenting paths, one row
    after the other; exact, in rows^2 x columns steps.

    Args:
        gains: Rows x columns, finite; not more rows than columns.

    >>> best_assignment(np.array([[7, 9], [1, 8]]))
    [0, 1]
    """
    rows, columns = gains.shape
    if rows > columns:
        msg = f"{rows} rows cannot have a column each of {columns}"
        raise ValueError(msg)
    # Index 0 of columns is an outside one, from which each row's path begins.
    cost = -np.asarray(gains, np.float64)
    of_row, of_column = np.zeros(rows + 1), np.zeros(columns + 1)
    owner = np.zeros(columns + 1, np.int64)
    for row in range(1, rows + 1):
        owner[0], column = row, 0
        least = np.full(columns + 1, np.inf)
        before = np.zeros(columns + 1, np.int64)
        used = np.zeros(columns + 1, np.bool_)
        while owner[column]:
            used[column] = True
            reached = cost[owner[column] - 1] - of_row[owner[column]] - of_column[1:]
            nearer = ~used[1:] & (reached < least[1:])
            least[1:][nearer], before[1:][nearer] = reached[nearer], column
            following = int(np.where(used, np.inf, least)[1:].argmin()) + 1
            step = least[following]
            of_row[owner[used]] += step
            of_column[used] -= step
            least[~used] -= step
            column = following
        while column:
            owner[column], column = owner[before[column]], int(before[column])
    chosen = [0] * rows
    for column in range(1, columns + 1):
        if owner[column]:
            chosen[owner[column] - 1] = column - 1
    return chosen


def matched(said: Tensor, true: Tensor, *, classes: int = 0) -> Tensor:
    """Whether each example's own class is the one assigned to its true class, by the best assignment of all.

    Args:
        said: Classes by names of their own, N int64 from 0.
        true: The true classes, N int64 from 0.
        classes: Number of classes, where more are possible than were seen.

    Returns:
        1 or 0 for each example, in float64.
    """
    size = max(classes, int(said.max()) + 1, int(true.max()) + 1)
    table = torch.bincount(said * size + true, minlength=size * size).view(size, size)
    meaning = torch.tensor(best_assignment(table.numpy()))
    return (meaning[said] == true).double()
