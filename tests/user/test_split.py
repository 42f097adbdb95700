"""`subset`, `split` and `folds`: sequences over some of the rows of another."""

import itertools
import os
import pickle
import re
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from keras.src.trainers.data_adapters.array_slicing import train_validation_split

from keras_npy import NpySequence, open_rows, samples, take, windows
from keras_npy.rows.stored import StridedRows
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


def is_like_a_mask(chosen: Any, num_rows: int) -> bool:
    if isinstance(chosen, slice | range) or len(chosen) != num_rows:
        return False
    rows = np.arange(num_rows)[chosen].tolist()
    return {*rows} <= {0, 1} or {*rows} <= {num_rows - 1, num_rows - 2}


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(1, 40))
def test_subset_of_a_subset_is_indexing_twice(data: st.DataObject, num_samples: int) -> None:
    """Every kind of selection, composed, gives the rows that NumPy gives."""
    first = data.draw(selections(num_samples))
    once = np.arange(num_samples)[first]
    second = data.draw(selections(len(once)))
    assume(not any(is_like_a_mask(*one) for one in ((first, num_samples), (second, len(once)))))
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
    list(seq)
    part = seq.subset(range(20))
    assert (8, 3, True, 20, 2, 0) == (
        part.batch_size,
        part.seed,
        part.shuffle,
        part.num_samples,
        part.num_batches,
        part.epoch,
    )
    assert part.x.source is seq.x
    list(part)
    list(part)
    assert (1, 2) == (seq.epoch, part.epoch)


@pytest.mark.parametrize(
    "make_parts",
    [
        lambda seq: [seq.subset(range(20))],
        lambda seq: seq.split(0.5),
        lambda seq: seq.folds(2)[1],
        lambda seq: [seq.replace(batch_size=4)],
        lambda seq: seq.split(0.5)[0].split(0.5),
    ],
    ids=["subset", "split", "folds", "replace", "split-of-split"],
)
def test_parts_of_a_sequence_whose_epoch_was_set_begin_with_it(
    stored: Stored, make_parts: Any
) -> None:
    """A run that is resumed may say so before it makes its parts."""
    seq = stored.sequence(shuffle=True)
    seq.epoch = 5
    list(seq)
    for part in make_parts(seq):
        assert 6 == part.epoch
        list(part)
        assert (6, 7) == (seq.epoch, part.epoch)
    assert 0 == pickle.loads(pickle.dumps(seq)).subset(range(20)).epoch


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


MASK = np.array([0, 1, 1, 0, 1, 0], "uint8")


@pytest.mark.parametrize("choose", ["subset", "indices", "take"])
@pytest.mark.parametrize(
    ("wrong", "right", "rows"),
    [
        pytest.param(MASK, MASK.astype(bool), [1, 2, 4], id="uint8"),
        pytest.param((1 - MASK).tolist(), ~MASK.astype(bool), [0, 3, 5], id="others"),
        pytest.param(~MASK.astype(int), ~MASK.astype(bool), [0, 3, 5], id="inverted"),
        pytest.param(MASK.astype(float), MASK.astype(bool), [1, 2, 4], id="floats"),
        pytest.param(np.ones(6, int), MASK[:5], [0, 1, 1, 0, 1], id="fewer-numbers"),
        pytest.param(np.zeros(6, "int8"), [0, 2, 1, 1, 0, 0], [0, 2, 1, 1, 0, 0], id="a-third"),
    ],
)
def test_integers_that_are_a_mask_are_refused(
    choose: str, wrong: Any, right: Any, rows: list[int]
) -> None:
    """They would serve rows 0 and 1 again and again; its remedy serves the rows of the mask."""

    def serve(indices: Any) -> NpySequence:
        if choose == "subset":
            return counting(6).subset(indices)
        if choose == "indices":
            return NpySequence(np.arange(6), indices=indices)
        return NpySequence(take(np.arange(6), indices))

    rule = r"integers or a boolean" if isinstance(wrong[0], float) else "of 6 rows"
    remedy = r"np\.asarray\(mask, bool\)" if isinstance(wrong, list) else r"astype\(bool\)"
    with pytest.raises((ValueError, TypeError), match=rf"{rule}.*{remedy}"):
        serve(wrong)
    assert rows == served(serve(right))


def assert_dealt_out(parts: list[list[int]], rows: list[int]) -> None:
    """Disjoint, complete, and each in the order of `rows`."""
    assert sorted(rows) == sorted(row for part in parts for row in part)
    place = {row: index for index, row in enumerate(rows)}
    for part in parts:
        assert part == sorted(part, key=place.__getitem__)


fractions = st.floats(0, 1, exclude_min=True, exclude_max=True)


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 300), fractions, st.integers(0, 2**64))
def test_split_is_disjoint_complete_in_order_and_repeatable(
    num_samples: int, fraction: float, seed: int
) -> None:
    """The first part has round((1 - fraction) * N) rows, or the split is refused."""
    rows = np.random.default_rng(0).permutation(num_samples)
    seq, again = (counting(num_samples, indices=rows, seed=s) for s in (1, None))
    num_first = round((1 - fraction) * num_samples)
    if num_first in (0, num_samples):
        with pytest.raises(ValueError, match=r"at least one row in each part.*nearer to 0\.5"):
            seq.split(fraction, seed=seed)
        return
    parts = [served(part) for part in seq.split(fraction, seed=seed)]
    assert num_first == len(parts[0])
    assert_dealt_out(parts, rows.tolist())
    assert parts == [served(part) for part in again.split(fraction, seed=seed)]


def test_split_is_pinned() -> None:
    """The rows held out may change only with a new major version; no seed is seed 0."""
    held_out = [served(counting(20).split(0.25, seed=seed)[1]) for seed in (0, 1, None)]
    assert [[7, 8, 9, 16, 18], [2, 6, 15, 17, 18], [7, 8, 9, 16, 18]] == held_out


