"""`adapt` takes the statistics of any data."""

import collections
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyInputLayer, NpySequence, open_rows
from keras_npy.files import shards
from keras_npy.layer import adapt

VALUES = np.random.default_rng(3).integers(0, 200, (37, 4, 3)).astype("uint8")


class Batches(keras.utils.PyDataset):
    """Someone's own PyDataset of x and y."""

    num_batches = 4

    def __getitem__(self, index: int) -> Any:
        return np.array_split(VALUES, 4)[index], np.zeros(3)


class EndlessBatches(Batches):
    """The same, for ever."""

    num_batches = None


def tf_dataset(values: np.ndarray) -> Any:
    """A batched tf.data.Dataset of x and y."""
    tf = pytest.importorskip("tensorflow", reason="tf.data is TensorFlow's")
    return tf.data.Dataset.from_tensor_slices((values, np.zeros(len(values)))).batch(10)


def save(path: Path, values: np.ndarray) -> Path:
    """A file of the values."""
    np.save(path, values)
    return path


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda folder: save(folder / "x.npy", VALUES),
    "text-path": lambda folder: str(save(folder / "x.npy", VALUES)),
    "big-endian-file": lambda folder: save(folder / "x.npy", VALUES.astype(">i4")),
    "fortran-file": lambda folder: save(folder / "x.npy", np.asfortranarray(VALUES)),
    "list-of-paths": lambda folder: [
        save(folder / "b.npy", VALUES[:30]),
        str(save(folder / "a.npy", VALUES[30:])),
    ],
    "list-of-one-path": lambda folder: [str(save(folder / "x.npy", VALUES))],
    "pattern": lambda folder: (
        [save(folder / f"{i}.npy", VALUES[i::2]) for i in (0, 1)] and str(folder / "*.npy")
    ),
    "array": lambda folder: VALUES,
    "tensor": lambda folder: keras.ops.convert_to_tensor(VALUES),
    "sequence": lambda folder: NpySequence(VALUES, np.zeros(37), batch_size=8, shuffle=True),
    "dropping-sequence": lambda folder: NpySequence(VALUES, batch_size=8, drop_remainder=True),
    "tf-dataset": lambda folder: tf_dataset(VALUES),
    "py-dataset": lambda folder: Batches(),
    "list-of-path-and-rows": lambda folder: [
        save(folder / "x-0.npy", VALUES[:20]),
        open_rows(save(folder / "x-1.npy", VALUES[20:])),
    ],
    "list-of-batches": lambda folder: np.array_split(VALUES, 5),
    "list-of-tuples": lambda folder: [(VALUES[:9], np.zeros(9)), (VALUES[9:], np.zeros(28))],
    "generator": lambda folder: (batch for batch in np.array_split(VALUES, 5)),
    "tensors": lambda folder: map(keras.ops.convert_to_tensor, np.array_split(VALUES, 5)),
}


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize("axis", [-1, None, (1, 2)])
def test_adapt_any_source_equals_normalization(kind: str, axis: Any, tmp_path: Path) -> None:
    """The same mean and variance, and the same output."""
    normalization = keras.layers.Normalization(axis=axis)
    normalization.adapt(VALUES.astype("float32"))
    layer = NpyInputLayer(scale=1, axis=axis)
    layer.adapt(SOURCES[kind](tmp_path))
    for name in ("mean", "variance"):
        expected = keras.ops.convert_to_numpy(getattr(normalization, name))
        np.testing.assert_allclose(expected.ravel(), np.ravel(getattr(layer, name)), rtol=1e-6)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(normalization(VALUES.astype("float32"))),
        keras.ops.convert_to_numpy(layer(VALUES)),
        rtol=1e-5,
        atol=1e-5,
    )


