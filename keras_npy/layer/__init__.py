"""Turn stored values into what a model takes, inside the graph."""

# Import Keras before any module of this room, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401 # For its import alone, see above.
