"""`NpySequence`: these arrays, but on disk."""

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Never, Self, Unpack, overload

import keras

from keras_npy.drawing.html import html_of
from keras_npy.drawing.pictures import Look
from keras_npy.drawing.sheets import check_number, draw_sheet, num_drawn, spread_rows
from keras_npy.drawing.worst import worst_rows
from keras_npy.errors import check_bool, check_integer, check_io, warn_once_of
from keras_npy.feeds.asked import Asked, Served
from keras_npy.feeds.batches import Batches, Sources, common_length, open_data, spec_of
from keras_npy.feeds.device_cache import DeviceCache, check_cache, refuse_map
from keras_npy.feeds.maps import BatchMap, DrawnRead, Leaf, make_map
from keras_npy.feeds.nests import leaves_of, map_leaves, names_of
from keras_npy.feeds.processes import make_share
from keras_npy.feeds.state import check_state, identity_of, state_of
from keras_npy.files.fitted_samples import Crop
from keras_npy.order.arguments import (
    SEED_OF_PROCESSES,
    check_batch_number,
    check_changes,
    check_no_others,
    check_order_arguments,
    check_shuffle,
    check_shuffle_block_size,
    check_subset,
    make_order,
)
from keras_npy.order.indexed import IndexedPasses
from keras_npy.order.order import Order
from keras_npy.order.position import PassCounter, Position
from keras_npy.order.selection import chosen_rows, to_array
from keras_npy.order.shares import Share, check_last_batch, check_rows
from keras_npy.order.slots import Slots
from keras_npy.rows.base import Rows
from keras_npy.rows.cached import cache_in_memory, of_all, refuse_drawn
from keras_npy.rows.chosen import choose_rows
from keras_npy.rows.class_files import open_classes
from keras_npy.rows.class_folders import FolderArguments, find_samples
from keras_npy.rows.describe import describe, describe_order
from keras_npy.rows.divided import Divided, SplitArguments
from keras_npy.rows.drawn import DrawnRows
from keras_npy.rows.fingerprint import fingerprint_of
from keras_npy.rows.given_labels import LabelsOfFiles
from keras_npy.rows.groups import Groups
from keras_npy.rows.label_modes import LabelMode
from keras_npy.rows.samples import samples
from keras_npy.rows.sources import Source
from keras_npy.rows.validate import check_validation, validate_rows
from keras_npy.types import Cache, Indices, Io, Path, ShuffleArgument


