"""Rows that are kept in memory or on the device: the batches of the files, without the files."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpySequence
from keras_npy.boundary.adapter import AdapterPlan, PlannedAdapter
from keras_npy.feeds import dispatches, jax_cache, torch_cache
from keras_npy.order.slots import Slots
from keras_npy.rows import cached
from keras_npy.sequence import batches_of
from tests.conftest import BACKEND, Stored, assert_same_weights, make_model, only_on

# Rows in memory are the same for each backend, and TensorFlow has nothing else.
CACHES = ["ram"] if BACKEND == "tensorflow" else ["device"]
on_device = only_on("jax", "torch", reason="tf.data gathers nothing on a device")


def served(seq: NpySequence, **plan: Any) -> list[np.ndarray]:
    """The arrays of three passes, or of 30 batches if they are endless, as the backend has them."""
    adapter = PlannedAdapter(AdapterPlan(seq, **plan))
    passes = 1 if adapter.num_batches is None else 3
    found: list[np.ndarray] = []
    for _ in range(passes):
        batches: Any = {
            "jax": adapter.get_jax_iterator,
            "torch": adapter.get_torch_dataloader,
            "tensorflow": adapter.get_tf_dataset,
        }[BACKEND]()
        for _, batch in zip(range(30), batches, strict=False):
            leaves = [leaf for leaf in keras.tree.flatten(batch) if leaf is not None]
            found += [_as_trained(leaf) for leaf in leaves]
    return found


def _as_trained(leaf: Any) -> np.ndarray:
    """What the model gets: JAX holds 64 bits in 32."""
    if BACKEND == "jax":
        import jax

        leaf = jax.device_put(leaf)
    return np.array(keras.ops.convert_to_numpy(leaf))


Build = Callable[[Stored, Any], NpySequence]
BUILDS: dict[str, tuple[Build, dict[str, Any]]] = {
    "shuffled": (lambda s, c: s.sequence(cache=c), {"shuffle": True}),
    "in-order": (lambda s, c: s.sequence(cache=c), {}),
    "shuffled-batches": (lambda s, c: s.sequence(cache=c), {"shuffle": "batch"}),
    "endless": (lambda s, c: s.sequence(cache=c), {"shuffle": True, "batches_per_epoch": 5}),
    "only-x": (lambda s, c: s.sequence(cache=c), {"only_x": True}),
    "class-weight": (
        lambda s, c: s.sequence(cache=c),
        {"shuffle": True, "class_weight": {0: 0.5, 1: 2.0, 2: 3.0}},
    ),
    "range": (lambda s, c: s.sequence(cache=c, indices=slice(40, 3, -2)), {"shuffle": True}),
    "indices": (lambda s, c: s.sequence(cache=c, indices=[9, 3, 3, 50, 9]), {"shuffle": True}),
    "subset": (lambda s, c: s.sequence(cache=c).subset(slice(3, 50, 3)), {"shuffle": True}),
    "split": (lambda s, c: s.sequence(cache=c).split(0.4)[1], {"shuffle": True}),
    "replace": (
        lambda s, c: s.sequence(cache=c).replace(batch_size=5, drop_remainder=True),
        {"shuffle": True},
    ),
    "nests": (
        lambda s, c: NpySequence(
            {"a": s.x_path, "b": (s.weight_path, None)}, s.y, s.weight_path, batch_size=8, cache=c
        ),
        {},
    ),
    "shards": (
        lambda s, c: NpySequence([s.x_path, s.x_path], batch_size=8, seed=0, cache=c),
        {"shuffle": True},
    ),
}


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize("build", BUILDS)
def test_cache_serves_what_the_files_serve(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, cache: Any, build: str
) -> None:
    """The same arrays in the same order, whatever the sequence does with its rows."""
    monkeypatch.setattr(dispatches, "GATHERED_BATCHES_MAX", 4)
    monkeypatch.setattr(cached, "BLOCK_BYTES", 200)
    make, plan = BUILDS[build]
    expected = served(make(stored, None), **plan)
    got = served(make(stored, cache), **plan)
    assert expected
    for one, other in zip(expected, got, strict=True):
        np.testing.assert_array_equal(one, other, strict=True)


@pytest.mark.parametrize("cache", CACHES)
@pytest.mark.parametrize(
    "dtype",
    [
        *("bool", "int8", "uint16", "uint32", "int64", "bfloat16", "float64", ">u2", ">f4"),
        "complex64",
    ],
)
# JAX's, of 64 bits.
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype")
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
def test_cache_keeps_every_bit(cache: Any, dtype: str, tmp_path: Path) -> None:
    """Of each dtype."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    kind = np.dtype(getattr(ml_dtypes, dtype, dtype))
    rng = np.random.default_rng(0)
    if kind.kind in "fcV":
        values = (rng.normal(size=(20, 3)) * 1000).astype(kind)
    else:
        values = rng.integers(0, 256, (20, 24), "uint8").view(kind)
    if dtype == "bool":
        values = rng.integers(0, 2, (20, 3)).astype(bool)
    if kind.name == "bfloat16":
        source: Any = values
    else:
        source = tmp_path / "x.npy"
        np.save(source, values)
    expected = served(NpySequence(source, batch_size=8))
    got = served(NpySequence(source, batch_size=8, cache=cache))
    for one, other in zip(expected, got, strict=True):
        assert one.dtype == other.dtype
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("cache", CACHES)
def test_fit_from_a_cache_gives_the_weights_of_the_files(stored: Stored, cache: Any) -> None:
    """Bit for bit, with validation on the other rows; the parts share what is kept."""
    histories, models = [], []
    for where in (None, cache):
        train, validation = stored.sequence(cache=where).split(0.3)
        model = make_model()
        history = model.fit(train, validation_data=validation, epochs=3, verbose=0)
        histories.append(history.history)
        models.append(model)
    assert_same_weights(*models)
    assert histories[0] == histories[1]


