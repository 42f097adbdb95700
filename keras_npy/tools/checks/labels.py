"""Labels: which classes there are, how often and in which order, and labels that are none."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.rows.labels import are_one_hot
from keras_npy.tools.checks.findings import Finding, RowsFound
from keras_npy.tools.checks.values import check_real
from keras_npy.tools.output import count, number, some_of
from keras_npy.types import Array, Indices

# More different values are measurements, not class numbers.
CLASSES_MAX = 10_000

# Labels of which fewer have a fraction are class numbers, and these are faults.
FRACTIONAL_SHARE_MAX = 0.05

# More numbers with gaps between them are measurements too.
SPREAD_MIN = 100

# A class that is so many times rarer than the commonest one is hardly learnt.
IMBALANCE = 10

# Below this many rows any order may come by chance.
ORDERED_ROWS_MIN = 20

# Masks of more different values hold grey values, not classes with gaps.
_GREYS_MAX = 32

# Labels above a gap of at least this width are in doubt, if they are so few and so rare.
_DOUBT_WIDTH, _DOUBT_LABELS, _DOUBT_SHARE = 3, 3, 0.02

# Classes to write out in the list by which others are numbered.
_RENUMBERED_MAX = 20

# How labels that count from 1 are made to count from 0.
SUBTRACTED = "with seq.map(lambda x, y: (x, y - 1))"

Kind = Literal["classes", "one-hot", "mask", "values"]


class Labels:
    """What is known of the labels of a set, block by block.

    Args:
        rows: The labels.
        name: What the user calls them.
        num_classes: The number of classes that the user gave.
    """

    def __init__(self, rows: Rows, name: str, num_classes: int | None) -> None:
        check_real(rows)
        self.rows, self.name, self.num_classes = rows, name, num_classes
        self.kind: Kind | None = None
        self.counts: Counter[float] = Counter()
        """How often each label comes; empty if there are too many."""
        self.nan, self.fractional = RowsFound(), RowsFound()
        self._out_of_range, self._negative, self._not_one_hot = (
            RowsFound(),
            RowsFound(),
            RowsFound(),
        )
        self._num_changes = 0
        self._last: float | None = None

    def see(self, indices: Indices, block: Array) -> None:
        """Look at a block of labels `(b, ...)`."""
        if self.kind is None:
            self.kind = _kind_of(block)
        if self.kind == "one-hot":
            self._see_one_hot(indices, block)
        elif self.kind == "values":
            is_finite = np.isfinite(block.reshape(len(block), -1)).all(axis=1)
            self.nan.add(indices[~is_finite])
        else:
            self._see_numbers(indices, block.reshape(len(block), -1))

    @property
    def num_labelled(self) -> int:
        return sum(self.counts.values())

    @property
    def are_classes(self) -> bool:
        """Whether the labels are class numbers: few, and nearly all whole."""
        if self.kind in ("classes", "one-hot") and self.num_classes is not None:
            return True
        if self.kind == "values" or not self.counts or self._are_spread:
            return False
        return self.fractional.total <= FRACTIONAL_SHARE_MAX * len(self.rows)

    @property
    def _are_spread(self) -> bool:
        """Whether they are many numbers far from each other, as ages or prices are."""
        return len(self.counts) > SPREAD_MIN and max(self.counts) > 2 * len(self.counts)

    def shares(self) -> dict[float, float]:
        """The share of each class, by its number."""
        total = self.num_labelled
        return {label: self.counts[label] / total for label in sorted(self.counts)}

    def class_shares(self) -> dict[float, float]:
        """As `shares`, of the labels that are class numbers, and not in doubt."""
        kept = {label for label in self.counts if self._is_class(label)} - self._doubtful
        return {label: share for label, share in self.shares().items() if label in kept}

    @property
    def _doubtful(self) -> set[float]:
        """The few labels above a wide gap, which seem to be wrong: a 7 among classes 0 to 2."""
        whole = sorted(label for label in self.counts if self._is_class(label))
        if self.num_classes is not None or self.kind != "classes" or len(whole) < 3:
            return set()
        width, below = max((high - low, low) for low, high in itertools.pairwise(whole))
        above = {label for label in whole if label > below}
        share = sum(self.counts[label] for label in above) / self.num_labelled
        is_doubt = width >= _DOUBT_WIDTH and len(above) <= _DOUBT_LABELS and share <= _DOUBT_SHARE
        return above if is_doubt else set()

    def _is_class(self, label: float) -> bool:
        below = np.inf if self.num_classes is None else self.num_classes
        return 0 <= label < below and label == int(label)

    def facts(self) -> dict[str, Any]:
        """For JSON, and to lay two sets side by side."""
        return {
            "rows": len(self.rows),
            "shape": self.rows.shape,
            "dtype": self.rows.dtype.name,
            "kind": self.kind if self.are_classes else "values",
            "classes": {number(label): self.counts[label] for label in sorted(self.counts)}
            if self.are_classes
            else None,
        }

    def findings(self, other: "Labels | None" = None) -> Iterator[Finding]:
        """What would spoil training.

        Args:
            other: The labels of another set. What the two have together is said once, elsewhere.
        """
        if self.nan:
            yield self._wrong_labels(self.nan, "no finite label", "A label is a number.")
        if not self.are_classes:
            return
        coded = self._coded(other)
        if coded is not None:
            yield from coded
        else:
            yield from self._no_classes()
            yield from self._odd_numbers(set() if other is None else other._whole)
        if self.kind == "mask":
            return
        yield from self._order()
        yield from self._imbalance()

    def _see_one_hot(self, indices: Indices, block: Array) -> None:
        is_one_hot = are_one_hot(block)
        self._not_one_hot.add(indices[~is_one_hot])
        self._count(np.argmax(block, axis=1).astype(np.float64)[is_one_hot])

    def _see_numbers(self, indices: Indices, flat: Array) -> None:
        if flat.dtype.kind not in "biu":
            flat = flat.astype(np.float64)
            is_finite = np.isfinite(flat)
            self.nan.add(indices[~is_finite.all(axis=1)])
            flat = np.where(is_finite, flat, 0)
            self.fractional.add(indices[(flat != np.floor(flat)).any(axis=1)])
            flat, indices = flat[is_finite.all(axis=1)], indices[is_finite.all(axis=1)]
        if flat.dtype.kind != "b":
            self._negative.add(indices[(flat < 0).any(axis=1)])
            if self.num_classes is not None:
                self._out_of_range.add(indices[(flat >= self.num_classes).any(axis=1)])
        self._count(flat if self.kind == "mask" else flat[:, 0])

    def _count(self, labels: Array) -> None:
        names, counts = np.unique(labels, return_counts=True)
        if self.kind != "mask" and labels.size:
            self._num_changes += int(np.count_nonzero(labels[1:] != labels[:-1]))
            self._num_changes += self._last is not None and self._last != float(labels[0])
            self._last = float(labels[-1])
        if self.kind == "values":
            return
        self.counts.update(dict(zip(map(float, names.tolist()), counts.tolist(), strict=True)))
        if len(self.counts) > CLASSES_MAX:
            self.kind = "values"
            self.counts.clear()

    def _no_classes(self) -> Iterator[Finding]:
        for found, what, remedy in (
            (self.fractional, "a fraction", "Class numbers are whole."),
            (self._negative, "a negative label", "Classes are numbered from 0."),
            (
                self._out_of_range,
                f"a label of {self.num_classes} or more",
                f"With --classes {self.num_classes} they are less.",
            ),
            (self._not_one_hot, "no one-hot row", "Each row holds one 1 and zeros."),
        ):
            if found:
                yield self._wrong_labels(found, what, remedy)

    def _wrong_labels(self, found: RowsFound, what: str, rule: str) -> Finding:
        return found.finding(
            "labels",
            f"{self.name}: {what} in {found}. {rule} Correct them, or leave the rows out, of x as "
            "of y.",
            self.rows,
            leave_out=True,
        )

    def is_ahead_of(self, other: "Labels | None") -> bool:
        """Whether these are numbered from 1 where others are numbered from 0."""
        if other is None or not (self.are_classes and other.are_classes):
            return False
        if self.kind == "one-hot":
            return False
        mine, its = self._whole, other._whole
        if self.num_classes is not None and mine and max(mine) < self.num_classes:
            return False
        both = bool(mine and its) and len(self.counts) > 1
        return both and min(mine) == 1 and min(its) == 0 and max(mine) == max(its) + 1

    @property
    def _whole(self) -> set[int]:
        return {int(label) for label in self.counts if label == int(label)}

    def _coded(self, other: "Labels | None") -> list[Finding] | None:
        """What is said of labels that are classes in another code; `None` if they are in none."""
        whole, is_mask = self._whole, self.kind == "mask"
        if len(whole) < len(self.counts) or len(whole) < 2:
            return None
        what, most = "masks hold" if is_mask else "labels are", max(whole)
        if self.is_ahead_of(other):
            return []
        if whole == {-1, 1}:
            return [
                self._code(
                    f"{what} -1 and 1, which only hinge losses take (keras.losses.Hinge). For all "
                    f"others classes are 0 and 1: {_mapped('y > 0', is_mask)}."
                )
            ]
        if is_mask and whole == {0, 255} and self.num_classes != 256:
            return [
                self._code(
                    f"{what} 0 and 255, but classes are numbered 0 and 1. Divide them: "
                    f"{_mapped('y // 255', is_mask)}."
                )
            ]
        if is_mask and most == 255 and self._is_void_above(whole - {255}):
            return [
                self._code(
                    f"{what} classes up to {max(whole - {255})}, and 255. If 255 marks pixels of "
                    "no class, give the loss ignore_class=255: "
                    "keras.losses.SparseCategoricalCrossentropy(ignore_class=255). "
                    "Or else renumber it."
                )
            ]
        if min(whole) == 1 and most == self.num_classes:
            return [
                self._code(
                    f"labels go from 1 to {most}, but {most} classes are numbered from 0 to "
                    f"{most - 1}: subtract 1, {SUBTRACTED}, for all files that count from 1."
                )
            ]
        return None

    def _code(self, message: str) -> Finding:
        return Finding("labels", f"{self.name}: {message}")

    def _is_void_above(self, classes: set[int]) -> bool:
        """Whether 255 stands above class numbers that leave no gap, or those that were given."""
        if self.num_classes is not None:
            return 0 <= min(classes) and max(classes) < self.num_classes <= 255
        return classes == set(range(len(classes))) and len(classes) < 200

    def _odd_numbers(self, others: set[int]) -> Iterator[Finding]:
        whole = {int(label) for label in self.counts if self._is_class(label)}
        if not whole:
            return
        if self.kind == "mask" and (
            self.num_classes is not None or len(whole) > max(whole) / 2 or len(whole) > _GREYS_MAX
        ):
            # A few images need not hold each class, and grey values are no classes.
            return
        num_classes = self.num_classes or max(whole) + 1
        missing = [label for label in range(min(num_classes, CLASSES_MAX)) if label not in whole]
        if missing and others.issuperset(missing):
            # The comparison of both sets says so.
            return
        if len(self.counts) == 1 and self.num_classes in (None, 1):
            if len(self.rows) > 1:
                yield Finding("missing class", f"{self.name}: all labels are {whole.pop()}.")
        elif self.num_classes is None and missing == [0]:
            yield Finding(
                "labels",
                f"{self.name}: labels go from 1 to {max(whole)}. Classes are numbered from 0, so "
                f"Dense({max(whole)}) has no output for the last one. Unless class 0 is in another "
                f"file, subtract 1, {SUBTRACTED}, for all files that count from 1.",
            )
        elif self.num_classes is None and len(missing) > len(whole):
            yield Finding(
                "labels",
                f"{self.name}: there are {count(len(whole), 'class number')}, "
                f"{some_of(sorted(whole))}. Classes are numbered from 0 without gaps."
                f"{self._perhaps_wrong(sorted(whole))}{_renumbering(whole)}",
            )
        elif missing:
            yield Finding(
                "missing class",
                f"{self.name}: {count(len(missing), 'class', 'classes')} of {num_classes} without "
                f"a row: {some_of(missing)}.{self._perhaps_wrong(sorted(whole))} "
                f"{'Else add' if self._doubtful else 'Add'} rows of them.{_renumbering(whole)}",
            )

    def _perhaps_wrong(self, whole: list[int]) -> str:
        """What names the rows of labels that lie above a gap, which may be wrong."""
        if self.num_classes is not None:
            return ""
        # The widest gap; of several, the last.
        _, below = max((high - low, low) for low, high in itertools.pairwise([-1, *whole]))
        above = [label for label in whole if label > below]
        if below < 0:
            return " If a number is wrong, --classes N names the rows of N or more."
        return f" If {some_of(above)} is wrong, --classes {below + 1} names its rows."

    def _order(self) -> Iterator[Finding]:
        shares = self.shares()
        expected = (self.num_labelled - 1) * (1 - sum(share**2 for share in shares.values()))
        is_ordered = self._num_changes < expected / 2
        if len(shares) < 2 or self.num_labelled < ORDERED_ROWS_MIN or not is_ordered:
            return
        how = "sorted by class" if self._num_changes == len(shares) - 1 else "in runs of one class"
        yield Finding(
            "sorted",
            f"{self.name}: labels are {how}: they change {self._num_changes:,} times from row to "
            f"row, and {expected:,.0f} times if they were shuffled. With shuffle=False batches "
            "hold few classes, and the last rows are no validation set: use "
            "split(0.2, stratify=True).",
        )

    def _imbalance(self) -> Iterator[Finding]:
        counts = {label: self.counts[label] for label in self.class_shares()}
        if not counts:
            return
        commonest, most = max(counts.items(), key=lambda item: item[1])
        rarest, least = min(counts.items(), key=lambda item: item[1])
        if most >= IMBALANCE * least:
            yield Finding(
                "imbalance",
                f"{self.name}: class {number(commonest)} has {most:,} rows, class "
                f"{number(rarest)} has {least:,}. Accuracy hides the rare one: give fit "
                "class_weight=, and split with stratify=True.",
            )


def _mapped(code: str, is_mask: bool) -> str:
    """How labels are put into another code: masks in each batch, since they take many bytes."""
    return f"seq.map(lambda x, y: (x, {code}))" if is_mask else f"`y = ({code}).astype('uint8')`"


def _renumbering(whole: set[int]) -> str:
    """How classes are numbered without gaps, alike in every file."""
    if whole == set(range(len(whole))):
        return ""
    names = "names" if len(whole) > _RENUMBERED_MAX else f"{sorted(whole)}"
    return (
        f" If all are right, np.searchsorted({names}, y) numbers them without gaps: take one list "
        "for all files, of all classes in ascending order."
    )


def _kind_of(block: Array) -> Kind:
    if block.ndim == 1 or block.shape[1:] == (1,):
        return "classes"
    if block.ndim == 2:
        return "one-hot" if are_one_hot(block).mean() > 0.5 else "values"
    return (
        "mask" if block.dtype.kind in "biu" or bool((block == np.floor(block)).all()) else "values"
    )
