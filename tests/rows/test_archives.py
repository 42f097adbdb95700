"""Members of archives stand wherever a file can: alone, in lists and patterns, one a sample."""

import os
import pickle
import re
import shlex
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import (
    NpyFileError,
    NpyLayoutWarning,
    NpySequence,
    convert,
    open_rows,
    samples,
    take,
    windows,
)
from keras_npy.files import samples as stored_samples
from keras_npy.rows.sources import expand
from keras_npy.tools.cli import main

NUM_CASES = 11
IMAGES = np.arange(NUM_CASES * 30, dtype="int16").reshape(NUM_CASES, 5, 6)

SAVES: dict[str, Callable[..., None]] = {"stored": np.savez, "compressed": np.savez_compressed}


def save_cases(folder: Path, save: Callable[..., None], images: np.ndarray = IMAGES) -> str:
    """An archive for each image, with its mask; the pattern of the images."""
    for number, image in enumerate(images):
        save(folder / f"case{number}.npz", image=image, mask=image > 100)
    return f"{folder}/case*.npz::image"


def run_command(text: str) -> None:
    """Run the command that a message shows."""
    found = re.search(r"`keras-npy (.*?)`", text)
    assert found, text
    assert 0 == main(shlex.split(found[1]))


@pytest.fixture(autouse=True)
def _allow_slow_layouts() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NpyLayoutWarning)
        yield


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize("kind", ["pattern", "list"])
def test_samples_of_members_are_their_arrays(tmp_path: Path, how: str, kind: str) -> None:
    """Images and masks of the same archives, shuffled together."""
    pattern = save_cases(tmp_path, SAVES[how])
    masks: Any = pattern.replace("image", "mask")
    numbers = np.arange(NUM_CASES)
    source: Any = pattern
    if kind == "list":
        numbers = numbers[::-1]
        source = [f"{tmp_path}/case{number}.npz::image" for number in numbers]
        masks = [Path(f"{tmp_path}/case{number}.npz::mask") for number in numbers]
    rows = samples(source)
    np.testing.assert_array_equal(IMAGES[numbers], rows[:], strict=True)
    np.testing.assert_array_equal(IMAGES[numbers[[7, 2, 7]]], rows[[7, 2, 7]])
    seq = NpySequence(rows, samples(masks), batch_size=4, shuffle=True, seed=0)
    again = pickle.loads(pickle.dumps(seq))
    for (image, mask), (other, _) in zip(seq, again, strict=True):
        np.testing.assert_array_equal(image > 100, mask)
        np.testing.assert_array_equal(image, other)


@pytest.mark.parametrize("how", SAVES)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(np.asfortranarray, id="fortran"),
        pytest.param(lambda image: image.astype(">i2"), id="big-endian"),
        pytest.param(lambda image: image > 100, id="bool"),
        pytest.param(lambda image: image[0, 0], id="scalar"),
        pytest.param(lambda image: np.repeat(image, 9000, axis=0), id="large"),
    ],
)
def test_samples_of_members_of_any_layout_are_read(
    tmp_path: Path, how: str, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    """As files of their own are."""
    for number, image in enumerate(IMAGES[:3]):
        SAVES[how](tmp_path / f"case{number}.npz", image=change(image))
    expected = np.stack([change(image) for image in IMAGES[:3]])
    np.testing.assert_array_equal(expected, samples(f"{tmp_path}/case*.npz::image")[:])


def test_samples_may_be_members_and_files_of_every_kind(tmp_path: Path) -> None:
    """In one list, stored and compressed, in both byte orders and orders of axes."""
    np.save(tmp_path / "a.npy", IMAGES[0])
    np.savez(tmp_path / "b.npz", image=np.asfortranarray(IMAGES[1]))
    np.savez_compressed(tmp_path / "c.npz", image=IMAGES[2].astype(">i2"))
    np.savez_compressed(tmp_path / "d.npz", image=IMAGES[3])
    paths = [tmp_path / "a.npy", *(f"{tmp_path}/{name}.npz::image" for name in "bcd")]
    for numbers in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2]):
        rows = samples([paths[number] for number in numbers])
        np.testing.assert_array_equal(IMAGES[numbers], rows[:], strict=True)


