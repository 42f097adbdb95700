"""From rows to a backend: planned, gathered ahead, in memory that is used again."""

# Before any module here begins, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401
