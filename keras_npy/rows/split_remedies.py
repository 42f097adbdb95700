"""What the warnings of a split or of folds say: what rows share, and what keeps them apart."""

from keras_npy.files import archive
from keras_npy.rows.base import Rows
from keras_npy.rows.timesteps import REPEAT_LATER, Kind, Shared

# Of series that lie class by class.
CUT_EACH = (
    "Cut each series by itself: windows(..., end_index=t) of each to train with, and windows(..., "
    "start_index=t) of each to validate with; or take windows side by side, and stratify=True"
)

# Of windows of a file that comes more than once, where files cannot be parted.
CUT_ONCE = (
    "Give each file to one windows(...), once, and cut it in time: windows(..., end_index=t) to "
    "train with, and windows(..., start_index=t) to validate with."
)

# Of a class that lies in one group, and of one that lies in several but large ones.
SMALLER_GROUPS = (
    "A class that is one group lies in one part: give its rows several groups, such as one for "
    "each recording or patient, and stratify=True"
)
OTHER_SHARE = "Take a fraction nearer to the share of a group, such as 0.5 of two, or more groups"

GROUPS_OF_SERIES = "groups= with one group for each series"

# Of windows that are dealt out at random.
IN_ORDER = "split(..., in_order=True), which cuts by time"
FOLDS_OF_SERIES = "folds(..., groups=), with a group for each series"

_WHAT: dict[Kind, str] = {
    "row": "are served more than once",
    "repeat": "are served more than once",
    "link": "are served more than once",
    "pair": "have one in common",
}

_AS: dict[Kind, str] = {
    "row": "",
    "repeat": ", beside windows that overlap,",
    "link": "",
    "pair": ", as pairs of rows of one file do,",
    "copy": ", as windows of a file that comes more than once do,",
    "overlap": ", as windows that overlap do,",
}


def received(shared: Shared, leaf: Rows, how: str, num_rows: int) -> str:
    """The rule, and the rows that break it.

    Args:
        shared: The rows.
        leaf: Their source.
        how: How they come into several parts.
        num_rows: Rows that are dealt out.
    """
    path, at = leaf.file_of(shared.row)
    looked_at = " that were looked at" if shared.num_looked_at < num_rows else ""
    where = f"row {at}" if shared.kind in _WHAT else f"the one from timestep {at}"
    what = _WHAT.get(shared.kind, "share timesteps")
    return (
        f"Rows that {what}{_AS[shared.kind]} {how}, so that the parts have values in common and "
        f"validation looks too good. Received: {shared.num_rows} of {shared.num_looked_at} rows of "
        f"{leaf.name}{looked_at}, such as {where} of {path}."
    )


def _real_path(leaf: Rows, shared: Shared) -> str:
    """A function that gives all names of a file the same group."""
    paths = (leaf.file_of(row)[0] for row in (shared.row, shared.other))
    if any(archive.MEMBER_MARK in path for path in paths):
        return f"lambda path: os.path.realpath(path.split({archive.MEMBER_MARK!r})[0])"
    return "os.path.realpath"


def remedy_of(shared: Shared, leaf: Rows, name: str, remedy: str | None) -> str:
    """What keeps the rows in one part.

    Args:
        shared: The rows.
        leaf: Their source.
        name: What a user calls it.
        remedy: What to use where windows overlap; `None` if their series lie class by class.
    """
    if shared.kind == "overlap":
        return f"{CUT_EACH}." if remedy is None else f"Use {remedy}, or windows side by side."
    if shared.kind == "repeat":
        # Groups of copies alone would part windows that overlap.
        if remedy is None:
            return f"{CUT_EACH}. Repeat rows of the part to train with afterwards."
        by_series = "First" if remedy == IN_ORDER else f"Use {remedy}. Of one series, first"
        return f"{by_series} {REPEAT_LATER}."
    if shared.kind == "copy":
        return (
            f"Give each file to one windows(...), once; groups={_real_path(leaf, shared)} keeps "
            "each file in one part."
        )
    if shared.kind == "pair":
        return (
            "Split the rows first, and pair those of each part: train, validation = "
            "NpySequence(path).split(0.2), then take(train.x, ...) and take(validation.x, ...)."
        )
    if shared.kind == "link":
        one, other = (
            f"row {row} of {path}" for path, row in map(leaf.file_of, (shared.row, shared.other))
        )
        return f"Give each row once: {one} and {other} have the same bytes."
    groups = "groups=seq.indices" if shared.row == shared.other else groups_of(name)
    return f"Use each row once, or {groups}, which keeps the copies of a row in one part."


def groups_of(name: str) -> str:
    """Code for one group for each row of a source of this name."""
    return f"groups=[str({name}.file_of(i)) for i in range(seq.num_samples)]"