def test_adapt_takes_statistics_of_scaled_values() -> None:
    """As Rescaling followed by Normalization; the output does not depend on the scale."""
    scaled = NpyInputLayer(scale=[1 / 255, 1 / 100, 3], offset=[-1, 0, 1])
    scaled.adapt(VALUES)
    rescaled = VALUES * np.array([1 / 255, 1 / 100, 3]) + [-1, 0, 1]
    np.testing.assert_allclose(rescaled.mean(axis=(0, 1)), scaled.mean, rtol=1e-12)
    np.testing.assert_allclose(rescaled.var(axis=(0, 1)), scaled.variance, rtol=1e-12)
    plain = NpyInputLayer(scale=1)
    plain.adapt(VALUES)
    outputs = [keras.ops.convert_to_numpy(layer(VALUES)) for layer in (scaled, plain)]
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(0, outputs[0].mean(axis=(0, 1)), atol=1e-6)
    np.testing.assert_allclose(1, outputs[0].var(axis=(0, 1)), rtol=1e-5)


@pytest.mark.parametrize("start", [0, 100_000, 100_000_000])
def test_adapt_standardises_as_far_as_float32_tells_values_apart(start: int) -> None:
    """The statistics hold all digits; the output misses 0 and 1 by the step of float32 at most."""
    values = start + np.arange(100, dtype="int32")[:, None]
    layer = NpyInputLayer(scale=1)
    layer.adapt(values)
    assert values.mean() == layer.mean[0]
    np.testing.assert_allclose(values.var(), layer.variance[0], rtol=1e-12)
    output = keras.ops.convert_to_numpy(layer(values)).astype("float64")
    step = np.spacing(np.float32(start + 100)) / values.std() + 1e-6
    assert abs(output.mean()) <= step
    assert abs(output.var() - 1) <= 3 * step
    assert (start == 100_000_000) == (abs(output.var() - 1) > 1e-3 or abs(output.mean()) > 1e-3)


def test_adapt_counts_channels_where_the_output_has_them() -> None:
    """Flat rows, channels first in the file, channels last in the model."""
    layer = NpyInputLayer(
        scale=1,
        sample_shape=(3, 2, 2),
        stored_format="channels_first",
        data_format="channels_last",
    )
    rows = VALUES.reshape(37, 12)
    layer.adapt(rows)
    expected = rows.reshape(37, 3, 4).mean(axis=(0, 2))
    np.testing.assert_allclose(expected, layer.mean, rtol=1e-12)


def test_adapt_sequence_reads_its_own_rows_and_counts_no_pass() -> None:
    """indices= holds, and the next epoch is the one it was."""
    seq = NpySequence(VALUES, indices=slice(5, 17), batch_size=5, shuffle=True, seed=1)
    layer = NpyInputLayer(scale=1)
    layer.adapt(seq)
    np.testing.assert_allclose(VALUES[5:17].mean(axis=(0, 1)), layer.mean, rtol=1e-12)
    assert 0 == seq.epoch


def test_adapt_batches_of_other_sizes_have_one_mean() -> None:
    """Images of any size, of which only the number of axes is the same."""
    images = [VALUES[:5, :2], VALUES[5:, 1:]]
    layer = NpyInputLayer(scale=1)
    layer.adapt(images)
    flat = np.concatenate([image.reshape(-1, 3) for image in images])
    np.testing.assert_allclose(flat.mean(axis=0), layer.mean, rtol=1e-12)


def test_adapt_again_replaces_the_statistics() -> None:
    """Those given, and those of an earlier adapt."""
    layer = NpyInputLayer(scale=1, mean=5, variance=6, axis=None)
    for values in (VALUES, VALUES[:9]):
        layer.adapt(values)
        np.testing.assert_allclose(values.mean(), layer.mean, rtol=1e-12)


