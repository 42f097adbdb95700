"""The torch feed, also for CUDA: tensors over the gathered memory, and a new pass each time."""

import threading
from typing import Any

import keras
import numpy as np
import pytest

from keras_npy import NpyDataAdapter, NpySequence
from keras_npy.feeds import torch as torch_feed
from keras_npy.feeds import torch_placement
from tests.conftest import Stored, rows_of_epoch

torch = pytest.importorskip("torch")


def test_loader_each_iteration_is_a_pass_of_its_own(stored: Stored) -> None:
    """One loader, iterated as often as wanted: fresh orders, each row once."""
    seq = stored.sequence()
    loader = NpyDataAdapter(seq, shuffle=True).get_torch_dataloader()
    assert isinstance(loader, torch.utils.data.DataLoader)
    assert 0 == seq.epoch
    for epoch in range(3):
        order = rows_of_epoch(53, epoch, batch_size=8, seed=3)
        batches = list(loader)
        np.testing.assert_array_equal(stored.x[order], torch.cat([x for x, _ in batches]).numpy())
        np.testing.assert_array_equal(stored.y[order], torch.cat([y for _, y in batches]).numpy())
    assert 3 == seq.epoch


def test_loader_iterator_that_is_never_used_starts_nothing(stored: Stored) -> None:
    """Keras makes an iterator at the end of a pass and throws it away."""
    seq = stored.sequence()
    iter(NpyDataAdapter(seq, shuffle=True).get_torch_dataloader())
    assert 0 == seq.epoch


def test_loader_keeps_the_structure_of_the_sources(stored: Stored) -> None:
    """A tuple of inputs stays one, which torch's own collation would make a list."""
    seq = NpySequence((stored.x, {"b": stored.y}), stored.y, batch_size=53)
    ((x, y),) = list(NpyDataAdapter(seq).get_torch_dataloader())
    assert isinstance(x, tuple)
    np.testing.assert_array_equal(stored.x, x[0].numpy())
    np.testing.assert_array_equal(stored.y, x[1]["b"].numpy())
    np.testing.assert_array_equal(stored.y, y.numpy())


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        *[(name, name) for name in ("bool", "int8", "uint8", "int16", "int32", "int64")],
        *[(name, name) for name in ("float16", "float32", "float64", "complex64", "complex128")],
        ("uint16", "int32"),
        ("uint32", "int64"),
        (">u2", "int32"),
        (">f4", "float32"),
    ],
)
def test_loader_dtype_is_that_of_keras_and_keeps_every_value(dtype: str, expected: str) -> None:
    """Dtypes that torch hardly computes with are widened, as Keras widens arrays."""
    top = {"b": 1, "f": 60000, "c": 60000}.get(np.dtype(dtype).kind)
    top = np.iinfo(dtype).max if top is None else top
    array = np.array([0, 1, top] * 5).astype(dtype).reshape(5, 3)
    ((x,),) = list(NpyDataAdapter(NpySequence(array, batch_size=5)).get_torch_dataloader())
    assert getattr(torch, expected) is x.dtype
    np.testing.assert_array_equal(array, x.numpy())


def test_loader_bfloat16_keeps_its_bits() -> None:
    """What NumPy knows by ml_dtypes is torch's own bfloat16."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    array = np.array([[1.5, -2.0], [3e38, 0.0]]).astype(ml_dtypes.bfloat16)
    ((x,),) = list(NpyDataAdapter(NpySequence(array)).get_torch_dataloader())
    assert torch.bfloat16 is x.dtype
    np.testing.assert_array_equal(array.astype("float32"), x.float().numpy())


def test_loader_uint64_is_refused_by_name(tmp_path: Any) -> None:
    """Keras has no torch dtype for it either; the message names the file."""
    np.save(tmp_path / "x.npy", np.zeros((3, 2), "uint64"))
    adapter = NpyDataAdapter(NpySequence(tmp_path / "x.npy"))
    with pytest.raises(ValueError, match=r"no uint64\. Received: .*x\.npy of dtype.*int64"):
        adapter.get_torch_dataloader()


def test_loader_kept_tensors_never_change_and_share_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tensor lies where its rows were gathered, and keeps that memory while it lives."""
    gathered: dict[int, int] = {}
    numbers = np.broadcast_to(np.arange(400)[:, None], (400, 96)).astype("int32")
    adapter = NpyDataAdapter(NpySequence(numbers, batch_size=8))
    from_numpy = torch.from_numpy

    def watched(array: np.ndarray) -> Any:
        gathered[array.ctypes.data] = array.nbytes
        return from_numpy(array)

    monkeypatch.setattr(torch, "from_numpy", watched)
    kept = []
    for keeps in (True, False, False, True, False, False):
        for number, (x,) in enumerate(adapter.get_torch_dataloader()):
            assert any(0 <= x.data_ptr() - start < size for start, size in gathered.items())
            if keeps and number % 5 == 0:
                kept.append((number, x[1:]))
    # The 50 batches of a pass are copied together.
    assert len(gathered) < 6
    assert 20 == len(kept)
    for number, x in kept:
        np.testing.assert_array_equal(numbers[number * 8 + 1 : number * 8 + 8], x.numpy())