def test_samples_that_are_compressed_say_how_to_convert_all(tmp_path: Path) -> None:
    """The command that the warning shows makes one file of them."""
    pattern = save_cases(tmp_path, np.savez_compressed)
    with pytest.warns(NpyLayoutWarning, match="unpacked whole each time") as warned:
        samples(pattern)
    run_command(str(warned[0].message))
    np.testing.assert_array_equal(IMAGES, np.load(tmp_path / "case_converted.npy"), strict=True)


@pytest.fixture
def _only_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_samples, "UNPACKED_BYTES_MAX", 59)


def each_image(folder: Path) -> np.ndarray:
    return samples(f"{folder}/**/case*_image.npy")[:]


LARGE: list[tuple[Callable[[str], Any], Callable[[Path], np.ndarray]]] = [
    (samples, lambda folder: np.load(folder / "case_converted.npy")),
    (
        lambda pattern: samples(expand(pattern)[1:3]),
        lambda folder: np.insert(np.load(f"{folder}_converted.npy"), [0], IMAGES[[0]], axis=0),
    ),
    (lambda pattern: samples(pattern, length=4), each_image),
    (lambda pattern: samples(expand(pattern)), each_image),
    (
        lambda pattern: NpySequence.from_directory(
            os.path.dirname(pattern), labels=None, member="image"
        ),
        each_image,
    ),
]


@pytest.mark.usefixtures("_only_small")
@pytest.mark.parametrize(
    ("build", "unpacked"), LARGE, ids=["pattern", "few", "length", "list", "from_directory"]
)
def test_samples_that_are_large_and_compressed_are_refused_with_what_unpacks_all(
    tmp_path: Path, build: Callable[[str], Any], unpacked: Callable[[Path], np.ndarray]
) -> None:
    """One command, or one line of Python where no common file would do; each is executed."""
    pattern = save_cases(tmp_path, np.savez_compressed)
    with pytest.raises(NpyFileError, match=r"at most 59 bytes\. Received: 60 bytes") as raised:
        build(pattern)
    line = re.search(r"in Python: `(.*?)`", str(raised.value))
    if line is None:
        run_command(str(raised.value))
    else:
        exec(line[1], {})
    found = unpacked(tmp_path)
    np.testing.assert_array_equal(IMAGES[: len(found)], found, strict=True)
    np.testing.assert_array_equal(IMAGES, samples(pattern, unpack=True)[:])


@pytest.mark.usefixtures("_only_small")
def test_samples_that_are_small_or_stored_are_not_refused(tmp_path: Path) -> None:
    """Of different length, those that are large are named."""
    for number, length in enumerate((4, 5, 4)):
        save = np.savez if number == 2 else np.savez_compressed
        save(tmp_path / f"case{number}.npz", image=IMAGES[number, :length])
    with pytest.raises(NpyFileError, match=r"case1\.npz::image: .*at most 59 bytes"):
        samples(f"{tmp_path}/case*.npz::image", length=4)
    small = samples(f"{tmp_path}/case[02].npz::image", length=4)
    np.testing.assert_array_equal(IMAGES[[0, 2], :4], small[:])


@pytest.mark.parametrize("how", SAVES)
def test_samples_member_that_is_missing_is_named_with_those_there(tmp_path: Path, how: str) -> None:
    """When it is read."""
    pattern = save_cases(tmp_path, SAVES[how])
    SAVES[how](tmp_path / "case4.npz", picture=IMAGES[4])
    with pytest.raises(NpyFileError, match=r"case4\.npz: a member.*image.*members are: picture"):
        samples(pattern)[:]


