"""Stamps of two sensors are never equal: a frame that one of them lost moves all that follow."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, samples
from keras_npy.names.partners import compare_names

NANOSECONDS, MILLISECONDS = (1403636579763555584, 10**8), (1611878400000, 100)


def recorded(
    lost: Any, *, offset: float, jitter: float, clock: tuple[int, int], drift: float = 0, seed: int
) -> dict[int, int]:
    """The stamp of each frame of a sensor. Offset, jitter and drift of each frame are in steps."""
    (begin, step), rng = clock, random.Random(seed)
    times = (at * (1 + drift) + offset + rng.uniform(0, jitter) for at in range(40))
    return {at: begin + int(time * step) for at, time in enumerate(times) if at not in lost}


LOST = [
    pytest.param((4,), (9,), id="one-each"),
    pytest.param((9,), (4,), id="the-other-first"),
    pytest.param((5,), (6,), id="beside-each-other"),
    pytest.param((2, 5), (7, 30), id="two-each"),
    pytest.param((4, 20), (9, 20), id="one-of-both-too"),
]


@pytest.mark.parametrize("clock", [NANOSECONDS, MILLISECONDS], ids=["ns", "ms"])
@pytest.mark.parametrize(("lost", "others_lost"), LOST)
def test_stamps_of_which_each_side_lost_a_frame_are_in_doubt(
    lost: Any, others_lost: Any, clock: tuple[int, int]
) -> None:
    """The frames that only one side has are named."""
    for seed in range(20):
        one = recorded(lost, offset=0, jitter=0.1, clock=clock, seed=seed)
        other = recorded(others_lost, offset=0.3, jitter=0.05, clock=clock, drift=1e-4, seed=-seed)
        verdict = compare_names(
            [f"a/{t}" for t in one.values()], [f"b/{t}" for t in other.values()]
        )
        alone = [f"a/{one[at]}" for at in one if at not in other]
        alone += [f"b/{other[at]}" for at in other if at not in one]
        assert ("doubtful", alone) == (verdict.kind, verdict.alone)


@pytest.mark.parametrize("clock", [NANOSECONDS, MILLISECONDS], ids=["ns", "ms"])
@pytest.mark.parametrize("lost", [(), (0,), (4, 9), (39,), tuple(range(10, 20))])
@pytest.mark.parametrize("offset", [-0.4, 0, 0.4, 0.9])
def test_stamps_of_the_same_frames_are_not_in_doubt(
    offset: float, lost: Any, clock: tuple[int, int]
) -> None:
    """Whatever both lost, however late one is, with clocks that drift. Equal ones are by chance."""
    for seed in range(20):
        for jitter in (0.0, 0.05, 0.1):
            one = recorded(lost, offset=0, jitter=jitter, clock=clock, seed=seed)
            other = recorded(
                lost, offset=offset, jitter=jitter, clock=clock, drift=1e-3, seed=-seed - 1
            )
            names, others = [f"{t}" for t in one.values()], [f"{t}_m" for t in other.values()]
            assert compare_names(names, others).kind in ("unknown", "partners")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        pytest.param("unknown", {"offset": 5e6}, id="two-clocks"),
        pytest.param("unknown", {"clock": (NANOSECONDS[0], 10**7)}, id="another-rate"),
        pytest.param("unknown", {"jitter": 0.9}, id="irregular"),
    ],
)
def test_stamps_that_are_not_of_one_step_are_not_compared(
    kind: str, changes: dict[str, Any]
) -> None:
    """Nobody knows which belong together, although each lost a frame."""
    usual: dict[str, Any] = {"offset": 0, "jitter": 0.05, "clock": NANOSECONDS, "seed": 1}
    one = recorded((4,), **usual)
    other = recorded((9,), **{**usual, "seed": 2, **changes})
    assert kind == compare_names([*map(str, one.values())], sorted(map(str, other.values()))).kind


def test_sequence_of_stamps_of_which_each_side_lost_a_frame_warns(tmp_path: Path) -> None:
    """Without the files that it names, the pairs are right."""
    paths: dict[str, dict[int, Path]] = {}
    for side, lost, offset in (("a", (4,), 0), ("b", (9,), 0.1)):
        (tmp_path / side).mkdir()
        frames = recorded(lost, offset=offset, jitter=0.05, clock=NANOSECONDS, seed=len(lost))
        paths[side] = {at: tmp_path / side / f"{stamp}.npy" for at, stamp in frames.items()}
        for at, path in paths[side].items():
            np.save(path, np.full(2, at))
    x, y = (f"{tmp_path}/{side}/*.npy" for side in "ab")
    alone = paths["a"][9], paths["b"][4]
    message = rf"pair 5 of 39.* Without a partner: {alone[0]}, {alone[1]}\. Leave these files out"
    with pytest.warns(UserWarning, match=message):
        NpySequence(samples(x), samples(y))
    for path in alone:
        path.unlink()
    # Warnings are errors here.
    one, other = NpySequence(samples(x), samples(y), batch_size=40)[0]
    np.testing.assert_array_equal(one, other)