class Copied:
    """Stands for a CUDA device: copies tensors in the threads that read ahead."""

    def __init__(self) -> None:
        self.threads: list[str] = []
        self.claimed: list[int] = []
        self.num_drained = 0

    def put(self, tensors: list[Any]) -> Any:
        self.threads.append(threading.current_thread().name)
        return [tensor.clone() for tensor in tensors], len(self.threads)

    def claim(self, tensors: Any, copied: int) -> None:
        assert threading.current_thread() is threading.main_thread()
        assert 0 < copied <= len(self.threads)
        self.claimed += [tensor.data_ptr() for tensor in tensors]

    def drain(self) -> None:
        self.num_drained += 1


@pytest.mark.parametrize(("chunk_bytes", "num_chunks"), [(1, 7), (1 << 20, 1)])
def test_loader_for_cuda_hands_over_what_the_reader_thread_has_copied(
    monkeypatch: pytest.MonkeyPatch, stored: Stored, chunk_bytes: int, num_chunks: int
) -> None:
    """In the structure of the sources, widened, and claimed for the stream of the caller."""
    monkeypatch.setattr(torch_feed, "PLACED_CHUNK_BYTES", chunk_bytes)
    x = {"a": stored.x, "b": stored.y.astype("uint16")}
    for seq in (NpySequence(x, stored.y, batch_size=8), NpySequence(stored.x, batch_size=8)):
        cuda = Copied()
        monkeypatch.setattr(torch_placement, "find_placement", lambda cuda=cuda: cuda)
        batches = [batch for _ in range(2) for batch in NpyDataAdapter(seq).get_torch_dataloader()]
        assert ["keras_npy read-ahead"] * 2 * num_chunks == cuda.threads
        assert 2 == cuda.num_drained
        tensors = [leaf for batch in batches for leaf in keras.tree.flatten(batch)]
        assert [tensor.data_ptr() for tensor in tensors] == cuda.claimed
        images = [batch[0] if torch.is_tensor(batch[0]) else batch[0]["a"] for batch in batches]
        assert [8, 8, 8, 8, 8, 8, 5] * 2 == [len(image) for image in images]
        np.testing.assert_array_equal(np.tile(stored.x, (2, 1, 1)), torch.cat(images).numpy())


def test_loader_for_cuda_takes_what_a_map_returns(
    monkeypatch: pytest.MonkeyPatch, stored: Stored
) -> None:
    """An array of the function's own is copied, and widened, before it is handed over."""
    monkeypatch.setattr(torch_placement, "find_placement", Copied)
    seq = stored.sequence().map(lambda x, y: (x.astype("uint16"), y))
    batches = list(NpyDataAdapter(seq).get_torch_dataloader())
    assert torch.int32 is batches[0][0].dtype
    np.testing.assert_array_equal(stored.x, torch.cat([x for x, _ in batches]).numpy())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_loader_on_cuda_keeps_every_value(stored: Stored) -> None:
    """Batches that are on the device while others are gathered are the file's rows."""
    loader = NpyDataAdapter(stored.sequence()).get_torch_dataloader()
    batches = list(loader)
    np.testing.assert_array_equal(stored.x, torch.cat([x for x, _ in batches]).cpu().numpy())
