"""Bring rows to a backend: plan batches, gather them ahead, reuse their memory."""

# Import Keras before any module of this room, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401 # For its import alone, see above.
