"""The `tf.data` feed: aliased where rows can be, copied where they cannot, the same rows."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.feeds import batches as plans
from keras_npy.feeds import tensorflow as feed
from keras_npy.feeds.tensorflow_calls import Failures
from keras_npy.order.position import Position
from keras_npy.sequence import batches_of
from tests.processes import run_forked

tf = pytest.importorskip("tensorflow", reason="the feed of the TensorFlow backend")

# Slow layouts are read here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

DTYPES = ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
DTYPES += ["float16", "float32", "float64", "complex64", "complex128"]


def served(seq: NpySequence, shuffle: Any = False) -> list[Any]:
    dataset = NpyDataAdapter(seq, shuffle).get_tf_dataset()
    return [[leaf.numpy() for leaf in tf.nest.flatten(batch)] for batch in dataset]


# A dtype meets each other thing in the same code: it is not crossed with shapes and orders. Nor are
# these with each other: rows are slices or gathered, by their bytes, whatever their shape.
KINDS = [pytest.param(dtype, (33, 5), True, id=dtype) for dtype in DTYPES] + [
    pytest.param("uint8", shape, shuffle, id=f"{shape}-{shuffle}")
    for shape, shuffle in [
        ((7,), True),
        ((40,), False),
        ((33, 5), "batch"),
        ((20, 4, 3, 2), False),
        ((20, 4, 3, 2), True),
    ]
]


@pytest.mark.parametrize(("dtype", "shape", "shuffle"), KINDS)
def test_dataset_aliased_and_copied_rows_are_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, shape: Any, shuffle: Any
) -> None:
    """Whether rows are aliased, gathered, copied by blocks or by batches, batches are the same."""
    rng = np.random.default_rng(0)
    array = (rng.random(shape) * 200).astype(dtype)
    np.save(tmp_path / "x.npy", array)
    seq = NpySequence(tmp_path / "x.npy", np.arange(len(array)), batch_size=4, seed=1)
    aliased = served(seq, shuffle)
    seq.epoch = 0
    monkeypatch.setattr(feed, "GATHERED_BATCH_BYTES_MIN", 0)
    gathered = served(seq, shuffle)
    seq.epoch = 0
    monkeypatch.setattr(feed, "is_aligned", lambda array: False)
    by_blocks = served(seq, shuffle)
    seq.epoch = 0
    monkeypatch.setattr(feed, "PIECE_BYTES", 0)
    by_batches = served(seq, shuffle)
    assert -(-shape[0] // 4) == len(aliased)
    for batch in (aliased, gathered, by_blocks, by_batches):
        for (x, rows), (first_x, first_rows) in zip(batch, aliased, strict=True):
            np.testing.assert_array_equal(array[rows], x)
            np.testing.assert_array_equal(first_x, x)
            np.testing.assert_array_equal(first_rows, rows)


LARGE = (feed.GATHERED_BATCH_BYTES_MIN // 32,)


def unaligned(values: Any) -> Any:
    """The same values in memory that no tensor can lie over."""
    memory = np.empty(len(values) + 16, values.dtype)
    start = next(at for at in range(16) if not feed.is_aligned(memory[at : at + len(values)]))
    memory[start : start + len(values)] = values
    return memory[start : start + len(values)]


@pytest.mark.parametrize("batches_per_epoch", [None, 9], ids=["pass", "endless"])
@pytest.mark.parametrize("labels", ["file", "unaligned"])
def test_dataset_gathers_large_shuffled_batches_in_tensorflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: str, batches_per_epoch: int | None
) -> None:
    """Python reads no row of x; labels that no tensor lies over come with the plan of a block."""
    array = np.random.default_rng(0).integers(0, 256, (70, *LARGE)).astype("uint8")
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "y.npy", np.arange(70))
    y = tmp_path / "y.npy" if labels == "file" else unaligned(np.arange(70))
    seq = NpySequence(tmp_path / "x.npy", y, batch_size=32, seed=0)
    monkeypatch.setattr(plans, "BLOCK_BATCHES_MAX", 2)
    read, planned = [], []
    read_into, block_rows = type(seq.x).read_into, feed._Feed.block_rows

    def noted(rows: Any, indices: Any, out: Any) -> None:
        read.append(out.shape)
        read_into(rows, indices, out)

    def counted(*arguments: Any) -> Any:
        planned.append(arguments)
        return block_rows(*arguments)

    monkeypatch.setattr(type(seq.x), "read_into", noted)
    monkeypatch.setattr(feed._Feed, "block_rows", counted)
    adapter = PlannedAdapter(AdapterPlan(seq, True, batches_per_epoch=batches_per_epoch))
    adapter.on_epoch_begin()
    batches = [(x.numpy(), y.numpy()) for x, y in adapter.get_tf_dataset().take(9)]
    assert [32, 32, 6] * (len(batches) // 3) == [len(x) for x, _ in batches]
    for start in range(0, len(batches), 3):
        epoch = batches[start : start + 3]
        assert list(range(70)) == sorted(np.concatenate([rows for _, rows in epoch]))
    for x, rows in batches:
        np.testing.assert_array_equal(array[rows], x)
    # Of labels alone, by two batches at once: `(n,)`.
    assert (labels == "unaligned") == bool(read)
    assert all(len(shape) == 1 for shape in read)
    assert len(planned) < len(batches) or batches_per_epoch


@pytest.mark.parametrize(
    ("why", "shape"),
    [
        pytest.param("map", LARGE, id="map"),
        pytest.param("small", (LARGE[0] - 1,), id="small"),
        pytest.param("bool", LARGE, id="bool"),
        pytest.param("both large", LARGE, id="large-and-unaligned-beside"),
    ],
)
def test_dataset_gathers_other_batches_in_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, shape: Any
) -> None:
    """A map needs them there, small ones take longer otherwise, and for some there is no tensor."""
    array = np.random.default_rng(0).integers(0, 2, (70, *shape)).astype("uint8")
    np.save(tmp_path / "x.npy", array.view("bool") if why == "bool" else array)
    y: Any = np.empty((70, 1 << 16), "uint8").T.copy().T if why == "both large" else None
    seq = NpySequence(tmp_path / "x.npy", y, batch_size=32, seed=0)
    if why == "map":
        seq = seq.map(lambda x: x)
    asked = []
    gather = tf.gather
    monkeypatch.setattr(tf, "gather", lambda *a, **k: asked.append(a) or gather(*a, **k))
    batches = served(seq, shuffle=True)
    assert [] == asked
    rows = np.concatenate([batch[0] for batch in batches])
    assert sorted(map(bytes, array)) == sorted(map(bytes, rows.view("uint8")))


def test_dataset_in_file_order_slices_batches_that_span_files_of_whole_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of one file: no row of x is copied by us."""
    rows = np.arange(33 * 2048, dtype="uint16").reshape(33, 2048)
    for number, part in enumerate(np.split(rows, [5, 7, 20])):
        np.save(tmp_path / f"x-{number}.npy", part)
    seq = NpySequence(tmp_path / "x-*.npy", np.arange(33), batch_size=4)
    monkeypatch.setattr(type(seq.x), "read_into", None)
    batches = served(seq)
    np.testing.assert_array_equal(rows, np.concatenate([x for x, _ in batches]))
    np.testing.assert_array_equal(np.arange(33), np.concatenate([y for _, y in batches]))


