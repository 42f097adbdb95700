"""What torch makes of the dtypes in which rows are stored."""

from typing import Any

import numpy as np

# Torch can store these dtypes but hardly compute with them. Keras widens them too (Keras 3.15).
WIDER_DTYPES: dict[str, np.dtype[Any]] = {"uint16": np.dtype("int32"), "uint32": np.dtype("int64")}