def test_split_holds_out_every_row_as_often() -> None:
    """Over 2,000 seeds each of 20 rows is held out a quarter of the time, in parts of parts too."""
    counts = np.zeros((2, 20))
    seq = counting(20, batch_size=32)
    for seed in range(2000):
        train, held_out = seq.split(0.25, seed=seed)
        counts[0][held_out[0]] += 1
        # A third of what is left is again a quarter of all.
        counts[1][train.split(1 / 3, seed=seed)[1][0]] += 1
    # Six standard deviations of a binomial count: 500 +- 6 * sqrt(2000 * 1/4 * 3/4).
    assert 116 > np.abs(counts - 500).max()


@st.composite
def labelled(draw: st.DrawFn, at_least: int = 2) -> np.ndarray:
    """Shuffled labels of one to six classes with `at_least` rows each, in any form of label."""
    sizes = draw(st.lists(st.integers(at_least, 30), min_size=1, max_size=6))
    names = draw(st.lists(st.integers(-100, 100), min_size=6, max_size=6, unique=True))
    codes = np.random.default_rng(draw(st.integers(0, 9))).permutation(
        np.repeat(np.arange(len(sizes)), sizes)
    )
    forms = [
        np.array(names)[codes],
        np.array(names, "float32")[codes],
        np.array(names, ">i2")[codes][:, None],
        codes.astype("uint64") + np.uint64(2**63),
    ]
    if len(sizes) > 1:
        forms.append(np.eye(len(sizes), dtype=draw(st.sampled_from(["uint8", "float32"])))[codes])
    return draw(st.sampled_from(forms))


def codes_of(labels: np.ndarray) -> np.ndarray:
    """Class numbers from any form that `labelled` draws."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return labels.argmax(axis=1)
    return np.unique(labels.ravel(), return_inverse=True)[1]


@settings(max_examples=150, deadline=None)
@given(labelled(), fractions, st.integers(0, 99))
def test_split_stratified_keeps_shares_within_one_row_per_class(
    labels: np.ndarray, fraction: float, seed: int
) -> None:
    """Each class is in both parts, and the parts stay disjoint, complete and in order."""
    num_samples = len(labels)
    num_second = num_samples - round((1 - fraction) * num_samples)
    if num_second in (0, num_samples):
        return
    seq = NpySequence(np.arange(num_samples), labels, batch_size=9)
    parts = [
        [int(row) for x, _ in part for row in x]
        for part in seq.split(fraction, seed=seed, stratify=True)
    ]
    assert_dealt_out(parts, list(range(num_samples)))
    codes = codes_of(labels)
    sizes, held_out = np.bincount(codes), np.bincount(codes[parts[1]], minlength=max(codes) + 1)
    assert (held_out >= 1).all()
    assert (held_out < sizes).all()
    assert (np.abs(held_out - sizes * fraction) < 1 + 1e-9).all()
    assert len(sizes) > abs(len(parts[1]) - num_second)
    if (sizes * min(fraction, 1 - fraction) >= 1).all():
        assert num_second == len(parts[1])


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 9), st.data())
def test_folds_are_disjoint_complete_and_even(k: int, data: st.DataObject) -> None:
    """Sizes differ by one at most, per class too if stratified; train is all the rest."""
    stratify = data.draw(st.booleans())
    labels = data.draw(labelled(at_least=k))
    seq = NpySequence(np.arange(len(labels)), labels, batch_size=9)
    arguments = {"seed": data.draw(st.integers(0, 9)), "stratify": stratify}
    pairs = [
        [[int(row) for x, _ in part for row in x] for part in pair]
        for pair in seq.folds(k, **arguments)
    ]
    everything = list(range(len(labels)))
    assert k == len(pairs)
    assert_dealt_out([held_out for _, held_out in pairs], everything)
    for pair in pairs:
        assert_dealt_out(pair, everything)
    sizes = [len(held_out) for _, held_out in pairs]
    assert 1 >= max(sizes) - min(sizes)
    if stratify:
        codes = codes_of(labels)
        counts = np.array([np.bincount(codes[rows], minlength=max(codes) + 1) for _, rows in pairs])
        assert (np.ptp(counts, axis=0) <= 1).all()


def test_folds_differ_by_seed_and_are_the_same_on_every_run() -> None:
    """No seed is seed 0."""
    seq = counting(12)
    by_seed = [[served(held_out) for _, held_out in seq.folds(3, seed=s)] for s in (0, 1, None)]
    assert by_seed[0] == by_seed[2] == [served(part) for _, part in counting(12).folds(3)]
    assert by_seed[0] != by_seed[1]


class UnreadableRows(StridedRows):
    """Rows that may be counted but not read."""

    def read_into(self, indices: Any, out: Any) -> None:
        raise AssertionError("x must not be read")


def test_stratify_reads_only_the_labels_served() -> None:
    """x is never read, nor are labels of rows that the sequence leaves out."""
    labels = np.array([0, 1] * 10 + [9])
    seq = NpySequence(UnreadableRows(np.zeros((21, 3)), "x"), labels, batch_size=4)
    with pytest.raises(ValueError, match=r"at least 2 rows.*1 of class 9, of 3 classes"):
        seq.split(0.5, stratify=True)
    first, second = seq.subset(range(20)).split(0.5, stratify=True)
    assert (10, 10) == (first.num_samples, second.num_samples)
    assert 2 == len(seq.subset(range(20)).folds(2, stratify=True))


def test_stratify_reads_labels_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large table of one-hot labels is read a few rows at a time."""
    codes = np.random.default_rng(0).integers(0, 5, 200)
    whole = NpySequence(np.arange(200), np.eye(5)[codes]).split(0.3, stratify=True)[1]
    monkeypatch.setattr("keras_npy.rows.labels.LABELS_AT_ONCE_BYTES", 7 * 5 * 8)
    again = NpySequence(np.arange(200), np.eye(5)[codes]).split(0.3, stratify=True)[1]
    for one, other in zip(whole, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])