@pytest.mark.parametrize("batches_per_epoch", [None, 75], ids=["pass", "endless"])
def test_dataset_in_file_order_slices_and_copies_rows_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches_per_epoch: int | None
) -> None:
    """A block is read in pieces, some across two blocks, with one source sliced and one copied."""
    array = np.arange(400 * 16).reshape(400, 16)
    np.save(tmp_path / "x.npy", array.astype(">i8"))
    np.save(tmp_path / "y.npy", np.arange(400))
    seq = NpySequence(tmp_path / "x.npy", tmp_path / "y.npy", batch_size=8)
    monkeypatch.setattr(feed, "PIECE_BYTES", 3 * 8 * 16 * 8)
    monkeypatch.setattr(plans, "BLOCK_BATCHES_MAX", 7)
    planned = []
    block_rows = feed._Feed.block_rows

    def noted(*arguments: Any) -> Any:
        planned.append(arguments)
        return block_rows(*arguments)

    monkeypatch.setattr(feed._Feed, "block_rows", noted)
    adapter = PlannedAdapter(AdapterPlan(seq, batches_per_epoch=batches_per_epoch))
    adapter.on_epoch_begin()
    batches = list(adapter.get_tf_dataset().take(75))
    assert (50 if batches_per_epoch is None else 75) == len(batches)
    for number, (x, rows) in enumerate(batches):
        expected = np.arange(8) + number % 50 * 8
        np.testing.assert_array_equal(expected, rows)
        np.testing.assert_array_equal(array[expected], x)
    if batches_per_epoch is None:
        # 50 batches by sevens, and not by threes.
        assert 8 == len(planned)


