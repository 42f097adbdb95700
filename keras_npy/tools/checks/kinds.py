"""The kinds of findings, without NumPy, which takes longer to import than --help should."""

# The kinds of findings, the worst first: what makes results wrong, then what makes them worse.
KINDS = (
    *("leak", "pairs", "behind", "nan", "infinity", "outliers", "labels", "conflict", "differ"),
    *("missing class", "sorted", "scale", "duplicates", "constant", "imbalance"),
)