def test_adapt_does_not_depend_on_the_size_of_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block smaller than a row is a row."""
    expected = NpyInputLayer(scale=1)
    expected.adapt(VALUES)
    for block_bytes in (1, 12, 100):
        monkeypatch.setattr(adapt, "BLOCK_BYTES_MAX", block_bytes)
        layer = NpyInputLayer(scale=1)
        layer.adapt(VALUES)
        np.testing.assert_allclose(expected.mean, layer.mean, rtol=1e-13)
        np.testing.assert_allclose(expected.variance, layer.variance, rtol=1e-13)


def test_adapt_holds_a_few_blocks_of_a_long_file(tmp_path: Path) -> None:
    """64 MiB of uint8, half a GiB as float64, in less than 20 MiB."""
    import tracemalloc

    path = tmp_path / "x.npy"
    np.lib.format.open_memmap(path, "w+", "uint8", (1 << 12, 128, 128)).flush()
    layer = NpyInputLayer(axis=None)
    tracemalloc.start()
    try:
        layer.adapt(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20 << 20
    assert (0, 0) == (layer.mean, layer.variance)


def test_adapt_looks_at_the_shards_of_its_blocks_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 shards in 20 blocks are looked at once for each block that they are prepared for."""
    for number in range(200):
        np.save(tmp_path / f"x-{number}.npy", np.full((4, 2), number, "float32"))
    monkeypatch.setattr(adapt, "BLOCK_ROWS_MAX", 40)
    # Each look counts, of those that come within a second too.
    monkeypatch.setattr(shards, "CHECK_AGAIN_S", -1)
    rows, stat = open_rows(tmp_path / "x-*.npy"), os.stat
    looked: collections.Counter[str] = collections.Counter()

    def counting_stat(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        looked[os.fspath(path)] += str(path).startswith(str(tmp_path))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", counting_stat)
    layer = NpyInputLayer(scale=1, axis=-1)
    layer.adapt(rows)
    # Its block, the one before, and where it is mapped.
    assert 200 * 2 <= looked.total() <= 200 * 3


@pytest.mark.parametrize(
    ("is_terminal", "bytes_min", "is_shown"),
    [
        pytest.param(True, 1, True, id="long"),
        pytest.param(True, 1 << 30, False, id="short"),
        pytest.param(False, 1, False, id="no-terminal"),
    ],
)
def test_adapt_shows_progress_of_long_files_in_a_terminal(
    is_terminal: bool,
    bytes_min: int,
    is_shown: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And prints nothing else, to stderr or stdout."""
    from rich.console import Console

    monkeypatch.setattr(adapt, "PROGRESS_BYTES_MIN", bytes_min)
    monkeypatch.setattr(
        adapt, "Console", lambda stderr: Console(stderr=stderr, force_terminal=is_terminal)
    )
    NpyInputLayer().adapt(VALUES)
    printed = capsys.readouterr()
    assert "" == printed.out
    assert is_shown == ("Reading for adapt" in printed.err)
    assert is_shown or "" == printed.err


@pytest.mark.parametrize(
    ("arguments", "data", "error", "message"),
    [
        pytest.param({}, 5, TypeError, r"adapt takes.*Received: int", id="number"),
        pytest.param({}, {"a": VALUES}, TypeError, r"adapt takes.*Received: dict", id="dict"),
        pytest.param({}, [], ValueError, r"at least one row", id="no-batches"),
        pytest.param(
            {},
            (VALUES, VALUES[..., 0]),
            TypeError,
            r"one input, and a tuple means x and y.*a tuple of 2 items.*Pass x alone",
            id="tuple-of-x-and-y",
        ),
        pytest.param({}, ("a.npy", "b.npy"), TypeError, r"tuple.*list.*paths", id="tuple-of-paths"),
        pytest.param(
            {}, ["a.npy", 1.0], TypeError, r"source must be.*list with float", id="path-and-float"
        ),
        pytest.param({}, [1.0, 2.0], TypeError, r"must be an array.*float.*np\.asarray", id="list"),
        pytest.param({}, [{"a": VALUES}], TypeError, r"must be an array.*dict", id="dict-batches"),
        pytest.param({}, [np.float32(3)], TypeError, r"axis 0 counting.*\(\)", id="unbatched"),
        pytest.param({}, [np.array(["a"])], TypeError, r"real numbers.*<U1", id="text"),
        pytest.param(
            {"axis": None},
            [VALUES, VALUES[:, 0, 0]],
            ValueError,
            r"x alone.*\(37,\) behind batches of 3 axes.*adapt\(x\)",
            id="list-of-x-and-y",
        ),
        pytest.param(
            {},
            [VALUES, VALUES[:, 0, 0]],
            ValueError,
            r"x alone.*\(37,\) behind batches of 3 axes.*adapt\(x\)",
            id="list-of-x-and-y-with-channels",
        ),
        pytest.param(
            {"axis": None},
            iter([VALUES[..., 0], VALUES]),
            ValueError,
            r"x alone.*\(37, 4, 3\) behind batches of 2 axes.*not a list \[x, y\]",
            id="iterator-of-other-ranks",
        ),
        pytest.param({}, np.ones(9), ValueError, r"batch axis counts.*axis=None", id="scalars"),
        pytest.param({}, EndlessBatches(), ValueError, r"up to its end.*num_batches", id="endless"),
        pytest.param(
            {}, NpySequence((VALUES, VALUES)), TypeError, r"one input.*2 inputs", id="two-inputs"
        ),
        pytest.param({"sample_shape": (5,)}, VALUES, ValueError, r"5 values.*12 values", id="size"),
        pytest.param({"axis": 3}, VALUES, ValueError, r"axis=3 for values with 3 axes", id="axis"),
        pytest.param(
            {"stored_format": "no_channels", "data_format": "channels_first"},
            VALUES,
            ValueError,
            r"holds no channels.*Pass axis=1",
            id="last-axis-of-channels-first",
        ),
        pytest.param({"scale": [1, 2]}, VALUES, ValueError, r"\(3,\)", id="scale-does-not-fit"),
    ],
)
def test_adapt_wrong_data_is_refused(
    arguments: dict[str, Any], data: Any, error: Any, message: str
) -> None:
    """And the layer keeps what it had."""
    layer = NpyInputLayer(**arguments)
    with pytest.raises(error, match=message):
        layer.adapt(data)
    assert layer.mean is None


COMPLEX = VALUES.astype("complex64") * (1 + 2j)


class ComplexBatches(Batches):
    """A PyDataset of complex x."""

    def __getitem__(self, index: int) -> Any:
        return COMPLEX[index::4], np.zeros(3)


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        ("path", r"x\.npy"),
        ("list-of-paths", r"x\.npy"),
        ("array", "array"),
        ("tensor", "array"),
        ("sequence", r"x\.npy"),
        ("list-of-batches", "a batch"),
        ("generator", "a batch"),
        ("tensors", "a batch"),
        ("tuples", "a batch"),
        ("tf-dataset", "a batch"),
        ("py-dataset", "a batch"),
    ],
)
def test_adapt_complex_data_is_refused(kind: str, named: str, tmp_path: Path) -> None:
    """By name and with the same remedy, before the imaginary part is lost."""
    path = save(tmp_path / "x.npy", COMPLEX)
    data: Any = {
        "path": lambda: path,
        "list-of-paths": lambda: [path, path],
        "array": lambda: COMPLEX,
        "tensor": lambda: keras.ops.convert_to_tensor(COMPLEX),
        "sequence": lambda: NpySequence(path),
        "list-of-batches": lambda: [COMPLEX],
        "generator": lambda: (batch for batch in [COMPLEX]),
        "tensors": lambda: map(keras.ops.convert_to_tensor, [COMPLEX]),
        "tuples": lambda: [(COMPLEX, np.zeros(37))],
        "tf-dataset": lambda: tf_dataset(COMPLEX),
        "py-dataset": ComplexBatches,
    }[kind]()
    layer = NpyInputLayer()
    with pytest.raises(TypeError, match=rf"real values.*Received: .*{named}.* of complex64.*stack"):
        layer.adapt(data)
    assert layer.mean is None


def test_adapt_endless_tf_dataset_is_refused() -> None:
    """It would never return."""
    with pytest.raises(ValueError, match=r"up to its end.*repeats for ever.*take\(1000\)"):
        NpyInputLayer().adapt(tf_dataset(VALUES).repeat())


def test_adapt_missing_file_raises_the_systems_error(tmp_path: Path) -> None:
    """It names the path."""
    with pytest.raises(FileNotFoundError, match=r"none\.npy"):
        NpyInputLayer().adapt(tmp_path / "none.npy")