def test_split_of_dicts_and_tuples_takes_the_same_rows_of_all(stored: Stored) -> None:
    """Inputs, outputs and weights stay together; a nest of one output can be stratified."""
    seq = NpySequence(
        {"a": stored.x_path, "row": (np.arange(53),)},
        {"label": stored.y_path},
        stored.weight_path,
        batch_size=64,
    )
    for part in (*seq.split(0.4, seed=5, stratify=True), *seq.folds(3, stratify=True)[1]):
        x, y, weight = part[0]
        rows = x["row"][0]
        np.testing.assert_array_equal(stored.x[rows], x["a"])
        np.testing.assert_array_equal(stored.y[rows], y["label"])
        np.testing.assert_array_equal(stored.weight[rows], weight["label"])


def test_split_trains_and_validates_as_arrays(stored: Stored) -> None:
    """fit with both parts gives the history that arrays of their rows give."""
    train, held_out = stored.sequence().split(0.3, stratify=True)
    rows = [part.indices for part in (train, held_out)]
    model, on_arrays = make_model(), make_model()
    history = model.fit(train, validation_data=held_out, shuffle=False, epochs=2, verbose=0)
    expected = on_arrays.fit(
        stored.x[rows[0]],
        stored.y[rows[0]],
        validation_data=(stored.x[rows[1]], stored.y[rows[1]]),
        batch_size=8,
        shuffle=False,
        epochs=2,
        verbose=0,
    )
    assert_same_weights(on_arrays, model)
    np.testing.assert_allclose(expected.history["val_loss"], history.history["val_loss"], 1e-6)


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        pytest.param({"test_size": 0.2}, r"without a name: seq\.split\(0\.2\)\.", id="test_size"),
        pytest.param({"validation_split": 0.2}, r"= seq\.split\(0\.2\)\.", id="of-keras"),
        pytest.param({"random_state": 1}, r"Give it as seed=\.", id="random_state"),
        pytest.param({"shuffle": False}, r"seq\.split\(0\.2, in_order=True\) cuts", id="shuffle"),
        pytest.param({"stratfy": True}, r"Did you mean stratify\?", id="misspelt"),
    ],
)
def test_split_and_folds_of_other_words_name_theirs(arguments: Any, remedy: str) -> None:
    """Those of scikit-learn and Keras."""
    for deal, number in ((counting(10).split, 0.2), (counting(10).folds, 2)):
        with pytest.raises(TypeError, match=rf"unexpected keyword argument.*{remedy}"):
            deal(number, **arguments)
    with pytest.raises(TypeError, match=remedy):
        counting(10).split(**arguments)


@pytest.mark.parametrize(
    ("fraction", "error", "message"),
    [
        pytest.param(0, ValueError, r"0 < fraction < 1.*Received: fraction=0\.", id="0"),
        pytest.param(1, ValueError, r"0 < fraction < 1.*fraction=1\..*subset", id="1"),
        pytest.param(30, ValueError, r"for a number of rows", id="number-of-rows"),
        pytest.param(-0.2, ValueError, r"fraction=-0\.2", id="negative"),
        pytest.param(float("nan"), ValueError, r"fraction=nan", id="nan"),
        pytest.param(True, TypeError, r"must be a number.*True of type bool", id="true"),
        pytest.param("0.2", TypeError, r"must be a number.*'0\.2' of type str", id="str"),
        pytest.param(0.009, ValueError, r"in each part.*0\.009 of 53 rows, which is 0", id="few"),
        pytest.param(0.999, ValueError, r"in each part.*of 53 rows, which is 53", id="many"),
    ],
)
def test_split_wrong_fraction_is_refused(
    stored: Stored, fraction: Any, error: type[Exception], message: str
) -> None:
    """A fraction lies between 0 and 1, and leaves rows on both sides."""
    with pytest.raises(error, match=message):
        stored.sequence().split(fraction)


@pytest.mark.parametrize(
    ("k", "error", "message"),
    [
        pytest.param(1, ValueError, r"k must be at least 2\. Received: k=1", id="1"),
        pytest.param(2.0, TypeError, r"k must be an integer.*2\.0", id="2.0"),
        pytest.param(54, ValueError, r"at least one row for each.*k=54 for 53", id="54"),
    ],
)
def test_folds_wrong_k_is_refused(
    stored: Stored, k: Any, error: type[Exception], message: str
) -> None:
    """From 2 to the number of rows."""
    with pytest.raises(error, match=message):
        stored.sequence().folds(k)


def test_split_and_folds_wrong_seed_or_stratify_are_refused(stored: Stored) -> None:
    """Checked as the constructor checks them; labels are not passed as stratify=."""
    seq = stored.sequence()
    with pytest.raises(ValueError, match=r"seed must be at least 0.*-1"):
        seq.split(0.5, seed=-1)
    with pytest.raises(TypeError, match=r"seed must be an integer.*'a'"):
        seq.folds(2, seed="a")
    with pytest.raises(
        TypeError, match=r"stratify must be True or False.*ndarray.*reads the classes from y"
    ):
        seq.split(0.5, stratify=stored.y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        pytest.param(None, r"single output y.*Received: 0 outputs", id="no-y"),
        pytest.param({"a": np.arange(6), "b": np.arange(6)}, r"Received: 2 outputs", id="two"),
        pytest.param(np.linspace(0, 1, 6), r"not whole numbers.*float64 \(6,\)", id="continuous"),
        pytest.param(np.array([0, 0, 1, 1, np.nan, 1]), r"not whole numbers", id="nan"),
        pytest.param(np.array([0, 0, 1, 1, np.inf, np.inf]), r"not whole numbers", id="inf"),
        pytest.param(np.zeros(6, "complex64"), r"not whole numbers", id="complex"),
        pytest.param(np.ones((6, 2)), r"not one-hot.*\(6, 2\)", id="multi-label"),
        pytest.param(np.eye(6) * 0.9, r"not one-hot", id="soft"),
        pytest.param(np.zeros((6, 2, 2), int), r"more than one value per row", id="mask-images"),
        pytest.param(np.array([4, 4, 4, 4, 4, 5]), r"2 rows of each.*1 of class 5", id="rare"),
    ],
)
def test_stratify_without_one_class_per_row_is_refused(y: Any, message: str) -> None:
    """Only labels that say one class can be stratified, and only classes of two rows."""
    seq = NpySequence(np.arange(6), y)
    with pytest.raises(ValueError, match=message):
        seq.split(0.5, stratify=True)
    with pytest.raises(ValueError, match=message):
        seq.folds(2, stratify=True)


