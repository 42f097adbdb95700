"""`NpySequence` as an object: batches, order, errors, pickles."""

import multiprocessing
import pickle
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyFileError, NpyInputLayer, NpySequence, samples, windows
from tests.conftest import Stored, make_model, rows_of_epoch, rows_served, run_script


def test_getitem_serves_rows_in_file_order(stored: Stored) -> None:
    """Batch i holds rows 8i to 8i + 7, as np.load has them."""
    seq = stored.sequence()
    assert 7 == len(seq) == seq.num_batches
    for index in range(7):
        x, y = seq[index]
        np.testing.assert_array_equal(stored.x[8 * index : 8 * index + 8], x)
        np.testing.assert_array_equal(stored.y[8 * index : 8 * index + 8], y)


def test_getitem_last_batch_keeps_remainder(stored: Stored) -> None:
    """53 rows in batches of 8 leave 5."""
    assert (5, 6, 5) == stored.sequence()[6][0].shape
    np.testing.assert_array_equal(stored.x[48:], stored.sequence()[-1][0])


def test_getitem_gives_arrays_of_its_own(stored: Stored) -> None:
    """A batch can be written to without touching the file or the next batch."""
    seq = stored.sequence()
    seq[0][0][...] = 0
    np.testing.assert_array_equal(stored.x[:8], seq[0][0])


@pytest.mark.parametrize("index", [7, -8, 100])
def test_getitem_out_of_range_is_an_index_error(stored: Stored, index: int) -> None:
    """Batch numbers end where the batches do."""
    with pytest.raises(IndexError, match=rf"-7 <= index < 7.*Received: {index}\."):
        stored.sequence()[index]


def test_getitem_slice_is_refused(stored: Stored) -> None:
    """A sequence is indexed by batches; rows are chosen by indices."""
    with pytest.raises(TypeError, match=r"number of a batch.*slice.*indices="):
        stored.sequence()[0:2]


def test_iteration_shuffled_is_a_fresh_permutation_each_time() -> None:
    """Each pass over a shuffled sequence serves every row once, in a new order."""
    seq = NpySequence(np.arange(100), batch_size=7, shuffle=True, seed=0)
    passes = [[int(row) for batch in seq for row in batch] for _ in range(3)]
    assert [list(range(100))] * 3 == [sorted(rows) for rows in passes]
    assert 3 == len({tuple(rows) for rows in passes})
    assert passes == [rows_of_epoch(100, epoch, batch_size=7, seed=0) for epoch in range(3)]


def test_iteration_order_is_pinned() -> None:
    """The order of a seed may change only with a new major version of the package."""
    assert [3, 7, 6, 8, 4, 1, 0, 9, 5, 2] == rows_of_epoch(10, 0, batch_size=4, seed=0)


def test_iteration_does_not_depend_on_batch_size() -> None:
    """The same rows in the same order, cut into batches of any size."""
    orders = [rows_of_epoch(1000, 4, batch_size=size, seed=9) for size in (1, 32, 999, 5000)]
    assert [orders[0]] * 4 == orders


def test_seed_drawn_follows_set_random_seed() -> None:
    """Without a seed the order is random, and Keras's seed fixes it."""
    keras.utils.set_random_seed(5)
    first = rows_served(50, shuffle=True)
    second = rows_served(50, shuffle=True)
    keras.utils.set_random_seed(5)
    assert first == rows_served(50, shuffle=True)
    assert first != second


