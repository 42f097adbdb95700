"""A FUSE file system that fails as it is told to, for a process in a mount namespace of its own.

It speaks the kernel's protocol over /dev/fuse, since no FUSE library has to be installed then. It
needs root. `mounted` serves the files of a folder; its control says what goes wrong with them.

Reference:
    The manual page fuse(4), and include/uapi/linux/fuse.h.
"""

import contextlib
import ctypes
import errno
import functools
import json
import os
import signal
import stat
import struct
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_CLONE_NEWNS = 0x00020000
_PR_SET_PDEATHSIG = 1
_MS_REC_PRIVATE = 0x4000 | 0x40000
_FROM_KERNEL = struct.Struct("<IIQQIIII")
_TO_KERNEL = struct.Struct("<IiQ")
_ATTRIBUTES = struct.Struct("<6Q10I")
_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _RELEASE = 1, 2, 3, 14, 15, 18
_FLUSH, _INIT, _INTERRUPT, _DESTROY, _BATCH_FORGET = 25, 26, 36, 38, 42


@dataclass(frozen=True)
class Mounted:
    """A folder that is served."""

    folder: Path
    """Where it is mounted."""
    control: Path
    server: subprocess.Popen[bytes]

    def fail(self, **faults: Any) -> None:
        """Serve with these faults from now on.

        Args:
            **faults: `eio_from=n`: bytes from n on cannot be read. `error=e` answers every read
                with this errno, `stat_error=e` every question for the state of a file, and
                `path_error=e` every look for its path. `new_inodes=True`: each look at a file
                finds another inode. `mtime_s=n`: every file has this modification time. `delay_s`:
                each read takes so long. `seek_s`: each read that does not go on where the last one
                ended does. `mb_per_s`: no more is read in a second.
        """
        unfinished = self.control.with_suffix(".new")
        unfinished.write_text(json.dumps(faults))
        unfinished.replace(self.control)

    def die(self) -> None:
        """End the program that serves the files, as a crash does."""
        self.server.send_signal(signal.SIGKILL)
        self.server.wait()


@contextlib.contextmanager
def mounted(folder: Path, point: Path, **faults: Any) -> Iterator[Mounted]:
    """Serve the files of `folder` at `point`, in a new mount namespace of this process.

    Args:
        folder: What is served.
        point: Where it is mounted.
        **faults: As in `Mounted.fail`, from the start on, and `is_async`: the kernel reads ahead.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.unshare(_CLONE_NEWNS))
    _check(libc.mount(None, b"/", None, _MS_REC_PRIVATE, None))
    point.mkdir(exist_ok=True)
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    _check(libc.mount(b"keras_npy", os.fsencode(point), b"fuse.keras_npy", 0, options))
    control = folder.with_suffix(".control")
    control.write_text(json.dumps(faults))
    server = subprocess.Popen(
        [sys.executable, __file__, str(device), str(folder), str(control)],
        pass_fds=(device,),
        # Whoever reads the output of this process must not wait for the server.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # The kernel tells readers that the program has ended only if nothing else holds the device.
    os.close(device)
    served = Mounted(point, control, server)
    try:
        yield served
    finally:
        served.die()
        libc.umount2(os.fsencode(point), 2)


def run_mounted(script: str, folder: Path, *arguments: object, timeout_s: int = 120) -> str:
    """Run a script in a new process, with `served` and `mnt`, the folder as it is served.

    Returns:
        What it printed, and how it ended if that was not well.
    """
    # Not at the top: what serves the files is this file as a program, which knows no other one.
    from tests.processes import fork_script

    program = f"""
