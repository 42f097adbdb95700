"""Whether two sources belong together: as many rows, and files that are partners by name.

Rows are paired by position. If x and y are made of many files each, one file that is missing on one
side pairs all files behind it wrongly. Their names show it.
"""

from collections.abc import Sequence

import numpy as np

from keras_npy.errors import warn
from keras_npy.files.archive import MEMBER_MARK
from keras_npy.files.foreign import RAW_SAMPLES
from keras_npy.files.store import FileList
from keras_npy.names.partners import Verdict, compare_names
from keras_npy.names.split_words import other_parts
from keras_npy.rows.base import Rows
from keras_npy.rows.beside_windows import remedy_beside_windows
from keras_npy.rows.chosen import ChosenRows
from keras_npy.rows.chosen_pairs import check_chosen_pairs
from keras_npy.rows.crops import check_crops
from keras_npy.rows.element_lengths import check_element_lengths
from keras_npy.rows.forwarding import ForwardingRows
from keras_npy.rows.joined import JoinedRows
from keras_npy.rows.named_after import remedy_of_named_after
from keras_npy.rows.natural_order import check_natural_order, found_files, num_files
from keras_npy.rows.no_source import EACH_A_SAMPLE

FILES_NAMED_MAX = 3

# The files of two series of one rate differ by at most this share of their timesteps.
_RATES_APART = 0.2

# Windows whose first timesteps are compared, from all over two sources.
WINDOWS_COMPARED = 1000


def check_pairs(
    leaves: Sequence[Rows], *, check_names: bool, arguments: Sequence[str] = ()
) -> None:
    """Raise `ValueError` if sources cannot belong together, row by row.

    Args:
        leaves: The sources whose rows are paired.
        check_names: Whether files must also be partners by their names.
        arguments: How the user wrote each, as `x` and `y`.
    """
    first, *others = leaves
    for at, other in enumerate(others, 1):
        if len(other) != len(first):
            raise _differ_in_length(first, other, [arguments[i] for i in (0, at) if arguments])
    if not check_names:
        return
    _check_parts(leaves)
    check_natural_order(leaves)
    check_crops(leaves)
    check_chosen_pairs(leaves)
    # Sources of as many files are compared with the first of them: if two pairs are right, so is
    # the third.
    firsts: dict[int, tuple[Rows, FileList]] = {}
    for rows in leaves:
        files = rows.files_beneath
        if files is not None and len(files.paths) > 1:
            first_rows, first_files = firsts.setdefault(len(files.paths), (rows, files))
            if rows is not first_rows:
                both = first_rows, rows
                if _check_files(first_files, files, *both):
                    _check_lengths_of(first_files, files, *both)
    for other in others:
        _check_windows(first, other)
    check_element_lengths(leaves)


def check_beside(leaves: Sequence[Rows], rows: Rows) -> None:
    """As `check_pairs`, of one more source beside leaves that belong together, such as groups."""
    _check_parts([*leaves[:1], rows])
    in_files = [leaf for leaf in leaves if num_files(leaf) not in ([], [1])]
    for leaf in in_files:
        files, others = leaf.files, rows.files
        if files and others and len(files.paths) == len(others.paths):
            if _check_files(files, others, leaf, rows):
                _check_lengths(files, others, _APART)
            break
    else:
        check_natural_order([*(in_files or leaves)[:1], rows])
    check_element_lengths([leaves[0], rows])


def _check_parts(leaves: Sequence[Rows]) -> None:
    """Warn if files of the training set, a fold or a patient are paired with those of another."""
    first, *others = [files.paths for rows in leaves if (files := rows.files)] or [[]]
    for paths in others:
        words = other_parts(first, paths)
        if words is not None:
            warn(
                f"{paths[0]}: rows that belong together come from the same part, fold or patient. "
                f"Received: {first[0]} of {words[0]!r} with {paths[0]} of {words[1]!r}. Name the "
                "files of one; check_names=False says that the pairs are meant."
            )
            return


