"""Each byte of each batch is proved right on its way to the model, by checksums in its graph."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import in_flight
from keras_npy import NpySequence, samples
from tests.rows.contract import write_npy

NUM_ROWS = 1200


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (NUM_ROWS, *in_flight.ROW_SHAPE), "uint8")


@pytest.fixture(scope="module")
def model() -> Any:
    return in_flight.make_model()


def save(folder: Path, rows: np.ndarray, layout: str) -> Any:
    """The source of these rows, saved in some layout."""
    path = folder / "x.npy"
    if layout == "one":
        np.save(path, rows)
    elif layout == "misaligned":
        write_npy(path, rows, 80)
    elif layout == "shards":
        for at, part in enumerate(np.array_split(rows, 7)):
            np.save(folder / f"part{at}.npy", part)
        return str(folder / "part*.npy")
    elif layout == "samples":
        for at, row in enumerate(rows):
            np.save(folder / f"{at:04}.npy", row)
        return samples(f"{folder}/*.npy")
    return path


CASES = [
    pytest.param("one", 256, {}, id="large-batches"),
    pytest.param("one", 32, {}, id="small-batches"),
    pytest.param("one", 1, {"indices": slice(300)}, id="single-rows"),
    pytest.param("one", 256, {"shuffle": False}, id="file-order"),
    pytest.param("one", 256, {"io": "read"}, id="read"),
    pytest.param("one", 100, {"shuffle_block_size": 50}, id="blocks"),
    pytest.param("one", 256, {"cache": "ram"}, id="cached"),
    pytest.param("misaligned", 256, {}, id="misaligned"),
    pytest.param("misaligned", 256, {"shuffle": False}, id="misaligned-in-order"),
    pytest.param("shards", 100, {}, id="shards"),
    pytest.param("shards", 256, {"shuffle": False}, id="shards-in-order"),
    pytest.param("samples", 64, {}, id="samples"),
]


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize(("layout", "batch_size", "arguments"), CASES)
@pytest.mark.parametrize("is_mapped", [False, True], ids=["as-stored", "map"])
def test_every_batch_is_right_in_flight(
    tmp_path: Path,
    rows: np.ndarray,
    model: Any,
    layout: str,
    batch_size: int,
    arguments: dict[str, Any],
    is_mapped: bool,
) -> None:
    """While others are read: one wrong byte makes a loss that is not 0."""
    checksums = in_flight.make_checksums(rows)
    source = save(tmp_path, rows, layout)
    how = {"shuffle": True, "seed": 3, **arguments}
    seq = NpySequence(source, checksums, batch_size=batch_size, **how)
    if is_mapped:
        # In place, and once: a batch that comes twice would be inverted twice.
        inverted = in_flight.make_checksums(255 - rows)
        seq = NpySequence(source, inverted, batch_size=batch_size, **how).map(_invert)
        checksums = inverted
    in_flight.check(model, seq, checksums[: seq.num_samples], epochs=2)


def _invert(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    np.subtract(255, x, out=x)
    return x, y


def test_a_wrong_byte_is_found(tmp_path: Path, rows: np.ndarray, model: Any) -> None:
    """In one row of all, by the loss of its batch."""
    checksums = in_flight.make_checksums(rows)
    wrong = rows.copy()
    wrong[777, 5, 5, 1] ^= 1
    np.save(tmp_path / "x.npy", wrong)
    with pytest.raises(ValueError, match="1 of 1200 rows were predicted from other bytes"):
        in_flight.check(model, NpySequence(tmp_path / "x.npy", checksums), checksums, epochs=1)