@pytest.mark.parametrize(
    ("indices", "expected"),
    [
        pytest.param(slice(2, 9, 3), [2, 5, 8], id="slice"),
        pytest.param(range(4), [0, 1, 2, 3], id="range"),
        pytest.param([7, 7, 1], [7, 7, 1], id="repeated"),
        pytest.param([-1, -10], [9, 0], id="negative"),
        pytest.param(np.arange(10) > 7, [8, 9], id="mask"),
    ],
)
def test_indices_choose_rows_in_their_order(indices: Any, expected: list[int]) -> None:
    """File order of a subset is the order of its indices."""
    assert expected == rows_served(10, indices=indices, batch_size=2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        pytest.param({"batch_size": 0}, ValueError, r"at least 1\. Received: batch_size=0", id="0"),
        pytest.param({"batch_size": 2.0}, TypeError, r"integer.*batch_size=2\.0 of type", id="2.0"),
        pytest.param({"batch_size": True}, TypeError, r"integer.*batch_size=True", id="true"),
        pytest.param({"seed": -1}, ValueError, r"at least 0.*seed=-1", id="seed"),
        pytest.param({"seed": "a"}, TypeError, r"integer.*seed='a'", id="seed-str"),
        pytest.param({"shuffle": "rows"}, ValueError, r"shuffle must be.*'rows'", id="shuffle"),
        pytest.param({"drop_remainder": 1}, TypeError, r"True or False.*1", id="drop"),
        pytest.param(
            {"drop_remainder": True, "batch_size": 60},
            ValueError,
            r"at least one batch.*batch_size=60 for 53 samples.*smaller",
            id="no-batch-left",
        ),
        pytest.param({"indices": [53]}, IndexError, r"index < 53.*Received: 53", id="beyond"),
        pytest.param({"indices": [0, -54]}, IndexError, r"Received: -54", id="before"),
        pytest.param(
            {"indices": np.ones(50, bool)}, ValueError, r"mask of shape \(50,\) for 53", id="mask"
        ),
        pytest.param({"indices": []}, ValueError, r"at least one row", id="none"),
        pytest.param({"indices": [0.5]}, TypeError, r"integers or a boolean mask", id="floats"),
    ],
)
def test_constructor_wrong_argument_is_refused(
    stored: Stored, arguments: Any, error: type[Exception], message: str
) -> None:
    """Bad arguments are refused when the sequence is built."""
    with pytest.raises(error, match=message):
        stored.sequence(**arguments)


def test_constructor_files_of_different_length_are_refused(stored: Stored, tmp_path: Path) -> None:
    """Both files and both lengths are named."""
    np.save(tmp_path / "short.npy", stored.y[:-1])
    with pytest.raises(ValueError, match=r"short\.npy: .*x\.npy has N=53, .*short\.npy has N=52"):
        NpySequence(stored.x_path, tmp_path / "short.npy")
    with pytest.raises(ValueError, match=r"same number of samples.*N=53.*N=52"):
        NpySequence(stored.x_path, stored.y_path, tmp_path / "short.npy")


@pytest.mark.parametrize(
    ("arguments", "received"),
    [
        pytest.param(
            (np.zeros(3), np.zeros(6)),
            r"x \(array in memory\) has N=3, y \(array in memory\) has N=6\.",
            id="x-and-y",
        ),
        pytest.param(
            ({"a": np.zeros(3), "b": np.zeros(6)}, np.zeros(3)),
            r"x\['a'\] \(array in memory\) has N=3, x\['b'\] \(array in memory\) has N=6\.",
            id="two-inputs",
        ),
        pytest.param(
            (np.zeros(3), (None, np.zeros(3)), (np.zeros(3), np.zeros(4))),
            r"x \(array in memory\) has N=3, sample_weight\[1\] \(array in memory\) has N=4\.",
            id="weights-of-an-output",
        ),
    ],
)
def test_arrays_of_other_lengths_are_named_as_they_were_passed(
    arguments: Any, received: str
) -> None:
    """Two arrays in memory have no names of their own."""
    with pytest.raises(ValueError, match=received):
        NpySequence(*arguments)


def test_constructor_sample_weight_without_targets_is_refused(stored: Stored) -> None:
    """Weights weigh losses, which need targets."""
    with pytest.raises(ValueError, match=r"sample_weight needs y.*Pass y="):
        NpySequence(stored.x_path, sample_weight=stored.weight_path)


