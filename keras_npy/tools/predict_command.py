"""The verb `predict`: its arguments and its output."""

import argparse
import os
import re
from typing import TYPE_CHECKING, Any

from keras_npy import ctrl_c
from keras_npy.tools.usage import SOURCE_HELP, positive

if TYPE_CHECKING:
    from keras_npy.rows.base import Rows

# Rows whose values are compared with the dtype that a model takes.
_ROWS_LOOKED_AT = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy predict`, and the function that runs it."""
    parser.description = (
        "Write the predictions of a saved model for all rows of X as .npy, batch by batch. A model "
        "with several outputs writes a file for each: p.NAME.npy. A command that was killed is "
        "given again, and goes on where it was."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("model", metavar="MODEL", help="a model that was saved as .keras")
    parser.add_argument(
        "x", metavar="X", nargs="+", help="inputs, a SOURCE for each input of the model"
    )
    parser.add_argument("-o", "--out", metavar="P.npy", required=True, help="the new file")
    parser.add_argument(
        "--batch-size", type=positive, default=32, metavar="B", help="default: %(default)s"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace P.npy if it exists")
    parser.add_argument(
        "--num-processes", type=positive, default=1, metavar="N", help="predict one part of N"
    )
    parser.add_argument("--process-id", type=int, metavar="K", help="which part, from 0")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(run=_run, ends_at_once=True)


def _run(options: argparse.Namespace) -> int:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.tools import backend_noise, output
    from keras_npy.tools.prediction_files import note_of
    from keras_npy.tools.source import open_source, remarks

    _check(options)
    ctrl_c.set_again_beside(
        note_of(_path_of_part(options)), ": the same command goes on where this one stopped"
    )
    with remarks() as said:
        rows = [open_source(one) for one in options.x]
        _check_rows(options, rows)
        with backend_noise.kept_away():
            paths = _predict(options, rows)
    written = [_facts(path) for path in paths]
    if options.json:
        output.print_json({"model": options.model, "x": options.x, "files": written})
        return 0
    for remark in said:
        output.print_note(remark)
    for facts in written:
        print(
            f"{facts['path']}: {facts['dtype']} {facts['shape']}, {output.size(facts['bytes'])} "
            f"with the header, predictions for {' and '.join(options.x)}"
        )
    return 0


def _path_of_part(options: argparse.Namespace) -> str:
    from keras_npy.tools.convert_shards import name_shards
    from keras_npy.tools.prediction_files import check_path

    path: str = check_path(options.out)
    if options.num_processes == 1:
        return path
    number: int = options.process_id
    return name_shards(path, options.num_processes)[number]


def _check(options: argparse.Namespace) -> None:
    """Raise for what can be seen without Keras, which takes seconds to import."""
    from keras_npy.tools.prediction_files import check_path
    from keras_npy.tools.usage import UsageError

    try:
        check_path(options.out)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if options.process_id is None:
        if options.num_processes > 1:
            # Process 0 by default would write one part, and say nothing of the others.
            raise UsageError(
                "--num-processes and --process-id are given together. Received: --num-processes "
                f"{options.num_processes} alone. Give --process-id from 0 to "
                f"{options.num_processes - 1}, one in each process."
            )
        options.process_id = 0
    if not 0 <= options.process_id < options.num_processes:
        raise UsageError(
            "--process-id counts the parts of --num-processes from 0. Received: "
            f"--process-id {options.process_id} of {options.num_processes}. Give one in "
            f"0 <= K < {options.num_processes}."
        )
    # FileNotFoundError if there is none.
    os.stat(options.model)
    if os.path.isdir(options.model) or not options.model.endswith(".keras"):
        raise UsageError(
            f"{options.model}: a model is read from one .keras file. Received: "
            f"{_kind_of(options.model)}. Save the model with model.save('model.keras'); or load "
            "it in Python and call keras_npy.predict_to_npy."
        )


def _check_rows(options: argparse.Namespace, rows: "list[Rows]") -> None:
    """Raise for what the rows and the saved model's description say, without Keras."""
    from keras_npy.order.arguments import check_share
    from keras_npy.order.shares import Share
    from keras_npy.rows.pairs import check_pairs
    from keras_npy.tools.prediction_files import check_free, check_num_batches
    from keras_npy.tools.saved_model import read_saved_model

    known = read_saved_model(options.model)
    _check_number(options, known.num_inputs)
    check_pairs(rows, check_names=False)
    if known.input_shape is not None:
        _check_axes(options, rows[0], known.input_shape)
    if known.input_dtype is not None:
        _check_kind(options, rows[0], known.input_dtype)
    share = Share(options.num_processes, options.process_id)
    check_share(share.num_processes, share.process_id, options.batch_size)
    check_num_batches(-(-len(rows[0]) // options.batch_size), share)
    if known.has_one_output and not options.overwrite:
        check_free(_path_of_part(options))


def _check_number(options: argparse.Namespace, num_inputs: int | None) -> None:
    from keras_npy.tools.usage import UsageError

    if num_inputs is not None and num_inputs != len(options.x):
        raise UsageError(
            f"{options.model}: predict takes one source for each input of the model, "
            f"{num_inputs} in all. Received: {' '.join(options.x)}. Files that belong to one "
            "input are one source, a pattern: 'x-*.npy'."
        )


def _check_axes(options: argparse.Namespace, rows: "Rows", taken: tuple[int | None, ...]) -> None:
    if not _fits(rows.row_shape, taken):
        raise ValueError(
            f"{rows.name}: a row must have the axes that {options.model} takes, {taken}. "
            f"Received: rows of shape {rows.row_shape}. Give the rows that it was trained on, or "
            "rows like them."
        )


def _check_kind(options: argparse.Namespace, rows: "Rows", taken: str) -> None:
    """Say that a model of integers gets floats, which Keras cuts to integers (Keras 3.15).

    The other way round is how most models are trained: on bytes, that Keras makes floats of.
    """
    import numpy as np

    from keras_npy.tools import output

    if rows.dtype.kind != "f" or not taken.startswith(("int", "uint", "bool")):
        return
    looked_at = np.arange(min(len(rows), _ROWS_LOOKED_AT))
    rows.prepare(looked_at)
    first = rows.take(looked_at)
    if not (first == np.floor(first)).all():
        output.print_note(
            f"{rows.name}: {options.model} takes {taken}, and Keras cuts off fractions. Received: "
            f"{rows.dtype}, of which the first rows go from {output.number(float(first.min()))} to "
            f"{output.number(float(first.max()))}. Give the values that it was trained on."
        )


def _kind_of(path: str) -> str:
    if os.path.isdir(path):
        return "a folder, such as a SavedModel"
    return f"a file that ends with {os.path.splitext(path)[1] or 'no suffix'}"


def _predict(options: argparse.Namespace, rows: "list[Rows]") -> list[str]:
    # Keras and its backend take seconds, and so do the first steps, which write nothing.
    ctrl_c.end_at_once_in_compilers()
    from keras_npy.errors import NpyFileError
    from keras_npy.sequence import NpySequence
    from keras_npy.tools.predict import write_predictions

    model = _load(options.model)
    _check_inputs(model, options, rows)
    seq = NpySequence(
        rows[0] if len(rows) == 1 else tuple(rows),
        batch_size=options.batch_size,
        num_processes=options.num_processes,
        process_id=options.process_id,
    )
    try:
        return write_predictions(
            model,
            seq,
            options.out,
            overwrite=options.overwrite,
            after_batch=ctrl_c.raise_if_pressed,
        )
    except (NpyFileError, OSError):
        raise
    except Exception as error:
        _raise_if_unlike(model, options, rows, error)
        raise


def _raise_if_unlike(
    model: Any, options: argparse.Namespace, rows: "list[Rows]", error: Exception
) -> None:
    """Raise an error that says so if rows have another shape than the model was made for."""
    for taken, its in zip(_inputs_of(model) or [], rows, strict=False):
        sizes = tuple(taken.shape[1:])
        if sizes != its.row_shape and not _has_sizes(its.row_shape, sizes):
            # Keras prints bold, also into a file, and the arguments of the call below the reason.
            reason = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
            lines = [line for line in reason.split("Arguments received by")[0].splitlines() if line]
            raise ValueError(
                f"{its.name}: a row must have the shape that {options.model} takes, {sizes}. "
                f"Received: rows of shape {its.row_shape}. Give the rows that it was trained on, "
                f"or rows like them. Keras says: {lines[-1].strip() if lines else error!r}"
            ) from error


def _has_sizes(row_shape: tuple[int, ...], taken: tuple[int | None, ...]) -> bool:
    return len(row_shape) == len(taken) and all(
        size in (None, its) for its, size in zip(row_shape, taken, strict=True)
    )


def _inputs_of(model: Any) -> list[Any] | None:
    """What a model takes, if it says so."""
    import keras

    # A model whose `call` is a user's own does not say it; the name may be its own.
    inputs = getattr(model, "inputs", None)
    if inputs and all(isinstance(one, keras.KerasTensor) for one in inputs):
        return list(inputs)
    return None


def _check_inputs(model: Any, options: argparse.Namespace, rows: "list[Rows]") -> None:
    """Raise unless the model takes these rows; of more than it takes, Keras drops the last ones."""
    inputs = _inputs_of(model)
    if inputs is None:
        return
    _check_number(options, len(inputs))
    for one, its in zip(inputs, rows, strict=True):
        _check_axes(options, its, tuple(one.shape[1:]))
        if len(rows) > 1:
            _check_kind(options, its, one.dtype)


def _fits(row_shape: tuple[int, ...], taken: tuple[int | None, ...]) -> bool:
    """Whether rows have the axes that a model takes; Keras adds or drops a last one of 1.

    Whether it takes other lengths of axes depends on the backend and on the layers (Keras 3.15).
    """
    if abs(len(row_shape) - len(taken)) == 1:
        return max(row_shape, taken, key=len)[-1] == 1
    return len(row_shape) == len(taken)


def _load(path: str) -> Any:
    import keras

    from keras_npy.errors import cut

    try:
        return keras.saving.load_model(path, compile=False)
    except TypeError as error:
        # So Keras says that it does not know a class (Keras 3.16).
        raise ValueError(
            f"{path}: the command loads models of layers that Keras or keras_npy has. "
            f"Received: {cut(str(error).splitlines()[0])}. Load it in Python, where its layers "
            "are registered, and call keras_npy.predict_to_npy."
        ) from error


def _facts(path: str) -> dict[str, Any]:
    import numpy as np

    array = np.load(path, mmap_mode="r")
    # As it must be named to be read again.
    dtype = "bfloat16" if array.dtype.kind == "V" else array.dtype.name
    return {"path": path, "dtype": dtype, "shape": array.shape, "bytes": os.path.getsize(path)}
