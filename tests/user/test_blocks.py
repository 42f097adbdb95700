"""`shuffle_block_size`: rows shuffled by blocks, for disks on which random rows are slow."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence, samples
from keras_npy.feeds import batches as limits
from keras_npy.feeds.batches import Batches
from keras_npy.feeds.plan import Plan
from keras_npy.order.position import Position
from keras_npy.sequence import batches_of
from keras_npy.types import Indices

N = 1_000


def blocked(**arguments: Any) -> NpySequence:
    given = {"batch_size": 8, "seed": 3, "shuffle": True, "shuffle_block_size": 4, **arguments}
    return NpySequence(np.arange(N), **given)


def rows_of(seq: NpySequence) -> list[int]:
    return [row for batch in seq for row in batch.tolist()]


def test_blocks_every_epoch_serves_each_row_once_in_an_order_of_its_own() -> None:
    """Of the sequence, of its parts, and by index; nearer together than if all were shuffled."""
    seq = blocked()
    orders = [rows_of(seq) for _ in range(3)]
    assert [list(range(N))] * 3 == [sorted(order) for order in orders]
    assert 3 == len({tuple(order) for order in orders})
    seq.epoch = 0
    assert orders[0] == [row for index in range(len(seq)) for row in seq[index].tolist()]
    # A pool has 63 of the 250 blocks here.
    assert {252} == {len({row // 4 * 4 + at for row in orders[0][:248] for at in range(4)})}
    part, rest = seq.split(0.3)
    assert sorted(rows_of(part) + rows_of(rest)) == list(range(N))
    assert part.shuffle_block_size == 4


def test_blocks_in_file_order_change_nothing() -> None:
    """`seq[i]`, iteration, validation and prediction keep file order unless `shuffle=True`."""
    assert list(range(N)) == rows_of(blocked(shuffle=None))
    feed = NpyDataAdapter(blocked(shuffle=None), shuffle=False).get_numpy_iterator()
    assert list(range(N)) == [row for (batch,) in feed for row in batch.tolist()]


def test_blocks_larger_than_the_file_shuffle_all_rows() -> None:
    """As if there were one block."""
    rows = rows_of(blocked(shuffle_block_size=10**9))
    assert list(range(N)) == sorted(rows) != rows


def test_blocks_survive_copies_and_state_goes_on_within_a_pass() -> None:
    """Pickled, replaced, and resumed from JSON in a new object."""
    seq = blocked()
    expected = [batch.tolist() for _ in range(2) for batch in seq]
    copied = pickle.loads(pickle.dumps(blocked(batch_size=4))).replace(batch_size=8)
    assert expected[: len(seq)] == [batch.tolist() for batch in copied]
    begun = blocked()
    for _ in zip(range(40), begun, strict=False):
        state = json.loads(json.dumps(begun.get_state()))
    resumed = blocked()
    resumed.set_state(state)
    assert expected[40:] == [batch.tolist() for _ in range(2) for batch in resumed]
    assert "shuffle_block_size=4" in repr(resumed)


def test_blocks_of_a_state_must_be_those_of_the_sequence() -> None:
    """A state without blocks, as there were before, is one of a sequence without them."""
    plain, blocks = blocked(shuffle_block_size=None), blocked()
    assert "shuffle_block_size" not in plain.get_state()
    blocked(shuffle_block_size=None).set_state(plain.get_state())
    message = r"shuffle_block_size={}, not {}\. Restore shuffle_block_size= of the sequence"
    for seq, other in ((blocks, plain), (plain, blocks)):
        sizes = seq.shuffle_block_size, other.shuffle_block_size
        with pytest.raises(ValueError, match=message.format(*sizes)):
            seq.set_state(other.get_state())
        # The remedy.
        seq.replace(shuffle_block_size=sizes[1]).set_state(other.get_state())


def test_blocks_of_processes_are_parts_of_the_same_batches() -> None:
    """Global batch i is the same for one process and for several."""
    parts = [blocked(num_processes=2, process_id=number) for number in (0, 1)]
    whole = blocked()
    for index in (0, 60, len(whole) - 1):
        assert whole[index].tolist() == [*parts[0][index].tolist(), *parts[1][index].tolist()]


@pytest.mark.parametrize(
    ("arguments", "error", "message", "remedy"),
    [
        pytest.param({"shuffle_block_size": 0}, ValueError, "at least 1", 1, id="zero"),
        pytest.param({"shuffle_block_size": -4}, ValueError, "at least 1", 1, id="negative"),
        pytest.param({"shuffle_block_size": True}, TypeError, "an integer", 1, id="bool"),
        pytest.param({"shuffle_block_size": 4.0}, TypeError, "an integer", 1, id="float"),
        pytest.param({"shuffle_block_size": "4"}, TypeError, "an integer", 1, id="text"),
        pytest.param(
            {"shuffle": False}, ValueError, "and shuffle=False. Leave", None, id="file-order"
        ),
        pytest.param(
            {"shuffle": "batch"}, ValueError, "and shuffle='batch'. Leave", None, id="batch"
        ),
    ],
)
def test_blocks_wrong_argument_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str, remedy: int | None
) -> None:
    """By the constructor and by `replace`; with the remedy it is taken."""
    given = {"shuffle_block_size": 4, **arguments}
    rule = r"^shuffle_block_size (must|says).* Received: shuffle_block_size="
    with pytest.raises(error, match=rf"{rule}.*\. ") as raised:
        blocked(**given)
    assert message in str(raised.value)
    with pytest.raises(error, match=rule):
        blocked(shuffle_block_size=None).replace(**given)
    assert N == blocked(**{**given, "shuffle_block_size": remedy}).num_samples


def test_blocks_wait_while_replace_serves_file_order() -> None:
    """What adapts a layer, or plots, reads in file order and is not refused."""
    ordered = blocked().replace(shuffle=False)
    assert list(range(N)) == rows_of(ordered)
    assert rows_of(blocked()) == rows_of(ordered.replace(shuffle=True))


# What the kernel is asked for.


def announced_by(
    monkeypatch: pytest.MonkeyPatch, seq: NpySequence, start: int = 0
) -> tuple[list[list[int]], Batches]:
    """The rows that were announced before each block of two batches was handed over."""
    monkeypatch.setattr(limits, "BLOCK_BATCHES_MAX", 2)
    asked: list[list[int]] = []
    batches = batches_of(seq, shuffle=True)
    (rows,) = batches.rows

    def prepare(indices: Indices) -> None:
        asked.append(indices.tolist())

    monkeypatch.setattr(rows, "prepare", prepare)
    plan = Plan(batches, Position(0, start))
    for number in plan.numbers():
        plan.rows(number)
    return asked, batches


@pytest.mark.parametrize("start", [0, 50])
def test_blocks_are_announced_whole_before_their_rows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start: int
) -> None:
    """Each block once, in a call with the other blocks of its pool."""
    np.save(tmp_path / "x.npy", np.arange(N))
    seq = NpySequence(tmp_path / "x.npy", batch_size=8, seed=3, shuffle_block_size=4)
    asked, batches = announced_by(monkeypatch, seq, start)
    pools = [rows for rows in asked if len(rows) > 16]
    blocks = [block for rows in pools for block in sorted({row // 4 for row in rows})]
    assert len(blocks) == len(set(blocks)) == sum(map(len, pools)) / 4
    known: set[int] = set()
    for rows in asked:
        assert len(rows) > 16 or set(rows) <= known
        known |= set(rows)
    assert set(batches.order.rows(0, start, 125).tolist()) <= known


@pytest.mark.parametrize("kind", ["memory", "plain"])
def test_nothing_but_the_rows_is_announced_without_blocks_on_disk(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    """An array needs no advice, and rows that are all shuffled alike get what they got."""
    np.save(tmp_path / "x.npy", np.arange(N))
    plain = NpySequence(tmp_path / "x.npy", batch_size=8, seed=3)
    asked, batches = announced_by(monkeypatch, blocked() if kind == "memory" else plain)
    assert [batches.order.rows(0, at, at + 2).tolist() for at in range(0, 125, 2)] == asked


def test_blocks_of_random_crops_are_announced_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A feed knows them by their numbers."""
    for number in range(300):
        np.save(tmp_path / f"{number}.npy", np.arange(6 + number % 3))
    rows = samples(str(tmp_path / "*.npy"), length=4, crop="random")
    seq = NpySequence(rows, batch_size=8, seed=3, shuffle_block_size=2)
    asked, _ = announced_by(monkeypatch, seq)
    assert max(map(len, asked)) > 16
