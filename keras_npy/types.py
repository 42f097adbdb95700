"""The type aliases that more than one room uses."""

import os
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

Indices: TypeAlias = NDArray[np.int64]
"""Numbers of rows, `(n,)`."""

Mask: TypeAlias = NDArray[np.bool_]
"""Whether something holds, of each row or pair."""

Io: TypeAlias = Literal["auto", "map", "read"]
"""How files are read: mapped into memory, by position, or whichever suits where they lie."""

Cache: TypeAlias = Literal["ram", "device"]
"""Where rows are kept once they are read: in memory, or on the device that trains."""

Path: TypeAlias = str | os.PathLike[str]

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes of axes. `None` stands for an unknown size, such as that of the batch."""

ShuffleArgument: TypeAlias = bool | Literal["batch"] | None
"""`shuffle` as `fit` takes it, and `None` where nothing is said."""

Shuffle: TypeAlias = Literal["rows", "batch"] | None
"""Shuffle all rows, shuffle within each consecutive batch, or keep file order."""