def test_folds_stratified_needs_k_rows_of_each_class() -> None:
    """So that each validation part holds every class."""
    seq = NpySequence(np.arange(9), np.array([0] * 6 + [1] * 3))
    with pytest.raises(ValueError, match=r"at least 4 rows of each class.*3 of class 1"):
        seq.folds(4, stratify=True)
    assert 3 == len(seq.folds(3, stratify=True))


# Groups, such as the slices of a patient.


def patients(folder: Path, sizes: list[int]) -> NpySequence:
    """One folder for each patient, one file for each slice, a class for each slice."""
    for patient, size in enumerate(sizes):
        (folder / f"patient-{patient}").mkdir(parents=True)
        for number in range(size):
            np.save(folder / f"patient-{patient}" / f"{number}.npy", np.array([patient, number]))
    x = samples(str(folder / "*" / "*.npy"))
    return NpySequence(x, np.arange(sum(sizes)) % 3, batch_size=8, check_names=False)


SIZES = [7, 1, 12, 3, 5, 5, 2, 9, 4, 2]


def patients_of(seq: NpySequence) -> list[int]:
    return seq.x[:][:, 0].tolist()


def by_array(folder: Path) -> Any:
    return np.repeat(np.arange(len(SIZES)), SIZES)


def by_column(folder: Path) -> Any:
    return by_array(folder)[:, None]


def by_names(folder: Path) -> Any:
    return [f"patient {number}" for number in by_array(folder)]


def by_objects(folder: Path) -> Any:
    return np.array(by_names(folder), object)


def by_path(folder: Path) -> Any:
    np.save(folder / "groups.npy", by_array(folder))
    return folder / "groups.npy"


def by_rows(folder: Path) -> Any:
    return open_rows(by_path(folder))


def by_folder(folder: Path) -> Any:
    return os.path.dirname


@pytest.mark.parametrize(
    "make", [by_array, by_column, by_names, by_objects, by_path, by_rows, by_folder]
)
@pytest.mark.parametrize("stratify", [False, True])
def test_split_and_folds_divide_no_group(tmp_path: Path, make: Any, stratify: bool) -> None:
    """However the groups are given, of a sequence and of a part of it."""
    seq, groups = patients(tmp_path, SIZES), make(tmp_path)
    arguments: Any = {"groups": groups, "stratify": stratify}
    for parts in (
        seq.split(0.3, **arguments),
        seq.split(0.2, 0.2, **arguments),
        *seq.folds(4, **arguments),
        seq.subset(range(3, 47)).split(0.5, **arguments),
        seq.subset(np.arange(49, 3, -1)).split(0.5, **arguments),
    ):
        held = [set(patients_of(part)) for part in parts]
        assert sum(map(len, held)) == len(set.union(*held)) >= len(SIZES) - 1
        assert all(held)
    train, validation = seq.split(0.3, **arguments)
    assert 12 > abs(validation.num_samples - 15)
    assert_dealt_out([part.indices.tolist() for part in (train, validation)], list(range(50)))
    if stratify:
        counts = np.bincount(validation.y[:], minlength=3)
        assert 2 >= np.abs(counts - 0.3 * np.bincount(seq.y[:])).max()
    held_out = [validation.indices.tolist() for _, validation in seq.folds(4, **arguments)]
    assert_dealt_out(held_out, list(range(50)))


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        pytest.param(
            lambda path: re.search(r"patient-(\d)", path),
            r"equal only to itself\. Give a str, such as match\.group\(\)",
            id="match",
        ),
        pytest.param(lambda path: (1, re.search("p", path)), r"equal only to itself", id="within"),
        pytest.param(
            [re.search("p", "patient") for _ in range(10)], r"equal only to itself", id="matches"
        ),
        pytest.param(
            lambda path: float("nan") if "patient-1" in path else 0.0,
            r"where it belongs\. Received: nan for .*patient-1",
            id="nan",
        ),
        pytest.param([None, float("nan"), *"abcdefgh"], r"Received: nan\.", id="nan-of-objects"),
        pytest.param(np.array(["NaT"] * 10, "M8[D]"), r"Received: 10 NaT\.", id="not-a-time"),
        pytest.param(
            lambda path: path.split("/"), r"list \['.*Return a str or a tuple of it", id="list"
        ),
    ],
)
def test_groups_that_are_equal_to_no_other_are_refused(
    tmp_path: Path, groups: Any, message: str
) -> None:
    """Each row would be a group of its own, and the rows of a patient on both sides."""
    seq = patients(tmp_path, [4, 4, 2])
    with pytest.raises(ValueError, match=message):
        seq.split(0.5, groups=groups)