def _check_windows(first: Rows, other: Rows) -> None:
    """Raise if windows of two series of one length begin at timesteps that drift apart.

    Those of a series in one file are cut in other places than those of the same series in many.
    """
    if _is_chosen(first) or _is_chosen(other):
        return
    num_rows = min(len(first), len(other))
    rows = np.unique(np.linspace(0, num_rows - 1, WINDOWS_COMPARED).astype(np.int64))
    begins, other_begins = first.timesteps(rows), other.timesteps(rows)
    if begins.num_steps != other_begins.num_steps or begins.num_steps in (len(first), len(other)):
        return
    apart = other_begins.begins - begins.begins
    differs = np.flatnonzero(apart != apart[0])
    if differs.size:
        at = int(differs[0])
        raise ValueError(
            f"{other.name}: windows that belong together must begin at the same timesteps, or a "
            f"fixed number apart. Received: row {rows[at]} of {first.name} begins at timestep "
            f"{begins.begins[at]}, that of {other.name} at timestep {other_begins.begins[at]}. "
            "Where one series lies in several files, cut the other one alike: windows([take(path, "
            "slice(0, 100)), take(path, slice(100, None))], ...); or pass join=True for one long "
            "series. check_names=False says that the pairs are meant."
        )


def _is_chosen(rows: Rows) -> bool:
    """Whether the user chose among rows by number."""
    if isinstance(rows, JoinedRows):
        return any(map(_is_chosen, rows.sources))
    if isinstance(rows, ForwardingRows):
        return isinstance(rows, ChosenRows) or _is_chosen(rows.source)
    return False


def _check_files(files: FileList, others: FileList, first: Rows, second: Rows) -> bool:
    """Raise or warn if files are no partners by name.

    Args:
        files: Those of one source.
        others: As many files of another one.
        first: The rows of the one.
        second: Those of the other.

    Returns:
        Whether they are partners.
    """
    if (files.are_chosen or others.are_chosen) and not set(files.paths).isdisjoint(others.paths):
        # Two views of the same files, by number: pairs for a siamese net.
        return False
    verdict = compare_names(files.paths, others.paths)
    # Otherwise the user chose their order.
    are_found = any(any(found_files(one)) for one in (first, second))
    if verdict.kind == "strangers" and are_found:
        warn(
            f"{others.paths[0]}: files that belong together must have a number or a word in common "
            "that tells them from the others. Received: a pattern, whose natural order pairs "
            f"{files.paths[0]} with {others.paths[0]}. List the files of both in the same order, "
            "or rename them; check_names=False says that the pairs are meant."
        )
    elif verdict.kind in ("differ", "doubtful"):
        message = _message(files.paths, others.paths, verdict)
        if verdict.kind == "differ":
            raise ValueError(message)
        warn(message)
    return verdict.kind == "partners"


def _message(paths: Sequence[str], others: Sequence[str], verdict: Verdict) -> str:
    place = verdict.first
    belong = f", but {' belongs with '.join(verdict.belong)}" if verdict.belong else ""
    message = (
        f"{others[place]}: files are paired in order, and their names must agree in the numbers "
        f"and words that differ from file to file. Received: {paths[place]} with {others[place]}, "
        f"pair {place + 1} of {len(paths)}"
    )
    if verdict.kind == "doubtful" and verdict.is_shifted:
        # To leave files out would pair each frame with the next one, if the sides count otherwise.
        return (
            f"{message}, and all others alike. Look at one pair: if it is right, as where one side "
            "counts from 0 and the other from 1, check_names=False says that the pairs are meant; "
            f"only if equal numbers belong together, leave out {_named(verdict.alone)}."
        )
    return (
        f"{message}{belong}. {_remedy(verdict)}; check_names=False says that the pairs are meant."
    )


def _check_lengths_of(files: FileList, others: FileList, first: Rows, second: Rows) -> None:
    """Raise or warn if partners by name have other lengths."""
    reach_over = [rows.files is None for rows in (first, second)]
    if all(reach_over):
        begins = [int(rows.timesteps(np.zeros(1, np.int64)).begins[0]) for rows in (first, second)]
        # With start_index= the user says where the one begins beside the other.
        if begins[0] == begins[1]:
            _warn_of_drift(files, others)
    elif not any(reach_over):
        _check_lengths(files, others, _APART, remedy_beside_windows(first, second))


