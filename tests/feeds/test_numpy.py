"""The NumPy feed: the rows of the order, gathered ahead, in memory that is never overwritten."""

import dataclasses
import gc
import queue
import re
import threading
import time
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpyFileError, NpySequence
from keras_npy.feeds import chunks, cores, read_ahead
from keras_npy.feeds import numpy as numpy_feed
from keras_npy.order.position import Position
from keras_npy.sequence import batches_of
from tests.conftest import Stored, rows_of_epoch
from tests.processes import run_forked


def read_ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "read-ahead" in thread.name]


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand over each batch on its own, as those above a megabyte are."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1)


@pytest.fixture
def helped(monkeypatch: pytest.MonkeyPatch, one_by_one: None) -> None:
    """Who asks gathers too, as with large batches."""
    monkeypatch.setattr(read_ahead, "HELPED_BATCH_BYTES", 0)


def numbered(num_rows: int, row_shape: tuple[int, ...] = (48, 8), dtype: str = "int64") -> Any:
    """Rows that are each full of their own number."""
    numbers = np.arange(num_rows).reshape(-1, *[1 for _ in row_shape])
    return np.broadcast_to(numbers, (num_rows, *row_shape)).astype(dtype)


# Rows.


@pytest.mark.parametrize("shuffle", [False, True, "batch"])
@pytest.mark.parametrize("chunk_bytes", [1, 500, 1 << 20])
@pytest.mark.parametrize("helped_bytes", [0, 1 << 20], ids=["helped", "alone"])
def test_iterate_serves_the_rows_of_the_order_in_aligned_arrays(
    stored: Stored,
    monkeypatch: pytest.MonkeyPatch,
    shuffle: Any,
    chunk_bytes: int,
    helped_bytes: int,
) -> None:
    """Every batch holds the rows of its place, from a multiple of 64 bytes, however handed over."""
    monkeypatch.setattr(chunks, "CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(read_ahead, "HELPED_BATCH_BYTES", helped_bytes)
    order = list(range(53))
    if shuffle:
        order = rows_of_epoch(53, 0, batch_size=8, seed=3, shuffle=shuffle)
    feed = NpyDataAdapter(stored.sequence(), shuffle=shuffle).get_jax_iterator()
    for start in range(0, 53, 8):
        x, y = next(feed)
        rows = order[start : start + 8]
        np.testing.assert_array_equal(stored.x[rows], x)
        np.testing.assert_array_equal(stored.y[rows], y)
        assert (0, 0) == (x.ctypes.data % 64, y.ctypes.data % 64)
    assert [] == list(feed)


def test_iterate_keeps_the_structure_of_the_sources(stored: Stored) -> None:
    """Dicts and tuples come as they were given."""
    seq = NpySequence({"a": stored.x, "b": (stored.y, stored.weight)}, stored.y, batch_size=53)
    ((x, y),) = list(NpyDataAdapter(seq).get_jax_iterator())
    np.testing.assert_array_equal(stored.weight, x["b"][1])
    np.testing.assert_array_equal(stored.x, x["a"])
    np.testing.assert_array_equal(stored.y, y)


@pytest.mark.parametrize(
    ("batch_size", "row_shape", "expected"),
    [
        # 53 rows of 64 bytes: one array, which is the 7 batches.
        pytest.param(8, (8,), [53], id="small"),
        # 256 kB hold two of these.
        pytest.param(8, (1792,), [16, 16, 16, 5], id="two"),
        pytest.param(8, (2560,), [8] * 6 + [5], id="large"),
        # Slices of 8 rows of 20 bytes would not lie at multiples of 64 bytes.
        pytest.param(8, (2, 5), [8] * 6 + [5], id="odd"),
    ],
)
def test_iterate_small_batches_are_copied_together(
    batch_size: int, row_shape: tuple[int, ...], expected: list[int]
) -> None:
    """As slices of one aligned array, with the rows of the order and a short last batch."""
    dtype = "int16" if row_shape == (2, 5) else "int64"
    source, order = (
        numbered(53, row_shape, dtype),
        rows_of_epoch(53, 0, batch_size=batch_size, seed=3),
    )
    batches = batches_of(NpySequence(source, batch_size=batch_size, seed=3), shuffle=True)
    gather = numpy_feed.gather_into(numpy_feed.make_pool(batches))
    copied = []

    def watched(rows: Any, indices: Any) -> Any:
        copied.append(len(indices))
        return gather(rows, indices)

    served = [x for (x,) in numpy_feed.iterate(batches, watched)]
    # Of large ones, two threads copy.
    assert sorted(expected) == sorted(copied)
    assert [batch_size] * 6 + [5] == [len(x) for x in served]
    assert {0} == {x.ctypes.data % 64 for x in served}
    np.testing.assert_array_equal(source[order], np.concatenate(served))


# Passes.


@pytest.mark.parametrize("start", [Position(0, 0), Position(2, 0), Position(1, 6)], ids=repr)
def test_iterate_endless_goes_on_from_its_position_through_pass_after_pass(
    stored: Stored, start: Position
) -> None:
    """Each pass in its own order, with its short last batch."""
    batches = batches_of(stored.sequence(), shuffle=True, is_endless=True)
    feed = numpy_feed.iterate(
        dataclasses.replace(batches, position=lambda: start),
        numpy_feed.gather_into(numpy_feed.make_pool(batches)),
    )
    for at in range(start.batch, start.batch + 16):
        epoch, batch = start.epoch + at // 7, at % 7
        rows = rows_of_epoch(53, epoch, batch_size=8, seed=3)[8 * batch : 8 * batch + 8]
        x, y = next(feed)
        np.testing.assert_array_equal(stored.x[rows], x)
        np.testing.assert_array_equal(stored.y[rows], y)
    feed.close()


def test_iterate_never_asked_starts_nothing(stored: Stored) -> None:
    """Keras makes an iterator at the end of a pass and throws it away."""
    seq = stored.sequence()
    feed = NpyDataAdapter(seq, shuffle=True).get_jax_iterator()
    assert (0, []) == (seq.epoch, read_ahead_threads())
    del feed


# The thread.


@pytest.mark.usefixtures("one_by_one")
def test_iterate_gathers_three_batches_while_one_is_used() -> None:
    """Without being asked: three more than were handed over, and no fourth."""
    gathered: queue.SimpleQueue[int] = queue.SimpleQueue()
    batches = batches_of(NpySequence(numbered(60), batch_size=4), shuffle=False)
    gather = numpy_feed.gather_into(numpy_feed.make_pool(batches))

    def watched(rows: Any, indices: Any) -> Any:
        gathered.put(int(indices[0]) // 4)
        return gather(rows, indices)

    feed = numpy_feed.iterate(batches, watched)
    next_number = 0
    for number in range(5):
        next(feed)
        while next_number < number + 4:
            assert next_number == gathered.get(timeout=60)
            next_number += 1
        # Time in which a thread that may go on would.
        time.sleep(0.02)
        assert gathered.empty()
    feed.close()


@pytest.fixture
def four_readers(monkeypatch: pytest.MonkeyPatch, one_by_one: None) -> None:
    """Four threads read ahead, as some do for large batches where there are cores for it."""
    monkeypatch.setattr(cores, "num_readers", lambda batch_bytes: 4)


@pytest.mark.usefixtures("four_readers")
def test_iterate_several_threads_gather_at_once_and_serve_in_order() -> None:
    """Four batches are gathered side by side, five ahead of use at the most, and none twice."""
    side_by_side = threading.Barrier(4)
    gathered: list[int] = []
    is_behind = []

    def watched(rows: Any, indices: Any) -> Any:
        number = int(indices[0]) // 4
        gathered.append(number)
        is_behind.append(number > len(numbers) + 5)
        if number < 4:
            side_by_side.wait(60)
        return rows.take(indices)

    numbers: list[int] = []
    for (x,) in feed_of(watched):
        numbers.append(int(x[0, 0, 0]) // 4)
    assert list(range(100)) == numbers
    assert list(range(100)) == sorted(gathered)
    assert not any(is_behind)
    assert [] == read_ahead_threads()


@pytest.mark.usefixtures("four_readers")
@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt()], ids=repr)
def test_iterate_several_threads_raise_in_place_of_the_batch(error: BaseException) -> None:
    """All batches before it come first, although other threads gathered later ones; all end."""

    def failing(rows: Any, indices: Any) -> Any:
        if indices[0] == 40:
            raise error
        return rows.take(indices)

    feed, numbers = feed_of(failing), []

    def consume() -> None:
        for (x,) in feed:
            numbers.append(int(x[0, 0, 0]) // 4)

    with pytest.raises(type(error)):
        consume()
    assert list(range(10)) == numbers
    assert ([], []) == (list(feed), read_ahead_threads())


# The caller, who would wait.


class SlowThread:
    """A gather whose thread waits in its first batch until the caller has made others behind it.

    Args:
        num_behind: How many; the last of them is when the thread goes on.
        error: Raised in the caller instead of that last one.
    """

    def __init__(self, num_behind: int, error: BaseException | None = None) -> None:
        self.go_on = threading.Event()
        self.held: int | None = None
        self.by_caller: list[int] = []
        self._num_behind, self._error = num_behind, error

    def __call__(self, rows: Any, indices: Any) -> Any:
        number = int(indices[0]) // 4
        if threading.current_thread() is threading.main_thread():
            self.by_caller.append(number)
            if self.held is not None and number == self.held + self._num_behind:
                self.go_on.set()
                if self._error:
                    raise self._error
        elif self.held is None:
            self.held = number
            assert self.go_on.wait(60)
        return rows.take(indices)


def feed_of(gather: Any, hold_back: Any = None) -> Iterator[Any]:
    batches = batches_of(NpySequence(numbered(400), batch_size=4), shuffle=False)
    return numpy_feed.iterate(batches, gather, hold_back)


def served(feed: Any) -> list[int]:
    return [int(x[0, 0, 0]) // 4 for (x,) in feed]


@pytest.mark.usefixtures("helped")
def test_next_batch_not_ready_caller_gathers_those_behind_it() -> None:
    """While the thread is at one, the caller who wants it makes two more; all come in order."""
    gather = SlowThread(num_behind=2)
    assert list(range(100)) == served(feed_of(gather))
    assert gather.held is not None
    assert {gather.held + 1, gather.held + 2} <= set(gather.by_caller)


@pytest.mark.usefixtures("one_by_one")
def test_next_small_batch_not_ready_caller_waits() -> None:
    """Batches of 12 kB are the thread's alone."""
    gather = SlowThread(num_behind=2)
    threading.Timer(0.2, gather.go_on.set).start()
    assert list(range(100)) == served(feed_of(gather))
    assert (0, []) == (gather.held, gather.by_caller)


class NoRoom:
    """A backend that never wants more than the thread gathers."""

    def has_room(self, num_batches: int) -> bool:
        return False

    def wait(self, is_stopped: Callable[[], bool]) -> None:
        return


@pytest.mark.usefixtures("helped")
def test_next_held_back_caller_waits() -> None:
    """A caller gathers nothing for which the backend says that there is no room."""
    gather = SlowThread(num_behind=2)
    threading.Timer(0.2, gather.go_on.set).start()
    assert list(range(100)) == served(feed_of(gather, NoRoom()))
    assert (0, []) == (gather.held, gather.by_caller)


@pytest.mark.usefixtures("helped")
def test_next_caller_that_fails_raises_in_place_of_its_batch() -> None:
    """Batches before it come first, though the thread gathers one of them later."""
    gather = SlowThread(num_behind=2, error=OSError("disk"))
    feed, numbers = feed_of(gather), []

    def consume() -> None:
        for (x,) in feed:
            numbers.append(int(x[0, 0, 0]) // 4)

    with pytest.raises(OSError, match="disk"):
        consume()
    assert gather.held is not None
    assert list(range(gather.held + 2)) == numbers
    assert ([], []) == (list(feed), read_ahead_threads())


@pytest.mark.usefixtures("helped")
def test_next_caller_that_is_interrupted_ends_the_pass_at_once() -> None:
    """Ctrl-C does not wait for the batch that comes first."""
    gather = SlowThread(num_behind=1, error=KeyboardInterrupt())
    feed, numbers = feed_of(gather), []

    def consume() -> None:
        for (x,) in feed:
            numbers.append(int(x[0, 0, 0]) // 4)

    with pytest.raises(KeyboardInterrupt):
        consume()
    assert gather.held is not None
    assert list(range(gather.held)) == numbers
    assert ([], []) == (list(feed), read_ahead_threads())


@pytest.mark.usefixtures("helped")
def test_next_thread_that_dies_raises_what_it_died_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error outside of any batch, such as one of memory, leaves no caller waiting."""

    def dying(self: Any, planned: Any) -> bool:
        raise MemoryError("planning")

    monkeypatch.setattr(read_ahead.ReadAhead, "_plan_one", dying)
    with pytest.raises(MemoryError, match="planning"):
        next(feed_of(lambda rows, indices: rows.take(indices)))
    assert [] == read_ahead_threads()


def close(feed: Any) -> None:
    feed.close()


def exhaust(feed: Any) -> None:
    for _ in feed:
        pass


def interrupt(feed: Any) -> None:
    def consume() -> None:
        for _ in feed:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()
    feed.close()


@pytest.mark.parametrize("end", [close, exhaust, interrupt], ids=lambda end: end.__name__)
@pytest.mark.parametrize("readers", [1, 4])
@pytest.mark.usefixtures("one_by_one")
def test_thread_ends_with_the_pass(
    monkeypatch: pytest.MonkeyPatch, end: Callable[[Any], None], readers: int
) -> None:
    """Its threads run for a pass, and none after it."""
    monkeypatch.setattr(cores, "num_readers", lambda batch_bytes: readers)
    feed = NpyDataAdapter(NpySequence(numbered(60), batch_size=4)).get_jax_iterator()
    next(feed)
    assert readers == len(read_ahead_threads())
    end(feed)
    assert [] == read_ahead_threads()
    assert [] == list(feed)


@pytest.mark.parametrize("in_circle", [False, True], ids=["alone", "in-a-circle"])
@pytest.mark.usefixtures("one_by_one")
def test_thread_ends_with_an_abandoned_iterator(in_circle: bool) -> None:
    """What nobody holds any more is collected, the thread holds nothing of it."""
    feed = NpyDataAdapter(NpySequence(numbered(60), batch_size=4)).get_jax_iterator()
    next(feed)
    if in_circle:
        circle: list[Any] = [feed]
        circle.append(circle)
        del circle
    assert 1 == len(read_ahead_threads())
    del feed
    gc.collect()
    assert [] == read_ahead_threads()


@pytest.mark.parametrize("error", [OSError("disk"), KeyboardInterrupt(), StopIteration()], ids=repr)
@pytest.mark.usefixtures("one_by_one")
def test_next_raises_what_stopped_the_thread(error: BaseException) -> None:
    """The original exception comes in place of the batch that failed, after all before it."""
    batches = batches_of(NpySequence(numbered(60), batch_size=4), shuffle=False)

    def failing(rows: Any, indices: Any) -> Any:
        if indices[0] == 12:
            raise error
        return rows.take(indices)

    feed = numpy_feed.iterate(batches, failing)
    assert [0, 4, 8] == [int(next(feed)[0][0, 0, 0]) for _ in range(3)]
    if isinstance(error, StopIteration):
        # Inside a generator Python makes this one a RuntimeError, and names it as the cause.
        with pytest.raises(RuntimeError, match="StopIteration"):
            next(feed)
    else:
        with pytest.raises(type(error)) as caught:
            next(feed)
        assert error is caught.value
    assert [] == list(feed)
    assert [] == read_ahead_threads()


@pytest.mark.usefixtures("one_by_one")
def test_error_that_is_not_handed_over_is_freed_with_the_iterator() -> None:
    """And with it the memory that its traceback refers to, without a garbage collection."""
    batches = batches_of(NpySequence(numbered(60), batch_size=4), shuffle=False)
    alive: list[weakref.ref[Exception]] = []
    has_failed = threading.Event()

    class DiskError(Exception):
        """None of Python's own exceptions may be referred to weakly."""

        def __init__(self) -> None:
            alive.append(weakref.ref(self))

    def failing(rows: Any, indices: Any) -> Any:
        if indices[0] == 8:
            raise DiskError
        if indices[0] == 12:
            has_failed.set()
        return rows.take(indices)

    feed = numpy_feed.iterate(batches, failing)
    next(feed)
    # The thread has failed at the third batch, and gathers the fourth.
    assert has_failed.wait(60)
    gc.disable()
    try:
        feed.close()
        assert [None] == [error() for error in alive]
    finally:
        gc.enable()


_GO_ON_IN_A_CHILD = """
    import os, signal
    import numpy as np, keras_npy

    # Each batch is handed over on its own.
    rows = np.repeat(np.arange(60, dtype="uint8")[:, None], 1 << 18, axis=1)
    seq = keras_npy.NpySequence(rows, batch_size=4)
    feed = keras_npy.NpyDataAdapter(seq).get_numpy_iterator()
    next(feed)
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, [int(x[0, 0]) for (x,) in feed] == list(range(4, 60, 4)), flush=True)
    else:
        signal.alarm(20)
        try:
            next(feed)
        except RuntimeError as error:
            print(error, flush=True)
        anew = keras_npy.NpyDataAdapter(seq).get_numpy_iterator()
        print([int(x[0, 0]) for (x,) in anew] == list(range(0, 60, 4)), flush=True)
        os._exit(0)
"""


def test_next_in_a_forked_child_is_refused() -> None:
    """It has no copy of the thread, and would wait for ever; a new iterator serves all rows."""
    printed = run_forked(_GO_ON_IN_A_CHILD).splitlines()
    rule = r"A pass ends in the process that began it.*Received: an iterator of process \d+ in"
    assert re.match(rule + r" process \d+\. Make a new iterator", printed[0])
    assert ["True", "0 True"] == printed[1:]


def test_next_file_changed_since_it_was_opened_raises_its_name(stored: Stored) -> None:
    """Another file at the path stops the pass before its rows are used."""
    seq = stored.sequence()
    np.save(stored.x_path.with_name("other.npy"), stored.x[::-1])
    stored.x_path.with_name("other.npy").replace(stored.x_path)
    with pytest.raises(NpyFileError, match=r"x\.npy: a file must not change"):
        next(NpyDataAdapter(seq).get_jax_iterator())
    assert [] == read_ahead_threads()


def test_iterate_in_two_threads_serves_each_its_own_pass(stored: Stored) -> None:
    """Two iterators of one adapter share memory, never a batch."""
    adapter = NpyDataAdapter(NpySequence(numbered(997), batch_size=8))
    wrong = []

    def consume() -> None:
        for _ in range(5):
            for number, (x,) in enumerate(adapter.get_jax_iterator()):
                expected = numbered(997)[number * 8 : number * 8 + 8]
                if not np.array_equal(expected, x):
                    wrong.append(number)

    threads = [threading.Thread(target=consume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [] == wrong


# Memory.

# Of 50 small batches, which are copied ten or twenty together: not one of each such group.
KEPT = (0, 7, 25)


def test_iterate_kept_batches_never_change_and_others_are_recycled() -> None:
    """Three batches of each pass are kept; memory that none of them lies in comes again."""
    adapter = NpyDataAdapter(NpySequence(numbered(400), batch_size=8))
    kept: list[tuple[int, np.ndarray]] = []
    addresses = set()
    for _ in range(3):
        for number, (x,) in enumerate(adapter.get_jax_iterator()):
            addresses.add(x.ctypes.data)
            if number in KEPT:
                kept.append((number, x))
    assert 9 == len(kept)
    assert len(addresses) < 150
    for number, x in kept:
        np.testing.assert_array_equal(numbered(400)[number * 8 : number * 8 + 8], x)


@pytest.mark.parametrize("mapped", [False, True], ids=["array", "file"])
def test_iterate_file_order_hands_out_no_view_of_the_source(mapped: bool, tmp_path: Path) -> None:
    """A batch in file order is a copy: writing to it leaves the source as it was."""
    source: Any = numbered(24)
    if mapped:
        np.save(tmp_path / "x.npy", source)
        source = tmp_path / "x.npy"
    feed = NpyDataAdapter(NpySequence(source, batch_size=8)).get_jax_iterator()
    for (x,) in feed:
        x[...] = -1
    first = next(NpyDataAdapter(NpySequence(source, batch_size=24)).get_jax_iterator())[0]
    np.testing.assert_array_equal(numbered(24), first)


def jax_arrays(feed: Iterator[Any]) -> Iterator[tuple[Any, int, int]]:
    """As fit hands them to a compiled step: where the batch lies, and where JAX uses it."""
    jax = pytest.importorskip("jax")
    cpu = jax.devices("cpu")[0]
    for (x,) in feed:
        array = jax.device_put(x, cpu)
        yield array, x.ctypes.data, array.unsafe_buffer_pointer()


def test_iterate_kept_jax_arrays_never_change() -> None:
    """JAX uses the memory of a batch in place, and keeps it while an array lives."""
    adapter = NpyDataAdapter(NpySequence(numbered(400, dtype="int32"), batch_size=8))
    kept, num_aliased, addresses = [], 0, set()
    for _ in range(3):
        for number, (array, address, used) in enumerate(jax_arrays(adapter.get_jax_iterator())):
            num_aliased += address == used
            addresses.add(address)
            if number in KEPT:
                kept.append((number, array))
    # Else the test would prove nothing: JAX copied, or memory never came again.
    assert 150 == num_aliased
    assert len(addresses) < 150
    for number, array in kept:
        expected = numbered(400, dtype="int32")[number * 8 : number * 8 + 8]
        np.testing.assert_array_equal(expected, np.asarray(array))


def test_iterate_jax_step_that_has_not_run_yet_keeps_its_batch() -> None:
    """Steps are only queued when the next batches are gathered; each sees its own rows."""
    jax = pytest.importorskip("jax")

    @jax.jit
    def slow_sum(x: Any) -> Any:
        weights = jax.numpy.ones((384, 384)) / 384
        rows = x.reshape(8, 384).astype("float32")
        return jax.lax.fori_loop(0, 60, lambda _, rows: rows @ weights, rows).mean()

    adapter = NpyDataAdapter(NpySequence(numbered(400, dtype="int32"), batch_size=8))
    means = [slow_sum(x) for _ in range(2) for (x,) in adapter.get_jax_iterator()]
    expected = np.tile(np.arange(400).reshape(50, 8).mean(axis=1), 2)
    np.testing.assert_allclose(expected, np.array(means), rtol=1e-4)


@pytest.mark.usefixtures("one_by_one")
def test_iterate_peaks_at_a_few_batches() -> None:
    """A pass over 100 batches holds less than 6: three ahead, one that is used, one that was."""
    seq = NpySequence(np.zeros((6400, 1024), "uint8"), batch_size=64)
    adapter = NpyDataAdapter(seq)
    next(adapter.get_jax_iterator())
    tracemalloc.start()
    try:
        assert 100 == sum(1 for _ in adapter.get_jax_iterator())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 6 * 64 * 1024 + 6400 * 8 > peak_bytes
