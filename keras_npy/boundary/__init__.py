"""The only room that uses Keras's private modules (`keras.src`)."""

# Import Keras before any module of this room, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401 # For its import alone, see above.
