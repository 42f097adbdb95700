"""`predict_to_npy`: predictions as `.npy` files, in the memory of a few batches."""

import contextlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from keras_npy.boundary.models import build_by_calling, torch_buffers
from keras_npy.boundary.predictions import arrays_of, predict_each
from keras_npy.callbacks.training_state import layers_of
from keras_npy.errors import check_bool, check_integer
from keras_npy.feeds.nests import leaves_of, map_leaves
from keras_npy.files.values import dtype_named
from keras_npy.order.position import Position
from keras_npy.order.shares import Share
from keras_npy.rows.fingerprint import fingerprint_of, fingerprint_of_arrays
from keras_npy.sequence import NpySequence, batches_of, has_map
from keras_npy.tools.convert_shards import name_shards
from keras_npy.tools.prediction_files import (
    Output,
    PredictionFiles,
    check_num_batches,
    check_outputs,
    check_path,
    warn_of_other_parts,
)
from keras_npy.types import Array, Path


def predict_to_npy(
    model: keras.Model,
    seq: NpySequence,
    path: Path,
    *,
    overwrite: bool = False,
    verbose: int | Literal["auto"] = "auto",
) -> list[str]:
    """Write what `model.predict(seq)` returns to `.npy` files, in the memory of a few batches.

    Row i of a file is the prediction of row i of the sequence, whatever its `shuffle`. Targets and
    weights are not read, unless a function of `map` takes them.

    The rows lie in `path + ".unfinished"` until all of them are on the disk; then the file gets its
    name. If the process is killed or interrupted, the same call goes on after the last batch whose
    rows were synced, which happens every few seconds, and less often on a slow disk: syncs take at
    most a twentieth of the time. With other data, another model or another `batch_size` it is
    refused, or begins anew with `overwrite`. Code is not compared: after a change of a `call` or of
    the function of `map`, delete the files that are unfinished.

    Args:
        model: A Keras model, compiled or not.
        seq: The sequence. With `num_processes`, each process predicts a run of rows of its own, in
            whole batches of `batch_size`; the files of all processes, read as shards, are the
            predictions in order.
        path: The new file, `p.npy`. A model with several outputs writes a file for each, with the
            key or number of the output: `p.mask.npy`, `p.0.npy`. Process 0 of 2 writes
            `p-00000-of-00002.npy`.
        overwrite: Whether to replace files, and what is kept of another model or other data.
        verbose: As `predict` takes it. 0 shows no progress; a terminal shows it otherwise.

    Returns:
        The paths of the files of this process, in the order of `keras.tree.flatten`.

    Raises:
        FileExistsError: If a file exists and `overwrite` is false.
        FileNotFoundError: If the folder of `path` does not exist.
        OSError: If the disk has no room for all predictions; before the first one is written.
        BlockingIOError: If another process writes to the same files.
        ValueError: If an output has no row for each row of a batch, or its rows differ in shape
            from batch to batch; or if rows are kept of another model or other data.
        RuntimeError: If `keras.config.set_max_steps_per_epoch` ends it before the last batch.
        TypeError: If an argument has a wrong type.
        NpyFileError: If a file of the sequence has changed, or cannot be read.

    Example:

    >>> seq = NpySequence(np.arange(6, dtype="float32").reshape(6, 1), batch_size=4)
    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Rescaling(2)])
    >>> paths = predict_to_npy(model, seq, "p.npy")
    >>> np.load("p.npy").ravel().tolist()
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    _check_types(model, seq)
    check_bool("overwrite", overwrite)
    if verbose != "auto":
        check_integer("verbose", verbose, at_least=0)
    return write_predictions(model, seq, path, overwrite=overwrite, verbose=verbose)


def write_predictions(
    model: keras.Model,
    seq: NpySequence,
    path: Path,
    *,
    overwrite: bool,
    verbose: int | Literal["auto"] = "auto",
    after_batch: Callable[[], None] = lambda: None,
) -> list[str]:
    """As `predict_to_npy`, with a function that is called after each batch that is written."""
    path, part = check_path(path), _part_of(seq)
    first = part.first_inputs()
    build_by_calling(model, first)
    identity = _identity(model, part, first)
    noted_path = _path_of(path, part.share)
    with (
        PredictionFiles(noted_path, part.num_rows, identity, overwrite=overwrite) as files,
        _progress(noted_path, part.num_rows, verbose) as show,
    ):

        def done(rows_done: int) -> None:
            show(rows_done)
            after_batch()

        files.resume()
        if not files.outputs:
            _check_declared(model, part, path, overwrite)
        _predict(model, part, path, files, done)
        paths = files.finish()
    if part.share.num_processes > 1:
        for written in paths:
            warn_of_other_parts(written)
    return paths


@dataclass(frozen=True)
class _Part:
    """The rows that one process predicts.

    Args:
        seq: Serves all batches up to the last one of this part, to one process.
        share: Which process this is.
        first_batch: The first batch of this part.
    """

    seq: NpySequence
    share: Share
    first_batch: int

    @property
    def first_row(self) -> int:
        return self.first_batch * self.seq.batch_size

    @property
    def num_rows(self) -> int:
        stop = min(self.seq.num_batches * self.seq.batch_size, self.seq.num_samples)
        return stop - self.first_row

    def first_inputs(self) -> Any:
        """The inputs of the first batch, as `predict` gets them."""
        batches = batches_of(self.seq, shuffle=False, only_x=True)
        batch = batches.take_one(Position(0, self.first_batch))
        return keras.utils.unpack_x_y_sample_weight(batch)[0]


def _part_of(seq: NpySequence) -> _Part:
    share = Share(seq.num_processes, seq.process_id)
    if share.num_processes == 1:
        return _Part(seq, share, 0)
    first, stop = check_num_batches(seq.num_batches, share)
    alone = seq.replace(num_processes=1)
    if stop < seq.num_batches:
        alone = alone.subset(slice(0, stop * seq.batch_size))
    return _Part(alone, share, first)


def _check_types(model: object, seq: object) -> None:
    if not isinstance(model, keras.Model) or not isinstance(seq, NpySequence):
        raise TypeError(
            "predict_to_npy takes a Keras model and an NpySequence. "
            f"Received: {type(model).__name__} and {type(seq).__name__}. "
            "Pass NpySequence(x) for a path or an array x."
        )


def _path_of(path: str, share: Share, name: str = "") -> str:
    """The file of an output; if it is the only one, it has no name."""
    if os.sep in name or "\0" in name:
        raise ValueError(
            f"{path}: the name of an output becomes a part of the name of its file. "
            f"Received: an output {name!r:.100}. Give it a name without {os.sep!r}."
        )
    if name:
        path = f"{path.removesuffix('.npy')}.{name}.npy"
    if share.num_processes == 1:
        return path
    return name_shards(path, share.num_processes)[share.process_id]


def _outputs(outputs: Any, part: _Part, path: str) -> list[Output]:
    """The files of a nest of outputs, each of which has a shape and a dtype."""
    named = keras.tree.flatten_with_path(outputs)
    found = [
        Output.of(
            _path_of(path, part.share, ".".join(map(str, keys))),
            dtype_named(str(leaf.dtype)),
            tuple(leaf.shape[1:]),
            part.num_rows,
        )
        for keys, leaf in named
    ]
    _check_no_sources(found, part.seq)
    return found


def _check_no_sources(outputs: list[Output], seq: NpySequence) -> None:
    """Raise if predictions would replace a file that the sequence reads."""
    # Most often none exists, and a hundred thousand files of samples need not be looked at.
    existing = [output.path for output in outputs if os.path.exists(output.path)]
    if not existing:
        return
    read = {}
    for rows in leaves_of((seq.x, seq.y, seq.sample_weight)):
        for path in () if rows.files is None else rows.files.paths:
            with contextlib.suppress(OSError):
                state = os.stat(path)
                read[state.st_dev, state.st_ino] = path
    for output_path in existing:
        state = os.stat(output_path)
        if (path := read.get((state.st_dev, state.st_ino))) is not None:
            raise ValueError(
                f"{output_path}: predictions replace no file that they are made from. "
                f"Received: a sequence that reads {path}. Give another path."
            )


def _check_declared(model: keras.Model, part: _Part, path: str, overwrite: bool) -> None:
    """Refuse what can be refused before a step is compiled, if the model can say what it gives."""
    if type(model).predict_step is not keras.Model.predict_step:
        return
    inputs = map_leaves(
        lambda spec: keras.KerasTensor((None, *spec.shape[1:]), dtype=spec.dtype), part.seq.x_spec
    )
    try:
        declared = model.compute_output_spec(inputs)
    except Exception:  # Whatever the `call` of a model of one's own raises on such inputs.
        return
    if all(_has_row_shape(leaf) for leaf in keras.tree.flatten(declared)):
        check_outputs(_outputs(declared, part, path), part.num_rows, overwrite)


def _has_row_shape(spec: Any) -> bool:
    return isinstance(spec, keras.KerasTensor) and None not in spec.shape[1:]


def _predict(
    model: keras.Model,
    part: _Part,
    path: str,
    files: PredictionFiles,
    show: Callable[[int], None],
) -> None:
    """Predict the rows that are not in the files yet."""
    if files.rows_done == part.num_rows:
        return
    batch_size = part.seq.batch_size
    step_rows = batch_size * (model.steps_per_execution or 1)

    def take(outputs: Any) -> None:
        _check_given(outputs, path)
        arrays = arrays_of(outputs)
        num_rows = min(step_rows, part.num_rows - files.rows_done)
        _check_rows(arrays, num_rows, path)
        if not files.outputs:
            files.begin(_outputs(keras.tree.pack_sequence_as(outputs, arrays), part, path))
        files.write(arrays)
        show(files.rows_done)

    first_batch = part.first_batch + files.rows_done // batch_size
    predict_each(model, part.seq, take, first_batch=first_batch)
    if files.rows_done < part.num_rows:
        raise RuntimeError(
            f"{path}: predict must reach the last batch. Received: {files.rows_done} of "
            f"{part.num_rows} rows. Lift the limit of keras.config.set_max_steps_per_epoch, "
            "and call predict_to_npy again: it goes on with the next batch."
        )


def _check_given(outputs: Any, path: str) -> None:
    for keys, leaf in keras.tree.flatten_with_path(outputs):
        if leaf is None:
            raise ValueError(
                f"{path}: each output must be an array. Received: None for output "
                f"{'.'.join(map(str, keys))!r}. Leave it out of what the model returns."
            )


def _check_rows(arrays: list[Array], num_rows: int, path: str) -> None:
    for array in arrays:
        if array.shape[:1] != (num_rows,):
            raise ValueError(
                f"{path}: each output must have a row for each row of a batch. "
                f"Received: an output of shape {array.shape} for {num_rows} rows. "
                "Leave reductions over rows out of the model, or use model.predict."
            )


def _identity(model: keras.Model, part: _Part, first: Any) -> dict[str, Any]:
    """What decides the predictions, by what a user calls it."""
    seq = part.seq
    # A function of `map` may make inputs of targets.
    sources = (seq.x, seq.y, seq.sample_weight) if has_map(seq) else (seq.x,)
    # What `map` makes of rows, and random crops, are known by their first batch.
    data = [fingerprint_of(leaves_of(sources)), fingerprint_of_arrays(leaves_of(first))]
    weights = itertools.chain(
        (keras.ops.convert_to_numpy(weight) for weight in model.weights),
        (buffer.cpu().numpy() for buffer in torch_buffers(model)),
    )
    layers = json.dumps(layers_of(model), sort_keys=True).encode()
    return {
        "batch_size": seq.batch_size,
        "rows": [part.first_row, part.num_rows],
        "weights": fingerprint_of_arrays(weights),
        "layers": fingerprint_of_arrays([np.frombuffer(layers, np.uint8)]),
        "data": data,
    }


@contextlib.contextmanager
def _progress(
    title: str, num_rows: int, verbose: int | Literal["auto"]
) -> Iterator[Callable[[int], None]]:
    """A function that is told how many rows are done, and shows it on a terminal."""
    if not verbose or not sys.stderr.isatty():
        yield lambda rows_done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        *(BarColumn(), MofNCompleteColumn()),
        *(TextColumn("rows, {task.fields[rate]:,.0f}/s"), TimeRemainingColumn()),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(os.path.basename(title), total=num_rows, rate=0.0)
        started: tuple[float, int] | None = None

        def show(rows_done: int) -> None:
            nonlocal started
            now_s = time.monotonic()
            # Compiling the first step, and rows that were kept, say nothing about the rate.
            started = started or (now_s, rows_done)
            elapsed_s, num_rows = now_s - started[0], rows_done - started[1]
            rate = num_rows / elapsed_s if elapsed_s else 0.0
            bar.update(task, completed=rows_done, rate=rate)

        yield show