import sys
from pathlib import Path
from tests.faults.fuse import mounted
with mounted(Path(sys.argv[1]), Path(sys.argv[1] + ".mnt")) as served:
    mnt = served.folder
{textwrap.indent(textwrap.dedent(script), "    ")}
"""
    status, output, errors = fork_script(program, folder, *arguments, timeout_s=timeout_s)
    return f"{output}exit {status}: {errors[-3000:]}" if status else output


@functools.cache
def _why_not() -> str:
    if sys.platform != "linux" or not os.path.exists("/dev/fuse"):
        return "this system has no /dev/fuse"
    probe = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x00020000) != 0)"
    if subprocess.run([sys.executable, "-c", probe], check=False).returncode:
        return "mounting needs root"
    return ""


def needs_fuse() -> pytest.MarkDecorator:
    """Skip a test where no FUSE file system can be mounted, and give the reason."""
    return pytest.mark.skipif(bool(_why_not()), reason=f"no FUSE mount: {_why_not()}")


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


class _Server:
    """Answers the kernel's requests, one after the other."""

    def __init__(self, device: int, folder: str, control: str) -> None:
        self._device = device
        self._control = control
        names = sorted(os.listdir(folder))
        # Number 1 is the folder itself.
        self._paths = {number: os.path.join(folder, name) for number, name in enumerate(names, 2)}
        self._numbers = {name.encode(): number for number, name in enumerate(names, 2)}
        self._files = {number: os.open(path, os.O_RDONLY) for number, path in self._paths.items()}
        self._num_looks = 0
        self._last_end = (0, 0)

    def serve(self) -> None:
        while True:
            request = os.read(self._device, 1 << 18)
            _, opcode, unique, node, *_ = _FROM_KERNEL.unpack_from(request)
            if opcode in (_FORGET, _INTERRUPT, _BATCH_FORGET):
                continue
            try:
                self._reply(unique, self._answer(opcode, node, request[_FROM_KERNEL.size :]))
            except OSError as error:
                self._reply(unique, b"", error.errno or errno.EIO)
            if opcode == _DESTROY:
                return

    def _reply(self, unique: int, data: bytes, code: int = 0) -> None:
        # The kernel answers ENOENT if the reader has gone.
        with contextlib.suppress(FileNotFoundError):
            os.write(
                self._device, _TO_KERNEL.pack(_TO_KERNEL.size + len(data), -code, unique) + data
            )

    def _answer(self, opcode: int, node: int, body: bytes) -> bytes:
        if opcode == _INIT:
            # With this flag the kernel reads ahead without a wait for it.
            flags = 1 if self._faults().get("is_async") else 0
            sizes = (1 << 17, flags, 12, 9, 4096, 1)
            return struct.pack("<4I2H2I2H8I", 7, 31, *sizes, 0, 0, *[0] * 8)
        if opcode == _LOOKUP:
            found = self._numbers.get(body.rstrip(b"\0"))
            self._raise("path_error", found)
            if found is None:
                raise OSError(errno.ENOENT, "")
            return struct.pack("<4Q2I", found, 0, 0, 0, 0, 0) + self._attributes(found)
        if opcode == _GETATTR:
            self._raise("stat_error", node)
            return struct.pack("<Q2I", 0, 0, 0) + self._attributes(node)
        if opcode == _OPEN:
            return struct.pack("<QIi", node, 0, 0)
        if opcode == _READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self._read(node, offset, size)
        if opcode in (_RELEASE, _FLUSH, _DESTROY):
            return b""
        raise OSError(errno.ENOSYS, "")

    def _faults(self) -> dict[str, Any]:
        with open(self._control, encoding="utf-8") as file:
            faults: dict[str, Any] = json.load(file)
        return faults

    def _raise(self, fault: str, node: int | None) -> None:
        faults = self._faults()
        if fault in faults and node != 1:
            raise OSError(faults[fault], "")

    def _attributes(self, node: int) -> bytes:
        self._num_looks += 1
        if node == 1:
            return _ATTRIBUTES.pack(*(1, 0, 0, 0, 0, 0), *(0, 0, 0), stat.S_IFDIR | 0o755, *[0] * 6)
        status = os.fstat(self._files[node])
        faults = self._faults()
        inode = node + (self._num_looks << 8 if faults.get("new_inodes") else 0)
        sizes = (inode, status.st_size, status.st_blocks, 0, faults.get("mtime_s", 1), 0)
        return _ATTRIBUTES.pack(*sizes, *(0, 0, 0), stat.S_IFREG | 0o644, 1, 0, 0, 0, 4096, 0)

    def _read(self, node: int, offset: int, size: int) -> bytes:
        faults = self._faults()
        if "delay_s" in faults:
            time.sleep(faults["delay_s"])
        if "seek_s" in faults:
            is_next = self._last_end == (node, offset)
            self._last_end = (node, offset + size)
            time.sleep((0 if is_next else faults["seek_s"]) + size / faults["mb_per_s"] / 1e6)
        if "error" in faults:
            raise OSError(faults["error"], "")
        if offset + size > faults.get("eio_from", 1 << 62):
            # The kernel then asks for each page by itself.
            raise OSError(errno.EIO, "")
        return os.pread(self._files[node], size, offset)


if __name__ == "__main__":
    # End when the process ends for which the files are served, even if it crashes.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _Server(int(sys.argv[1]), sys.argv[2], sys.argv[3]).serve()