class NpySequence(keras.utils.PyDataset):  # type: ignore[misc] # Keras ships no types.
    """Stream batches from `.npy` files as if they were arrays in memory.

    `fit`, `evaluate` and `predict` treat a sequence as they treat arrays: `fit` shuffles all
    rows anew each epoch, `evaluate` and `predict` read them in file order.

    Several processes that train one model share each batch: batch i of a pass has the same rows
    whatever their number, and each process reads only its part. `batch_size`, `num_samples`,
    `indices` and the parts of `split` are those of all processes together; `seq[i]`, iteration and
    the specs are those of this process. See `docs/processes.md`.

    Args:
        x: The inputs: the path of an `.npy` file or an array, `(N, ...)`. A model with several
            inputs takes a dict or tuple of these.
        y: The targets, in the same forms. `None` for `predict`, or for a model without targets.
        sample_weight: Weights, `(N,)`. A model with several outputs takes them in the structure
            of `y`, or one array for all outputs.
        batch_size: Rows in a batch, B, of all processes together.
        shuffle: `None` lets `fit` decide: it shuffles unless it is called with
            `shuffle=False`, while indexing and iteration keep file order. `True` shuffles
            those too. `False` always keeps file order. `"batch"` shuffles rows within each
            consecutive batch.
        shuffle_block_size: For disks on which random rows are slow: so many neighbouring rows are
            read as a block. The blocks of each pass come in random order, and the rows of up to 64
            of them are mixed with each other. The page cache should hold two hundred blocks. `None`
            shuffles all rows alike. See `docs/blocks.md`.
        seed: Any integer from 0. The same seed gives the same orders, epoch by epoch, on
            every backend. `None` draws one, which `keras.utils.set_random_seed` determines; with
            several processes it means 0, so that all have the same orders.
        drop_remainder: Leave out the last batch if it is shorter than `batch_size`.
        indices: The rows to use and their order: a slice, a range, integers or a boolean
            mask. `None` for all. Integers and masks take 8 bytes a row and are pickled.
        check_names: Whether files of `x`, `y` and `sample_weight` that are paired must be
            partners by their names: `img/7.npy` and `case_007_mask.npy`. `False` says that
            the pairs are meant as they are. The same holds for files of `groups=`, which
            `split` takes. See `docs/pairs.md`.
        validate: Whether to look through all rows once, now: `ValueError` at the first NaN or
            infinity, with its file and row. Integers are not read for that. A value in several
            windows is read once; of random crops the middle one is looked at.
        num_classes: With `validate`, also raise at the first label in `y` that is negative,
            fractional or not below this. Rows with one value for each class are left alone.
        io: How files are read, as in `open_rows`: `"map"`, `"read"` or `"auto"`. Rows that are
            open already stay as they were opened.
        cache: `None` reads each batch from the files. `"ram"` reads all rows into memory now, once
            and in file order, for cold disks and network mounts. `"device"` puts them into the
            memory of the accelerator when the first batch is asked for, and gathers each batch
            there; on JAX and torch. Both keep the stored bytes of the rows that `indices` choose,
            share them with all parts and copies in this process, and take no note of files that
            change later. Order and results stay the same.
        num_processes: Processes that share each batch. It divides `batch_size`. `None` takes it
            from `keras.distribution`, `jax.distributed` or `torch.distributed`, if one is
            initialised before the sequence is built, and is 1 otherwise. 1 says that this process
            has rows of its own.
        process_id: Number of this process, from 0. It is given with `num_processes`, or neither is.

    Raises:
        NpyFileError: If a file cannot be streamed. It is a `ValueError`.
        ValueError: If an argument has a wrong value, or sources differ in length.
        TypeError: If an argument has a wrong type.
        OSError: If the system refuses access to a file; `FileNotFoundError` is one.

    Example:

    >>> np.save("x.npy", np.arange(10).reshape(5, 2))
    >>> np.save("y.npy", np.arange(5))
    >>> seq = NpySequence("x.npy", "y.npy", batch_size=2)
    >>> len(seq)
    3
    >>> seq[2]
    (array([[8, 9]]), array([4]))
    """

    class_names: list[str] | None = None
    """Class names in the order of their numbers, if files or folders labelled the sequence."""
    # Labels that were given by hand are numbers of the user's: their names number nothing.
    _are_classes_numbered = False

    def __init__(
        self,
        x: Sources,
        y: Sources | None = None,
        sample_weight: Sources | None = None,
        *,
        batch_size: int = 32,
        shuffle: ShuffleArgument = None,
        shuffle_block_size: int | None = None,
        seed: int | None = None,
        drop_remainder: bool = False,
        indices: object = None,
        check_names: bool = True,
        validate: bool = False,
        num_classes: int | None = None,
        io: Io = "auto",
        cache: Cache | None = None,
        num_processes: int | None = None,
        process_id: int | None = None,
        # `Never`, so that type checkers still find a misspelt argument.
        **others: Never,
    ) -> None:
        super().__init__()
        check_no_others(others, NpySequence.__init__)
        # Check the arguments before any file is opened.
        check_order_arguments(batch_size, seed, drop_remainder)
        self._share_was_given = num_processes is not None
        self._share = make_share(num_processes, process_id, batch_size)
        check_shuffle(shuffle)
        check_shuffle_block_size(shuffle_block_size, shuffle)
        check_bool("check_names", check_names)
        check_io(io)
        check_cache(cache)
        check_validation(validate, num_classes)
        self._data = open_data(x, y, sample_weight, io)
        is_drawn = any(isinstance(rows, DrawnRows) for rows in leaves_of(self._data))
        self._map: BatchMap | DrawnRead | None = DrawnRead(self._data) if is_drawn else None
        self._check_names = check_names
        num_rows = common_length(self._data, check_names=check_names)
        chosen = None if indices is None else chosen_rows(indices, num_rows)
        self._shuffle = shuffle
        self._order = make_order(
            num_rows if chosen is None else len(chosen),
            chosen,
            batch_size=batch_size,
            seed=seed,
            drop_remainder=drop_remainder,
            shuffle_block_size=shuffle_block_size,
            num_processes=self.num_processes,
        )
        check_rows(self._order, self._share)
        self._seed_was_drawn = seed is None
        # Of all rows of the sources. It is computed when it is asked for.
        self._fingerprint: str | None = None
        self._count_from_zero()
        if validate:
            outputs = self._sources(slice(1, 2))
            validate_rows(self._sources(), outputs, chosen, num_classes)
        self._cache: DeviceCache | None = None
        if cache is not None:
            self._keep(cache, Slots(num_rows, chosen))

    @property
    def batch_size(self) -> int:
        """Rows in every batch, of all processes together; the last one may be shorter."""
        return self._order.batch_size

    @property
    def num_processes(self) -> int:
        """Processes that share each batch."""
        return self._share.num_processes

    @property
    def process_id(self) -> int:
        """The number of the process that reads this part of each batch, from 0."""
        return self._share.process_id

    @property
    def num_batches(self) -> int:
        """Batches in a pass, including a short last one."""
        return self._order.num_batches

    @property
    def num_samples(self) -> int:
        """Rows in a pass, including those that `drop_remainder` leaves out."""
        return self._order.num_samples

    @property
    def seed(self) -> int:
        """The seed of the orders: the one given, or one that was drawn."""
        return self._order.seed

    @property
    def shuffle(self) -> ShuffleArgument:
        """The `shuffle` that the sequence was built with."""
        return self._shuffle

    @property
    def shuffle_block_size(self) -> int | None:
        """How many neighbouring rows are read as a block when rows are shuffled; `None`: one."""
        return self._order.shuffle_block_size

    @property
    def epoch(self) -> int:
        """The number of shuffled passes that have begun; it can be set, also for later parts.

        It is also the number of the next pass. In `fit` a pass counts when Keras begins an epoch
        in which a batch of that pass trains. If a function of `map` takes `rng`, passes of `fit` in
        file order count too.
        """
        return self._passes.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        check_integer("epoch", epoch, at_least=0)
        self._passes.position = Position(int(epoch))
        self._is_epoch_set = True

    @property
    def x(self) -> Any:
        """The input rows that the sequence serves, in file order: `seq.x[:5]` reads five.

        One `Rows`, or a dict or tuple of them, as the sources were given. They are the stored rows,
        before any `map`.
        """
        return self._served(0)

    @property
    def y(self) -> Any:
        """The target rows, as in `x`, or `None` if there are none."""
        return self._served(1)

    @property
    def sample_weight(self) -> Any:
        """The sample weights, as in `x`, or `None` if there are none."""
        return self._served(2)

    @property
    def file_paths(self) -> Any:
        """The file of each input row that the sequence serves, in file order: a list.

        `None` if not each row is a file of its own: then `seq.x.file_of(i)` says in which file row
        `i` lies, and where in it. In a dict or tuple if `x` is one.
        """
        return map_leaves(lambda rows: rows.file_paths, self.x)

    @property
    def nbytes(self) -> int:
        """Bytes of all rows in a pass, including those that `drop_remainder` leaves out."""
        row_bytes: int = sum(leaf.row_bytes for leaf in leaves_of(self._leaves))
        return self.num_samples * row_bytes

    @property
    def indices(self) -> range | Indices:
        """Row numbers in the files, in the order of the sequence. The array is read-only."""
        chosen = self._order.indices
        if chosen is None:
            return range(self.num_samples)
        if isinstance(chosen, range):
            return chosen
        # Rows are read without another check that they exist.
        read_only = chosen.view()
        read_only.flags.writeable = False
        return read_only

    @property
    def x_spec(self) -> Any:
        """`keras.InputSpec` of a batch of inputs, in the structure of `x`."""
        return self._spec(0)

    @property
    def y_spec(self) -> Any:
        """`keras.InputSpec` of a batch of targets, or `None` if there are none."""
        return self._spec(1)

    @property
    def sample_weight_spec(self) -> Any:
        """`keras.InputSpec` of a batch of sample weights, or `None` if there are none."""
        return self._spec(2)

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, index: int) -> Any:
        """Batch `index` as new arrays: `x`, `(x, y)` or `(x, y, sample_weight)`."""
        index = check_batch_number(index, self.num_batches)
        if self._indexed.note(index, self.epoch, self.num_batches) and self._shuffle:
            self._warn_of_one_order()
        if index + 1 == self.num_batches:
            check_last_part(self)
        batches = batches_of(self, shuffle=self._shuffle)
        return batches.take_one(Position(self.epoch, index))

    def __iter__(self) -> Iterator[Any]:
        """Yield the batches of one pass: in file order, or shuffled anew if `shuffle=True`."""
        # Now, and not at the end of the pass: every process raises at the same batch.
        check_last_part(self)
        batches = batches_of(self, shuffle=self._shuffle)
        is_counted = bool(batches.order.shuffle)
        start = self._passes.begin() if is_counted else self._passes.begin_uncounted()
        for index in range(start.batch, self.num_batches):
            batch = batches.take_one(Position(start.epoch, index))
            is_last = index + 1 == self.num_batches
            following = self._passes.position if is_last else Position(start.epoch, index + 1)
            self._passes.reach(following)
            yield batch

    def on_epoch_end(self) -> None:
        """Count a shuffled pass if batches were read by index; otherwise do nothing.

        Keras calls it for a `PyDataset`. A dataset of your own around a sequence must pass it on,
        or each of its epochs has the same batches.
        """
        if self._indexed.has_any and self._shuffle:
            self._passes.begin()
        self._indexed.end()

    def _warn_of_one_order(self) -> None:
        warn_once_of(
            self,
            "on_epoch_end",
            "With shuffle=True, batches that are read by index get a new order from "
            f"on_epoch_end(). Received: all {self.num_batches} batches twice, and now again, in "
            f"the order of pass {self.epoch}. Call seq.on_epoch_end() after each pass, in "
            "on_epoch_end(self) of a PyDataset around it; or iterate, `for batch in seq:`, which "
            "begins a new pass each time. If one order is meant, pass shuffle=False.",
        )

    def get_state(self) -> dict[str, Any]:
        """Where a loop of one's own stands: `set_state` goes on there, also in a new process.

        Returns:
            A dict of numbers and short strings, which `json.dumps` takes: `epoch` and `batch` of
            the batch that comes next, what decides the order, and a fingerprint of the data. It
            is the state of the iteration that gave the last batch. In file order all passes are
            the same, so `epoch` counts only shuffled passes. In `fit`, use `ResumeTraining`.

        Raises:
            NpyFileError: If a file has changed.

        Example:

        >>> seq = NpySequence(np.arange(6), batch_size=2, shuffle=True, seed=0)
        >>> batches = iter(seq)
        >>> first = next(batches)
        >>> state = seq.get_state()
        >>> state["epoch"], state["batch"]
        (0, 1)
        >>> later = NpySequence(np.arange(6), batch_size=2, shuffle=True, seed=0)
        >>> later.set_state(state)
        >>> [batch.tolist() for batch in later] == [batch.tolist() for batch in batches]
        True
        """
        return state_of(self._identity(), self._passes.reached)

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `get_state` was called: the next pass begins with the batch that was next.

        A sequence that was built with `seed=None` takes the seed of the state.

        Args:
            state: A dict that `get_state` returned, perhaps in another process. The sources may
                lie elsewhere, and be shards instead of one file, but their rows must be equal. If
                they take more than 64 MiB, only their shape, their dtype and 256 rows are compared.

        Raises:
            TypeError: If `state` is no such dict.
            ValueError: If it belongs to another seed, batch size, choice of rows or other data.
        """
        self._passes.position = take_state(self, state)

    def replace(self, **changes: Any) -> Self:
        """Serve the same rows of the same open files with other arguments.

        Args:
            **changes: `batch_size`, `shuffle`, `shuffle_block_size`, `seed`, `drop_remainder`, or
                `num_processes` and `process_id`, as the constructor takes them. All others stay.
                The count of passes starts at 0, or at `epoch` if it was set.

        Raises:
            TypeError: If another argument is given, or an argument has a wrong type.
            ValueError: If an argument has a wrong value.

        Example:

        >>> seq = NpySequence(np.arange(10), batch_size=4)
        >>> len(seq), len(seq.replace(batch_size=5))
        (3, 2)
        """
        given = {
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "shuffle_block_size": self.shuffle_block_size,
            "seed": self.seed,
            "drop_remainder": self._order.drop_remainder,
            "num_processes": self.num_processes,
            "process_id": None if "num_processes" in changes else self.process_id,
        }
        check_changes(given, changes)
        arguments = {**given, **changes}
        check_shuffle(arguments["shuffle"])
        # Blocks of before wait until all rows are shuffled again.
        check_shuffle_block_size(changes.get("shuffle_block_size"), arguments["shuffle"])
        share = make_share(
            arguments["num_processes"], arguments["process_id"], arguments["batch_size"]
        )
        is_shared_now = self.num_processes == 1 < share.num_processes
        if is_shared_now and self._seed_was_drawn and "seed" not in changes:
            # Each process has drawn another one.
            arguments["seed"] = SEED_OF_PROCESSES
        order = make_order(
            self.num_samples,
            self._order.indices,
            batch_size=arguments["batch_size"],
            seed=arguments["seed"],
            drop_remainder=arguments["drop_remainder"],
            shuffle_block_size=arguments["shuffle_block_size"],
            num_processes=share.num_processes,
        )
        other = self._with_order(order, share)
        if "num_processes" in changes:
            other._share_was_given = changes["num_processes"] is not None
        other._shuffle = arguments["shuffle"]
        if "seed" in changes:
            other._seed_was_drawn = changes["seed"] is None
        return other

    def map(self, function: Callable[..., Any]) -> Self:
        """Serve what a function makes of each batch, from the same open files.

        The function gets whole batches as NumPy arrays, `function(x)`, `function(x, y)` or
        `function(x, y, sample_weight)`, in the structure of the sources, and returns `x`, `(x, y)`
        or `(x, y, sample_weight)`. It is called in the threads that read ahead, perhaps for two
        batches at once, for `fit`, `evaluate` and `predict`, and when the sequence is indexed or
        iterated.

        A function with a parameter `rng` gets a `np.random.Generator` whose numbers depend on the
        seed, the pass and the number of the batch alone. They are the same on every backend and
        after a resume, and differ from pass to pass in `fit`. `evaluate`, `predict`, validation and
        other passes in file order always get the numbers of pass 0.

        The arrays belong to this batch alone. The function may write to them and return them, which
        costs no copy; after it has returned it must not write to them. Whatever else it returns is
        copied once. Maps follow each other in the order in which they are made. Class weights are
        looked up from the `y` that comes out. `split`, `folds` and `subset` keep the map, and read
        classes from `y` as it is stored. `predict` reads `y` for the function, and drops it.

        Args:
            function: Returns the batch that is served, with one row for each row that it gets, and
                the same shapes and dtypes for every batch. It is called once now, with the first
                batch, to find these.

        Raises:
            TypeError: If the function takes other arguments, or returns something else than arrays.
            ValueError: If the function returns another number of rows.
            Exception: Whatever the function raises. Later, too, it is raised as it is, with a note
                of the batch.

        Example:

        >>> seq = NpySequence(np.arange(4), np.arange(4) * 10, batch_size=2)
        >>> scaled = seq.map(lambda x, y: (x, y / 100))
        >>> scaled[1]
        (array([2, 3]), array([0.2, 0.3]))
        >>> noisy = scaled.map(lambda x, y, rng: (x + rng.integers(5, size=len(x)), y))
        >>> noisy.x_spec.dtype
        'int64'
        """
        refuse_map(self._cache)
        batches = batches_of(self, shuffle=False)
        rows = batches.order.rows(0, 0, 1)
        batches.check_unchanged(rows)
        other = self._with_order(self._order)
        other._map = make_map(
            function, self._map, batches.read(rows), len(batches.rows[0]), self.seed
        )
        return other

    def subset(self, indices: object) -> Self:
        """Serve only some of the rows that this sequence serves, from the same open files.

        Batch size, seed, shuffling and structure stay. The count of passes starts at 0, or at
        `epoch` if it was set.

        Args:
            indices: Positions in the file order of *this sequence*: a slice, a range, integers
                (negative ones count from the end) or a boolean mask of `num_samples` values.
                Their order becomes the file order of the subset. A subset of a subset therefore
                holds what NumPy gives for `rows[first][second]`.

        Raises:
            ValueError: If no row is selected, a mask has another length or is of integers, or
                `drop_remainder=True` leaves no batch.
            TypeError: If `indices` is none of these.
            IndexError: If a position is out of range.

        Example:

        >>> from keras_npy import NpySequence
        >>> evens = NpySequence(np.arange(10), batch_size=2).subset(slice(0, None, 2))
        >>> [batch.tolist() for batch in evens.subset([4, 0])]
        [[8, 0]]
        """
        order = self._order.subset(chosen_rows(indices, self.num_samples))
        return self._with_order(order)

    @overload
    def split(
        self,
        second: float,
        /,
        **arguments: Unpack[SplitArguments],
    ) -> tuple[Self, Self]: ...

    @overload
    def split(
        self,
        second: float,
        third: float,
        /,
        **arguments: Unpack[SplitArguments],
    ) -> tuple[Self, Self, Self]: ...

    def split(
        self,
        *fractions: float,
        seed: int | None = None,
        stratify: bool = False,
        groups: Groups | None = None,
        in_order: bool = False,
        **others: Never,
    ) -> tuple[Self, ...]:
        """Deal the rows out to two sequences or more, for example to train and to validate.

        Args:
            *fractions: Share of the *second* sequence, and of the third if there is one, in
                0 < fraction < 1, as in Keras's `validation_split`. The first sequence gets the
                others, `round((1 - fraction) * num_samples)` rows.
            seed: Any integer from 0; it decides which rows go where. `None` means 0, not the
                seed of this sequence: every run holds out the same rows, even if its training
                order differs.
            stratify: Whether each class keeps its share in all sequences, to within one row,
                and has at least one row in each. The sizes may then differ from those above,
                by fewer rows than there are classes. Only the labels `y` are read.
            groups: Which rows belong together, such as all slices of a patient: no group is
                divided. An array, or a source, with one value for each row, or a function that
                returns the group of a file from its path, such as `os.path.dirname`. Sizes and
                class shares are then as near to those above as single groups allow: one of
                two parts differs by less than the largest group. (scikit-learn's
                `GroupShuffleSplit` takes a share of the groups, not of the rows.)
            in_order: Whether the last rows become the last sequence, as with Keras's
                `validation_split`, which cuts at `floor((1 - fraction) * num_samples)`. Windows
                that share a timestep with the next sequence are left out.

        A `UserWarning` names rows that come into several sequences: windows that overlap, and rows
        that are served more than once, because a file is listed twice or `take` repeats them. Of
        more than 262,144 rows a sample is looked at.

        Returns:
            Sequences that share no row and together hold all rows, each in the file order of
            this sequence.

        Raises:
            ValueError: If a part would be empty, or `stratify=True` where `y` is not one
                class per row or a class has fewer rows than there are parts.
            TypeError: If an argument has a wrong type.

        Example:

        >>> from keras_npy import NpySequence
        >>> train, validation = NpySequence(np.arange(10), batch_size=8).split(0.3)
        >>> train[0], validation[0]
        (array([1, 2, 4, 5, 7, 8, 9]), array([0, 3, 6]))
        """
        check_no_others(others, NpySequence.split)
        parts = self._divided().split(fractions, seed, stratify, groups, in_order)
        return tuple(self.subset(part) for part in parts)

    def folds(
        self,
        k: int,
        *,
        seed: int | None = None,
        stratify: bool = False,
        groups: Groups | None = None,
        **others: Never,
    ) -> list[tuple[Self, Self]]:
        """Deal the rows out for cross-validation: `k` pairs to train on and to validate.

        Args:
            k: Number of pairs, at least 2.
            seed: As in `split`.
            stratify: Whether each class is dealt out evenly: the validation parts then also
                differ by at most one row in each class. Each class needs `k` rows.
            groups: As in `split`: no group is both in `train` and in `validation`. Sizes and
                class shares then differ as little as groups allow.

        Returns:
            `(train, validation)` pairs. The validation parts share no row, together hold all
            rows, and differ in size by at most one row. `train` holds all other rows.

        Raises:
            ValueError: If there are fewer rows or groups than parts, or `stratify=True` where
                `y` is not one class per row or a class has fewer rows than `k`.
            TypeError: If an argument has a wrong type.

        Example:

        >>> from keras_npy import NpySequence
        >>> pairs = NpySequence(np.arange(6)).folds(3)
        >>> [validation[0].tolist() for train, validation in pairs]
        [[2, 5], [3, 4], [0, 1]]
        """
        check_no_others(others, NpySequence.folds)
        pairs = self._divided().folds(k, seed, stratify, groups)
        return [(self.subset(train), self.subset(held_out)) for train, held_out in pairs]

    @overload
    @classmethod
    def from_directory(
        cls,
        directory: Path,
        labels: LabelsOfFiles = ...,
        label_mode: LabelMode = ...,
        class_names: Iterable[str] | None = ...,
        *,
        subset: Literal["training", "validation"] | None = ...,
        **arguments: Unpack[FolderArguments],
    ) -> Self: ...

    @overload
    @classmethod
    def from_directory(
        cls,
        directory: Path,
        labels: LabelsOfFiles = ...,
        label_mode: LabelMode = ...,
        class_names: Iterable[str] | None = ...,
        *,
        subset: Literal["both"],
        **arguments: Unpack[FolderArguments],
    ) -> tuple[Self, Self]: ...

    @classmethod
    def from_directory(
        cls,
        directory: Path,
        labels: LabelsOfFiles = "inferred",
        label_mode: LabelMode = "int",
        class_names: Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        shuffle: ShuffleArgument = None,
        seed: int | None = None,
        validation_split: float | None = None,
        subset: Literal["training", "validation", "both"] | None = None,
        follow_links: bool = False,
        drop_remainder: bool = False,
        length: int | Mapping[int, int] | None = None,
        pad_value: float = 0,
        crop: Crop = "start",
        unpack: bool = False,
        validate: bool = False,
        num_classes: int | None = None,
        io: Io = "auto",
        cache: Cache | None = None,
        member: str | None = None,
        **others: Never,
    ) -> Self | tuple[Self, Self]:
        """Stream a directory of one folder per class, in which each `.npy` is one sample.

        Arguments have the names and meanings of `keras.utils.image_dataset_from_directory`.
        Files lie under `directory/class/`, at any depth. They are served class by class, in
        natural order (`x-2.npy` before `x-10.npy`). Hidden files and folders, those that programs
        leave behind (`__MACOSX`), and files that are not `.npy`, are ignored.

        Args:
            directory: The folder that holds the folders of the classes.
            labels: `"inferred"` numbers the folders in sorted order, including those without
                samples. A dict gives the label of each file, by its path in the directory or
                its name. A list of integers gives the label of each file in natural order; it
                is refused if sorted paths, as Keras orders them, would get other labels. `None`
                means no labels. In these cases folders have no meaning, and files come folder
                by folder.
            label_mode: `"int"`: int32 `(b,)`. `"binary"`, for two classes: float32 `(b, 1)`.
                `"categorical"`: float32 one-hot `(b, num_classes)`. `None`: no labels.
            class_names: The folders to use, in the order of their class numbers. Allowed only
                with inferred labels. If they name all folders, others may be among them: classes
                without samples, such as one that a folder to validate with lacks.
            batch_size: As in `NpySequence`.
            shuffle: As in `NpySequence`.
            seed: As in `NpySequence`; it also decides the validation split.
            validation_split: Share of the samples to hold out, as in `split`. The choice
                depends only on the files and `seed`, so calls with the same `seed` are
                complementary whatever their `shuffle`. Here `seed=None` means 0.
            subset: `"training"`, `"validation"` or `"both"`; required with `validation_split`.
            follow_links: Whether to follow links to folders inside the classes.
            drop_remainder: As in `NpySequence`.
            length: As in `samples`, as are the next three, for samples of different length.
            pad_value: As in `samples`.
            crop: As in `samples`.
            unpack: As in `samples`, for compressed members.
            validate: As in `NpySequence`, for all samples, also those of the other subset.
            num_classes: As in `NpySequence`, for labels that are given; those of folders are right.
            io: As in `samples`.
            cache: As in `NpySequence`, of all samples that are found.
            member: The member that is the sample, if the files are `.npz` archives. `None` for
                `.npy` files.

        Returns:
            A sequence; `subset="both"` gives a tuple of two. Its `class_names` are in the order
            of the class numbers, or `None` without labels.

        Raises:
            NpyFileError: If there are no samples, or files cannot be streamed or differ from
                the first one, as in `samples`.
            ValueError: If an argument has a wrong value.
            TypeError: If an argument has a wrong type.
            OSError: If a folder cannot be read; `FileNotFoundError` is one.

        Example:

        >>> import os
        >>> for name in ("cat/1", "cat/2", "dog/1"):
        ...     os.makedirs(f"pets/{name[:3]}", exist_ok=True)
        ...     np.save(f"pets/{name}.npy", np.full(2, int(name[-1])))
        >>> seq = NpySequence.from_directory("pets")
        >>> seq[0]
        (array([[1, 1],
               [2, 2],
               [1, 1]]), array([0, 0, 1], dtype=int32))
        >>> seq.class_names
        ['cat', 'dog']
        """
        check_no_others(others, cls.from_directory)
        check_subset(validation_split, subset)
        found, targets = find_samples(
            directory,
            labels,
            label_mode,
            class_names,
            follow_links=follow_links,
            member=member,
            are_fitted=length is not None,
        )
        rows = samples(
            found.paths, length=length, pad_value=pad_value, crop=crop, unpack=unpack, io=io
        )
        found.warn_of_two_classes(rows)
        seq = cls(
            rows,
            targets,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
            validate=validate,
            num_classes=num_classes,
            cache=cache,
        )
        seq.class_names = found.class_names
        seq._are_classes_numbered = isinstance(labels, str)
        if validation_split is None:
            return seq
        training, validation = seq.split(validation_split, seed=seed)
        if subset == "both":
            return training, validation
        return training if subset == "training" else validation

    @classmethod
    def from_class_files(
        cls,
        source: Path | Mapping[str, Source],
        label_mode: Literal["int", "categorical", "binary"] = "int",
        class_names: Iterable[str] | None = None,
        *,
        batch_size: int = 32,
        shuffle: ShuffleArgument = None,
        seed: int | None = None,
        drop_remainder: bool = False,
        validate: bool = False,
        io: Io = "auto",
        member: str | None = None,
        cache: Cache | None = None,
        **others: Never,
    ) -> Self:
        """Stream one file per class, in which each row is a sample of the class.

        Args:
            source: A directory, in which `airplane.npy` is a class, or the files in the folder
                `airplane` are; a pattern, whose files are classes; or a dict of class names
                and sources.
            label_mode: As in `from_directory`.
            class_names: The classes to use, in the order of their numbers, as in
                `from_directory`. `None` for all, in the sorted order of their names; those of a
                dict in its own order.
            batch_size: As in `NpySequence`.
            shuffle: As in `NpySequence`.
            seed: As in `NpySequence`.
            drop_remainder: As in `NpySequence`.
            validate: As in `NpySequence`. Labels are made here, and need no `num_classes`.
            io: As in `NpySequence`.
            member: The member that holds the rows, if the files of a directory are `.npz` archives.
                A pattern may name it itself: `"drawn/*.npz::x"`.
            cache: As in `NpySequence`.

        Returns:
            A sequence of all rows, class by class, with `class_names`. Use
            `split(0.2, stratify=True)` to hold out a share of each class.

        Raises:
            NpyFileError: If there are no classes, one has no rows, or a file cannot be streamed.
            ValueError: If an argument has a wrong value, or the rows of two classes differ.
            OSError: If a file cannot be read; `FileNotFoundError` is one.

        Example:

        >>> import os
        >>> os.makedirs("drawn", exist_ok=True)
        >>> np.save("drawn/apple.npy", np.zeros((2, 3)))
        >>> np.save("drawn/pear.npy", np.ones((1, 3)))
        >>> seq = NpySequence.from_class_files("drawn")
        >>> seq.class_names, seq.y[:]
        (['apple', 'pear'], array([0, 0, 1], dtype=int32))
        """
        check_no_others(others, cls.from_class_files)
        rows, targets, names = open_classes(source, label_mode, class_names, io, member)
        seq = cls(
            rows,
            targets,
            batch_size=batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
            validate=validate,
            cache=cache,
        )
        seq.class_names = names
        seq._are_classes_numbered = True
        return seq

    def __repr__(self) -> str:
        served = tuple(self._served(position) for position in range(len(self._data)))
        if isinstance(self._map, BatchMap):
            served = tuple(map_leaves(self._of_part, leaves) for leaves in self._map.leaves)
        num_rows = len(self._sources()[0])
        lines = [*describe(served), *describe_order(self._order, self._shuffle, num_rows)]
        if self.num_processes > 1:
            lines.append(f"the part of process {self.process_id} of {self.num_processes}")
        return "NpySequence(\n  " + "\n  ".join(lines) + "\n)"

    def _repr_html_(self) -> str:
        """What a notebook shows: some samples of the first input, and what `repr` says."""
        return html_of(repr(self), self._shown, self.class_names, self.indices)

    def plot(
        self,
        number: int = 24,
        *,
        model: Any = None,
        look: Look | None = None,
        names: Sequence[str] | None = None,
    ) -> Any:
        """Draw samples with their labels, or those that a model predicts worst.

        Images, slices of volumes and curves are drawn as they are stored, before any `map`. Masks
        are laid over their images, and targets that are images themselves stand beside them. Floats
        are a mask if they are a few whole numbers. With several inputs, the first one is drawn.

        Args:
            number: How many samples, from all over the sequence; fewer if these take more than
                256 MB.
            model: A model of one output. All rows are predicted, batch by batch, and those that
                are furthest from their target are drawn, the worst first. Above them stand the
                score of their label and that of the class that was predicted, and above all how
                many are wrong.
            look: `"image"`, `"volume"`, `"curve"` or `"spectrogram"`, `(time, frequency)`. `None`
                goes by the shape.
            names: The names of the classes, in the order of their numbers, instead of
                `class_names`.

        Returns:
            A matplotlib figure, which a notebook shows: `seq.plot().savefig("samples.png")`.

        Raises:
            ImportError: If there is no matplotlib: `pip install 'keras_npy[plot]'`.
            ValueError: If there are no targets to compare predictions with, or several outputs.
        """
        check_number(number)
        x, y = self._shown()
        number, numbers = num_drawn(number, x, y), to_array(self.indices)
        names = self.class_names if names is None else names
        rows, titles, heading = spread_rows(self.num_samples, number), None, ""
        if model is not None:
            rows, titles, heading = worst_rows(model, self._all_in_order(), number, numbers, names)
        if isinstance(self._map, BatchMap):
            heading = f"{heading} Drawn as stored, before map.".lstrip()
        return draw_sheet(
            x,
            y,
            rows,
            look=look,
            names=names,
            titles=titles,
            numbers=numbers[rows],
            heading=heading,
        )

    def _all_in_order(self) -> Iterator[tuple[Any, Any]]:
        """`x` and `y` of each batch, in file order, of all rows."""
        in_order = self.replace(shuffle=False, drop_remainder=False, num_processes=1)
        for index in range(len(in_order)):
            x, y, _ = keras.utils.unpack_x_y_sample_weight(in_order[index])
            yield x, y

    def _shown(self) -> tuple[Rows, Rows | None]:
        """The first input, and the targets if there is one output."""
        outputs = leaves_of(self.y)
        return leaves_of(self.x)[0], outputs[0] if len(outputs) == 1 else None

    def __getstate__(self) -> dict[str, Any]:
        # The count of passes belongs to the process that trains, and its lock cannot be pickled.
        counted = ("_passes", "_indexed", "_is_epoch_set")
        return {key: value for key, value in self.__dict__.items() if key not in counted}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._count_from_zero()

    def _count_from_zero(self) -> None:
        self._passes = PassCounter()
        self._indexed = IndexedPasses()
        self._is_epoch_set = False

    def _keep(self, cache: Cache, slots: Slots) -> None:
        """Keep the rows where the user wants them."""
        sources = self._sources()
        if cache == "device":
            refuse_drawn(sources)
            self._cache = DeviceCache(slots)
            return
        cached = cache_in_memory(sources, slots)
        self._data = map_leaves(lambda rows: cached[id(rows)], self._data)

    def _identity(self) -> dict[str, Any]:
        if self._fingerprint is None:
            self._fingerprint = fingerprint_of(map(of_all, leaves_of(self._data)))
        return identity_of(self._order, self._shuffle, self._fingerprint)

    def _with_order(self, order: Order, share: Share | None = None) -> Self:
        share = share or self._share
        check_rows(order, share)
        # copy uses __getstate__, as pickle does: the copy shares the rows, not the pass count.
        other = copy.copy(self)
        other._order = order
        other._share = share
        if self._is_epoch_set:
            # A run that is resumed says so before it splits its rows as it did the first time.
            other.epoch = self.epoch
        return other

    def _sources(self, positions: slice = slice(None)) -> list[Rows]:
        return leaves_of(self._data[positions])

    def _divided(self) -> Divided:
        outputs = self._sources(slice(1, 2))
        names = names_of("seq.x", self._data[0])
        if outputs:
            names += names_of("seq.y", self._data[1])
        return Divided(
            self._sources(),
            outputs,
            names,
            self._order.indices,
            self.num_samples,
            self._check_names,
        )

    def _served(self, position: int) -> Any:
        if position >= len(self._data):
            return None
        chosen = self._order.indices
        if chosen is None:
            return self._data[position]
        return map_leaves(lambda rows: choose_rows(rows, chosen), self._data[position])

    def _of_part(self, leaf: Leaf) -> Leaf:
        return dataclasses.replace(leaf, shape=(self.num_samples, *leaf.row_shape))

    @property
    def _leaves(self) -> tuple[Any, ...]:
        """What a batch holds, in its structure."""
        return self._data if self._map is None else self._map.leaves

    def _spec(self, position: int) -> Any:
        if position >= len(self._leaves):
            return None
        is_static = self._order.has_static_batches
        batch_size = self.batch_size // self.num_processes if is_static else None
        return spec_of(self._leaves[position], batch_size)


def batches_of(seq: NpySequence, **asked: Unpack[Asked]) -> Batches:
    """The batches that a feed reads when Keras asks for these.

    Raises:
        ValueError: If `class_weight` cannot be applied.
    """
    served = Served(seq._data, seq._map, seq._order, seq._share, seq._shuffle, seq._cache)
    return served.batches(asked)


def take_state(
    seq: NpySequence, state: Mapping[str, Any], begin_anew: str = "begin a new run"
) -> Position:
    """The position in a state of `get_state`. The seed of the state replaces one that was drawn.

    Raises:
        TypeError: If `state` is no such dict.
        ValueError: If it belongs to other batches.
    """
    identity = seq._identity()
    if seq._seed_was_drawn and isinstance(state, Mapping):
        identity["seed"] = state.get("seed")
    position = check_state(state, identity, seq.num_batches, begin_anew)
    seq._order = dataclasses.replace(seq._order, seed=identity["seed"])
    return position


def has_map(seq: NpySequence) -> bool:
    """Whether a function of the user's changes the batches of a sequence."""
    return isinstance(seq._map, BatchMap)


