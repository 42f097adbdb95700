"""The verb `inspect`: its arguments and its output."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from keras_npy.tools.usage import SOURCE_HELP

if TYPE_CHECKING:
    from keras_npy.tools.inspect import Inspected


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy inspect`, and the function that runs it."""
    parser.description = (
        "Say what the headers of sources say: shape, dtype, order, bytes, how much is in the page "
        "cache, how it will train and what would make it faster. Data are not read, but for a few "
        "values. A folder is listed; brackets print values: 'x.npy[0:5, :, -1]'."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("sources", metavar="SOURCE", nargs="+", help="a source, or a folder")
    parser.add_argument(
        "--all", action="store_true", help="read every header of a folder, however long it takes"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.tools import output
    from keras_npy.tools.found import members_of

    # For a reader of the output that stops reading.
    options.status = 0
    results = []
    for source in options.sources:
        if os.path.isdir(source):
            results.append(_list(source, options))
            continue
        for member in members_of(source):
            results.append(_inspect(member, options))
    if options.json:
        output.print_json(results)
    return int(options.status)


def _inspect(source: str, options: argparse.Namespace) -> dict[str, Any]:
    from keras_npy.tools import output
    from keras_npy.tools.inspect import describe, inspect
    from keras_npy.tools.source import parse
    from keras_npy.tools.usage import UsageError

    spelled = parse(source)
    try:
        inspected = inspect(spelled)
        if spelled.index is not None:
            return _show_values(inspected, options.json)
        facts = inspected.facts()
    except (ValueError, OSError) as error:
        # The other sources are worth a look all the same.
        output.print_note(str(error))
        options.status = max(options.status, 2 if isinstance(error, UsageError) else 1)
        return {"source": source, "error": str(error)}
    if not options.json:
        output.print_facts(source, describe(facts))
    return facts


def _show_values(inspected: "Inspected", as_json: bool) -> dict[str, Any]:
    from keras_npy.tools.inspect import read_slice

    values = read_slice(inspected)
    if not as_json:
        print(values)
    return {
        "source": inspected.spelled.text,
        "shape": values.shape,
        "dtype": values.dtype.name,
        "values": values,
    }


def _list(folder: str, options: argparse.Namespace) -> dict[str, Any]:
    from keras_npy.tools import output
    from keras_npy.tools.found import group_arrays, list_arrays

    arrays = list_arrays(folder)
    groups, num_looked_at = group_arrays(arrays, look_at_all=options.all)
    fine = [group for group in groups if not group.is_fault]
    faults = [group for group in groups if group.is_fault]
    options.status = max(options.status, bool(faults))
    if not options.json:
        lines = [
            [
                os.path.join(group.folder, group.pattern or _names(group.names)),
                f"{len(group.names):,}",
                f"{group.num_rows:,}",
                group.what,
                output.size(group.nbytes),
            ]
            for group in fine
        ]
        print(f"{folder}: {output.count(len(arrays), 'array')}")
        if lines:
            output.print_table(["path", "files", "rows", "each row", "size"], lines)
        for group in faults:
            output.print_note(group.what)
        if num_looked_at < len(arrays):
            output.print_note(
                f"the first {num_looked_at:,} of {len(arrays):,} arrays were looked at; "
                "--all looks at every one"
            )
    return {
        "source": folder,
        "arrays": len(arrays),
        "looked_at": num_looked_at,
        "groups": [vars(group) for group in fine],
        "faults": [group.what for group in faults],
    }


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} ... {names[-1]}"