def test_constructor_weights_of_another_structure_are_refused(stored: Stored) -> None:
    """One array for all outputs, or one for each."""
    with pytest.raises(ValueError, match=r"structure of y.*weight\.npy"):
        NpySequence(
            stored.x_path,
            {"a": stored.y_path, "b": stored.y_path},
            {"a": stored.weight_path},
        )


@pytest.mark.parametrize("source", [{}, (), [1, 2], None, 3.0], ids=repr)
def test_constructor_what_is_no_source_is_refused(source: Any) -> None:
    """Empty nests, lists of numbers and scalars are no data."""
    with pytest.raises((TypeError, ValueError), match=r"[Ss]ource.*Received"):
        NpySequence(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param([], r"at least one file\. Received: an empty list\. Pass the", id="list"),
        pytest.param("", r"must name a file\. Received: an empty string\. Pass the", id="path"),
        pytest.param([""], r"must name a file\. Received: an empty string\.", id="path-in-list"),
        pytest.param("::x", r"must name a file\. Received: an empty string\.", id="archive"),
    ],
)
def test_constructor_empty_name_is_refused_as_empty(source: Any, message: str) -> None:
    """Not by its type, and not as the working directory."""
    with pytest.raises(ValueError, match=message):
        NpySequence(source)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        pytest.param(
            lambda s: s.sequence().subset(range(10)),
            ["x: uint8 (10, 6, 5), 300 B", "y: int64 (10,)", "a part: 10 of 53 rows", "10 samples"],
            id="subset",
        ),
        pytest.param(
            lambda s: s.sequence().split(0.2)[1],
            ["x: uint8 (11, 6, 5)", "a part: 11 of 53"],
            id="split",
        ),
        pytest.param(
            lambda s: NpySequence({"a": s.x_path}, indices=[3, 1]),
            ["x['a']: uint8 (2, 6, 5)", "a part: 2 of 53 rows"],
            id="indices",
        ),
        # 49 windows of 5 rows would be 7.35 kB.
        pytest.param(
            lambda s: NpySequence(windows(s.x_path, sequence_length=5)),
            ["x: uint8 (49, 5, 6, 5), 1.59 kB"],
            id="windows",
        ),
        pytest.param(
            lambda s: NpySequence([windows(s.x_path, sequence_length=5)] * 2).subset(range(1, 98)),
            ["x: uint8 (97, 5, 6, 5), 3.18 kB", "a part: 97 of 98"],
            id="part-of-windows",
        ),
        pytest.param(
            lambda s: NpySequence(windows(s.x_path, sequence_length=2, sequence_stride=50)),
            ["x: uint8 (2, 2, 6, 5), 120 B"],
            id="few-windows",
        ),
    ],
)
def test_repr_says_what_is_served(stored: Stored, make: Any, expected: list[str]) -> None:
    """The rows of a part, and the bytes of the file of windows that overlap."""
    text = repr(make(stored))
    assert [] == [line for line in expected if line not in text], text


def test_repr_says_rows_shapes_dtypes_batches_and_bytes(stored: Stored) -> None:
    """One look tells what is served."""
    text = repr(NpySequence({"image": stored.x_path}, stored.y_path, batch_size=8, seed=3))
    for part in (
        "x['image']: uint8 (53, 6, 5), 1.59 kB",
        "x.npy",
        "y: int64 (53,), 424 B",
        "53 samples in 7 batches of 8, the last of 5",
        "seed=3",
    ):
        assert part in text


def test_specs_describe_batches(stored: Stored) -> None:
    """Shapes with the batch axis, and dtypes, in the structure of the sources."""
    seq = NpySequence({"a": stored.x_path}, stored.y_path, batch_size=8)
    assert ("uint8", (None, 6, 5)) == (seq.x_spec["a"].dtype, seq.x_spec["a"].shape)
    assert ("int64", (None,)) == (seq.y_spec.dtype, seq.y_spec.shape)
    assert seq.sample_weight_spec is None
    assert (8, 6, 5) == stored.sequence(drop_remainder=True).x_spec.shape