@pytest.mark.parametrize("how", SAVES)
def test_samples_member_of_another_shape_is_named(tmp_path: Path, how: str) -> None:
    """As a file of another shape is."""
    pattern = save_cases(tmp_path, SAVES[how])
    SAVES[how](tmp_path / "case4.npz", image=IMAGES[4, 1:])
    with pytest.raises(NpyFileError, match=r"^/.*case4\.npz::image: each sample.*\(4, 6\)"):
        samples(pattern)[:]


@pytest.mark.parametrize("how", SAVES)
def test_samples_member_that_is_damaged_is_named(tmp_path: Path, how: str) -> None:
    """By the checksum of the archive."""
    pattern = save_cases(tmp_path, SAVES[how])
    rows = samples(pattern)
    data = bytearray((tmp_path / "case4.npz").read_bytes())
    at = data.index(b"image.npy") + (200 if how == "stored" else 60)
    data[at : at + 4] = b"\xff\xff\xff\xff"
    (tmp_path / "case4.npz").write_bytes(data)
    with pytest.raises(NpyFileError, match=r"case4\.npz::image: "):
        rows[:]


@pytest.mark.parametrize("how", SAVES)
def test_samples_archive_that_changed_is_named(tmp_path: Path, how: str) -> None:
    """After it was read once."""
    rows = samples(save_cases(tmp_path, SAVES[how]))
    rows[:]
    os.utime(tmp_path / "case4.npz", (1, 1))
    with pytest.raises(NpyFileError, match=r"case4\.npz.*must not change"):
        rows[4]


def test_archive_without_a_member_lists_them(tmp_path: Path) -> None:
    """For samples, shards and one file alike; what it says to write is then read."""
    pattern = save_cases(tmp_path, np.savez)
    without = pattern.partition("::")[0]
    for read in (samples, open_rows, NpySequence):
        for source in (without, [f"{tmp_path}/case0.npz"]):
            with pytest.raises(NpyFileError, match=r"members image, mask\. Name one") as raised:
                read(source)
            suffix = re.search(r'as in "case0\.npz(.*)"', str(raised.value))
            assert suffix
            assert "::image" == suffix[1]
    assert (NUM_CASES, 5, 6) == samples(without + suffix[1]).shape


@pytest.mark.parametrize("kind", ["one", "pattern", "list"])
@pytest.mark.parametrize(
    "open_any",
    [open_rows, NpySequence, lambda source: windows(source, sequence_length=2, join=True)],
)
def test_compressed_rows_are_refused_with_a_command_for_all(
    tmp_path: Path, kind: str, open_any: Callable[[Any], Any]
) -> None:
    """It unpacks every member, and joins them in their order."""
    parts = np.array_split(IMAGES, [4, 6])
    for number, part in enumerate(parts):
        # A stored one among them.
        (np.savez if number == 1 else np.savez_compressed)(tmp_path / f"p{number}.npz", x=part)
    source: Any = f"{tmp_path}/p*.npz::x"
    expected, new = IMAGES, "p_converted.npy"
    if kind == "one":
        source, expected, new = f"{tmp_path}/p0.npz::x", parts[0], "x.npy"
    if kind == "list":
        source = [f"{tmp_path}/p{number}.npz::x" for number in (2, 1)]
        expected, new = np.concatenate([parts[2], parts[1]]), f"../{tmp_path.name}_converted.npy"
    with pytest.raises(NpyFileError, match="Received: a compressed member") as raised:
        open_any(source)
    run_command(str(raised.value))
    np.testing.assert_array_equal(expected, np.load(tmp_path / new), strict=True)
    os.unlink(tmp_path / new)
    assert [] == list(tmp_path.glob("*.tmp"))


