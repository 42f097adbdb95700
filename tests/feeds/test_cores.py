"""How many threads read ahead: from the cores that this process may use, and the batch's size."""

import pytest

from keras_npy.feeds import cores


@pytest.mark.parametrize(
    ("num_cores", "batch_mib", "expected"),
    [
        (2, 64, 1),
        (3, 64, 1),
        (4, 64, 2),
        (8, 64, 3),
        (16, 64, 3),
        (16, 3, 1),
        (16, 0, 1),
        (1, 64, 1),
    ],
)
def test_num_readers_depends_on_cores_and_bytes(
    monkeypatch: pytest.MonkeyPatch, num_cores: int, batch_mib: int, expected: int
) -> None:
    """One for small batches, and where the model needs the cores."""
    monkeypatch.setattr(cores, "usable_cores", lambda: num_cores)
    assert expected == cores.num_readers(batch_mib << 20)
