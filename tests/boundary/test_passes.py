"""Which pass an epoch of Keras's trains, whatever Keras does with iterators in between."""

import pytest

from keras_npy.boundary.passes import Passes
from keras_npy.order.position import PassCounter, Position

NUM_BATCHES = 7


def passes_from(epoch: int, steps: int | None = None) -> tuple[PassCounter, Passes]:
    counter = PassCounter(Position(epoch))
    return counter, Passes(counter, NUM_BATCHES, steps)


@pytest.mark.parametrize("times_asked", [0, 1, 3])
def test_position_of_each_epoch_is_the_next_pass_however_often_it_is_asked(
    times_asked: int,
) -> None:
    """Iterators that are thrown away, or made twice, cannot miscount."""
    counter, passes = passes_from(5)
    for epoch in (5, 6, 7):
        passes.begin_epoch()
        assert {Position(epoch)} >= {passes.position() for _ in range(times_asked)}
        assert epoch + 1 == counter.epoch
    # Keras makes one more at the end of a pass.
    passes.position()
    assert 8 == counter.epoch


@pytest.mark.parametrize("steps", [1, 6, 7, 8, 20])
def test_epoch_of_steps_counts_the_passes_of_which_a_batch_trains_in_it(steps: int) -> None:
    """A feed that goes on from pass to pass begins once, at the first epoch's pass."""
    counter, passes = passes_from(3, steps)
    for num_epochs in range(1, 12):
        passes.begin_epoch()
        trained = range(num_epochs * steps)
        assert 3 + len({batch // NUM_BATCHES for batch in trained}) == counter.epoch
        assert Position(3) == passes.position()


@pytest.mark.parametrize("steps", [None, 1, 20])
@pytest.mark.parametrize("is_begun", [True, False], ids=["up-to-3.15", "3.16"])
def test_symbolic_build_trains_nothing(steps: int | None, is_begun: bool) -> None:
    """Keras takes a batch and resets: the first epoch keeps its pass."""
    counter, passes = passes_from(2, steps)
    if is_begun:
        passes.begin_epoch()
    assert Position(2) == passes.position()
    passes.reset()
    assert 2 == counter.epoch
    passes.begin_epoch()
    assert Position(2) == passes.position()


def test_symbolic_build_beside_another_pass_takes_nothing_back() -> None:
    """Of two fits at once, neither trains a pass of the other's again."""
    counter, passes = passes_from(0)
    passes.begin_epoch()
    other = Passes(counter, NUM_BATCHES)
    other.begin_epoch()
    passes.reset()
    assert (2, Position(1)) == (counter.epoch, other.position())
    passes.begin_epoch()
    assert Position(2) == passes.position()


def test_position_asked_by_hand_begins_a_pass_each_time() -> None:
    """Without Keras's epochs each iterator gets a fresh order."""
    counter, passes = passes_from(0)
    assert [Position(0), Position(1)] == [passes.position(), passes.position()]
    assert 2 == counter.epoch


def test_epoch_set_between_epochs_is_the_pass_of_the_next_one() -> None:
    """As a callback does that goes on after a kill."""
    counter, passes = passes_from(0)
    passes.begin_epoch()
    counter.position = Position(40)
    passes.begin_epoch()
    assert (41, Position(40)) == (counter.epoch, passes.position())


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        pytest.param(None, Position(3), id="whole-passes"),
        pytest.param(5, Position(2, 1), id="steps"),
        pytest.param(20, Position(8, 4), id="steps-of-several-passes"),
    ],
)
def test_first_epoch_of_fit_begins_where_the_epochs_before_it_end(
    steps: int | None, expected: Position
) -> None:
    """`initial_epoch=3`, or `BackupAndRestore`, in a process that has trained nothing."""
    counter, passes = passes_from(0, steps)
    assert expected == passes.upcoming(3)
    passes.begin_epoch(3)
    assert expected == passes.position()
    passes.begin_epoch(4)
    if steps is None:
        assert (Position(4), 5) == (passes.position(), counter.epoch)


@pytest.mark.parametrize("steps", [None, 5])
def test_epoch_that_is_set_holds_whatever_the_first_epoch_of_fit_is(steps: int | None) -> None:
    """The user's word counts; only once."""
    counter, passes = passes_from(0, steps)
    counter.position = Position(6)
    passes.begin_epoch(3)
    assert Position(6) == passes.position()


def test_symbolic_build_keeps_the_position_that_was_set() -> None:
    """Keras begins an epoch to build a model, resets, and then begins epoch 3."""
    counter, passes = passes_from(0)
    counter.position = Position(6)
    passes.begin_epoch()
    passes.reset()
    passes.begin_epoch(3)
    assert Position(6) == passes.position()


def test_pass_that_is_set_within_goes_on_there() -> None:
    """The first epoch is the rest of the pass, the second one a whole pass."""
    counter, passes = passes_from(0)
    counter.position = Position(4, 5)
    assert 5 == passes.num_done()
    passes.begin_epoch(0)
    assert Position(4, 5) == passes.position()
    assert [Position(4, 6), Position(5)] == [passes.position_at(6), passes.position_at(7)]
    assert 0 == passes.num_done()
    passes.begin_epoch(1)
    assert Position(5) == passes.position()


@pytest.mark.parametrize("steps", [3, 7, 20])
def test_resumed_steps_have_the_positions_of_the_whole_run(steps: int) -> None:
    """However far an endless feed has come, each step of each epoch is where it was."""
    _, whole = passes_from(2, steps)
    positions = []
    for epoch in range(4):
        whole.begin_epoch(epoch)
        positions.append([whole.position_at(step) for step in range(steps + 1)])
    for epoch, done in [(0, 1), (1, 0), (2, steps - 1)]:
        counter, resumed = passes_from(0, steps)
        resumed.resume(positions[epoch][done], done)
        for later in range(epoch, 4):
            assert (done if later == epoch else 0) == resumed.num_done()
            resumed.begin_epoch(later)
            first = done if later == epoch else 0
            assert positions[later][first:] == [
                resumed.position_at(step) for step in range(first, steps + 1)
            ]
        assert positions[epoch][done] == resumed.position()
        assert positions[3][steps - 1].epoch + 1 == counter.epoch
