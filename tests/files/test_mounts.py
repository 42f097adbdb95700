"""Which files are read instead of mapped: those on network and FUSE mounts."""

import os
from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpyLayoutWarning, open_rows
from keras_npy.files import mounts

# As Linux writes it: an automounter under a mount, a space in a name, and a mount over another.
MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw
31 22 0:40 / /net rw shared:3 master:1 - autofs systemd-1 rw,fd=30
32 31 0:41 / /net/home rw - nfs4 server:/home rw,vers=4.2
33 22 0:42 /sub /data\040set rw - fuse.sshfs host:/ rw,user_id=0
34 22 0:43 / /mnt/btrfs rw - btrfs /dev/vdb rw
35 22 0:44 / /over rw - nfs server:/old rw
36 22 254:1 / /over rw - xfs /dev/vdc rw
37 22 0:46 / /usb rw - fuseblk /dev/sdb1 rw
38 22 0:47 / /sys/fs/fuse/connections rw - fusectl fusectl rw
39 22 0:48 / /share rw - cifs //server/share rw
line that is none
"""


@pytest.fixture
def listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[mounts.Mount]:
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO)
    monkeypatch.setattr(mounts, "MOUNTINFO", str(path))
    return mounts.list_mounts()


@pytest.mark.parametrize(
    ("path", "device", "fs_type", "is_remote"),
    [
        pytest.param("/home/x.npy", (254, 0), "ext4", False, id="disk"),
        pytest.param("/net/home/x.npy", (0, 41), "nfs4", True, id="nfs-by-device"),
        pytest.param("/net/home/x.npy", (0, 99), "nfs4", True, id="nfs-by-path"),
        pytest.param("/data set/a/x.npy", (0, 99), "fuse.sshfs", True, id="space-in-the-name"),
        pytest.param("/mnt/btrfs/x.npy", (0, 99), "btrfs", False, id="btrfs-subvolume"),
        pytest.param("/mnt/btrfs2/x.npy", (0, 99), "ext4", False, id="longer-name-of-a-folder"),
        pytest.param("/over/x.npy", (0, 99), "xfs", False, id="mounted-over"),
        pytest.param("/usb/x.npy", (0, 46), "fuseblk", True, id="disk-by-fuse"),
        pytest.param("/share/x.npy", (0, 48), "cifs", True, id="cifs"),
        pytest.param("/sys/fs/fuse/connections/1", (0, 47), "fusectl", False, id="fusectl"),
    ],
)
def test_find_mount_is_that_of_the_device_or_around_the_path(
    listed: list[mounts.Mount], path: str, device: tuple[int, int], fs_type: str, is_remote: bool
) -> None:
    """The device decides; the path does where a file system has devices of its own."""
    mount = mounts.find_mount(listed, path, os.makedev(*device))
    assert mount is not None
    assert (fs_type, is_remote) == (mount.fs_type, mount.is_remote)


def list_as(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fs_type: str) -> None:
    """Let this machine's disks be of this type."""
    path = tmp_path / "mountinfo"
    path.write_text(f"22 1 0:0 / / rw,relatime - {fs_type} source rw\n")
    monkeypatch.setattr(mounts, "MOUNTINFO", str(path))


def test_auto_reads_where_a_mapping_could_end_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so once, names the file and the mount, and leaves an own choice alone."""
    np.save(tmp_path / "x-0.npy", np.arange(6).reshape(3, 2))
    np.save(tmp_path / "x-1.npy", np.asfortranarray(np.arange(6, 12).reshape(3, 2)))
    list_as(tmp_path, monkeypatch, "nfs4")
    with pytest.warns(NpyLayoutWarning) as given:
        rows = [open_rows(tmp_path / name) for name in ("x-0.npy", "x-1.npy", "x-*.npy")]
    assert ["read"] * 3 == [each.io for each in rows]
    of_mount = [str(one.message) for one in given if "io='map'" in str(one.message)]
    assert 1 == len(of_mount)
    assert of_mount[0].startswith(f"{tmp_path / 'x-0.npy'}: files on network and FUSE mounts")
    assert "type nfs4 at /." in of_mount[0]
    assert "map" == open_rows(tmp_path / "x-0.npy", io="map").io
    np.testing.assert_array_equal(np.arange(12).reshape(6, 2), rows[2][:])


@pytest.mark.parametrize("listed_as", ["ext4", "nothing"])
def test_auto_maps_files_on_local_disks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed_as: str
) -> None:
    """So it does where the system does not say what is mounted."""
    np.save(tmp_path / "x.npy", np.arange(6))
    if listed_as == "nothing":
        monkeypatch.setattr(mounts, "MOUNTINFO", str(tmp_path / "none"))
    else:
        list_as(tmp_path, monkeypatch, listed_as)
    assert "map" == open_rows(tmp_path / "x.npy").io
    assert "map" == open_rows(f"{tmp_path}/x*.npy").io
