"""Memory on its way to a device: registered with a driver, and kept while it is copied."""

import gc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from keras_npy.feeds import registered
from keras_npy.feeds.in_flight import IN_FLIGHT_MAX, InFlight

SIZE = registered.REGISTERED_BYTES_MIN


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A CUDA driver that notes what is registered; with `refuses` set, it refuses."""
    calls: list[tuple[str, int]] = []
    made = SimpleNamespace(calls=calls, refuses=0)

    def register(address: Any, nbytes: Any, flags: Any) -> int:
        calls.append(("register", nbytes.value))
        return int(made.refuses)

    made.cuMemHostRegister_v2 = register
    made.cuMemHostUnregister = lambda address: calls.append(("unregister", 0))
    made.cuCtxPushCurrent_v2 = lambda context: 0
    made.cuCtxPopCurrent_v2 = lambda context: 0
    monkeypatch.setattr(registered, "find_driver", lambda: (made, None))
    return made


def test_registered_memory_is_registered_while_it_lives(driver: SimpleNamespace) -> None:
    """From a page on, with its own size; a view keeps it."""
    view = registered.registered_memory(SIZE)[5:]
    gc.collect()
    assert [("register", SIZE)] == driver.calls
    assert 5 == view.ctypes.data % 4096
    view[...] = 7
    del view
    gc.collect()
    assert [("register", SIZE), ("unregister", 0)] == driver.calls


def test_registered_memory_that_is_refused_or_small_is_used_as_it_is(
    driver: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the driver, beyond the limit, or where there is no driver; nothing is unregistered."""
    driver.refuses = 1
    registered.registered_memory(SIZE)[...] = 1
    assert [("register", SIZE)] == driver.calls
    monkeypatch.setattr(registered, "REGISTERED_BYTES_MAX", SIZE - 1)
    registered.registered_memory(SIZE)[...] = 1
    monkeypatch.setattr(registered, "find_driver", lambda: None)
    registered.registered_memory(SIZE)[...] = 1
    registered.registered_memory(SIZE - 1)[...] = 1
    assert [("register", SIZE)] == driver.calls


def test_in_flight_memory_is_kept_until_its_copy_has_ended() -> None:
    """Copies that have ended let go of theirs; of others two at the most are kept unwaited for."""
    done: set[int] = set()
    waited: list[int] = []
    in_flight = InFlight(lambda copy: copy in done, waited.append)
    memory = [np.empty(1) for _ in range(IN_FLIGHT_MAX + 2)]

    def is_kept(number: int) -> bool:
        return any(
            memory[number] is item
            for pair in gc.get_referrers(memory[number])
            if isinstance(pair, tuple)
            for item in pair
        )

    in_flight.add(0, memory[0])
    in_flight.add(1, memory[1])
    assert ([], True, True) == (waited, is_kept(0), is_kept(1))
    done.add(0)
    in_flight.add(2, memory[2])
    assert ([0], False, True, True) == (waited, is_kept(0), is_kept(1), is_kept(2))
    in_flight.add(3, memory[3])
    assert ([0, 1], False, True) == (waited, is_kept(1), is_kept(3))
    in_flight.drain()
    assert ([0, 1, 2, 3], False) == (waited, is_kept(3))
