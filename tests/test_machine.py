"""What this process may use: cores and memory, as the kernel says it."""

import math
from pathlib import Path

import pytest

from keras_npy import machine


def write_files(folder: Path, texts: dict[str, str]) -> None:
    """The files of a control group, each with its text."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


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
    write_files(tmp_path, files)
    assert expected == machine.quota_in_cores(tmp_path, "/a/b")


def test_usable_cores_are_those_of_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not all that the machine has; a quota below one core leaves one."""
    monkeypatch.setattr(
        machine.os, "sched_getaffinity", lambda process: set(range(6)), raising=False
    )
    for quota, expected in ((math.inf, 6), (2.5, 2), (0.5, 1)):
        monkeypatch.setattr(machine, "quota_in_cores", lambda *_, quota=quota: quota)
        machine.usable_cores.cache_clear()
        assert expected == machine.usable_cores()
    machine.usable_cores.cache_clear()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param({}, math.inf, id="no-control-groups"),
        pytest.param({"a/memory.max": "max"}, math.inf, id="no-limit"),
        pytest.param(
            {
                "memory.max": "1000",
                "memory.current": "700",
                "memory.stat": "anon 400\ninactive_file 200\nactive_file 100",
            },
            600,
            id="pages-of-files-come-back",
        ),
        pytest.param({"a/memory.max": "100", "a/memory.current": "150"}, 0, id="above-it"),
        pytest.param(
            {
                "memory/memory.limit_in_bytes": "1000",
                "memory/memory.usage_in_bytes": "700",
                "memory/memory.stat": "total_inactive_file 200",
            },
            500,
            id="version-1",
        ),
    ],
)
def test_room_in_bytes_is_the_least_of_all_groups(
    tmp_path: Path, files: dict[str, str], expected: float
) -> None:
    """Of the limit, less what is used for good."""
    write_files(tmp_path, files)
    assert expected == machine.room_in_bytes(tmp_path, "/a")


def test_free_memory_bytes_is_what_the_kernel_has_or_less(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In bytes, though the kernel writes kB; infinite where it writes nothing."""
    monkeypatch.setattr(machine, "room_in_bytes", lambda *_: math.inf)
    monkeypatch.setattr(machine, "MEMINFO", tmp_path / "meminfo")
    assert math.inf == machine.free_memory_bytes()
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:   3 kB\n")
    assert 3 * 1024 == machine.free_memory_bytes()
    monkeypatch.setattr(machine, "room_in_bytes", lambda *_: 7)
    assert 7 == machine.free_memory_bytes()
