"""Calls from a TensorFlow graph into Python: what comes back, what fails, what is kept."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keras_npy.feeds.tensorflow_calls import Caller, Failures
from tests.processes import run_forked

tf = pytest.importorskip("tensorflow", reason="the feed of the TensorFlow backend")


class Numbers:
    """Methods for a graph to call."""

    def double(self, number: Any) -> list[Any]:
        return [2 * number]

    def several(self, number: Any) -> list[Any]:
        return [np.arange(number, dtype="uint8"), np.full(2, number, "float16"), np.bool_(True)]

    def fail_from_3(self, number: Any) -> list[Any]:
        if number >= 3:
            raise FileNotFoundError(2, "not here: '\"\n\u00e9\udcff", f"{number}.npy")
        return [number]


def dataset_of(method: str, dtypes: list[Any], failures: Failures) -> Any:
    """What a method returns for 0 to 5."""
    caller = Caller(Numbers(), failures)
    return tf.data.Dataset.range(6).map(
        lambda number: tuple(caller(method, [number], dtypes)), num_parallel_calls=2
    )


def test_call_returns_what_the_method_returns() -> None:
    """One output, and several of other dtypes and shapes."""
    failures = Failures()
    doubled = [int(one) for (one,) in dataset_of("double", [tf.int64], failures)]
    assert [0, 2, 4, 6, 8, 10] == doubled
    several = list(dataset_of("several", [tf.uint8, tf.float16, tf.bool], failures))
    for number, outputs in enumerate(several):
        for expected, output in zip(Numbers().several(number), outputs, strict=True):
            np.testing.assert_array_equal(expected, output.numpy())


def test_call_that_fails_raises_where_the_graph_runs_and_keeps_its_error() -> None:
    """In its turn, with its text; the exception itself can be taken once, traceback and all."""
    failures = Failures()
    got = []
    with pytest.raises(tf.errors.InvalidArgumentError, match="FileNotFoundError: ") as raised:
        got.extend(int(one) for (one,) in dataset_of("fail_from_3", [tf.int64], failures))
    assert [0, 1, 2] == got
    assert failures.take(ValueError(str(raised.value)[:20])) is None
    own = failures.take(raised.value)
    assert isinstance(own, FileNotFoundError)
    assert "3.npy" == own.filename
    assert "fail_from_3" == raised_in(own)
    assert failures.take(raised.value) is None


def raised_in(error: BaseException) -> str:
    """The function that raised an exception."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return "" if traceback is None else traceback.tb_frame.f_code.co_name


def test_call_that_fails_when_nobody_keeps_errors_raises_all_the_same() -> None:
    """The text is in the error of TensorFlow's."""
    dataset = dataset_of("fail_from_3", [tf.int64], Failures())
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"FileNotFoundError: .*not here"):
        list(dataset)


def dataset_and_its_object(method: str, failures: Failures) -> tuple[Any, weakref.ref[Numbers]]:
    target = Numbers()
    caller = Caller(target, failures)
    dataset = tf.data.Dataset.range(6).map(lambda number: caller(method, [number], [tf.int64]))
    return dataset, weakref.ref(target)


def collect() -> None:
    """Free what is in reference cycles."""
    # The first frees TensorFlow's functions in Python, and with them the memory that owns ours.
    gc.collect()
    gc.collect()


def object_lives_as_long_as_an_iterator() -> None:
    dataset, alive = dataset_and_its_object("double", Failures())
    iterator = iter(dataset)
    del dataset
    collect()
    assert 0 == int(next(iterator)[0])
    assert alive() is not None
    del iterator
    collect()
    assert alive() is None


def object_whose_call_failed_is_freed_with_its_dataset() -> None:
    failures = Failures()
    dataset, alive = dataset_and_its_object("fail_from_3", failures)
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(dataset)
    del dataset, failures
    collect()
    assert alive() is None


@pytest.mark.parametrize(
    "claim",
    [
        # And no longer: TensorFlow keeps a function that it is given for ever.
        object_lives_as_long_as_an_iterator,
        # Errors that nobody takes, whose tracebacks refer to the object, keep it no longer.
        object_whose_call_failed_is_freed_with_its_dataset,
    ],
    ids=lambda claim: claim.__name__,
)
def test_object_is_freed(claim: Callable[[], None]) -> None:
    """In a process of its own: inside pytest, on Python 3.13, it stays (as seen, not explained)."""
    run_forked(f"from tests.feeds import test_tensorflow_calls as t\nt.{claim.__name__}()")


def test_call_inside_a_strategy_counts_on_the_cpu() -> None:
    """Its scope makes variables one for each replica."""
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        doubled = [int(one) for (one,) in dataset_of("double", [tf.int64], Failures())]
    assert [0, 2, 4, 6, 8, 10] == doubled


_CLOSE = """
    import threading, time
    import tensorflow as tf
    from keras_npy.feeds import tensorflow_calls

    class Slow:
        def __init__(self):
            self.begun, self.may_end, self.num_ended = threading.Event(), threading.Event(), 0
        def wait(self, number):
            self.begun.set()
            self.may_end.wait()
            self.num_ended += 1
            return [number]

    slow = Slow()
    failures = tensorflow_calls.Failures()
    caller = tensorflow_calls.Caller(slow, failures)
    dataset = tf.data.Dataset.range(1000).map(lambda n: caller("wait", [n], [tf.int64])).prefetch(4)
    iterator = iter(dataset)
    taker = threading.Thread(target=lambda: next(iterator))
    taker.start()
    slow.begun.wait()
    closer = threading.Thread(target=tensorflow_calls.close_all)
    closer.start()
    closer.join(0.2)
    assert closer.is_alive(), "it did not wait for the call that runs"
    slow.may_end.set()
    closer.join()
    taker.join()
    num_ended = slow.num_ended
    refused = 0
    for _ in range(8):
        try:
            next(iterator)
        except tf.errors.InvalidArgumentError:
            refused += 1
    assert refused and num_ended == slow.num_ended
    print("closed")
"""


def test_close_waits_for_calls_that_run_and_lets_none_begin() -> None:
    """Whatever threads of TensorFlow do afterwards, they need no interpreter."""
    assert "closed" == run_forked(_CLOSE)
