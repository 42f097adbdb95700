"""Inside the graph: from stored values to what a model takes."""

# Before any module here begins, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401