@pytest.mark.parametrize(
    "stored_as",
    [
        pytest.param(lambda a: np.asfortranarray(a), id="fortran"),
        pytest.param(lambda a: a.astype(">i4"), id="big-endian"),
        pytest.param(lambda a: a, id="plain"),
    ],
)
def test_dataset_any_layout_serves_the_rows_of_np_load(tmp_path: Path, stored_as: Any) -> None:
    """Layouts that cannot be aliased are copied, to the same values."""
    array = np.arange(50 * 3 * 4, dtype="int32").reshape(50, 3, 4)
    np.save(tmp_path / "x.npy", stored_as(array))
    batches = served(NpySequence(tmp_path / "x.npy", np.arange(50), batch_size=8, seed=0), True)
    rows = np.concatenate([rows for _, rows in batches])
    np.testing.assert_array_equal(np.arange(50), np.sort(rows))
    np.testing.assert_array_equal(array[rows], np.concatenate([x for x, _ in batches]))


@pytest.mark.parametrize("offset", [80, 82, 128])
def test_dataset_data_at_any_offset_is_served_not_aborted(tmp_path: Path, offset: int) -> None:
    """Data that is not 64-byte aligned would abort TensorFlow; it is copied instead."""
    array = np.arange(30 * 16, dtype="float32").reshape(30, 16)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (30, 16), }"
    padded = header.ljust(offset - 11) + b"\n"
    path = tmp_path / "x.npy"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + array.tobytes()
    )
    script = """
        import sys
        import numpy as np
        from keras_npy import NpyDataAdapter, NpySequence
        seq = NpySequence(sys.argv[1], batch_size=8)
        batches = [x.numpy() for (x,) in NpyDataAdapter(seq).get_tf_dataset()]
        np.testing.assert_array_equal(np.load(sys.argv[1]), np.concatenate(batches))
        print("served")
    """
    assert "served" == run_forked(script, path)


def test_dataset_full_batches_have_a_static_shape(tmp_path: Path) -> None:
    """The batch axis is known where every batch is full, and None where the last is short."""
    np.save(tmp_path / "x.npy", np.zeros((20, 3)))
    for arguments, expected in (
        ({"batch_size": 8}, [None, 3]),
        ({"batch_size": 8, "drop_remainder": True}, [8, 3]),
        ({"batch_size": 10}, [10, 3]),
    ):
        dataset = NpyDataAdapter(NpySequence(tmp_path / "x.npy", **arguments)).get_tf_dataset()
        assert expected == dataset.element_spec[0].shape.as_list()


