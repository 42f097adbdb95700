"""Two inputs whose rows come in many pairs, such as users and items: `split` says it once."""

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, take

# Each user with four fifths of the items, so that each pair comes once.
PAIRS = np.array([(user, item) for user in range(20) for item in range(10) if (user + item) % 5])
USERS, ITEMS = PAIRS.T
DAYS = np.arange(len(PAIRS)) // 7


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.save("u.npy", np.arange(20.0))
    np.save("i.npy", np.arange(10.0))
    np.save("d.npy", np.arange(30.0))
    return tmp_path


def of_pairs() -> NpySequence:
    x = {"user": take("u.npy", USERS), "item": take("i.npy", ITEMS)}
    return NpySequence(x, np.arange(len(PAIRS)) % 5 / 4)


DIVIDE = [
    pytest.param(lambda seq: seq.split(0.2), id="split"),
    pytest.param(lambda seq: seq.split(0.2, in_order=True), id="in-order"),
    pytest.param(lambda seq: seq.folds(4), id="folds"),
    pytest.param(lambda seq: seq.split(0.2, groups=DAYS), id="other-groups"),
]


@pytest.mark.parametrize("divide", DIVIDE)
def test_split_of_users_and_items_warns_once_and_each_remedy_ends_it(
    divide: Callable[[NpySequence], Any],
) -> None:
    """Groups of one side hold out new ones of it: the other one cannot be held out, too."""
    seq = of_pairs()
    with pytest.warns(UserWarning, match=r"So are rows of seq\.x\['user'\], as of users") as caught:
        divide(seq)
    message = str(caught[0].message)
    groups = re.findall(r"groups=(\[.*?num_samples\)\])", message)
    assert 2 == len(groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        divide(seq)
        for code, side in zip(groups, ("item", "user"), strict=True):
            parts = of_pairs().split(0.2, groups=eval(code, {"seq": of_pairs()}))
            train, held_out = (set(part.x[side][:].tolist()) for part in parts)
            assert not train & held_out
        of_pairs().split(0.2, groups=USERS)
        of_pairs().folds(4, groups=ITEMS)
    silencer = re.search(r"warnings\.filterwarnings\(.*?\)", message)
    assert silencer is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        eval(silencer[0], {"warnings": warnings})
        divide(of_pairs())


def test_groups_of_one_of_three_inputs_say_nothing() -> None:
    """Whichever it is."""
    x = (take("u.npy", USERS), take("i.npy", ITEMS), take("d.npy", DAYS))
    for groups in (USERS, ITEMS, DAYS):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            NpySequence(x, np.zeros(len(PAIRS))).split(0.2, groups=groups)


LEAKS = [
    pytest.param(
        lambda: (take("u.npy", USERS), take("i.npy", USERS // 2)),
        *(USERS, r"groups=\[str\(seq\.x\[1\]\.file_of\(i\)\)"),
        id="patients-of-images",
    ),
    pytest.param(
        lambda: (take("u.npy", USERS), take("i.npy", USERS % 10)),
        *(None, r"groups=\[str\(seq\.x\[.\]\.file_of\(i\)\)"),
        id="copies-of-both",
    ),
    pytest.param(
        lambda: (take("u.npy", USERS), np.arange(160.0)),
        *(None, r"groups=\[str\(seq\.x\[0\]\.file_of\(i\)\)"),
        id="captions-of-images",
    ),
]


@pytest.mark.parametrize(("make", "groups", "remedy"), LEAKS)
def test_rows_that_groups_can_keep_together_are_told_of_these(
    make: Callable[[], Any], groups: Any, remedy: str
) -> None:
    """Each time: groups of the one that has more rows of the other keep both in one part."""
    seq = NpySequence(make())
    for _ in range(2):
        with pytest.warns(UserWarning, match=f"Use each row once, or {remedy}") as caught:
            seq.split(0.2, groups=groups)
    code = re.search(r"groups=(\[.*\])", str(caught[0].message))
    assert code is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq.split(0.2, groups=eval(code[1], {"seq": seq}))