def test_groups_that_group_nothing_warn_once(tmp_path: Path) -> None:
    """Those that group something, or a part of one row each, do not."""
    message = r"one value\. Received: 10 different values for 10 rows, such as "
    for name, give in (("function", lambda seq: str), ("paths", lambda seq: seq.file_paths)):
        seq = patients(tmp_path / name, [4, 4, 2])
        with pytest.warns(UserWarning, match=message) as caught:
            assert 2 == len(seq.split(0.5, groups=give(seq)))
        assert 2 == len(seq.folds(2, groups=give(seq)))
        assert [__file__] == [warning.filename for warning in caught]
    seq = patients(tmp_path / "right", [4, 4, 2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for right in (
            lambda path: re.search(r"patient-(\d)", path).group(),
            lambda path: (Path(path).parent, None),
        ):
            assert 10 == sum(part.num_samples for part in seq.split(0.5, groups=right))
        seq.subset([0, 4, 8]).split(0.5, groups=os.path.dirname)
        seq.subset([0, 4, 8]).split(0.5, groups=np.repeat([0, 1, 2], [4, 4, 2]))


def test_groups_of_a_part_count_its_own_rows() -> None:
    """An array of as many values as the part has rows, or as its files have."""
    seq = counting(12).subset([9, 8, 7, 6, 1, 0])
    own = [1, 1, 1, 2, 2, 2]
    for groups in (own, np.array([2, 2, 0, 0, 0, 0, 2, 1, 1, 1, 5, 5])):
        train, validation = seq.split(0.5, groups=groups)
        assert {(9, 8, 7), (6, 1, 0)} == {tuple(served(train)), tuple(served(validation))}


def test_groups_are_dealt_out_by_seed_and_the_same_on_every_run() -> None:
    """No seed is seed 0."""
    groups = np.repeat(np.arange(20), 3)
    held = [
        [served(counting(60).split(0.25, groups=groups, seed=seed)[1]) for seed in (0, 1, None)]
        for _ in range(2)
    ]
    assert held[0] == held[1]
    assert held[0][0] == held[0][2] != held[0][1]
    # May change only with a new major version.
    assert [2, 4, 11, 12, 19] == sorted({row // 3 for row in held[0][0]})


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        pytest.param([1, 2], ValueError, r"one value for each row.*\(2,\) for 6 rows", id="few"),
        pytest.param(np.ones((6, 2)), ValueError, r"one value for.*\(6, 2\)", id="two-columns"),
        pytest.param(3, ValueError, r"one value for.*\(\) for", id="number"),
        pytest.param([1, 1, 2, 2, np.nan, 3], ValueError, r"Received: 1 NaN", id="nan"),
        pytest.param([1] * 6, ValueError, r"group of its own.*1 groups for 2", id="one-group"),
        pytest.param(
            np.array([1, "a", 2, 3, 4, None], object),
            TypeError,
            r"sorted.*\(groups, str\)",
            id="kinds",
        ),
        pytest.param(
            os.path.dirname,
            ValueError,
            r"array in memory: .* path of the one file .*Received: rows in memory",
            id="no-files",
        ),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups: Any, error: Any, message: str) -> None:
    """Each row needs a group, and each part a group."""
    for deal in (
        lambda seq: seq.split(0.5, groups=groups),
        lambda seq: seq.folds(2, groups=groups),
    ):
        with pytest.raises(error, match=message):
            deal(counting(6))


# More than two parts.


@settings(max_examples=100, deadline=None)
@given(st.integers(5, 300), st.lists(st.floats(0.05, 0.3), min_size=1, max_size=3), st.booleans())
def test_split_in_three_or_more_is_disjoint_and_complete(
    num_samples: int, fractions: list[float], stratify: bool
) -> None:
    """The second part is that of a split in two; classes keep their shares within a row."""
    labels = np.arange(num_samples) % 3
    seq = NpySequence(np.arange(num_samples), labels, batch_size=300)
    num_first = round((1 - sum(fractions)) * num_samples)
    if num_samples * min(fractions) < 4:
        return
    parts = seq.split(*fractions, stratify=stratify)
    rows = [[int(row) for x, _ in part for row in x] for part in parts]
    assert_dealt_out(rows, list(range(num_samples)))
    if not stratify:
        assert num_first == len(rows[0])
        assert parts[1].indices.tolist() == seq.split(fractions[0])[1].indices.tolist()
        return
    sizes = np.bincount(labels)
    for part, fraction in zip(rows[1:], fractions, strict=True):
        held = np.bincount(labels[part], minlength=3)
        assert (held >= 1).all()
        assert (np.abs(held - sizes * fraction) < 1 + 1e-9).all()


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        pytest.param((), r"0 fractions", id="none"),
        pytest.param((0.5, 0.5), r"2 fractions, in all 1\.0\. Pass .*0\.15, 0\.15", id="all"),
        pytest.param((0.2, 0.0), r"fraction=0\.0", id="zero"),
        pytest.param((0.2, 0.001), r"in each part.*0\.2, 0\.001 of 53 rows, .*11, 0", id="few"),
    ],
)
def test_split_fractions_that_leave_a_part_empty_are_refused(
    stored: Stored, fractions: Any, message: str
) -> None:
    """The first part gets what they leave."""
    with pytest.raises(ValueError, match=message):
        stored.sequence().split(*fractions)


# In order, and windows that overlap.


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("num_samples", [11, 40, 97])
def test_split_in_order_is_the_validation_split_of_keras(num_samples: int, fraction: float) -> None:
    """The same rows train and validate."""
    rows = np.arange(num_samples)
    (train, *_), (held_out, *_) = train_validation_split((rows, None, None), fraction)
    parts = counting(num_samples).split(fraction, in_order=True)
    assert [train.tolist(), held_out.tolist()] == [served(part) for part in parts]
    *_, last = counting(num_samples).split(0.1, fraction / 2, in_order=True)
    assert last.indices[-1] == num_samples - 1


def spans(part: NpySequence) -> set[int]:
    """The timesteps of all windows, inputs and targets, of a series of its own numbers."""
    leaves = keras.tree.flatten([part.x, part.y])
    return {int(step) for leaf in leaves if leaf is not None for step in np.ravel(leaf[:])}


SERIES = np.arange(60)
RECORDINGS = np.split(SERIES, [17, 40])
WINDOWED: list[Any] = [
    pytest.param(lambda: windows(SERIES, sequence_length=5), id="windows"),
    pytest.param(lambda: windows(SERIES, sequence_length=5, predict_next=True), id="predict-next"),
    pytest.param(
        lambda: windows(SERIES, sequence_length=4, sequence_stride=3, sampling_rate=2), id="sampled"
    ),
    pytest.param(lambda: windows(RECORDINGS, sequence_length=5, predict_next=True), id="files"),
    pytest.param(
        lambda: [windows(part, sequence_length=5, predict_next=True) for part in RECORDINGS],
        id="list-of-windows",
    ),
    pytest.param(
        lambda: (
            (windows(SERIES, sequence_length=5, end_index=57),),
            windows(SERIES, sequence_length=3, start_index=5),
        ),
        id="horizon-as-two-windows",
    ),
]


@pytest.mark.parametrize("make", WINDOWED)
def test_split_in_order_of_windows_shares_no_timestep(make: Any) -> None:
    """As many windows are left out as reach into the next part."""
    source = make()
    seq = NpySequence(*source) if type(source) is tuple else NpySequence(source)
    for fractions in ((0.2,), (0.3, 0.2)):
        parts = seq.split(*fractions, in_order=True)
        steps = [spans(part) for part in parts]
        for one, other in itertools.combinations(steps, 2):
            assert not one & other
            assert max(one) < min(other)
        for at, part in enumerate(parts[:-1]):
            # The first window that was left out shares a timestep.
            behind = seq.subset([int(part.indices[-1]) + 1])
            begins_next = behind.indices[0] == parts[at + 1].indices[0]
            assert begins_next or spans(behind) & steps[at + 1]


@pytest.mark.parametrize("make", WINDOWED)
def test_split_at_random_of_windows_that_overlap_warns(make: Any) -> None:
    """Both remedies are named, and give no warning."""
    source = make()
    seq = NpySequence(*source) if type(source) is tuple else NpySequence(source)
    for deal in (seq.split, seq.subset(range(2, 14)).split):
        with pytest.warns(UserWarning, match=r"dealt out at random.*in_order=True") as caught:
            deal(0.2)
        assert __file__ == caught[0].filename
    with pytest.warns(UserWarning, match=r"share timesteps.*folds\(\.\.\., groups=\)"):
        seq.folds(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq.split(0.2, in_order=True)


@pytest.mark.parametrize("make", WINDOWED)
@pytest.mark.parametrize("size", [1, 8])
def test_groups_that_part_windows_that_overlap_warn(make: Any, size: int) -> None:
    """Timesteps at the edge of a group are in both parts, as they are without groups."""
    source = make()
    seq = NpySequence(*source) if type(source) is tuple else NpySequence(source)
    message = r"share timesteps.*by groups= to several parts.*Use groups= with one group for each"
    for part in (seq, seq.subset(range(2, seq.num_samples))):
        groups = np.arange(part.num_samples) // min(size, part.num_samples // 2)
        with pytest.warns(UserWarning, match=message) as caught:
            train, held_out = part.split(0.3, groups=groups)
        assert spans(train) & spans(held_out)
        assert __file__ == caught[0].filename
        with pytest.warns(UserWarning, match=message):
            part.folds(2, groups=groups)


def test_groups_that_keep_what_windows_share_in_one_part_do_not_warn() -> None:
    """A group for each recording, or groups with a gap between them that no window crosses."""
    of_recordings = NpySequence(windows(RECORDINGS, sequence_length=5))
    as_list = NpySequence([windows(part, sequence_length=5) for part in RECORDINGS])
    of_series = NpySequence(windows(SERIES, sequence_length=5))
    with_gaps = of_series.subset([*range(10), *range(14, 30), *range(34, 56)])
    side_by_side = NpySequence(windows(SERIES, sequence_length=5, sequence_stride=5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for seq, groups in (
            (of_recordings, np.repeat([0, 1, 2], [13, 19, 16])),
            (as_list, np.repeat([0, 1, 2], [13, 19, 16])),
            (with_gaps, np.repeat([0, 1, 2], [10, 16, 22])),
            (side_by_side, np.arange(12)),
        ):
            for one, other in (seq.split(0.3, groups=groups), *seq.folds(3, groups=groups)):
                assert not spans(one) & spans(other)


@pytest.mark.parametrize("stride", [5, 6])
def test_split_at_random_of_windows_side_by_side_does_not_warn(stride: int) -> None:
    """They share no timestep."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        seq = NpySequence(windows(SERIES, sequence_length=5, sequence_stride=stride))
        every_second = NpySequence(windows(SERIES, sequence_length=5)).subset(slice(0, None, 5))
        for parts in (seq.split(0.3), every_second.split(0.3), seq.split(0.3, in_order=True)):
            assert not spans(parts[0]) & spans(parts[1])
        assert seq.num_samples == sum(part.num_samples for part in parts)
        # The last target of one window is the first input of the next.
        cut: Any = {"sequence_length": 5, "sequence_stride": stride}
        for pair in (
            windows(SERIES, predict_next=True, **cut),
            windows(SERIES, targets=SERIES[5:], **cut),
        ):
            seq = NpySequence(pair)
            for one, other in (seq.split(0.3), *seq.folds(2), seq.split(0.3, groups=seq.indices)):
                assert not {*np.ravel(one.x[:])} & {*np.ravel(other.x[:])}
                assert not {*np.ravel(one.y[:])} & {*np.ravel(other.y[:])}
    horizon = windows(SERIES, sequence_length=7, start_index=stride, sequence_stride=stride)
    inputs = windows(SERIES, sequence_length=stride, sequence_stride=stride)
    overlapping = NpySequence(take(inputs, range(8)), take(horizon, range(8)))
    with pytest.warns(UserWarning, match=r"share timesteps.*dealt out at random.*in_order=True"):
        overlapping.split(0.3)


@pytest.mark.parametrize("kind", [str, int])
def test_split_by_groups_in_the_order_of_sorted_paths_is_refused(tmp_path: Path, kind: Any) -> None:
    """Files come in natural order: a patient would be on both sides. Both remedies are right."""
    for number in range(24):
        np.save(tmp_path / f"p{number // 2}_s{number % 2}.npy", np.full(2, number // 2))
    seq = NpySequence(samples(str(tmp_path / "*.npy")), batch_size=24)

    def patient(path: str) -> Any:
        return kind(os.path.basename(path).split("_")[0].removeprefix("p"))

    message = r"p1_s0\.npy: groups must lie in .*natural order.*Received: '10' .*seq\.file_paths"
    with pytest.raises(ValueError, match=message):
        seq.split(0.3, groups=[patient(path) for path in sorted(seq.file_paths)])
    for groups in ([patient(path) for path in seq.file_paths], patient):
        one, other = seq.split(0.3, groups=groups)
        assert not set(one.x[:][:, 0]) & set(other.x[:][:, 0])
    with pytest.warns(UserWarning, match=r"natural order, in which the rows of groups= must"):
        seq.split(0.3, groups=np.arange(24) % 5)


def test_groups_in_files_are_compared_with_the_files_of_the_rows(tmp_path: Path) -> None:
    """As labels are: a patient of another file would be on both sides."""
    numbers = (1, 2, 10)
    for number in numbers:
        np.save(tmp_path / f"x{number}.npy", np.full((4, 1), number))
        np.save(tmp_path / f"s{number}.npy", np.full(1, number))
        np.save(tmp_path / f"g{number}.npy", np.repeat([2 * number, 2 * number + 1], 2))
        np.save(tmp_path / f"h{number}.npy", np.arange(5 if number == 10 else 4 - (number == 2)))
        np.save(tmp_path / f"p{number}.npy", np.int64(700 + number))
    shards = NpySequence(f"{tmp_path}/x*.npy")
    singles = NpySequence(samples(f"{tmp_path}/s*.npy"))
    by_text = [str(tmp_path / f"g{number}.npy") for number in sorted(numbers, key=str)]
    right = open_rows(f"{tmp_path}/g*.npy")
    for seq, groups in (
        (shards, open_rows(by_text)),
        (shards, take(right, [*range(4), *range(8, 12), *range(4, 8)])),
        (singles, samples([path.replace("/g", "/p") for path in by_text])),
    ):
        message = r"x?s?2\.npy with \S*10\.npy, pair 2 of 3.*List the files of both in the same"
        with pytest.raises(ValueError, match=message):
            seq.split(0.4, groups=groups)
        with pytest.raises(ValueError, match=message):
            seq.folds(2, groups=groups)
    with pytest.raises(ValueError, match=r"g?h2\.npy: two files.*same number of rows.*N=3"):
        shards.split(0.4, groups=f"{tmp_path}/h*.npy")
    unchecked = NpySequence(f"{tmp_path}/x*.npy", check_names=False)
    assert 2 == len(unchecked.split(0.4, groups=open_rows(by_text)))
    for groups in (right, f"{tmp_path}/g*.npy"):
        one, other = shards.split(0.4, groups=groups)
        values = np.asarray(right)
        assert not set(values[one.indices]) & set(values[other.indices])


def test_groups_in_an_order_of_their_own_beside_a_pattern_warn(tmp_path: Path) -> None:
    """Where another order of files would put other rows together, and no name shows the order."""
    for number in (1, 2, 10):
        np.save(tmp_path / f"x{number}.npy", np.full((4, 1), number))
    seq = NpySequence(f"{tmp_path}/x*.npy")
    groups = np.array([0, 0, 0, 1, 2, 3, 3, 3, 4, 4, 5, 5])
    np.save(tmp_path / "y.npy", groups)
    for own in (groups, list(groups), f"{tmp_path}/y.npy"):
        with pytest.warns(UserWarning, match=r"x2\.npy: a pattern gives files in natural order"):
            seq.split(0.4, groups=own)
    unchecked = NpySequence(f"{tmp_path}/x*.npy", check_names=False)
    for one, own in (
        (unchecked, groups),
        (seq, seq.indices),
        (seq, np.arange(12) // 4),
        (seq, [str(seq.x.file_of(row)) for row in range(12)]),
        (seq, [os.path.basename(seq.x.file_of(row)[0])[:2] for row in range(12)]),
        (NpySequence([str(tmp_path / f"x{n}.npy") for n in (1, 10, 2)]), groups),
    ):
        assert 2 == len(one.split(0.4, groups=own))


def test_split_at_random_of_rows_that_come_twice_warns_and_the_remedy_ends_it() -> None:
    """Else a row that is trained on is also validated on."""
    numbers = np.array([1, 4, 4, 2, 3, 1])
    message = r"served more than once are dealt out at random.*2 of 6 rows of array in memory"
    message += r", such as row 1 of array in memory\. Use each row once, or groups={}, which"
    chosen, taken = counting(9).subset(numbers), NpySequence(take(np.arange(9), numbers))
    for seq, groups, named in (
        (chosen, chosen.indices, r"seq\.indices"),
        (taken, numbers, r"\[str\(seq\.x\.file_of\(i\)\) for i in range\(seq\.num_samples\)\]"),
    ):
        with pytest.warns(UserWarning, match=message.format(named)):
            seq.split(0.4)
        with pytest.warns(UserWarning, match="served more than once are dealt out by groups="):
            seq.split(0.4, groups=np.arange(len(numbers)))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            one, other = seq.split(0.4, groups=groups)
            seq.folds(2, groups=groups)
        assert not set(one.x[:].tolist()) & set(other.x[:].tolist())
        assert sorted(numbers) == sorted([*one.x[:], *other.x[:]])


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(
            lambda: windows(samples("day*/*.npy"), sequence_length=2, join=True), id="samples"
        ),
        pytest.param(
            lambda: [windows(samples(f"day{day}/*.npy"), sequence_length=2) for day in range(4)],
            id="list-of-samples",
        ),
        pytest.param(
            lambda: {"a": windows(["day0/0.npy", "day1/0.npy"], sequence_length=2, join=True)},
            id="joined",
        ),
        pytest.param(lambda: ["day0/0.npy", np.arange(4)], id="partly-in-memory"),
    ],
)
def test_groups_as_a_function_of_rows_in_no_one_file_name_what_helps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    """The groups that the error names keep the rows of a file or a folder together."""
    monkeypatch.chdir(tmp_path)
    for day in range(4):
        (tmp_path / f"day{day}").mkdir()
        for number in range(3):
            np.save(f"day{day}/{number}.npy", np.arange(4) + 100 * day + 10 * number)
    seq = NpySequence(make())
    message = r"npy.*: groups as a function .* one file.*Received: rows that lie in several files"
    with pytest.raises(ValueError, match=message) as caught:
        seq.split(0.4, groups=os.path.dirname)
    found = re.search(r"groups=(\[.*\]) takes", str(caught.value))
    assert found is not None
    groups = np.array(eval(found[1], {"seq": seq, "function": os.path.dirname}))
    with warnings.catch_warnings():
        # Windows that cross from day to day share timesteps with both.
        warnings.simplefilter("ignore" if type(make()) is not list else "error")
        one, other = seq.split(0.4, groups=groups)
    assert not set(groups[one.indices]) & set(groups[other.indices])


@pytest.mark.parametrize(
    "arguments",
    [{"seed": 1}, {"stratify": True}, {"groups": [1] * 53}],
    ids=lambda value: str(value)[:8],
)
def test_split_in_order_with_what_chooses_rows_is_refused(stored: Stored, arguments: Any) -> None:
    """It chooses none."""
    (name,) = arguments
    with pytest.raises(ValueError, match=rf"in_order=True, and {name}= as well"):
        stored.sequence().split(0.2, in_order=True, **arguments)


def test_split_in_order_of_rows_that_share_nothing_takes_their_own_order() -> None:
    """Such as the order of time, of rows that lie otherwise; and of windows side by side."""
    time = np.array([5, 2, 7, 0, 3, 6, 1, 4])
    by_time = np.argsort(time)
    one, other = NpySequence(time).subset(by_time).split(0.25, in_order=True)
    assert [[0, 1, 2, 3, 4, 5], [6, 7]] == [part.x[:].tolist() for part in (one, other)]
    backwards = NpySequence(time).subset(slice(None, None, -1)).split(0.25, in_order=True)
    assert [[4, 1, 6, 3, 0, 7], [2, 5]] == [part.x[:].tolist() for part in backwards]
    apart = NpySequence(windows(np.arange(8), sequence_length=2, sequence_stride=2))
    _, other = apart.subset([3, 0, 2, 1]).split(0.25, in_order=True)
    assert [[2, 3]] == other.x[:].tolist()
    with pytest.warns(UserWarning, match=r"served more than once lie in several parts"):
        NpySequence(time).subset([3, 1, 3]).split(0.4, in_order=True)


SOME = [9, 40, 2, 6, 5, 50, 30, 21]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: windowed().subset(SOME), id="subset"),
        pytest.param(lambda: windowed().subset(slice(None, None, -1)), id="backwards"),
        pytest.param(lambda: NpySequence(windowed().x, indices=SOME), id="indices"),
        pytest.param(lambda: NpySequence(take(windowed().x, SOME)), id="take"),
        pytest.param(lambda: NpySequence({"a": take(windowed().x, SOME)}), id="take-in-a-dict"),
        pytest.param(
            lambda: NpySequence(take(windowed().x, SOME)).subset([6, 1, 3, 2, 4]), id="both"
        ),
        pytest.param(
            lambda: NpySequence(
                take(windows(RECORDINGS, sequence_length=5), SOME[1::-1] + SOME[2:5])
            ),
            id="files",
        ),
    ],
)
def test_split_in_order_of_windows_in_no_order_is_refused(make: Any) -> None:
    """The last of them are not the last in time; its remedy has the same rows in order."""
    seq = make()
    with pytest.raises(ValueError, match=r"need.* rows that lie in the order of time") as caught:
        seq.split(0.4, in_order=True)
    found = re.search(r"in the files, (seq\.subset\(.*\)) has them", str(caught.value))
    assert found is not None
    in_order = eval(found[1], {"seq": seq, "np": np})
    assert seq.num_samples == in_order.num_samples
    assert spans(seq) == spans(in_order)
    one, other = in_order.split(0.4, in_order=True)
    assert not spans(one) & spans(other)
    assert max(spans(one)) < min(spans(other))


def windowed() -> NpySequence:
    return NpySequence(windows(SERIES, sequence_length=5))


def test_split_in_order_that_leaves_nothing_is_refused() -> None:
    """Each window of the first part reaches into the next."""
    seq = NpySequence(windows(SERIES, sequence_length=30))
    with pytest.raises(ValueError, match=r"24 rows .*all do\. .*shorter windows"):
        seq.split(0.2, in_order=True)


def test_groups_that_are_names_of_files_are_told_how_to_read_them(tmp_path: Path) -> None:
    """`sorted(glob(...))` is a list of names; the remedy reads them."""
    paths = [str(tmp_path / f"g{number}.npy") for number in range(3)]
    for number, path in enumerate(paths):
        np.save(path, np.repeat([2 * number, 2 * number + 1], 2))
    seq = NpySequence(np.arange(12))
    message = (
        r"one value for each row\. .*\(3,\) for 12 rows\. .*pass (keras_npy\.open_rows\(groups\))"
    )
    with pytest.raises(ValueError, match=message):
        seq.split(0.5, groups=paths)
    train, held_out = seq.split(0.5, groups=open_rows(paths))
    assert {0, 1} == {(row // 2) % 2 for row in train.x[:].tolist() + held_out.x[:].tolist()}
    assert not {row // 2 for row in train.x[:].tolist()} & {
        row // 2 for row in held_out.x[:].tolist()
    }
    with pytest.raises(ValueError, match=r"for 12 rows\. Pass an array \(N,\)"):
        seq.split(0.5, groups=["a", "b"])
