"""Which rows are equal, within a set and across two: by their hashes, in bounded memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_npy.rows.base import Rows
from keras_npy.types import Array, Indices

# Hashes to keep, of 16 bytes each with the number of their row: 64 MiB.
HASHES_MAX = 1 << 22

# Pairs of equal rows to read, to be sure of them and to compare their labels.
PAIRS_READ_MAX = 1000


@dataclass(frozen=True)
class Pairs:
    """Rows that equal a row before them, or a row of another set."""

    first: Indices
    second: Indices
    share: float
    """The share of all rows that was looked at."""

    def without(self, rows: Sequence[int]) -> "Pairs":
        """All pairs but those of which the second one is one of these rows."""
        kept = ~np.isin(self.second, rows)
        return Pairs(self.first[kept], self.second[kept], self.share)

    @property
    def total(self) -> int:
        """How many there are, or about as many if not all rows were looked at."""
        return round(len(self.second) / self.share)


class Hashes:
    """The hashes of rows, block by block.

    If there are more than `HASHES_MAX`, those that end in one bit more are dropped, half of them.
    Equal rows have equal hashes, and so are both kept or both dropped.

    Args:
        dtype: The dtype in which values are compared.
    """

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._hashes: list[Array] = []
        self._rows: list[Indices] = []
        self._num_kept = 0
        self._bits = 0

    def see(self, indices: Indices, block: Array) -> None:
        """Keep the hashes of a block of rows `(b, ...)`."""
        values = np.ascontiguousarray(block, self._dtype).reshape(len(block), -1)
        as_bytes = values.view(f"V{values.shape[1] * values.itemsize}").reshape(-1)
        hashes = np.fromiter(map(hash, as_bytes.tolist()), np.int64, len(block))
        self._keep(hashes, indices)
        while self._num_kept > HASHES_MAX:
            self._bits += 1
            kept, rows = self._joined()
            self._hashes, self._rows, self._num_kept = [], [], 0
            self._keep(kept, rows)

    def pairs_within(self, rows: Rows) -> Pairs:
        """The rows that equal an earlier one."""
        hashes, numbers = self._joined()
        order = np.argsort(hashes, kind="stable")
        hashes, numbers = hashes[order], numbers[order]
        is_again = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
        begins = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
        first = numbers[begins[np.searchsorted(begins, is_again, side="right") - 1]]
        return self._sure(rows, first, rows, numbers[is_again], self._share)

    def pairs_across(self, rows: Rows, other: "Hashes", others: Rows) -> Pairs:
        """The rows of `others` that equal a row of these."""
        bits = max(self._bits, other._bits)
        hashes, numbers = _dropped(*self._joined(), bits)
        its_hashes, its_numbers = _dropped(*other._joined(), bits)
        unique, first = np.unique(hashes, return_index=True)
        places = np.searchsorted(unique, its_hashes).clip(max=max(0, len(unique) - 1))
        is_both = unique[places] == its_hashes if len(unique) else np.zeros(0, bool)
        mine = numbers[first[places[is_both]]]
        return self._sure(rows, mine, others, its_numbers[is_both], 0.5**bits)

    @property
    def _share(self) -> float:
        return float(0.5**self._bits)

    def _keep(self, hashes: Array, indices: Indices) -> None:
        hashes, indices = _dropped(hashes, indices, self._bits)
        self._hashes.append(hashes)
        self._rows.append(indices)
        self._num_kept += len(hashes)

    def _joined(self) -> tuple[Array, Indices]:
        return np.concatenate(self._hashes), np.concatenate(self._rows)

    def _sure(
        self, rows: Rows, first: Indices, others: Rows, second: Indices, share: float
    ) -> Pairs:
        """The pairs in the order of their second rows, the first of which are compared."""
        order = np.argsort(second, kind="stable")
        first, second = first[order], second[order]
        is_equal = np.ones(len(second), bool)
        for at in range(min(PAIRS_READ_MAX, len(second))):
            one, other = rows.take(first[at : at + 1]), others.take(second[at : at + 1])
            is_equal[at] = np.array_equal(
                one.astype(self._dtype).reshape(-1).view(np.uint8),
                other.astype(self._dtype).reshape(-1).view(np.uint8),
            )
        return Pairs(first[is_equal], second[is_equal], share)


def _dropped(hashes: Array, indices: Indices, bits: int) -> tuple[Array, Indices]:
    if not bits:
        return hashes, indices
    is_kept = hashes & ((1 << bits) - 1) == 0
    return hashes[is_kept], indices[is_kept]
