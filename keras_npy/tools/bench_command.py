"""The verb `bench`: its arguments and its output."""

import argparse

from keras_npy import ctrl_c
from keras_npy.tools.usage import SOURCE_HELP, duration, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy bench`, and the function that runs it."""
    parser.description = (
        "Time how fast shuffled batches of X can be had: cold from the disk, warm from the page "
        "cache, from arrays in memory, and as Keras is handed them; and say which of these limits. "
        "The page cache is emptied of the files first."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("x", metavar="X", help="a SOURCE, such as x.npy or 'x-*.npy'")
    parser.add_argument("--y", metavar="Y", help="labels, which are read with it")
    parser.add_argument(
        "--batch-size", type=positive, default=32, metavar="B", help="default: %(default)s"
    )
    parser.add_argument(
        "--seconds", type=duration, default=2.0, metavar="S", help="for each; default: %(default)s"
    )
    parser.add_argument(
        "--step-ms", type=duration, metavar="MS", help="what a step of your model takes"
    )
    parser.add_argument("--no-keras", action="store_true", help="leave out what Keras is handed")
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(run=_run, ends_at_once=True)


def _run(options: argparse.Namespace) -> int:
    # Import NumPy only here: it takes longer than --help should.
    import sys

    from keras_npy.tools import backend_noise, output
    from keras_npy.tools.bench import bench, describe
    from keras_npy.tools.source import remarks

    def tell(what: str) -> None:
        if sys.stderr.isatty():
            print(f"timing: {what} ...", file=sys.stderr)

    # It writes nothing, and Keras may be imported.
    ctrl_c.end_at_once_in_compilers()
    sources = [options.x] if options.y is None else [options.x, options.y]
    with remarks() as said, backend_noise.kept_away():
        timed = bench(
            sources,
            batch_size=options.batch_size,
            seconds=options.seconds,
            feed=not options.no_keras,
            tell=tell,
        )
    waits = {} if options.step_ms is None else timed.waits(options.step_ms)
    if options.json:
        output.print_json({**timed.facts(), "waits_ms": waits})
        return 0
    for remark in said:
        output.print_note(remark)
    print(
        f"{' and '.join(sources)}: {output.count(timed.num_rows, 'row')} of "
        f"{output.size(timed.row_bytes)}, batches of {timed.batch_size}"
    )
    if timed.batch_size < options.batch_size:
        output.print_note(
            f"--batch-size {options.batch_size} is more than there are rows: batches hold all "
            f"{timed.num_rows:,}"
        )
    print(f"first batch, files opened: {timed.first_batch_ms:.3g} ms")
    output.print_table(*describe(timed))
    limit, why = timed.limit
    print(f"\nWhat limits: {limit} ({why}).")
    for state, wait_ms in waits.items():
        verdict = f"waits {wait_ms:.3g} ms for each batch" if wait_ms else "does not wait"
        print(f"A model of {options.step_ms:g} ms a step {verdict} ({state}).")
    return 0
