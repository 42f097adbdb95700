"""Checks of arguments that more than one file makes."""

import numpy as np


def check_integer(name: str, value: object, *, at_least: int) -> None:
    """Raise unless `value` is an integer, no bool, and no less than `at_least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(
            f"{name} must be an integer. Received: {name}={value!r:.100} of type "
            f"{type(value).__name__}. Pass a whole number from {at_least}."
        )
    if value < at_least:
        raise ValueError(
            f"{name} must be at least {at_least}. Received: {name}={value}. "
            f"Pass a whole number from {at_least}."
        )
