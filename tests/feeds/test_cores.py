"""How many threads read ahead: from the cores that this process may use, and the batch's size."""

import math
from pathlib import Path

import pytest

from keras_npy.feeds import cores


@pytest.mark.parametrize(
    ("num_cores", "batch_mib", "expected"),
    [(2, 64, 1), (3, 64, 1), (4, 64, 2), (16, 64, 2), (16, 3, 1), (16, 0, 1), (1, 64, 1)],
)
def test_num_readers_depends_on_cores_and_bytes(
    monkeypatch: pytest.MonkeyPatch, num_cores: int, batch_mib: int, expected: int
) -> None:
    """One for small batches, and where the model needs the cores."""
    monkeypatch.setattr(cores, "usable_cores", lambda: num_cores)
    assert expected == cores.num_readers(batch_mib << 20)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, math.inf, id="no-control-groups"),
        pytest.param({"cpu.max": "max 100000"}, math.inf, id="no-limit"),
        pytest.param({"cpu.max": "150000 100000"}, 1.5, id="container"),
        pytest.param({"a/b/cpu.max": "200000 100000"}, 2, id="own-group"),
        pytest.param({"a/b/cpu.max": "max 1", "a/cpu.max": "300000 100000"}, 3, id="outer-group"),
        pytest.param(
            {"cpu/a/cpu.cfs_quota_us": "250000", "cpu/a/cpu.cfs_period_us": "100000"},
            2.5,
            id="version-1",
        ),
        pytest.param({"cpu/cpu.cfs_quota_us": "-1"}, math.inf, id="version-1-no-limit"),
    ],
)
def test_quota_in_cores_is_the_least_of_all_groups(
    tmp_path: Path, files: dict[str, str], expected: float
) -> None:
    """As the kernel writes it, in either version."""
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert expected == cores.quota_in_cores(tmp_path, "/a/b")


def test_usable_cores_are_those_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all that the machine has; a quota below one core leaves one."""
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda process: set(range(6)), raising=False)
    for quota, expected in ((math.inf, 6), (2.5, 2), (0.5, 1)):
        monkeypatch.setattr(cores, "quota_in_cores", lambda *_, quota=quota: quota)
        cores.usable_cores.cache_clear()
        assert expected == cores.usable_cores()
    cores.usable_cores.cache_clear()
