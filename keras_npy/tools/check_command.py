"""The verb `check`: its arguments and its output."""

import argparse

from keras_npy.tools.checks.kinds import KINDS
from keras_npy.tools.usage import SOURCE_HELP, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `keras-npy check`, and the function that runs it."""
    parser.description = (
        "Look through the rows of X once, and through their labels, for what would spoil training: "
        "NaN, values that no scale fits, rows that come twice, labels that are none, and rows that "
        "two sets share. Exit status 1 if something is found."
    )
    parser.epilog = SOURCE_HELP
    parser.add_argument("x", metavar="X", help="inputs, a SOURCE")
    parser.add_argument("--y", metavar="Y", help="labels, class numbers, one-hot rows or masks")
    parser.add_argument(
        "--classes", type=positive, metavar="N", help="how many classes there are, numbered from 0"
    )
    parser.add_argument(
        "--against", metavar="X2", help="another set, such as the test set, to compare with"
    )
    parser.add_argument("--against-y", metavar="Y2", help="labels of the other set")
    parser.add_argument(
        "--ignore",
        metavar="KIND,...",
        action="append",
        default=[],
        help=f"kinds of findings that are meant: {', '.join(KINDS)}",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, for scripts")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    # Import NumPy only here: it takes longer than --help should.
    from keras_npy.tools import output
    from keras_npy.tools.check import check, side_by_side
    from keras_npy.tools.source import remarks

    ignored = _ignored(options)
    with remarks() as said:
        report = check(
            options.x,
            options.y,
            against=options.against,
            against_y=options.against_y,
            num_classes=options.classes,
        )
    findings = [finding for finding in report.findings if finding.kind not in ignored]
    # For a reader of the output that stops reading.
    options.status = 1 if findings else 0
    if options.json:
        output.print_json({**report.facts(), "findings": [vars(one) for one in findings]})
        return int(options.status)
    for remark in said:
        output.print_note(remark)
    output.print_table(*side_by_side(report))
    print()
    for at, finding in enumerate(findings, 1):
        print(f"{at}. [{finding.kind}] {finding.message}")
    taken: set[str] = set()
    for one in report.sets:
        for line in one.how_to_leave_out(ignored, taken):
            print(line)
    if taken:
        print("Then check the new files.")
    if findings:
        print(f"{output.count(len(findings), 'finding')}. --ignore KIND leaves out what is meant.")
    else:
        print("Nothing found.")
    return int(options.status)


def _ignored(options: argparse.Namespace) -> set[str]:
    from keras_npy.tools.usage import UsageError

    if options.against_y and not options.against:
        raise UsageError(
            "--against-y are the labels of --against. Received: --against-y alone. "
            "Give --against too."
        )
    if options.classes and not options.y and not options.against_y:
        raise UsageError(
            "--classes is the number of classes of labels. Received: --classes "
            f"{options.classes} without labels. Give --y Y, or leave --classes out."
        )
    given = ",".join(options.ignore)
    ignored = {kind.strip() for kind in given.split(",") if kind.strip()}
    if not ignored <= set(KINDS):
        raise UsageError(
            f"--ignore takes kinds of findings: {', '.join(KINDS)}. "
            f"Received: {given}. Write them as the findings do."
        )
    return ignored
