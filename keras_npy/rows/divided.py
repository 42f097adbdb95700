"""What a split or folds ask for: classes, groups, warnings. `order/parts.py` deals the rows out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from keras_npy.errors import check_bool, check_integer, warn, warn_once_of
from keras_npy.order.arguments import check_fractions, check_in_order, checked_seed
from keras_npy.order.groups import deal_groups
from keras_npy.order.parts import (
    cut_in_order,
    fold_rows,
    split_in_order,
    split_rows,
    without,
)
from keras_npy.order.selection import rows_at, to_indices
from keras_npy.rows.base import Rows
from keras_npy.rows.chosen import base_of
from keras_npy.rows.class_blocks import ClassesApart, find_classes_apart, find_classes_lost
from keras_npy.rows.crossed import find_crossed, is_kept_apart
from keras_npy.rows.groups import Groups, read_groups
from keras_npy.rows.labels import read_classes
from keras_npy.rows.named_apart import warn_of_names_apart
from keras_npy.rows.split_remedies import (
    CUT_EACH,
    CUT_ONCE,
    FOLDS_OF_SERIES,
    GROUPS_OF_SERIES,
    IN_ORDER,
    OTHER_SHARE,
    SMALLER_GROUPS,
    groups_of,
    received,
    remedy_of,
)
from keras_npy.rows.stretches import Ground
from keras_npy.rows.time_order import warn_of_time_order
from keras_npy.rows.timesteps import (
    ROWS_LOOKED_AT,
    Shared,
    find_shared,
    find_shared_by_parts,
    find_shared_in_order,
    is_window,
    keep_apart,
)
from keras_npy.types import Indices

# By whether it is the last one.
_PART = {True: "the last part", False: "the first part"}


class SplitArguments(TypedDict, total=False):
    """What `NpySequence.split` takes by name, however many parts it returns."""

    seed: int | None
    stratify: bool
    groups: Groups | None
    in_order: bool


@dataclass(frozen=True)
class Divided:
    """Rows that are dealt out. A part is the positions of its rows among them.

    Args:
        sources: The sources of the rows.
        outputs: Those of `y`, from which classes are read.
        names: What a user calls the rows of each source of `x` and `y`, the first of `sources`.
        chosen: The row of the sources at each position, or `None` for all rows.
        num_rows: Rows to deal out.
        check_names: Whether files of groups must be partners of those of the sources.
    """

    sources: Sequence[Rows]
    outputs: Sequence[Rows]
    names: Sequence[str]
    chosen: range | Indices | None
    num_rows: int
    check_names: bool = True

    def split(
        self,
        fractions: Sequence[float],
        seed: int | None,
        stratify: bool,
        groups: Groups | None,
        in_order: bool,
    ) -> Sequence[range | Indices]:
        """The parts of `NpySequence.split`, which takes these arguments.

        Raises:
            ValueError: If an argument has a wrong value, or a part would be empty.
            TypeError: If an argument has a wrong type.
        """
        check_fractions(fractions)
        check_bool("in_order", in_order, "Pass True for the last rows in the last part.")
        if in_order:
            check_in_order(seed, stratify, groups)
            if self.check_names and isinstance(self._indices, range):
                warn_of_time_order(self._compared, "split(..., in_order=True), which cuts by time,")
            parts = split_in_order(self.num_rows, fractions)
            kept = keep_apart(self._compared, self._indices, parts, self.names)
            shared = self._find(lambda leaves: find_shared_in_order(leaves, self._indices, kept))
            self._warn_of(shared, "lie in several parts", GROUPS_OF_SERIES, len(parts))
            if self.check_names:
                self._warn_of_classes_apart(kept)
            return kept
        num_parts, seed = len(fractions) + 1, checked_seed(seed)
        classes = self._classes(stratify, at_least=num_parts if groups is None else 1)
        if groups is not None:
            shares = [1 - sum(fractions), *fractions]
            return self._by_group(groups, shares, seed, classes)
        at_random = split_rows(self.num_rows, fractions, seed=seed, classes=classes)
        self._warn_at_random(IN_ORDER, fractions, at_random)
        return at_random

    def folds(
        self, k: int, seed: int | None, stratify: bool, groups: Groups | None
    ) -> list[tuple[Indices, Indices]]:
        """The pairs of `NpySequence.folds`, which takes these arguments: the others, and a part.

        Raises:
            ValueError: If an argument has a wrong value, or there are fewer rows than parts.
            TypeError: If an argument has a wrong type.
        """
        check_integer("k", k, at_least=2)
        k, seed = int(k), checked_seed(seed)
        classes = self._classes(stratify, at_least=k if groups is None else 1)
        if groups is not None:
            held_out = self._by_group(groups, [1 / k] * k, seed, classes, are_folds=True)
            return [(without(part, self.num_rows), part) for part in held_out]
        pairs = fold_rows(self.num_rows, k, seed=seed, classes=classes)
        self._warn_at_random(FOLDS_OF_SERIES, [1 / k], [part for _, part in pairs])
        return pairs

    @property
    def _indices(self) -> range | Indices:
        return range(self.num_rows) if self.chosen is None else self.chosen

    def _classes(self, stratify: bool, *, at_least: int) -> Indices | None:
        """The class of each row, or `None` without `stratify`."""
        check_bool("stratify", stratify, "Pass True, which reads the classes from y.")
        if not stratify:
            return None
        if len(self.outputs) != 1:
            raise ValueError(
                "stratify=True needs a sequence with a single output y. "
                f"Received: {len(self.outputs)} outputs. "
                "Use stratify=False, or choose the rows with subset."
            )
        (y,) = self.outputs
        rows = None if self.chosen is None else to_indices(self.chosen, len(y))
        return read_classes(y, rows, at_least=at_least)

    def _by_group(
        self,
        groups: Groups,
        shares: Sequence[float],
        seed: int,
        classes: Indices | None,
        *,
        are_folds: bool = False,
    ) -> list[Indices]:
        numbers = read_groups(
            groups,
            self.sources,
            self.names,
            self.chosen,
            self.num_rows,
            check_names=self.check_names,
        )
        parts = deal_groups(numbers, shares, seed=seed, classes=classes)
        shared = self._find(lambda leaves: find_shared_by_parts(leaves, self._indices, parts))
        how = "are dealt out by groups= to several parts"
        self._warn_of(shared, how, GROUPS_OF_SERIES, len(parts), parts)
        if self.check_names and len(self.outputs) == 1:
            self._warn_of_classes_lost(parts, numbers, classes, are_folds)
        return parts

    @property
    def _compared(self) -> Sequence[Rows]:
        # Rows that have a weight in common are no leak.
        return self.sources[: len(self.names)]

    @property
    def _unchecked(self) -> str:
        """Code for the same rows, of which names are not looked at."""
        weights = "seq.sample_weight, " if len(self.sources) > len(self.names) else ""
        return f"NpySequence(seq.x, seq.y, {weights}check_names=False)"

    def _find(self, find: Callable[[Sequence[Rows]], Shared | None]) -> Shared | None:
        """What rows share. Of windows, inputs count with inputs and targets with targets.

        Of windows side by side, as language models take them, the last target of one is the first
        input of the next: no part then has an input with its target from another.
        """
        num_inputs = len(self._compared) - len(self.outputs)
        inputs, targets = self._compared[:num_inputs], self._compared[num_inputs:]
        if not targets or not any(map(is_window, inputs)):
            return find(self._compared)
        if (shared := find(inputs)) is not None:
            return shared
        shared = find(targets)
        return None if shared is None else shared._replace(leaf=num_inputs + shared.leaf)

    def _classes_apart(self, parts: Sequence[range]) -> ClassesApart | None:
        if len(self.outputs) != 1:
            return None
        return find_classes_apart(self.outputs[0], self._indices, parts)

    def _warn_of_classes_apart(self, parts: Sequence[range]) -> None:
        """Warn if rows lie class by class: no part then trains and validates all classes."""
        found = self._classes_apart(parts)
        if found is None:
            return
        remedy = (
            "If rows have no order of time, stratify=True in place of in_order=True holds out a "
            "share of each class; NpySequence(..., check_names=False) says that the cut is meant"
        )
        if any(map(is_window, self._compared)):
            remedy = CUT_EACH
        which = ", ".join(map(str, found.labels))
        warn(
            f"{self.outputs[0].name}: in_order=True parts the classes where rows lie class by "
            f"class. Received: {found.num_classes} classes, of which {_PART[found.is_last]} has "
            f"{len(found.labels)}: {which:.100}. {remedy}."
        )

    def _warn_of_classes_lost(
        self,
        parts: Sequence[Indices],
        groups: Indices,
        classes: Indices | None,
        are_folds: bool,
    ) -> None:
        """Warn if groups came to parts so that a class is not trained, or validated alone."""
        (y,) = self.outputs
        found = find_classes_lost(
            y, self._indices, parts, groups, classes=classes, are_folds=are_folds
        )
        if found is None:
            return
        how = "parts the classes" if found.are_trained else "takes classes out of training"
        where = "the first part"
        if are_folds or found.are_trained:
            where = "the part to train with of a fold" if are_folds else "another part"
        remedy = "stratify=True deals groups out by class, too"
        if found.are_whole:
            remedy = CUT_EACH if any(map(is_window, self._compared)) else SMALLER_GROUPS
        elif classes is not None:
            remedy = OTHER_SHARE
        which = ", ".join(map(str, found.labels))
        warn(
            f"{y.name}: groups= {how}. Received: {found.num_classes} classes, of which {where} has "
            f"no row of {which:.100}. {remedy}. {self._unchecked} says that it is meant."
        )

    def _warn_at_random(
        self, remedy: str, fractions: Sequence[float], parts: Sequence[Indices]
    ) -> None:
        """Warn of what parts have in common: values, or else those whom names say files are of."""
        shared = self._find(lambda leaves: find_shared(leaves, self._indices))
        # Neither the last windows nor those of some series have all classes then.
        are_apart = (
            shared is not None
            and shared.kind in ("overlap", "repeat")
            and self._classes_apart(cut_in_order(self.num_rows, fractions)) is not None
        )
        self._warn_of(shared, "are dealt out at random", None if are_apart else remedy, len(parts))
        # Windows that overlap have one warning. Groups of files, which may mend it, mend both.
        if self.check_names and (
            shared is None or shared.kind not in ("overlap", "copy", "repeat")
        ):
            output = self.outputs[0] if len(self.outputs) == 1 else None
            warn_of_names_apart(self.sources, output, self._indices, parts, self._unchecked)

    def _warn_of(
        self,
        shared: Shared | None,
        how: str,
        remedy: str | None,
        num_parts: int,
        parts: Sequence[Indices] | None = None,
    ) -> None:
        """Warn of rows that have something in common.

        Args:
            shared: These rows, if there are any.
            how: How they come into several parts.
            remedy: What to use where windows overlap; `None` if their series lie class by class.
            num_parts: How many parts there are.
            parts: Those that groups were dealt out to.
        """
        if shared is None:
            return
        crossed: Sequence[int] = []
        if shared.kind == "row":
            inputs = self.sources[: len(self._compared) - len(self.outputs)]
            crossed, wider = find_crossed(inputs, self._indices, shared.leaf)
            shared = shared._replace(leaf=wider)
        kept = (is_kept_apart(self.sources[at], self._indices, parts or []) for at in crossed)
        if parts is not None and any(kept):
            # New users are held out: that items are not new cannot be helped, and is meant.
            return
        leaf, name = self.sources[shared.leaf], self.names[shared.leaf]
        message = received(shared, leaf, how, self.num_rows)
        if not crossed:
            if shared.kind == "copy" and not self._has_files_for(num_parts, leaf):
                warn(f"{message} {CUT_ONCE}")
            else:
                warn(f"{message} {remedy_of(shared, leaf, name, remedy)}")
            return
        each = " or ".join(groups_of(name) for name in (name, self.names[crossed[0]]))
        warn_once_of(
            base_of(leaf),
            "crossed inputs",
            f"{message} So are rows of {self.names[crossed[0]]}, as of users and items: {each} "
            "holds out new ones of one side. If only pairs must be new, "
            "warnings.filterwarnings('ignore', '.*served more than once') ends this warning.",
        )

    def _has_files_for(self, num_parts: int, leaf: Rows) -> bool:
        """Whether each part can have files of its own: no row lies in memory, or in several."""
        if leaf.files is None:
            return False
        ground = Ground([leaf])
        rows = rows_at(self._indices, np.arange(min(self.num_rows, ROWS_LOOKED_AT)))
        return len(np.unique(ground.home_of[ground.stretches(0, rows).runs])) >= num_parts