_APART = "; check_names=False says that they do not belong together"


def _warn_of_drift(files: FileList, others: FileList) -> None:
    """Warn if series that go on from file to file seem to drift apart.

    The last file may end earlier. How long files of two rates are, only the user knows, and one
    series may be cut in other places than the other.
    """
    ours, theirs = files.lengths[:-1], others.lengths[:-1]
    apart = np.abs(ours - theirs)
    has_one_rate = np.all(apart <= _RATES_APART * np.maximum(ours, theirs))
    if apart.any() and has_one_rate:
        place = int(np.flatnonzero(apart)[0])
        warn(
            f"{others.paths[place]}: two series that go on from file to file should have the same "
            f"number of timesteps in each. Received: {files.paths[place]} has "
            f"N={ours[place]}, {others.paths[place]} has N={theirs[place]}, so that rows of the "
            "next file are paired with those of another time, unless the two are only cut in other "
            "places. Save both again, with the same rows; check_names=False says that the pairs "
            "are meant."
        )


def _check_lengths(
    files: FileList, others: FileList, or_else: str = "", found: str | None = None
) -> None:
    differs = np.flatnonzero(files.lengths != others.lengths)
    if differs.size:
        place = int(differs[0])
        remedy = found or f"Save both again, with the same rows{or_else}."
        if found is None and files.paths[place] == others.paths[place]:
            remedy = (
                "start_index and end_index count over all files: cut each for itself, "
                "[windows(path, ...) for path in paths]."
            )
        raise ValueError(
            f"{others.paths[place]}: two files that belong together must have the same number of "
            f"rows. Received: {files.paths[place]} has N={files.lengths[place]}, "
            f"{others.paths[place]} has N={others.lengths[place]}. {remedy}"
        )


def _differ_in_length(first: Rows, other: Rows, arguments: Sequence[str]) -> ValueError:
    # Only files have a name of their own.
    name, other_name = (
        f"{argument} ({rows.name})" if argument and rows.files_beneath is None else rows.name
        for rows, argument in zip((first, other), arguments or ("", ""), strict=True)
    )
    received = (
        f"{other_name}: x, y and sample_weight must have the same number of samples on "
        f"axis 0. Received: {name} has N={len(first)}, {other_name} has "
        f"N={len(other)}. "
    )
    for joined, one in ((first, other), (other, first)):
        remedy = remedy_of_named_after(joined, one)
        if remedy:
            return ValueError(f"{received}{remedy}")
        if _are_parts_samples(joined, one):
            return ValueError(f"{received}{_remedy_of_samples(joined, one)}")
    remedy = remedy_beside_windows(first, other)
    if remedy is not None:
        return ValueError(f"{received}{remedy}")
    if first.files and other.files:
        remedy = _remedy_of_counts(first.files, other.files)
        if remedy:
            return ValueError(f"{received}{remedy}")
    for chosen, whole in ((first, other), (other, first)):
        if isinstance(chosen, ChosenRows) and len(chosen.source) == len(whole):
            return ValueError(
                f"{received}Only some rows of {chosen.name} are chosen: choose the same of "
                f"{whole.name}, with take(source, indices), or with the same brackets for the "
                "command."
            )
    for windows, targets in ((first, other), (other, first)):
        num_steps = windows.timesteps(np.empty(0, np.int64)).num_steps
        if num_steps == len(targets) != len(windows):
            return ValueError(
                f"{received}{targets.name} has a row for each timestep of the windows: pass it as "
                "targets= of windows, which takes those that windows begin with."
            )
    _check_windows(first, other)
    for rows, others in ((first, other), (other, first)):
        axes = [axis for axis, size in enumerate(rows.shape) if size == len(others)]
        if len(axes) == 1 and (rows.files is None or rows.files.paths == [rows.name]):
            loaded, what = loaded_by(rows)
            return ValueError(
                f"{received}If the samples of {rows.name}, {rows.shape}, lie on axis {axes[0]}, "
                f"save them on axis 0: np.save(new, np.moveaxis({loaded}, {axes[0]}, 0)){what}. "
                "Else save matching files."
            )
    joined, one = (first, other) if len(first) > len(other) else (other, first)
    lengths = joined.shard_lengths
    if len(lengths) > 1 and np.all(lengths == len(one)):
        return ValueError(
            f"{received}A list or a pattern joins its sources: name those that belong here; if "
            "they are several inputs or outputs, pass a tuple or a dict of them."
        )
    return ValueError(
        f"{received}Save matching files; trim the longer one only if its last rows are those "
        "without a partner."
    )


