"""Calls from a TensorFlow graph into Python that keep nothing, lose no error and end in time.

What `tf.numpy_function` alone does instead (TensorFlow 2.21):

- It holds every function that it is given in a list of the default graph, for ever. A method would
  keep its object, and with it the sequence and the open files.
- An exception arrives as the text of an error of TensorFlow's.
- A thread of TensorFlow that waits for the interpreter while that ends never goes on. Whoever
  frees the iterator waits for the thread, and the process hangs: in 5 of 10 runs that ended with
  an error of the feed.
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

# Added to the number of calls that are running, it lets no other begin.
_CLOSED = 1 << 40

# A call that is running may read files for as long as it takes; nothing else is waited for.
CLOSE_TIMEOUT_S = 10.0
POLL_S = 0.001

# FuncGraph copies integer tensors up to this size into the graph as constants, which would keep
# nothing alive (TensorFlow 2.21, _EAGER_CONST_THRESHOLD).
_CONSTANT_VALUES_MAX = 128

# Several calls run at once, and each may fail.
_KEPT_ERRORS_MAX = 8

_NUMBERS = itertools.count()
_RECEIVERS: "weakref.WeakValueDictionary[int, _Receiver]" = weakref.WeakValueDictionary()


class Failures:
    """Exceptions of Python functions that TensorFlow called, until they are asked for."""

    def __init__(self) -> None:
        self._kept: collections.deque[tuple[str, BaseException]] = collections.deque(
            maxlen=_KEPT_ERRORS_MAX
        )

    def keep(self, error: BaseException) -> str:
        """Keep an exception; return the text that an error of TensorFlow's is to hold."""
        mark = f"keras_npy error {next(_NUMBERS)}:"
        self._kept.append((mark, error))
        return f"{mark} {_text(error)}"

    def take(self, raised: BaseException) -> BaseException | None:
        """The exception behind an error of TensorFlow's, or `None` if it is none of these."""
        text = str(raised)
        for mark, error in self._kept:
            if mark in text:
                # Their tracebacks refer to rows and open files.
                self._kept.clear()
                return error
        return None


class Caller:
    """Calls methods of an object from the functions of a dataset.

    The object lives as long as a dataset or an iterator whose functions use this caller, and no
    longer. It must not refer to the caller: a reference cycle through TensorFlow is never
    collected.

    Args:
        target: The object. Its methods take arrays and return lists of arrays.
        failures: Keeps what the methods raise, while somebody else refers to it.
    """

    def __init__(self, target: object, failures: Failures) -> None:
        receiver = _Receiver(target, failures)
        self._num_running = receiver.num_running
        # Captured by the functions of the dataset, it is let go of with the last of them, and
        # until then its memory owns the receiver.
        number = aligned_memory((_CONSTANT_VALUES_MAX + 1) * 8).view(np.int64)
        number[...] = receiver.number
        self._anchor = tensor_over(number, owner=receiver)

    def __call__(self, method: str, inputs: Sequence[Any], dtypes: Sequence[Any]) -> list[Any]:
        """Tensors of these dtypes that `method` will return, in the graph that is being built.

        Where the method raises, the graph does: `tf.errors.InvalidArgumentError`, of which
        `Failures.take` knows the cause.
        """
        import tensorflow as tf

        handle = self._num_running.handle
        # Fails where the limit is reached.
        begun = tf.raw_ops.ResourceCountUpTo(resource=handle, limit=_CLOSED, T=tf.int64)
        with tf.control_dependencies([begun]):
            outputs = tf.numpy_function(_function(method), [self._anchor, *inputs], list(dtypes))
        # Counted in the graph, not in Python, where the thread still needs the interpreter. The
        # two operations make batches of 3 MB 5 % slower; a third that told failures apart 19 %.
        with tf.control_dependencies([outputs[0]]):
            tf.raw_ops.AssignSubVariableOp(resource=handle, value=tf.constant(1, tf.int64))
        return list(outputs)


class _Receiver:
    """The Python side of a `Caller`, of which it knows nothing."""

    def __init__(self, target: object, failures: Failures) -> None:
        self._target = target
        # Weakly: the traceback of what is kept refers to the memory that owns this receiver.
        self._failures = weakref.ref(failures)
        self.num_running = _counter()
        # Of calls that failed, which the graph does not count as ended: the exception that
        # TensorFlow was given is freed when it needs the interpreter no more.
        self._reports: list[weakref.ref[_Report]] = []
        self._ended_reports: collections.deque[weakref.ref[_Report]] = collections.deque()
        self.number = next(_NUMBERS)
        _RECEIVERS[self.number] = self

    def run(self, method: str, inputs: Sequence[Any]) -> list[Any]:
        """What the method returns.

        Raises:
            _Report: If it raised something.
        """
        try:
            outputs: list[Any] = getattr(self._target, method)(*inputs)
            return outputs
        except BaseException as error:
            report = self._report(error)
        # Behind the except block: the error, which is kept, is not to be its context.
        try:
            raise report
        finally:
            # Its traceback refers to this frame: the two form a reference cycle, and it would
            # not be freed.
            del report

    def _report(self, error: BaseException) -> "_Report":
        failures = self._failures()
        text = _text(error) if failures is None else failures.keep(error)
        # Without what UTF-8 has not, such as the name of a file in another encoding.
        report = _Report(text.encode("utf-8", "backslashreplace").decode())
        self._reports.append(weakref.ref(report, self._ended_reports.append))
        return report

    def close(self) -> None:
        """Let no call begin any more."""
        self.num_running.assign_add(_CLOSED)

    def is_closed(self) -> bool:
        """Whether no call is running, and none can begin."""
        return bool(self.num_running.numpy() == _CLOSED + len(self._ended_reports))


class _Report(ValueError):
    """What TensorFlow is told of an exception: it makes an `InvalidArgumentError` of the text."""


# As few functions as possible, since TensorFlow never lets go of them.
@functools.cache
def _function(method: str) -> Callable[..., list[Any]]:
    """A function that finds its object by the number in its first argument."""

    def call(anchor: Any, *inputs: Any) -> list[Any]:
        return _RECEIVERS[int(anchor[0])].run(method, inputs)

    return call


def _counter() -> Any:
    """A variable on the CPU."""
    import tensorflow as tf

    variables = []

    def make() -> None:
        with tf.device("CPU:0"):
            variables.append(tf.Variable(0, dtype=tf.int64, trainable=False))

    # The scope of a strategy, which would make it one variable for each replica, is one of the
    # calling thread.
    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    return variables[0]


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


# Before the interpreter ends, and after those threads that it waits for.
@atexit.register
def close_all() -> None:
    """Return when no thread of TensorFlow is in Python, nor will be."""
    receivers = list(_RECEIVERS.values())
    for receiver in receivers:
        receiver.close()
    until_s = time.monotonic() + CLOSE_TIMEOUT_S
    while not all(receiver.is_closed() for receiver in receivers):
        if time.monotonic() > until_s:
            return
        time.sleep(POLL_S)


# TensorFlow's threads, for which `close_all` waits, are not in the child.
os.register_at_fork(after_in_child=_RECEIVERS.clear)
