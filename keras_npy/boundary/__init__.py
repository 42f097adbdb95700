"""Where Keras's inside is met: nothing else imports keras.src or looks at the call stack."""

# Before any module here begins, since importing Keras imports them (`on_demand.py`).
import keras  # noqa: F401