def test_pickle_of_a_large_file_is_small_and_serves_the_same(tmp_path: Path) -> None:
    """Paths are sent, not data; the count of passes stays where it is."""
    np.save(tmp_path / "x.npy", np.arange(1_000_000).reshape(1000, 1000))
    np.save(tmp_path / "y.npy", np.arange(1000))
    seq = NpySequence(tmp_path / "x.npy", tmp_path / "y.npy", shuffle=True, seed=1)
    seq.epoch = 4
    pickled = pickle.dumps(seq)
    assert 4000 > len(pickled)
    again = pickle.loads(pickled)
    assert 0 == again.epoch
    seq.epoch = 0
    for one, other in zip(seq, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


_IN_ANOTHER_PROCESS = """
    import multiprocessing, sys
    import keras_npy

    def serve(seq, queue):
        queue.put(seq[1][1].tolist())

    if __name__ == "__main__":
        seq = keras_npy.NpySequence(sys.argv[1], sys.argv[2], batch_size=8)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=serve, args=(seq, queue))
        process.start()
        print(queue.get(timeout=60))
        process.join(timeout=60)
        assert process.exitcode == 0
"""


def test_sequence_after_fork_serves_the_same(stored: Stored) -> None:
    """A forked process reads the same rows; in a process of its own, since this has threads."""
    printed = run_script(_IN_ANOTHER_PROCESS, stored.x_path, stored.y_path)
    assert str(stored.y[8:16].tolist()) == printed


def _serve(seq: NpySequence, queue: Any) -> None:
    queue.put(seq[1][1].tolist())


def test_sequence_after_spawn_serves_the_same(stored: Stored) -> None:
    """A spawned process gets the paths and reads the same rows."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_serve, args=(stored.sequence(), queue))
    process.start()
    assert stored.y[8:16].tolist() == queue.get(timeout=120)
    process.join(timeout=60)
    assert 0 == process.exitcode


def test_epoch_can_be_set_and_is_checked(stored: Stored) -> None:
    """Setting the epoch repeats or skips orders."""
    seq = NpySequence(np.arange(50), shuffle=True, seed=0)
    first = [int(row) for batch in seq for row in batch]
    seq.epoch = 0
    assert first == [int(row) for batch in seq for row in batch]
    with pytest.raises(ValueError, match=r"epoch must be at least 0.*-1"):
        seq.epoch = -1


def test_getitem_after_the_file_changed_names_it(stored: Stored) -> None:
    """A file written to under a sequence is an error, not other rows."""
    seq = stored.sequence()
    np.save(stored.x_path, stored.x[:20])
    with pytest.raises(
        NpyFileError, match=r"x\.npy: a file must not change.*Received.*another path"
    ):
        seq[0]


def test_sequence_paths_survive_a_change_of_directory(
    stored: Stored, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative paths are resolved when the sequence is built."""
    monkeypatch.chdir(tmp_path)
    seq = NpySequence("x.npy", "y.npy", batch_size=8)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(stored.x[:8], pickle.loads(pickle.dumps(seq))[0][0])


def test_replace_keeps_the_rows_and_what_is_not_named(stored: Stored) -> None:
    """Another batch size over the same open files; an epoch that was set holds."""
    seq = stored.sequence(shuffle="batch").subset(range(10, 53))
    seq.epoch = 4
    other = seq.replace(batch_size=20, drop_remainder=True)
    assert (20, 2, "batch", 3, 4) == (
        other.batch_size,
        other.num_batches,
        other.shuffle,
        other.seed,
        other.epoch,
    )
    rows = np.concatenate([other.replace(shuffle=False)[index][0] for index in range(2)])
    np.testing.assert_array_equal(stored.x[10:50], rows)
    assert (8, 4) == (seq.batch_size, seq.epoch)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"x": 1, "bs": 2}, TypeError, r"replace takes batch_size, .*Received: bs, x\."),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"shuffle": "rows"}, ValueError, "shuffle must be"),
        ({"drop_remainder": 1}, TypeError, "drop_remainder must be True or False"),
        ({"drop_remainder": True, "batch_size": 60}, ValueError, "at least one batch"),
    ],
    ids=str,
)
def test_replace_wrong_argument_is_refused(
    stored: Stored, changes: Any, error: type[Exception], message: str
) -> None:
    """As the constructor refuses it."""
    with pytest.raises(error, match=message):
        stored.sequence().replace(**changes)