def test_stored_rows_of_archives_are_joined_in_place(tmp_path: Path) -> None:
    """A pattern with a member, below windows and in a sequence."""
    for number, part in enumerate(np.array_split(IMAGES, 3)):
        np.savez(tmp_path / f"p{number}.npz", x=part, y=part[:, 0, 0])
    x, y = f"{tmp_path}/p*.npz::x", f"{tmp_path}/p*.npz::y"
    np.testing.assert_array_equal(IMAGES, open_rows(x)[:])
    seq = NpySequence(x, y, batch_size=4, shuffle=True, seed=0)
    for image, number in seq:
        np.testing.assert_array_equal(IMAGES[number // 30], image)


@pytest.mark.parametrize("how", SAVES)
def test_from_directory_reads_a_member_of_each_archive(tmp_path: Path, how: str) -> None:
    """Labels are those of the folders; other files are ignored."""
    for number, image in enumerate(IMAGES):
        folder = tmp_path / ("cat" if number % 2 else "dog")
        folder.mkdir(exist_ok=True)
        SAVES[how](folder / f"{number}.npz", image=image, other=image[0])
        np.save(folder / "ignored.npy", image)
    seq = NpySequence.from_directory(tmp_path, member="image", batch_size=20)
    order = [1, 3, 5, 7, 9, 0, 2, 4, 6, 8, 10]
    np.testing.assert_array_equal(IMAGES[order], seq[0][0], strict=True)
    assert [0] * 5 + [1] * 6 == seq[0][1].tolist()
    unlabelled = NpySequence.from_directory(tmp_path, labels=None, member="image", batch_size=20)
    assert NUM_CASES == unlabelled.num_samples


@pytest.mark.parametrize("labels", ["inferred", None])
def test_from_directory_without_files_says_that_archives_need_a_member(
    tmp_path: Path, labels: Any
) -> None:
    """And the other way round; the remedy is followed."""
    (tmp_path / "cat").mkdir()
    np.savez(tmp_path / "cat" / "0.npz", image=IMAGES[0])
    with pytest.raises(NpyFileError, match=r"one \.npy file.*for \.npz files pass member="):
        NpySequence.from_directory(tmp_path, labels=labels)
    seq = NpySequence.from_directory(tmp_path, labels=labels, member="image")
    assert (1, 5, 6) == seq.x.shape
    os.unlink(tmp_path / "cat" / "0.npz")
    with pytest.raises(NpyFileError, match=r"one \.npz file.*for \.npy files leave member= out"):
        NpySequence.from_directory(tmp_path, labels=labels, member="image")


def test_convert_joins_samples_of_archives(tmp_path: Path) -> None:
    """In Python, as the command does."""
    pattern = save_cases(tmp_path, np.savez_compressed)
    convert(samples(pattern), tmp_path / "all.npy")
    np.testing.assert_array_equal(IMAGES, np.load(tmp_path / "all.npy"), strict=True)


LISTS: list[tuple[Callable[[str], list[Any]], list[int]]] = [
    (lambda folder: [f"{folder}/a*.npz::x", f"{folder}/b.npz::x"], [0, 1, 2, 3, 4, 5]),
    (lambda folder: [take(f"{folder}/c.npy", [1]), f"{folder}/b.npz::x"], [7, 4, 5]),
    (lambda folder: [np.array([9], "int16"), [f"{folder}/a1.npz::x"]], [9, 2, 3]),
    (lambda folder: [open_rows(f"{folder}/c.npy", io="map"), f"{folder}/c.npy"], [6, 7, 6, 7]),
]


@pytest.mark.parametrize(("make", "expected"), LISTS, ids=["patterns", "take", "nested", "opened"])
def test_convert_takes_lists_of_any_sources(
    tmp_path: Path, make: Callable[[str], list[Any]], expected: list[int]
) -> None:
    """Compressed members among patterns, arrays, and rows that are open already."""
    for number, name in enumerate(["a0", "a1", "b"]):
        np.savez_compressed(tmp_path / f"{name}.npz", x=np.arange(2, dtype="int16") + 2 * number)
    np.save(tmp_path / "c.npy", np.array([6, 7], "int16"))
    convert(make(str(tmp_path)), tmp_path / "new.npy")
    assert expected == np.load(tmp_path / "new.npy").tolist()
    assert [] == list(tmp_path.glob("*.tmp"))
