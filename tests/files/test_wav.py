"""WAV files read by `raw`: their samples, and nothing that stands beside them."""

import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpyFileError, NpySequence, raw

# Their samples begin where no page does.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")

SOUND = np.arange(1000, 2500, dtype="int16")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    length = len(data) if size is None else size
    return name + struct.pack("<I", length) + data + bytes(len(data) % 2)


FMT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16))
NOTES = chunk(b"LIST", b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0")


def wav(*chunks: bytes, name: str = "a.wav", kind: bytes = b"RIFF") -> str:
    body = b"WAVE" + b"".join(chunks)
    Path(name).write_bytes(kind + struct.pack("<I", len(body)) + body)
    return name


DATA = chunk(b"data", SOUND.tobytes())


@pytest.mark.parametrize(
    ("chunks", "begin", "message"),
    [
        pytest.param(
            (FMT, NOTES, DATA), 78, r"offset=44 .*begin at byte 78 and end at", id="front"
        ),
        pytest.param((FMT, DATA, NOTES), 44, r"byte 3044, and 34 bytes of notes", id="behind"),
        pytest.param((FMT, NOTES, DATA, NOTES), 78, r"byte 78 .* 34 bytes of notes", id="both"),
        pytest.param((FMT, chunk(b"bext", bytes(601)), DATA), 654, r"at byte 654", id="odd-chunk"),
    ],
)
@pytest.mark.parametrize("how", ["path", "pattern", "list"])
def test_notes_in_a_wav_file_are_not_served_as_sound(
    chunks: Any, begin: int, message: str, how: str
) -> None:
    """Before or behind the samples; what the message names gives the samples alone."""
    path = wav(*chunks)
    source: Any = {"path": path, "pattern": "*.wav", "list": [path]}[how]
    with pytest.raises(NpyFileError, match=message) as raised:
        raw(source, dtype="int16", offset=44)
    text = str(raised.value)
    if "np.memmap" in text:
        code = text[text.index("np.memmap") :].partition(" itself")[0]
        rows = NpySequence(eval(code, {"np": np, "path": path})).x
    else:
        assert f"offset={begin} if" in text
        rows = raw(source, dtype="int16", offset=begin)
    np.testing.assert_array_equal(SOUND, rows[:])


@pytest.mark.parametrize(
    ("chunks", "offset", "expected"),
    [
        pytest.param((FMT, DATA), 44, SOUND, id="plain"),
        pytest.param((FMT, NOTES, DATA), 78, SOUND, id="behind-notes"),
        pytest.param((FMT, DATA), 44 + 200, SOUND[100:], id="later"),
        pytest.param((FMT, chunk(b"data", SOUND.tobytes(), 0xFFFFFFFF)), 44, SOUND, id="piped"),
        pytest.param((FMT, chunk(b"data", SOUND.tobytes(), 0)), 44, SOUND, id="never-closed"),
        pytest.param((FMT, bytes(4) + DATA), 48, SOUND, id="no-chunk"),
    ],
)
def test_samples_of_a_wav_file_are_read_from_where_they_begin(
    chunks: Any, offset: int, expected: np.ndarray
) -> None:
    """Also from later on, and where the size was never written."""
    np.testing.assert_array_equal(expected, raw(wav(*chunks), dtype="int16", offset=offset)[:])
    rf64 = wav(*chunks, name="b.wav", kind=b"RF64")
    np.testing.assert_array_equal(expected, raw(rf64, dtype="int16", offset=offset)[:])


LARGE = (5 << 30) + 6


@pytest.mark.parametrize("kind", [b"RF64", b"BW64", b"RIFF"])
@pytest.mark.parametrize(
    ("data_bytes", "behind"),
    [(LARGE, b""), (LARGE - 100, bytes(100)), (0, b"")],
    ids=["samples", "notes", "never-closed"],
)
def test_files_of_more_than_4_gib_say_their_size_in_64_bits(
    kind: bytes, data_bytes: int, behind: bytes
) -> None:
    """32 bits cannot: `data` says 0xFFFFFFFF, which is the end of the file without `ds64`."""
    size = chunk(b"ds64", struct.pack("<QQQI", 0, data_bytes, 0, 0))
    path = wav(size, FMT, chunk(b"data", b"", 0xFFFFFFFF), kind=kind)
    with open(path, "r+b") as file:
        begin = file.seek(0, 2)
        file.truncate(begin + LARGE)
    if behind and kind != b"RIFF":
        with pytest.raises(NpyFileError, match=rf"at byte {begin} and end at|100 bytes of notes"):
            raw(path, dtype="int16", offset=begin)
    else:
        assert LARGE // 2 == len(raw(path, dtype="int16", offset=begin))


def test_files_that_python_writes_are_read_at_44() -> None:
    """Stereo too."""
    with wave.open("w.wav", "wb") as file:
        file.setparams((2, 2, 16_000, 0, "NONE", ""))
        file.writeframes(SOUND.tobytes())
    rows = raw("w.wav", dtype="int16", shape=(-1, 2), offset=44)
    np.testing.assert_array_equal(SOUND.reshape(-1, 2), rows[:])
