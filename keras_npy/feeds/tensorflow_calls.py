"""Calls from a TensorFlow graph into Python that keep nothing, lose no error and end in time.

`tf.numpy_function` alone has three faults (TensorFlow 2.21):

- It keeps every function for ever, in a list of the default graph. A method would keep its object,
  and with it the sequence and the open files.
- It turns an exception into the text of a TensorFlow error.
- If the interpreter ends while a TensorFlow thread waits for it, that thread never continues. The
  thread that frees the iterator waits for it, and the process hangs. This happened in 5 of 10 runs
  that ended with an error of the feed.
"""

import atexit
import collections
import functools
import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_npy.feeds.buffers import aligned_memory
from keras_npy.feeds.tensorflow_memory import tensor_over

# Once this is added to the number of running calls, no further call can begin.
_CLOSED = 1 << 40

# How long the end of a process waits for running calls, which may be reading files.
CLOSE_TIMEOUT_S = 10.0
POLL_S = 0.001

# FuncGraph copies integer tensors up to this size into the graph as constants, and a constant would
# not keep the receiver alive (TensorFlow 2.21, _EAGER_CONST_THRESHOLD).
_CONSTANT_VALUES_MAX = 128

# Several calls run at once, and each of them may fail.
_KEPT_ERRORS_MAX = 8

_NUMBERS = itertools.count()
_RECEIVERS: "weakref.WeakValueDictionary[int, _Receiver]" = weakref.WeakValueDictionary()


class Failures:
    """Keeps exceptions of Python functions that TensorFlow called, until they are taken."""

    def __init__(self) -> None:
        self._kept: collections.deque[tuple[str, BaseException]] = collections.deque(
            maxlen=_KEPT_ERRORS_MAX
        )

    def keep(self, error: BaseException) -> str:
        """Keep an exception; return the text by which TensorFlow's error refers to it."""
        mark = f"keras_npy error {next(_NUMBERS)}:"
        self._kept.append((mark, error))
        return f"{mark} {_text(error)}"

    def take(self, raised: BaseException) -> BaseException | None:
        """The kept exception behind an error of TensorFlow, or `None` if there is none."""
        text = str(raised)
        for mark, error in self._kept:
            if mark in text:
                # Release the others too: their tracebacks refer to rows and open files.
                self._kept.clear()
                return error
        return None


class Caller:
    """Calls methods of an object from the functions of a dataset.

    The object lives exactly as long as a dataset or an iterator whose functions use this caller.
    It must not refer to the caller: Python cannot collect a reference cycle through TensorFlow.

    Args:
        target: The object. Its methods take arrays and return lists of arrays.
        failures: Keeps what the methods raise. The caller refers to it weakly.
    """

    def __init__(self, target: object, failures: Failures) -> None:
        receiver = _Receiver(target, failures)
        self._num_running = receiver.num_running
        # The functions of the dataset capture this tensor, and its memory owns the receiver. So the
        # receiver lives until the last of these functions is freed.
        number = aligned_memory((_CONSTANT_VALUES_MAX + 1) * 8).view(np.int64)
        number[...] = receiver.number
        self._anchor = tensor_over(number, owner=receiver)

    def __call__(self, method: str, inputs: Sequence[Any], dtypes: Sequence[Any]) -> list[Any]:
        """Add a call of `method` to the current graph; return its results, of these dtypes.

        If the method raises, the graph raises `tf.errors.InvalidArgumentError`, and
        `Failures.take` gives the cause.
        """
        import tensorflow as tf

        handle = self._num_running.handle
        # This operation fails once the limit is reached: the call then does not begin.
        begun = tf.raw_ops.ResourceCountUpTo(resource=handle, limit=_CLOSED, T=tf.int64)
        with tf.control_dependencies([begun]):
            outputs = tf.numpy_function(_function(method), [self._anchor, *inputs], list(dtypes))
        # Count the end of a call in the graph: at its end in Python the thread still needs the
        # interpreter. The two operations make batches of 3 MB 5 % slower. A third one, to tell
        # failures apart, made them 19 % slower.
        with tf.control_dependencies([outputs[0]]):
            tf.raw_ops.AssignSubVariableOp(resource=handle, value=tf.constant(1, tf.int64))
        return list(outputs)


class _Receiver:
    """The Python side of a `Caller`. It holds no reference to the caller."""

    def __init__(self, target: object, failures: Failures) -> None:
        self._target = target
        # A weak reference, because the tracebacks that `failures` keeps refer to the memory that
        # owns this receiver.
        self._failures = weakref.ref(failures)
        self.num_running = _counter()
        # The graph does not count a failed call as ended. Its thread needs the interpreter until
        # TensorFlow frees the exception that it was given, so the call ends with that exception.
        self._reports: list[weakref.ref[_Report]] = []
        self._ended_reports: collections.deque[weakref.ref[_Report]] = collections.deque()
        self.number = next(_NUMBERS)
        _RECEIVERS[self.number] = self

    def run(self, method: str, inputs: Sequence[Any]) -> list[Any]:
        """Call the method and return its arrays.

        Raises:
            _Report: If the method raises.
        """
        try:
            outputs: list[Any] = getattr(self._target, method)(*inputs)
            return outputs
        except BaseException as error:
            report = self._report(error)
        # Raise it after the except block, so that the error does not become its context: the error
        # is kept, and would not be freed.
        try:
            raise report
        finally:
            # The report's traceback refers to this frame. The two would form a reference cycle, and
            # the report would not be freed.
            del report

    def _report(self, error: BaseException) -> "_Report":
        failures = self._failures()
        text = _text(error) if failures is None else failures.keep(error)
        # Escape characters that UTF-8 cannot encode, such as those of a file name in another
        # encoding.
        report = _Report(text.encode("utf-8", "backslashreplace").decode())
        self._reports.append(weakref.ref(report, self._ended_reports.append))
        return report

    def close(self) -> None:
        """Let no further call begin."""
        self.num_running.assign_add(_CLOSED)

    def is_closed(self) -> bool:
        """Whether no call is running, and none can begin."""
        return bool(self.num_running.numpy() == _CLOSED + len(self._ended_reports))


class _Report(ValueError):
    """Tells TensorFlow of an exception; TensorFlow makes an `InvalidArgumentError` of its text."""


# One function for each method name, because TensorFlow never frees a function.
@functools.cache
def _function(method: str) -> Callable[..., list[Any]]:
    """A function that finds its object by the number in its first argument."""

    def call(anchor: Any, *inputs: Any) -> list[Any]:
        return _RECEIVERS[int(anchor[0])].run(method, inputs)

    return call


def _counter() -> Any:
    """A variable on the CPU that counts running calls."""
    import tensorflow as tf

    variables = []

    def make() -> None:
        with tf.device("CPU:0"):
            variables.append(tf.Variable(0, dtype=tf.int64, trainable=False))

    # A distribution strategy applies to the calling thread, and would make one variable for each
    # replica. A new thread has no strategy.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return variables[0]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# Runs before the interpreter ends, after all threads that are not daemons have ended.
@atexit.register
def close_all() -> None:
    """Wait until no thread of TensorFlow is in Python, and let none enter again."""
    receivers = list(_RECEIVERS.values())
    for receiver in receivers:
        receiver.close()
    until_s = time.monotonic() + CLOSE_TIMEOUT_S
    while not all(receiver.is_closed() for receiver in receivers):
        if time.monotonic() > until_s:
            return
        time.sleep(POLL_S)


# `close_all` waits for TensorFlow's threads, and a forked child has none of them.
os.register_at_fork(after_in_child=_RECEIVERS.clear)
