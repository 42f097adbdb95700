"""Look through one or two sets, once each, for what would spoil training."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_npy.errors import NpyFileError
from keras_npy.files.appended import DataBehindWarning
from keras_npy.names.partners import compare_names
from keras_npy.rows.base import Rows
from keras_npy.rows.pairs import check_pairs
from keras_npy.rows.walk import walk
from keras_npy.tools import output
from keras_npy.tools.checks.findings import Finding, worst_first
from keras_npy.tools.checks.hashes import Hashes
from keras_npy.tools.checks.labels import Labels
from keras_npy.tools.checks.sets import ROW_BYTES_MIN, CheckedSet, compare
from keras_npy.tools.checks.values import Values
from keras_npy.tools.source import open_source


@dataclass(frozen=True)
class Report:
    """What was found."""

    sets: list[CheckedSet]
    findings: list[Finding]
    """The worst first."""

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            "sets": [
                {
                    "x": {"name": one.values.name, **one.values.facts()},
                    "y": one.labels and {"name": one.labels.name, **one.labels.facts()},
                }
                for one in self.sets
            ],
            "findings": [vars(finding) for finding in self.findings],
        }


@dataclass(frozen=True)
class Named:
    """A source, opened, and what the user calls it."""

    name: str
    rows: Rows
    behind: list[str]
    """Of files with values behind their data: what is said of them."""

    @classmethod
    def open(cls, text: str) -> "Named":
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataBehindWarning)
            rows = open_source(text)
        behind = []
        for one in caught:
            if issubclass(one.category, DataBehindWarning):
                behind.append(str(one.message))
            else:
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        return cls(text, rows, behind)


def check(
    x: str,
    y: str | None,
    *,
    against: str | None = None,
    against_y: str | None = None,
    num_classes: int | None = None,
) -> Report:
    """Look through a set, and through another one that must have no row of it.

    Args:
        x: The inputs, as a source is spelled.
        y: Their labels.
        against: The inputs of another set, such as the test set.
        against_y: Their labels.
        num_classes: The number of classes, if the labels do not say it.

    Raises:
        UsageError: If a source is spelled wrongly.
        NpyFileError: If a source cannot be read.
        OSError: If the system refuses access; `FileNotFoundError` is one.
    """
    opened = _open_all([(x, y)] + ([] if against is None else [(against, against_y)]))
    # Values of two sets are compared in a dtype that holds both.
    dtype = _common_dtype([inputs.rows.dtype for inputs, _ in opened])
    sets = [_look_through(inputs, labels, dtype, num_classes) for inputs, labels in opened]
    beside = [*sets[1:], None] if len(sets) < 2 else sets[::-1]
    for one, other in zip(sets, beside, strict=True):
        one.look(other)
    findings = [finding for one in sets for finding in one.found]
    for inputs, labels in opened:
        findings += _unpaired(inputs, labels)
    named = {one.name: one for pair in opened for one in pair if one is not None}
    findings += [Finding("behind", text) for one in named.values() for text in one.behind]
    if len(sets) > 1:
        sets[1].is_first = False
        sets[1].beside = list(compare(*sets))
        findings = list(_with_one_scale(findings)) + sets[1].beside
    return Report(sets, worst_first(findings))


def _with_one_scale(findings: list[Finding]) -> Iterator[Finding]:
    """All but a second one of the scale: a model has one for both sets, that of the first.

    To store values as another dtype is said of each set.
    """
    has_scale = False
    for finding in findings:
        is_stored_anew = "keras-npy convert" in finding.message
        if finding.kind == "scale" and has_scale and not is_stored_anew:
            continue
        has_scale |= finding.kind == "scale"
        yield finding


def _open_all(texts: list[tuple[str, str | None]]) -> list[tuple[Named, Named | None]]:
    """Open all sources; what is wrong with several of them is said at once."""
    found: dict[str, Named] = {}
    errors: list[NpyFileError] = []
    for text in dict.fromkeys(text for pair in texts for text in pair if text is not None):
        try:
            found[text] = Named.open(text)
        except NpyFileError as error:
            errors.append(error)
    if len(errors) > 1:
        raise NpyFileError("\n".join(map(str, errors)))
    if errors:
        raise errors[0]
    return [(found[one], None if other is None else found[other]) for one, other in texts]


def _common_dtype(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    if len(set(dtypes)) > 1 and any(dtype.name == "bfloat16" for dtype in dtypes):
        # No dtype is common to bfloat16 and float16 or int32 (ml_dtypes 0.5).
        dtypes = [np.promote_types(dtype, np.float32) for dtype in dtypes]
    return np.result_type(*dtypes)


def _look_through(
    inputs: Named, labels: Named | None, dtype: np.dtype[Any], num_classes: int | None
) -> CheckedSet:
    values = Values(inputs.rows, inputs.name)
    hashes = Hashes(dtype) if inputs.rows.row_bytes >= ROW_BYTES_MIN else None
    for indices, block in walk(inputs.rows, title=f"check {inputs.name}"):
        values.see(indices, block)
        if hashes is not None:
            hashes.see(indices, block)
    values.look_again()
    if labels is None:
        return CheckedSet(values, hashes, None)
    seen = Labels(labels.rows, labels.name, num_classes)
    for indices, block in walk(labels.rows, title=f"check {labels.name}"):
        seen.see(indices, block)
    return CheckedSet(values, hashes, seen)


def _unpaired(inputs: Named, labels: Named | None) -> Iterator[Finding]:
    """What says that rows and labels do not belong together."""
    if labels is None:
        return
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            check_pairs([inputs.rows, labels.rows], check_names=True)
        except ValueError as error:
            yield Finding("pairs", str(error), files=_without_partner(inputs.rows, labels.rows))
    for warning in caught:
        yield Finding("pairs", str(warning.message))
    yield from _unlike_mask(inputs, labels)


def _without_partner(x: Rows, y: Rows) -> list[str]:
    if x.files is None or y.files is None:
        return []
    return list(compare_names(x.files.paths, y.files.paths).alone)


def _unlike_mask(inputs: Named, labels: Named) -> Iterator[Finding]:
    """Masks are as large as their images, whatever their channels."""
    image, mask = inputs.rows.row_shape, labels.rows.row_shape
    if len(mask) < 2 or len(image) < 2 or image[:2] == mask[:2] or image[1:3] == mask[:2]:
        return
    yield Finding(
        "pairs",
        f"{labels.name}: masks must be as large as their images. Received: rows of {mask} for "
        f"rows of {image} in {inputs.name}. Look whether they belong together.",
    )


def side_by_side(report: Report) -> tuple[list[str], list[list[str]]]:
    """The columns and lines of a table of what the sets are."""
    columns = ["", *(one.values.name for one in report.sets)]
    facts = [one.values.facts() for one in report.sets]
    lines = [
        ["rows", *(f"{one['rows']:,}" for one in facts)],
        ["each row", *(_each(one.values.rows) for one in report.sets)],
    ]
    for name in ("min", "max", "mean", "deviation"):
        lines.append([name, *(output.number(one[name]) for one in facts)])
    labels = [one.labels for one in report.sets]
    if any(one is not None for one in labels):
        lines.append(["labels", *("" if one is None else one.name for one in labels)])
        lines.append(["each label", *("" if one is None else _each(one.rows) for one in labels)])
        lines += _shares(labels)
    return columns, lines


def _each(rows: Rows) -> str:
    return f"{rows.dtype.name} {output.shape(rows.row_shape)}"


# Classes to show of each set.
CLASSES_SHOWN = 10


def _shares(labels: list[Labels | None]) -> Iterator[list[str]]:
    shares = [one.shares() if one is not None and one.are_classes else {} for one in labels]
    names = sorted({label for one in shares for label in one})
    for label in names[:CLASSES_SHOWN]:
        cells = (f"{one[label]:.1%}" if label in one else "" for one in shares)
        yield [f"  class {output.number(label)}", *cells]
    if len(names) > CLASSES_SHOWN:
        yield [f"  and {len(names) - CLASSES_SHOWN} more classes", *("" for _ in shares)]
