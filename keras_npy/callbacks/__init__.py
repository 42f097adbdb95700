"""Callbacks for `fit`: what goes on beside training."""

# Import Keras before any module of this room, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401 # For its import alone, see above.
