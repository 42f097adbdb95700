"""In which file a row lies, and where: so that a prediction can be traced."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import NpySequence, open_rows, samples, windows
from keras_npy.rows.base import Rows

# The data of archives is not aligned, and Fortran order is slow.
pytestmark = pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")


def files(folder: Path, lengths: list[int], **layout: Any) -> list[str]:
    """Files whose rows say in which file they lie, and where."""
    for number, length in enumerate(lengths):
        rows = np.stack([np.full(length, number), np.arange(length)], axis=1)
        np.save(folder / f"x-{number}.npy", np.asarray(rows, **layout))
    return [f"{folder}/x-{number}.npy" for number in range(len(lengths))]


def one_file(folder: Path) -> Rows:
    return open_rows(files(folder, [5])[0])


def a_fortran_file(folder: Path) -> Rows:
    return open_rows(files(folder, [5], order="F")[0])


def a_pattern(folder: Path) -> Rows:
    files(folder, [3, 0, 2, 4])
    return open_rows(folder / "x-*.npy")


def fortran_files(folder: Path) -> Rows:
    return open_rows(files(folder, [3, 2], order="F"))


def members(folder: Path) -> Rows:
    names = []
    for path in files(folder, [2, 3]):
        np.savez(path[:-4], data=np.load(path))
        names.append(f"{path[:-4]}.npz::data")
    return open_rows(names)


def a_list(folder: Path) -> Rows:
    paths = files(folder, [2, 3, 4])
    return open_rows([open_rows(paths[0]), *paths[1:]])


def a_part(folder: Path) -> Rows:
    return NpySequence(a_pattern(folder)).subset([8, 0, 3, 3, -1]).x


def cut_up(folder: Path) -> Rows:
    return windows(folder / "x-*.npy", sequence_length=2, sequence_stride=2)


def some_windows(folder: Path) -> Rows:
    files(folder, [5, 1, 6])
    return cut_up(folder)


def a_part_of_windows(folder: Path) -> Rows:
    return NpySequence(some_windows(folder)).subset([4, 1]).x


def a_list_of_windows(folder: Path) -> Rows:
    paths = files(folder, [5, 6])
    return open_rows([windows(path, sequence_length=2) for path in paths])


SOURCES = [one_file, a_fortran_file, a_pattern, fortran_files, members, a_list, a_part]
SOURCES += [some_windows, a_part_of_windows, a_list_of_windows]


@pytest.mark.parametrize("make", SOURCES)
def test_file_of_is_where_the_row_lies(tmp_path: Path, make: Any) -> None:
    """As the values of the row say, of a window those of its first timestep; pickled too."""
    rows = make(tmp_path)
    for source in (rows, pickle.loads(pickle.dumps(rows))):
        for index in range(-len(source), len(source)):
            number, row = source[index].reshape(-1)[:2].tolist()
            path, place = source.file_of(index)
            assert (Path(path.partition("::")[0]).stem, place) == (f"x-{number}", row)
    with pytest.raises(IndexError, match=rf"index < {len(rows)}"):
        rows.file_of(len(rows))
    assert rows.file_paths is None


def test_file_of_of_rows_in_memory_names_the_array() -> None:
    """There is no file."""
    assert ("array in memory", 3) == open_rows(np.arange(5)).file_of(-2)


def test_file_of_of_predict_next_counts_from_the_target(tmp_path: Path) -> None:
    """Windows of targets begin one sample later."""
    files(tmp_path, [9, 9])
    x, y = windows(tmp_path / "x-*.npy", sequence_length=3, sampling_rate=2, predict_next=True)
    assert [(0, 2), (2, 4)] == [(x.file_of(i)[1], y.file_of(i)[1]) for i in (0, 5)]


def test_file_paths_are_those_of_the_samples_served(tmp_path: Path) -> None:
    """In the order of predict, for parts, lists and folders too."""
    for number in range(12):
        folder = tmp_path / "data" / ("a" if number < 7 else "b")
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{number}.npy", np.array([number]))
    seq = NpySequence.from_directory(tmp_path / "data")
    listed = NpySequence([samples(seq.file_paths[:4]), samples(seq.file_paths[4:])])
    twice = seq.subset([3, 3, 0])
    for part in (seq, listed, twice, seq.subset(slice(None, None, -2)), *seq.split(0.4)):
        numbers = [int(Path(path).stem) for path in part.file_paths]
        assert numbers == part.x[:][:, 0].tolist()
        assert [(path, 0) for path in part.file_paths] == [
            part.x.file_of(at) for at in range(part.num_samples)
        ]
    nest = NpySequence({"a": seq.x, "b": (np.arange(12),)})
    assert {"a": seq.file_paths, "b": (None,)} == nest.file_paths
    assert windows(seq.x, sequence_length=3, join=True).file_paths is None
    assert seq.file_paths[4] == windows(seq.x, sequence_length=3, join=True).file_of(4)[0]
