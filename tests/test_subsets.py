"""`subset`, `split` and `folds`: sequences over some of the rows of another."""

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_npy import NpySequence
from tests.conftest import Stored, assert_same_weights, make_model


def served(seq: NpySequence) -> list[int]:
    """The row numbers that a sequence over np.arange serves in file order."""
    return [int(row) for batch in seq for row in batch]


def counting(num_samples: int, **arguments: Any) -> NpySequence:
    """A sequence whose rows are their own numbers."""
    return NpySequence(np.arange(num_samples), **{"batch_size": 7, **arguments})


@st.composite
def selections(draw: st.DrawFn, num_rows: int) -> Any:
    """A slice, range, integers or mask that select at least one of `num_rows` rows."""
    row = st.integers(-num_rows, num_rows - 1)
    start = draw(st.integers(0, num_rows - 1))
    step = draw(st.integers(1, 4))
    mask = draw(st.lists(st.booleans(), min_size=num_rows, max_size=num_rows))
    mask[start] = True
    return draw(
        st.sampled_from(
            [
                slice(start, None, step),
                slice(None, None, -step),
                range(start, num_rows, step),
                draw(st.lists(row, min_size=1, max_size=2 * num_rows)),
                np.array(draw(st.lists(row, min_size=1))),
                np.array(mask),
                mask,
            ]
        )
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 40))
def test_subset_of_a_subset_is_indexing_twice(data: st.DataObject, num_samples: int) -> None:
    """Every kind of selection, composed, gives the rows that NumPy gives."""
    first = data.draw(selections(num_samples))
    once = np.arange(num_samples)[first]
    second = data.draw(selections(len(once)))
    subset = counting(num_samples).subset(first)
    assert once.tolist() == served(subset)
    assert once[second].tolist() == served(subset.subset(second))


def test_subset_counts_within_indices_given_to_the_constructor() -> None:
    """Positions are those of the sequence, not of the file."""
    seq = counting(20, indices=[9, 8, 7, 6])
    assert [7, 9] == served(seq.subset([-2, 0]))
    assert 4 == seq.num_samples


def test_subset_keeps_files_arguments_and_seed_but_counts_its_own_passes(stored: Stored) -> None:
    """Only the rows differ; neither sequence moves the other on."""
    seq = stored.sequence(shuffle=True, drop_remainder=True)
    seq.epoch = 5
    part = seq.subset(range(20))
    assert (8, 3, True, 20, 2, 0) == (
        part.batch_size,
        part.seed,
        part.shuffle,
        part.num_samples,
        part.num_batches,
        part.epoch,
    )
    assert part._data is seq._data
    list(part)
    assert (5, 1) == (seq.epoch, part.epoch)


def test_subset_shuffled_is_that_of_a_sequence_built_with_the_indices(stored: Stored) -> None:
    """`subset(rows)` and `indices=rows` are the same thing, pickled or not."""
    rows = np.flatnonzero(stored.y != 1)
    part = stored.sequence(shuffle=True).subset(rows)
    for again in (stored.sequence(shuffle=True, indices=rows), pickle.loads(pickle.dumps(part))):
        part.epoch = 0
        for one, other in zip(part, again, strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("shuffle", [False, "batch"])
def test_subset_trains_as_arrays_of_its_rows(stored: Stored, shuffle: Any) -> None:
    """The weights are bit for bit those of arrays[rows], repeated and unsorted ones too."""
    rows = np.random.default_rng(2).integers(0, 53, 40)
    part = stored.sequence().subset(rows)
    model, by_indices, on_arrays = make_model(), make_model(), make_model()
    model.fit(part, epochs=2, shuffle=shuffle, verbose=0)
    by_indices.fit(stored.sequence(indices=rows), epochs=2, shuffle=shuffle, verbose=0)
    assert_same_weights(by_indices, model)
    if shuffle is False:
        on_arrays.fit(
            stored.x[rows], stored.y[rows], batch_size=8, epochs=2, shuffle=False, verbose=0
        )
        assert_same_weights(on_arrays, model)
    np.testing.assert_allclose(
        model.evaluate(stored.x[rows], stored.y[rows], batch_size=8, verbose=0),
        model.evaluate(part, verbose=0),
        rtol=1e-6,
    )


def test_subset_of_dicts_and_tuples_takes_the_same_rows_of_all(stored: Stored) -> None:
    """Every input, output and weight is cut alike."""
    seq = NpySequence(
        {"a": stored.x_path, "b": np.arange(53)},
        (stored.y_path, stored.weight_path),
        stored.weight_path,
        batch_size=8,
    )
    x, y, weight = seq.subset([50, 3, 3])[0]
    np.testing.assert_array_equal(stored.x[[50, 3, 3]], x["a"])
    np.testing.assert_array_equal([50, 3, 3], x["b"])
    np.testing.assert_array_equal(stored.y[[50, 3, 3]], y[0])
    np.testing.assert_array_equal(stored.weight[[50, 3, 3]], y[1])
    np.testing.assert_array_equal(stored.weight[[50, 3, 3]], weight[1])


@pytest.mark.parametrize(
    ("indices", "error", "message"),
    [
        pytest.param([], ValueError, r"at least one row.*none of 20", id="none"),
        pytest.param(slice(20, None), ValueError, r"at least one row", id="empty-slice"),
        pytest.param([20], IndexError, r"index < 20.*Received: 20", id="beyond-the-subset"),
        pytest.param([True] * 53, ValueError, r"mask of shape \(53,\) for 20", id="file-mask"),
        pytest.param("half", TypeError, r"slice, a range, integers", id="words"),
        pytest.param(3, ValueError, r"one axis", id="one-integer"),
        pytest.param(
            range(7), ValueError, r"at least one batch.*8 for 7 samples.*smaller", id="no-batch"
        ),
    ],
)
def test_subset_wrong_indices_are_refused(
    stored: Stored, indices: Any, error: type[Exception], message: str
) -> None:
    """Against the rows of the sequence, not of the file."""
    seq = stored.sequence(drop_remainder=True).subset(range(20))
    with pytest.raises(error, match=message):
        seq.subset(indices)