def loaded_by(rows: Rows) -> tuple[str, str]:
    """Code that gives the values of rows, and what a name in it stands for."""
    if rows.files is None:
        return "array", ""
    name = rows.name
    if not isinstance(rows, ForwardingRows) and rows.dtype.name != "bfloat16":
        if MEMBER_MARK in name:
            return f"np.asarray(keras_npy.open_rows({name!r}))", ""
        if name.lower().endswith(".npy"):
            return f"np.load({name!r}, mmap_mode='r')", ""
    # Only the call that made them says what the bytes of a file are.
    return "np.asarray(rows)", f", in which rows are those of {name} that you pass"


def _are_parts_samples(rows: Rows, others: Rows) -> bool:
    """Whether each file or array of rows that were joined may be one sample beside the others."""
    sources = rows.sources if isinstance(rows, JoinedRows) else [rows]
    lengths = rows.shard_lengths
    return (
        1 < len(lengths) == len(others)
        and not any(isinstance(source, ForwardingRows) for source in sources)
        # Several inputs, in a list, have as many rows each.
        and not np.all(lengths == len(others))
    )


def _remedy_of_samples(rows: Rows, others: Rows) -> str:
    lengths = rows.shard_lengths
    is_one_size = bool(np.all(lengths == lengths[0]))
    received = f"as many as {others.name} has rows"
    if rows.files is None:
        remedy = "np.stack(source)"
        if not is_one_size:
            remedy = f"keras.utils.pad_sequences(source, dtype={rows.dtype.name!r})"
        return (
            f"A list joins the rows of its {len(lengths)} arrays, {received}: if each is one "
            f"sample, pass {remedy}."
        )
    if isinstance(rows, JoinedRows):
        return f"A list joins the rows of its {len(lengths)} sources, {received}. {EACH_A_SAMPLE}"
    if not all(path.endswith(".npy") or "::" in path for path in rows.files.paths):
        return f"raw joins the rows of its {len(lengths)} files, {received}. {RAW_SAMPLES}"
    option = "" if is_one_size else ", length=..., pad_value=0"
    return (
        f"A list or a pattern joins the rows of its {len(lengths)} files, {received}: if each file "
        f"is one sample, pass keras_npy.samples(source{option}) of the same list or pattern."
    )


def _remedy_of_counts(files: FileList, others: FileList) -> str | None:
    """What to do about files of other numbers of rows in all, if their names tell.

    Raises:
        ValueError: If as many files are partners, but have other lengths.
    """
    if not (_are_many(files) and _are_many(others)):
        return None
    verdict = compare_names(files.paths, others.paths)
    if verdict.alone:
        return f"{_remedy(verdict)}."
    if verdict.kind == "partners":
        _check_lengths(files, others)
    elif _are_samples(files, others):
        return (
            "Their names do not say which files have no partner: "
            f"{files.paths[0]} and {others.paths[0]} have nothing in common that tells them from "
            "the others. Leave out files without a partner, whichever these are."
        )
    return None


def _are_many(files: FileList) -> bool:
    return len(files.paths) > 1 or files.are_found


def _are_samples(files: FileList, others: FileList) -> bool:
    return bool((files.lengths == 1).all() and (others.lengths == 1).all())


def _remedy(verdict: Verdict) -> str:
    if not verdict.alone:
        return "List the files of both in the same order"
    return (
        f"Without a partner: {_named(verdict.alone)}. "
        "Leave these files out (move them elsewhere), or add their partners"
    )


def _named(paths: Sequence[str]) -> str:
    more = len(paths) - FILES_NAMED_MAX
    return ", ".join(paths[:FILES_NAMED_MAX]) + f" and {more} more" * (more > 0)