def test_x_y_and_weights_are_the_served_rows_in_file_order(stored: Stored) -> None:
    """Of a subset too, in its own order, whatever the order of training."""
    seq = NpySequence(
        {"a": stored.x_path, "b": (stored.y_path, stored.x)},
        stored.y_path,
        stored.weight_path,
        shuffle=True,
    )
    np.testing.assert_array_equal(stored.x[3:9], seq.x["a"][3:9])
    chosen = [50, 3, 3, 7]
    part = seq.subset(chosen)
    np.testing.assert_array_equal(stored.x[chosen], part.x["a"])
    np.testing.assert_array_equal(stored.y[chosen], part.x["b"][0][:])
    np.testing.assert_array_equal(stored.y[[7, 50]], part.y[[3, 0]])
    np.testing.assert_array_equal(stored.weight[chosen], part.sample_weight)
    assert (chosen, range(53)) == (part.indices.tolist(), seq.indices)
    assert 4 * (2 * 30 + 2 * 8 + 4) == part.nbytes
    without = NpySequence(stored.x_path)
    assert (None, None) == (without.y, without.sample_weight)
    assert range(1, 53, 2) == without.subset(slice(1, None, 2)).indices


def test_indices_cannot_be_written_to(stored: Stored) -> None:
    """A sequence and its copies share them, and read their rows unchecked."""
    part = stored.sequence().subset([5, 3])
    with pytest.raises(ValueError, match="read-only"):
        part.indices[0] = 60
    assert [5, 3] == part.indices.tolist()


def test_seed_that_is_drawn_is_the_next_one_that_keras_would_draw() -> None:
    """One number is drawn, so that a layer built after a sequence gets the seed that it got."""
    keras.utils.set_random_seed(7)
    expected = [random.getrandbits(32), random.getrandbits(32)]
    keras.utils.set_random_seed(7)
    assert expected == [NpySequence(np.arange(4)).seed, random.getrandbits(32)]


@pytest.mark.parametrize(
    ("others", "received"),
    [
        ({"workers": 2}, r"workers=2\."),
        ({"workers": 2, "use_multiprocessing": True}, r"workers=2, use_multiprocessing=True\."),
        ({"max_queue_size": 5}, r"max_queue_size=5\."),
    ],
)
def test_sequence_arguments_of_py_dataset_are_refused_with_the_reason(
    others: Any, received: str
) -> None:
    """People give them by habit, wherever a sequence is made; reading ahead is built in."""
    for make in (
        lambda **others: NpySequence(np.arange(4), **others),
        lambda **others: NpySequence.from_directory("none", **others),
        lambda **others: NpySequence.from_class_files("none", **others),
        NpySequence(np.arange(4)).replace,
    ):
        with pytest.raises(TypeError, match=rf"reads ahead.*Received: {received} Leave it out"):
            make(**others)


def test_sequence_unknown_argument_is_refused_by_its_name() -> None:
    """As Python does; with the name that is most like it."""
    others: Any = {"bath_size": 2}
    message = r"unexpected keyword argument 'bath_size'.*bath_size=2.*Did you mean batch_size\?"
    for make in (
        lambda **others: NpySequence(np.arange(4), **others),
        lambda **others: NpySequence.from_directory("none", **others),
        lambda **others: NpySequence.from_class_files("none", **others),
    ):
        with pytest.raises(TypeError, match=message):
            make(**others)
    with pytest.raises(TypeError, match=r"It takes x, y, sample_weight, batch_size, .*process_id"):
        NpySequence(np.arange(4), **{"zzz": 1})


