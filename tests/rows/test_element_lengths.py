"""Lists of sources that are paired hold as many rows, one by one."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, open_rows, samples, take, windows


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def values(first: int, size: int) -> Any:
    return np.arange(first, first + size)


def arrays(firsts_and_sizes: Any) -> list[Any]:
    return [values(*one) for one in firsts_and_sizes]


def files(firsts_and_sizes: Any, names: str = "{}") -> list[Any]:
    """Files whose names have nothing in common with those of other lists."""
    paths = [f"{names.format(chr(97 + first % 26) * 3)}.npy" for first, _ in firsts_and_sizes]
    for path, array in zip(paths, arrays(firsts_and_sizes), strict=True):
        np.save(path, array)
    return list(paths)


def folders_of_samples(firsts_and_sizes: Any) -> list[Any]:
    made = []
    for first, size in firsts_and_sizes:
        Path(f"f{first}").mkdir()
        for number in range(size):
            np.save(f"f{first}/{number}.npy", np.array(first + number))
        made.append(samples(f"f{first}/*.npy"))
    return made


def takes(firsts_and_sizes: Any) -> list[Any]:
    return [take(values(first, 2 * size), slice(0, size)) for first, size in firsts_and_sizes]


def series(firsts_and_sizes: Any) -> list[Any]:
    return [windows(values(first, size + 1), sequence_length=2) for first, size in firsts_and_sizes]


def mixed(firsts_and_sizes: Any) -> list[Any]:
    return [*files(firsts_and_sizes[:1], "mixed-{}"), *arrays(firsts_and_sizes[1:])]


KINDS: list[Callable[[Any], list[Any]]] = [
    *(arrays, files, folders_of_samples, takes, series, mixed)
]


def served(x: Any, y: Any) -> list[tuple[int, int]]:
    seq = NpySequence(x, y, batch_size=100)
    return [
        (int(np.ravel(one)[0]), int(np.ravel(two)[0])) for one, two in zip(*seq[0], strict=True)
    ]


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("make_other", [arrays, files])
def test_lists_of_one_order_on_one_side_and_another_on_the_other_are_refused(
    make: Any, make_other: Any
) -> None:
    """3 and 2 rows beside 2 and 3; the remedy pairs them."""
    x = make([(0, 3), (10, 2)])
    y, z = make_other([(117, 2), (108, 3)])
    message = (
        r"have the same number of rows\. Received: .* has N=3, .* has N=2, number 1 of 2 in their "
        r"lists\. List the sources of both in the same order; check_names=False"
    )
    for one, other in ((x, [y, z]), ({"a": x, "b": np.zeros(5)}, (np.zeros(5), [y, z]))):
        with pytest.raises(ValueError, match=message):
            NpySequence(one, other)
    with pytest.raises(ValueError, match=r"has N=2, .* has N=3, number 1 of 2 in .* List"):
        NpySequence([y, z], x)
    NpySequence(x, [y, z], check_names=False)
    expected = [(0, 108), (1, 109), (2, 110), (10, 117), (11, 118)]
    assert expected == served(x, [z, y])


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("make_other", [arrays, files, folders_of_samples, takes, mixed])
def test_lists_of_other_lengths_may_be_one_order_cut_elsewhere(make: Any, make_other: Any) -> None:
    """6 and 4 rows beside 5 and 5 are served, with a warning; what it says is silent."""
    x, y = make([(0, 6), (6, 4)]), make_other([(100, 5), (105, 5)])
    with pytest.warns(UserWarning, match="in their lists") as found:
        pairs = served(x, y)
    assert [(at, 100 + at) for at in range(10)] == pairs
    (message,) = [str(one.message) for one in found]
    assert re.search("has N=6, .* has N=5, number 1 of 2 in their lists. If the rows of", message)
    assert ("np.concatenate" in message) == (make is make_other is arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(x, y, check_names=False)
        if make is make_other is arrays:
            assert pairs == served(np.concatenate(x), np.concatenate(y))


def test_the_source_that_differs_is_named() -> None:
    """By its path, or what an array is called; of lists that were cut elsewhere too."""
    x = files([(0, 4), (1, 4), (2, 4)], "x-{}")
    y = files([(3, 4), (4, 3), (5, 5)], "y-{}")
    message = (
        r"y-eee\.npy: sources.*x-bbb\.npy has N=4, .*y-eee\.npy has N=3, number 2 of 3 .*"
        "check_names=False says so; else save both again, with the same rows in each"
    )
    with pytest.warns(UserWarning, match=message):
        NpySequence(x, y)
    with pytest.warns(UserWarning, match=r"Received: .*x-bbb\.npy has N=4, array.* has N=3"):
        NpySequence(x, arrays([(3, 4), (4, 3), (5, 5)]))
    # Groups beside rows.
    seq = NpySequence(x)
    with pytest.warns(UserWarning, match=r"y-eee\.npy has N=3, number 2 of 3"):
        seq.split(0.5, groups=open_rows(y))
    # Opened before.
    with pytest.warns(UserWarning, match="number 2 of 3"):
        NpySequence(open_rows(x), open_rows(y))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        pytest.param(arrays([(0, 3), (5, 2)]), values(0, 5), id="one-array"),
        pytest.param(arrays([(0, 3), (5, 3)]), arrays([(0, 2), (5, 2), (9, 2)]), id="other-cuts"),
        pytest.param(arrays([(0, 3), (5, 2)]), arrays([(0, 3), (5, 2)]), id="alike"),
        pytest.param(
            take(arrays([(0, 3), (5, 3)]), [0, 4, 5]),
            take(arrays([(0, 2), (5, 4)]), [0, 1, 2]),
            id="chosen",
        ),
        pytest.param(
            windows(arrays([(0, 3), (5, 4)]), sequence_length=2, join=True),
            windows(arrays([(0, 4), (5, 3)]), sequence_length=2, join=True),
            id="series-that-go-on",
        ),
    ],
)
def test_lists_that_say_nothing_of_the_order_are_accepted(x: Any, y: Any) -> None:
    """Without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NpySequence(x, y)


def test_lists_of_other_cuts_whose_files_are_partners_are_accepted() -> None:
    """Names say more than how files are put into lists."""
    for name in "xy":
        Path(name).mkdir()
        for number in range(4):
            np.save(f"{name}/{number}.npy", np.array(number))
    x = [samples("x/0.npy"), samples("x/[123].npy")]
    y = [samples("y/[01].npy"), samples("y/[23].npy")]
    assert [(number, number) for number in range(4)] == served(x, y)
