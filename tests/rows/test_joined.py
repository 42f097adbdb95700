"""What is joined from several sources keeps what each of them is."""

from pathlib import Path

import numpy as np

from keras_npy import NpySequence, open_rows, samples


def test_random_crops_of_joined_samples_change_with_the_pass(tmp_path: Path) -> None:
    """As those of one source do; each begins within its file."""
    for name in ("a0", "a1", "b0", "b1"):
        np.save(tmp_path / f"{name}.npy", np.arange(1000))
    parts = [samples(str(tmp_path / f"{p}*.npy"), length=5, crop="random") for p in "ab"]
    seq = NpySequence(parts, batch_size=4, shuffle=True, seed=0)
    begins = {tuple(sorted(batch[:, 0].tolist())) for _ in range(5) for batch in seq}
    assert 5 == len(begins)
    again = NpySequence(parts, batch_size=4, shuffle=True, seed=0)
    assert next(iter(again)).tolist() in [batch.tolist() for batch in _passes(parts, 1)]


def _passes(parts: list[object], num_passes: int) -> list[np.ndarray]:
    seq = NpySequence(parts, batch_size=4, shuffle=True, seed=0)
    return [batch for _ in range(num_passes) for batch in seq]


def test_rows_of_which_some_are_mapped_are_mapped(tmp_path: Path) -> None:
    """A promise of io="read" holds only where all files are read."""
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", np.arange(4))
    mapped = open_rows(tmp_path / "x.npy", io="map")
    read = open_rows(tmp_path / "y.npy", io="read")
    memory = open_rows(np.arange(3))
    assert "map" == open_rows([mapped, read]).io
    assert "read" == open_rows([read, memory]).io
    assert open_rows([memory, memory]).io is None
