"""Attack the readers of headers, archives and labels with mutated files, for as long as wanted.

Run:    python -m tests.faults.fuzz [--seconds 60] [--seed 0]
Prints: how many files were read and refused. A file that does anything else is written to the
        folder of temporary files and named: put it into tests/faults/corpus with its mend.

With `pip install atheris`, `python -m tests.faults.fuzz --atheris tests/faults/corpus` lets the
code that a file reaches guide the mutations.
"""

import argparse
import hashlib
import importlib
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.files import archive
from keras_npy.rows.labels import read_classes
from keras_npy.rows.sources import open_rows
from keras_npy.rows.stored import open_file

CORPUS = Path(__file__).resolve().parent / "corpus"

# What stands in the headers of both formats, and what breaks parsers.
TOKENS = [
    *(b"(", b")", b"[", b"]", b"{", b"}", b"-", b"L", b"0x", b"'", b"\\", b"\n", b"#", b"1,"),
    *(b"9" * 30, b"True", b"descr", b"shape", b"|O", b"<u2", b"<f8", b"|V2", b"(0,)", b"\xff" * 4),
    *(b"PK\1\2", b"PK\3\4", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"x.npy", b"\0" * 8, b"\xff" * 8),
]


def attack(data: bytes, folder: Path) -> bool:
    """Read a file of these bytes in every way; return whether it was read in any.

    Raises:
        Exception: If anything comes out but rows, `NpyFileError` and `OSError`.
    """
    path = folder / "x.npy"
    path.unlink(missing_ok=True)
    path.write_bytes(data)
    was_read = False
    for source in (str(path), f"{path}::x"):
        try:
            header = archive.read_header(source, may_be_empty=True)
        except (NpyFileError, OSError):
            continue
        was_read = True
        if not header.data_bytes or not header.shape:
            continue
        for io in ("read", "map"):
            rows = open_file(header, io)
            rows.take(np.arange(min(len(rows), 100))).tobytes()
            _read_labels(rows)
    try:
        open_rows(f"{path}::x")
    except (NpyFileError, OSError):
        return was_read
    return True


def _read_labels(rows: object) -> None:
    try:
        read_classes(rows, None, at_least=1)  # type: ignore[arg-type] # Rows of any file.
    except (ValueError, TypeError) as error:
        # Labels that are none are refused in three sentences.
        if "Received: " not in str(error):
            raise


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few flipped, inserted, cut or moved, mostly near the start and the end."""
    damaged = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        size = len(damaged)
        near = rng.choice([min(size, 200), size, size])
        at = rng.randrange(near) if near else 0
        if rng.random() < 0.4 and size > 200:
            at = size - 1 - rng.randrange(200)
        kind = rng.randrange(6)
        if kind == 0 and size:
            damaged[at] = rng.randrange(256)
        elif kind == 1:
            damaged[at:at] = rng.choice(TOKENS)
        elif kind == 2:
            token = rng.choice(TOKENS)
            damaged[at : at + len(token)] = token
        elif kind == 3:
            del damaged[at : at + rng.choice([1, 2, 8, 100])]
        elif kind == 4:
            del damaged[at:]
        else:
            start = rng.randrange(size) if size else 0
            damaged[at:at] = damaged[start : start + rng.randrange(64)]
    return bytes(damaged)


def seeds() -> list[bytes]:
    return [path.read_bytes() for path in sorted(CORPUS.iterdir())]


def _run_atheris(options: list[str], folder: Path) -> None:
    import atheris  # type: ignore[import-not-found] # Only this command needs it.

    # Import everything once more, and note what of it a file reaches. To do so in all of NumPy too
    # would take minutes.
    for name in [name for name in sys.modules if name.startswith("keras_npy")]:
        del sys.modules[name]
    with atheris.instrument_imports(include=["keras_npy"]):
        noted = importlib.import_module("tests.faults.fuzz")

    def attack_once(data: bytes) -> None:
        noted.attack(data, folder)

    atheris.Setup([sys.argv[0], *options], attack_once)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", nargs=argparse.REMAINDER, help="run atheris instead")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as name:
        if arguments.atheris is not None:
            _run_atheris(arguments.atheris, Path(name))
        rng, counts = random.Random(arguments.seed), {True: 0, False: 0}
        until_s = time.monotonic() + arguments.seconds
        while time.monotonic() < until_s:
            data = mutated(rng.choice(seeds()), rng)
            try:
                counts[attack(data, Path(name))] += 1
            except Exception:
                found = Path(tempfile.gettempdir()) / f"{hashlib.sha1(data).hexdigest()}.npy"
                found.write_bytes(data)
                print(f"Found: {found}")
                raise
    print(f"{counts[True]} files were read, {counts[False]} refused")


if __name__ == "__main__":
    main()
