"""Warns if a pattern gives the files of one series in another order than that of their times."""

from collections.abc import Sequence

from keras_npy.errors import warn
from keras_npy.names.order import orders_of_time
from keras_npy.names.signed import signed_numbers
from keras_npy.rows.base import Rows
from keras_npy.rows.natural_order import found_files


def warn_of_time_order(leaves: Sequence[Rows], caller: str) -> None:
    """Warn if names state an order of time that is not natural order.

    Args:
        leaves: The sources of a series, of which lists are in the order of the user.
        caller: What needs the order of time.
    """
    _warn(
        leaves,
        f"{caller} needs files in the order of time, and a pattern gives them in natural order.",
        "Pass a list of all paths",
    )


def warn_of_lost_times(leaves: Sequence[Rows]) -> None:
    """As `warn_of_time_order`, of rows that become one file: its readers see no names any more."""
    _warn(
        leaves,
        "a new file holds the files of a pattern in natural order, and has no names that tell "
        "their times.",
        # The command takes paths too.
        "Instead of the pattern, give all paths",
    )


def _warn(leaves: Sequence[Rows], rule: str, remedy: str) -> None:
    for rows in leaves:
        if rows.files is not None and rows.files.are_chosen:
            continue
        for paths in found_files(rows):
            orders = orders_of_time(paths) if len(paths) > 1 else []
            if orders:
                warn(_message(paths, orders, rule, remedy))
                return


def _message(paths: Sequence[str], orders: Sequence[Sequence[int]], rule: str, remedy: str) -> str:
    order = orders[0]
    places = {number: place for place, number in enumerate(order)}
    at = next(at for at in range(len(paths) - 1) if places[at] > places[at + 1])
    # Nobody knows whether 01-02-2021 is in January.
    are_certain = all(order == other for other in orders)
    is_less, of_what = "earlier", "time"
    if signed_numbers(paths):
        is_less, of_what = "less", "the numbers with their signs"
    begin = f", from {paths[order[0]]} and {paths[order[1]]} on" if are_certain else ""
    return (
        f"{paths[at]}: {rule} Received: {paths[at]} before {paths[at + 1]}, which is {is_less} by "
        f"its name. {remedy} in the order of {of_what}{begin}; list what belongs to them alike. A "
        "list is taken as it is."
    )