def numbered_classes(seq: NpySequence) -> list[str] | None:
    """The names of the classes of a sequence that files or folders numbered from 0."""
    return seq.class_names if seq._are_classes_numbered else None


def map_of(seq: NpySequence) -> BatchMap | None:
    """The function of the user's that changes the batches of a sequence; its parts share it."""
    return seq._map if isinstance(seq._map, BatchMap) else None


def batches_of_processes(seq: NpySequence) -> dict[str, Any]:
    """What must be equal in all processes that train one model, by name, as JSON takes it."""
    identity = identity_of(seq._order, seq._shuffle, "")
    leaves = [f"{rows.dtype} {rows.row_shape}" for rows in leaves_of(seq._data)]
    del identity["format"]
    return {"num_processes": seq.num_processes, **identity, "epoch": seq.epoch, "data": leaves}


def share_of(seq: NpySequence) -> Share | None:
    """The process that a sequence was built for; `None` if it found that out by itself."""
    return seq._share if seq._share_was_given else None


def last_batch_rows(seq: NpySequence) -> int:
    """Rows in the last batch of a sequence, of all processes together."""
    return seq._order.last_batch_rows


def check_last_part(seq: NpySequence) -> None:
    """Raise if some process has no row of the last batch; warn if parts differ in size."""
    check_last_batch(seq._order, seq._share)


def passes_of(seq: NpySequence) -> PassCounter:
    """The count of the shuffled passes of a sequence."""
    return seq._passes