def test_cache_ram_reads_each_row_once_and_in_file_order(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the sequence is built; later the file may even be gone."""
    from keras_npy.rows.stored import StoredRows

    read: list[int] = []
    read_into = StoredRows.read_into

    def watched(self: StoredRows, indices: Any, out: Any) -> None:
        read.extend(indices.tolist())
        read_into(self, indices, out)

    monkeypatch.setattr(cached, "BLOCK_BYTES", 100)
    monkeypatch.setattr(StoredRows, "read_into", watched)
    seq = NpySequence(stored.x_path, batch_size=8, indices=[7, 50, 3, 7], cache="ram")
    assert [3, 7, 50] == read
    stored.x_path.unlink()
    np.testing.assert_array_equal(stored.x[[7, 50, 3, 7]], seq[0])
    assert [3, 7, 50] == read


@pytest.mark.parametrize("cache", CACHES)
def test_cache_is_not_pickled(stored: Stored, cache: Any) -> None:
    """A copy in another process is small, and serves the same rows."""
    seq = stored.sequence(cache=cache)
    served(seq)
    text = pickle.dumps(seq)
    assert len(text) < 5000
    np.testing.assert_array_equal(seq[3][0], pickle.loads(text)[3][0])


@pytest.mark.parametrize("indices", [None, range(5, 40), [9, 3, 50]], ids=["all", "range", "some"])
def test_get_state_of_a_cache_is_that_of_the_files(stored: Stored, indices: Any) -> None:
    """A run goes on with a cache or without one, and in a copy, which has none."""
    expected = stored.sequence(indices=indices).get_state()
    seq = stored.sequence(indices=indices, cache="ram")
    copy = pickle.loads(pickle.dumps(seq))
    assert expected == seq.get_state() == copy.get_state()


@pytest.mark.parametrize("cache", CACHES)
def test_cache_that_has_no_room_is_refused_before_anything_is_read(
    stored: Stored, monkeypatch: pytest.MonkeyPatch, cache: Any
) -> None:
    """With the bytes asked for and free; its remedy works."""
    for module in (cached, jax_cache, torch_cache):
        monkeypatch.setattr(module, "free_memory_bytes", lambda: 1989)
    monkeypatch.setattr(np, "take", None)
    asked_bytes = 53 * (30 + 8)
    rule = rf'cache="{cache}" keeps all rows .*fit\. Received: rows of {asked_bytes:,} bytes, where'
    with pytest.raises(ValueError, match=rule + r" 1,989 are free\. Leave cache out, .*indices="):
        served(stored.sequence(cache=cache))
    monkeypatch.undo()
    for module in (cached, jax_cache, torch_cache):
        monkeypatch.setattr(module, "free_memory_bytes", lambda: 1989)
    assert served(stored.sequence(cache=cache, indices=slice(40)))


@on_device
def test_cache_device_is_put_there_once_for_all_parts(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For two parts, two adapters each; the weights of classes, which follow y, for each fit."""
    device = {"jax": jax_cache.JaxDevice, "torch": torch_cache.TorchDevice}[BACKEND]
    loaded, load = [], device.load

    def watched(self: Any, rows: Any, slots: Any) -> Any:
        loaded.append(rows.name)
        return load(self, rows, slots)

    monkeypatch.setattr(device, "load", watched)
    for part in stored.sequence(cache="device").split(0.4):
        served(part, shuffle=True)
        served(part)
    assert [str(stored.x_path), str(stored.y_path)] == loaded
    served(part, class_weight={0: 1.0, 1: 2.0, 2: 3.0})
    assert [f"class_weight of {stored.y_path}"] == loaded[2:]


def test_slots_of_dispatches_are_of_few_shapes() -> None:
    """All full batches together, as many at a time as there may be; others one by one."""
    slots = Slots(53)
    for batch_size, expected in ((8, [(6, 8), (1, 5)]), (1, [(32, 1)] + [(1, 1)] * 21)):
        batches = batches_of(NpySequence(np.arange(53), batch_size=batch_size), shuffle=False)
        found = list(dispatches.slots_of_dispatches(batches, slots))
        assert expected == [numbers.shape for numbers in found]
        np.testing.assert_array_equal(np.arange(53), np.concatenate([n.ravel() for n in found]))


@only_on("tensorflow", reason="the others have one")
def test_cache_device_on_tensorflow_is_refused_when_the_sequence_is_built(stored: Stored) -> None:
    """tf.data runs on the CPU; memory is the remedy."""
    with pytest.raises(ValueError, match=r"JAX or the torch.*Received: .*tensorflow.*\"ram\", or"):
        stored.sequence(cache="device")
    assert served(stored.sequence(cache="ram"))


@on_device
def test_cache_device_and_map_are_refused_together(stored: Stored) -> None:
    """The function gets NumPy arrays; with "ram" it may have them."""
    with pytest.raises(ValueError, match=r"gets NumPy arrays.*Received: map.*Pass cache=\"ram\""):
        stored.sequence(cache="device").map(lambda x, y: (x, y))
    mapped = stored.sequence(cache="ram").map(lambda x, y: (x // 2, y))
    np.testing.assert_array_equal(stored.x[:8] // 2, mapped[0][0])


@only_on("jax", reason="only JAX has a distribution")
def test_cache_device_and_a_distribution_are_refused_together(stored: Stored) -> None:
    """Several devices share no rows."""
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        with pytest.raises(ValueError, match=r"on one device\. Received: a keras.distribution"):
            served(stored.sequence(cache="device"))
    finally:
        keras.distribution.set_distribution(None)


@pytest.mark.parametrize("cache", CACHES)
def test_cache_of_random_crops_is_refused_by_name(tmp_path: Path, cache: Any) -> None:
    """They differ from pass to pass; a crop that does not is kept."""
    from keras_npy import samples

    for number in range(3):
        np.save(tmp_path / f"{number}.npy", np.arange(4 + number))
    crops = samples(tmp_path / "*.npy", length=3, crop="random")
    with pytest.raises(TypeError, match=r"the same in each pass\. Received: random.*crop='start'"):
        NpySequence(crops, cache=cache)
    starts = NpySequence(samples(tmp_path / "*.npy", length=3, crop="start"), cache=cache)
    np.testing.assert_array_equal([[0, 1, 2]] * 3, starts[0])


def test_cache_of_another_name_is_refused(stored: Stored) -> None:
    """By the names there are."""
    with pytest.raises(ValueError, match=r"'ram', 'device' or None\. Received: cache='disk'\."):
        stored.sequence(cache="disk")


@only_on("jax", reason="only JAX has super-batches")
@pytest.mark.parametrize("steps", [None, 5])
def test_cache_device_super_batches_hold_the_batches(stored: Stored, steps: int | None) -> None:
    """As those of the files: stacked where they are alike, otherwise in a list."""

    def super_batches(cache: Any) -> list[Any]:
        seq = stored.sequence(cache=cache)
        adapter = PlannedAdapter(AdapterPlan(seq, shuffle=True, batches_per_epoch=steps))
        return [batch for _, batch in zip(range(6), adapter.get_jax_iterator(2), strict=False)]

    for one, other in zip(super_batches(None), super_batches("device"), strict=True):
        assert type(one) is type(other)
        for leaf, got in zip(keras.tree.flatten(one), keras.tree.flatten(other), strict=True):
            np.testing.assert_array_equal(leaf, np.asarray(got))
