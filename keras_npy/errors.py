"""Checks of arguments that more than one file makes."""

from typing import Any

import numpy as np


def check_real(name: str, dtype: Any, shape: Any) -> None:
    """Raise for a complex dtype, of NumPy or any backend: its imaginary part would be lost."""
    # "complex64", "torch.complex64", "<dtype: 'complex64'>".
    if "complex" in str(dtype):
        raise TypeError(
            "NpyInputLayer takes real values: of complex ones it would drop the imaginary part. "
            f"Received: {name} of {dtype} {shape}. Store the parts as channels, with "
            "np.stack([x.real, x.imag], axis=-1)."
        )


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