@pytest.mark.parametrize("start", [0, 2, 3])
def test_dataset_serves_the_batches_from_its_position_on(start: int) -> None:
    """None from the end of a pass on, instead of batches of no rows without an end."""
    batches = dataclasses.replace(
        batches_of(NpySequence(np.arange(20), batch_size=8), shuffle=True),
        position=lambda: Position(0, start),
    )
    dataset = feed.make_dataset(batches, Failures())
    expected = [batches.order.rows(0, batch, batch + 1).tolist() for batch in range(start, 3)]
    assert expected == [x.numpy().tolist() for (x,) in dataset.take(9)]


def test_dataset_endless_passes_keep_their_short_batch(tmp_path: Path) -> None:
    """Pass follows pass; the short last batch of one is not filled up from the next."""
    seq = NpySequence(np.arange(10), batch_size=4, shuffle=True, seed=0)
    adapter = PlannedAdapter(AdapterPlan(seq, shuffle=True, batches_per_epoch=100))
    adapter.on_epoch_begin()
    dataset = adapter.get_tf_dataset()
    batches = [batch.numpy() for (batch,) in dataset.take(6)]
    assert [4, 4, 2, 4, 4, 2] == [len(batch) for batch in batches]
    for half in (batches[:3], batches[3:]):
        assert list(range(10)) == sorted(np.concatenate(half))


def address(tensor: Any) -> int:
    """Where a tensor on the CPU has its values."""
    return int(np.asarray(memoryview(tensor)).ctypes.data)


@pytest.mark.parametrize("row_shape", [(28, 28), (64,), (5, 5, 64)], ids=str)
def test_dataset_in_file_order_is_the_mapping_itself(tmp_path: Path, row_shape: Any) -> None:
    """Batches that start aligned are no copies, whether or not each row starts aligned."""
    array = np.random.default_rng(0).integers(0, 256, (1000, *row_shape)).astype("uint8")
    np.save(tmp_path / "x.npy", array)
    seq = NpySequence(tmp_path / "x.npy", batch_size=32)
    adapter, mapped = NpyDataAdapter(seq), seq.x.alias()
    assert mapped is not None
    batches = [x for (x,) in adapter.get_tf_dataset()]
    np.testing.assert_array_equal(array, np.concatenate(batches))
    batch_bytes = 32 * array[0].nbytes
    expected = [mapped.ctypes.data + index * batch_bytes for index in range(31)]
    # The last is short: where it ends may be no multiple of 64.
    assert expected == [address(x) for x in batches[:-1]]


@pytest.mark.parametrize("piece_bytes", [0, 1 << 20], ids=["by-batches", "by-blocks"])
def test_dataset_batch_kept_by_the_user_never_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece_bytes: int
) -> None:
    """Memory is recycled only after the last tensor over it is gone."""
    array = np.arange(400 * 16, dtype=">i8").reshape(400, 16)
    np.save(tmp_path / "x.npy", array)
    monkeypatch.setattr(feed, "PIECE_BYTES", piece_bytes)
    lent: list[tuple[int, int]] = []
    lend = feed.BufferPool.lend

    def noted(pool: Any, shape: Any, dtype: Any) -> Any:
        lent_array = lend(pool, shape, dtype)
        lent.append((lent_array.ctypes.data, lent_array.nbytes))
        return lent_array

    monkeypatch.setattr(feed.BufferPool, "lend", noted)
    seq = NpySequence(tmp_path / "x.npy", np.arange(400), batch_size=8, seed=0)
    dataset = NpyDataAdapter(seq, shuffle=True).get_tf_dataset()
    kept = [(x, rows) for x, rows in dataset] + [(x[2:5], rows[2:5]) for x, rows in dataset]
    for _ in range(3):
        for _batch in dataset:
            pass
    # Else the test would prove nothing: TensorFlow copied, or memory never came again.
    assert all(
        any(start <= address(x) < start + nbytes for start, nbytes in lent) for x, _ in kept[:50]
    )
    assert len(set(lent)) < len(lent)
    for x, rows in kept:
        np.testing.assert_array_equal(array[rows.numpy()], x.numpy())


