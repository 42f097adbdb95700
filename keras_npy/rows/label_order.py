"""Warns if labels rise as the names of files do, and a pattern gives these in another order."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_npy.errors import warn
from keras_npy.names.order import orders_of_time
from keras_npy.names.signed import signed_numbers
from keras_npy.rows.base import Rows

# Of so many labels that are in no order, one list in 24 rises. More than the most are not read.
_LABELS_MIN = 4
_LABELS_MAX = 100_000


def warn_of_label_order(rows: Rows, labels: Rows) -> bool:
    """Warn if the names of files state an order that is not theirs, and may be that of labels.

    Labels in natural order rise only by chance where the names do not.

    Args:
        rows: Rows that a pattern may have found.
        labels: Those beside them, in an order of their own.

    Returns:
        Whether there was a warning.
    """
    files = rows.files
    is_column = labels.row_shape in ((), (1,)) and labels.dtype.kind in "iuf"
    if files is None or not files.are_found or files.are_chosen or len(files.paths) < 2:
        return False
    if not is_column or len(labels) > _LABELS_MAX:
        return False
    order = order_of_labels(files.paths, np.asarray(labels[:]).ravel())
    if order:
        first, second = (files.paths[at] for at in order[:2])
        warn(
            f"{files.paths[0]}: a pattern gives files in natural order, in which the rows of "
            f"{labels.name} must lie too. Received: rows that rise, and files that do not rise by "
            f"their names: these begin with {first} and {second}. Look at the order of "
            f"{labels.name} first: if it is that of the names, pass a list of all paths in this "
            "order; if it is natural order, check_names=False says so."
        )
    return bool(order)


def order_of_labels(paths: Sequence[str], labels: NDArray[Any]) -> Sequence[int]:
    """The places of paths in the order of their names, if it may be that of labels; else nothing.

    Example:

    >>> order_of_labels(["t_+0", "t_+5", "t_-5"], np.array([-5, 0, 5]))
    [2, 0, 1]
    >>> order_of_labels(["t_+0", "t_+5", "t_-5"], np.array([0, 5, -5]))
    []
    """
    if not np.all(labels[1:] > labels[:-1]):
        return []
    orders = orders_of_time(paths)
    # Nobody knows whether 01-02-2021 is in January.
    if any(order != orders[0] for order in orders):
        return []
    # Labels that are these very numbers are certain, however few they are.
    are_numbers = bool(orders) and sorted(signed_numbers(paths)) == labels.tolist()
    return orders[0] if orders and (are_numbers or len(labels) >= _LABELS_MIN) else []