def test_sequence_argument_of_another_method_is_not_taken_for_a_misspelt_one() -> None:
    """num_classes is no class_names."""
    with pytest.raises(TypeError, match=r"num_classes=3\. It takes source, label_mode, class_na"):
        NpySequence.from_class_files("none", **{"num_classes": 3})


def make_four(**others: Any) -> NpySequence:
    return NpySequence(np.arange(4.0).reshape(4, 1), np.arange(4), batch_size=3, **others)


# An argument of something else, what the error advises, and what comes of following it.
ELSEWHERE: dict[str, tuple[str, Callable[[], object], object]] = {
    "validation_split": (
        "seq.split(0.2)",
        lambda: [len(part.x) for part in make_four().split(0.25)],
        [3, 1],
    ),
    "subset": ("seq.subset(indices)", lambda: make_four().subset([2]).y[:].tolist(), [2]),
    "drop_last": ("drop_remainder=True", lambda: len(make_four(drop_remainder=True)), 1),
    "transform": (
        "seq.map(function)",
        lambda: make_four().map(lambda x, y: (x, y + 1))[0][1].tolist(),
        [1, 2, 3],
    ),
    "sequence_length": (
        "keras_npy.windows(path, sequence_length=...)",
        lambda: NpySequence(windows(np.arange(4), sequence_length=3))[0].tolist(),
        [[0, 1, 2], [1, 2, 3]],
    ),
    "length": (
        "keras_npy.samples(paths, length=...)",
        lambda: NpySequence(samples(["a.npy", "b.npy"], length=2))[0].tolist(),
        [[0, 1], [0, 1]],
    ),
    "label_mode": (
        "NpySequence.from_directory",
        lambda: NpySequence.from_directory("d", label_mode="binary")[0][1].tolist(),
        [[0.0], [1.0]],
    ),
    "image_size": (
        "keras.layers.Resizing(height, width)",
        lambda: keras.layers.Resizing(2, 3)(np.zeros((1, 4, 4, 1), "uint8")).shape[1:3],
        (2, 3),
    ),
    "dtype": ("keras_npy.NpyInputLayer()", lambda: NpyInputLayer()(np.uint8([[255]])).shape[1], 1),
    "class_weight": (
        "to fit",
        lambda: make_model().fit(images(), class_weight={0: 2.0}, verbose=0).epoch,
        [0],
    ),
}


def images() -> NpySequence:
    return NpySequence(np.zeros((4, 6, 5), "uint8"), np.zeros(4, "int64"))


@pytest.mark.parametrize("name", ELSEWHERE)
def test_sequence_argument_of_something_else_gets_what_does_it_here(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever follows the advice gets what it was for."""
    remedy, follow, expected = ELSEWHERE[name]
    with pytest.raises(TypeError, match=rf"Received: {name}=0.5.*{re.escape(remedy)}"):
        make_four(**{name: 0.5})
    monkeypatch.chdir(tmp_path)
    for path in ("a.npy", "b.npy", "d/one/a.npy", "d/two/a.npy"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.arange(2 + (path == "b.npy")))
    assert expected == follow()


def test_from_directory_argument_of_the_constructor_goes_to_replace(tmp_path: Path) -> None:
    """A part of each batch, or blocks."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", np.arange(2))
    with pytest.raises(TypeError, match=r"shuffle_block_size=2\. .*seq\.replace\(shuffle_block_s"):
        NpySequence.from_directory(tmp_path, **{"shuffle_block_size": 2})
    seq = NpySequence.from_directory(tmp_path).replace(num_processes=2, process_id=1)
    assert [[0, 1]] == seq[0][0].tolist()