def test_dataset_of_784_gb_starts_at_once(tmp_path: Path) -> None:
    """A file of 1e9 rows, larger than any RAM here, is served from any place without copying."""
    path = tmp_path / "x.npy"
    rows, row_bytes = 10**9, 784
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({rows}, 28, 28), }}"
    with open(path, "wb") as file:
        padded = header.encode().ljust(117) + b"\n"
        file.write(b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded)
        try:
            file.truncate(128 + rows * row_bytes)
        except OSError:
            pytest.skip("this file system holds no sparse file of 784 GB")
    script = """
        import sys
        import numpy as np, tensorflow as tf
        from keras_npy import NpyDataAdapter, NpySequence
        from keras_npy.tools.demo.run import anonymous_bytes
        tf.zeros(1)
        before = anonymous_bytes()
        seq = NpySequence(sys.argv[1], batch_size=32, seed=0)
        for shuffle in (True, False):
            for (x,) in NpyDataAdapter(seq, shuffle=shuffle).get_tf_dataset().take(3):
                assert x.shape == (32, 28, 28) and not x.numpy().any()
        print((anonymous_bytes() - before) // 2**20)
    """
    assert 64 > int(run_forked(script, path))


@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "file-order"])
def test_dataset_under_mirrored_strategy_holds_no_copy(tmp_path: Path, shuffle: bool) -> None:
    """Two replicas train to the weights of one, and no copy of the file is made."""
    array = np.random.default_rng(0).random((40_000, 1000)).astype("float32")
    np.save(tmp_path / "x.npy", array)
    np.save(tmp_path / "y.npy", array[:, 0])
    script = """
        import sys
        import numpy as np, tensorflow as tf, keras, keras_npy
        from keras_npy.tools.demo.run import anonymous_bytes
        cpu = tf.config.list_physical_devices("CPU")[0]
        two_devices = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two_devices)
        folder, shuffle = sys.argv[1], sys.argv[2] == "True"

        def train(strategy):
            keras.utils.set_random_seed(0)
            with strategy.scope():
                model = keras.Sequential([keras.Input((1000,)), keras.layers.Dense(1)])
                model.compile("sgd", "mse")
            seq = keras_npy.NpySequence(
                f"{folder}/x.npy", f"{folder}/y.npy", batch_size=1000, seed=0
            )
            before = anonymous_bytes()
            model.fit(seq, epochs=2, verbose=0, shuffle=shuffle)
            assert seq.epoch == 2 * shuffle, seq.epoch
            return model.get_weights(), (anonymous_bytes() - before) // 2**20

        one, _ = train(tf.distribute.OneDeviceStrategy("CPU:0"))
        two, grown = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
        for a, b in zip(one, two):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        print(grown)
    """
    # The file is 153 MiB; a graph that is serialised would hold it at least once.
    assert 100 > int(run_forked(script, tmp_path, shuffle))


def test_dataset_under_mirrored_strategy_counts_passes_that_trained(tmp_path: Path) -> None:
    """The strategy takes eight batches of one step each ahead: none of them counts."""
    script = """
        import numpy as np, tensorflow as tf, keras, keras_npy
        cpu = tf.config.list_physical_devices("CPU")[0]
        two_devices = [tf.config.LogicalDeviceConfiguration()] * 2
        tf.config.set_logical_device_configuration(cpu, two_devices)
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
        counts = []
        for num_batches in (1, 2, 7):
            x = np.zeros((8 * num_batches, 1), "float32")
            seq = keras_npy.NpySequence(x, x, batch_size=8, seed=0)
            model.fit(seq, epochs=3, steps_per_epoch=1, verbose=0)
            counts.append(seq.epoch)
        print(counts)
    """
    assert "[3, 2, 1]" == run_forked(script, tmp_path).strip()
