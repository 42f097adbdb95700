"""Each type that more than one room speaks of, once."""

import os
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

Indices: TypeAlias = NDArray[np.int64]
"""Numbers of rows, `(n,)`."""

Path: TypeAlias = str | os.PathLike[str]

Shape: TypeAlias = tuple[int | None, ...]
"""Sizes of axes; `None` for one that is not known, such as the batch."""

ShuffleArgument: TypeAlias = bool | Literal["batch"] | None
"""`shuffle` as `fit` takes it."""

Shuffle: TypeAlias = Literal["rows", "batch"] | None
"""Uniformly over all rows, within each consecutive batch, or file order."""
