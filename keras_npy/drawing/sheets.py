"""Contact sheets: samples with their labels, and histograms beside them, drawn by matplotlib."""

import io
import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_npy.drawing.pictures import LINES_MAX, Look, find_look, lines_of, num_lines
from keras_npy.drawing.shown import Shown
from keras_npy.errors import check_integer
from keras_npy.rows.base import Rows
from keras_npy.rows.labels import are_one_hot
from keras_npy.types import Array, Indices

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A sheet is read by eye.
SAMPLES_MAX = 200

# Samples of so many bytes are drawn together, which takes about seven times as much: float32 copies
# for the range and the histogram.
SHEET_BYTES_MAX = 256 << 20

# In inches.
HISTOGRAM_WIDTH = 3.0
TITLE_HEIGHT = 0.15

# Labels of which more differ are measurements.
CLASSES_SHOWN = 30

# Values of a vector that stand above a sample.
_VALUES_NAMED = 3


def check_number(number: int) -> None:
    """Raise unless a sheet can show so many samples."""
    check_integer("number", number, at_least=1)
    if number > SAMPLES_MAX:
        raise ValueError(
            f"A sheet shows at most {SAMPLES_MAX} samples. Received: number={number}. "
            "Plot several parts: seq.subset(range(200)).plot(200)."
        )


def num_drawn(number: int, x: Rows, y: Rows | None) -> int:
    """How many samples are drawn if `number` are wanted: fewer of large ones, at least one."""
    row_bytes = x.row_bytes + (0 if y is None else y.row_bytes)
    return min(number, max(1, SHEET_BYTES_MAX // row_bytes))


def spread_rows(num_rows: int, number: int) -> Indices:
    """Row numbers from all over a source: one file may be sorted by class."""
    return np.unique(np.linspace(0, num_rows - 1, min(number, num_rows)).astype(np.int64))


def draw_sheet(
    x: Rows,
    y: Rows | None,
    indices: Indices,
    *,
    look: Look | None = None,
    names: Sequence[str] | None = None,
    titles: Sequence[str] | None = None,
    numbers: Indices | None = None,
    heading: str = "",
) -> "Figure":
    """Draw some rows.

    Args:
        x: The samples.
        y: Their labels, which stand above them, masks, which are laid over them, or images, which
            stand beside them.
        indices: The rows to draw.
        look: How samples are shown; `None` to guess it from their shape.
        names: The names of the classes, in the order of their numbers.
        titles: What stands above each sample instead of its number and label.
        numbers: What the rows are called, if not by their number in `x`.
        heading: What stands above the sheet.

    Raises:
        ImportError: If there is no matplotlib.
    """
    # Before anything is read: it may be missing.
    figure_class = _figure_class()
    shown = Shown.read(x, y, indices, look or find_look(x.row_shape))
    labels = shown.labels
    if titles is None:
        titles = [
            title_of(int(row), None if labels is None else labels[at], names)
            for at, row in enumerate(indices if numbers is None else numbers)
        ]
    # In the first line of a title, which says the row.
    lines = [title.split("\n") for title in titles]
    titles = ["\n".join((of[0] + shown.remark(at), *of[1:])) for at, of in enumerate(lines)]
    heading = " ".join(filter(None, (heading, _left_out(shown))))
    cells = _Cells.of(shown, TITLE_HEIGHT * (1 + max(map(len, lines))))
    height = cells.height + (2 * TITLE_HEIGHT if heading else 0)
    figure: Figure = figure_class(
        figsize=(cells.width + HISTOGRAM_WIDTH, height), layout="constrained"
    )
    if heading:
        figure.suptitle(heading, fontsize=9)
    parts: Any = figure.subfigures(1, 2, width_ratios=(cells.width, HISTOGRAM_WIDTH))
    left, right = parts
    axes = left.subplots(cells.num_lines, cells.num_columns, squeeze=False).reshape(-1)
    for one in axes[len(indices) :]:
        one.set_axis_off()
    limits = _limits_of_curves(shown) if shown.look == "curve" else (0, 1)
    for at, title in enumerate(titles):
        axes[at].set_title(title, fontsize=8)
        _draw(axes[at], shown, at, limits)
    _draw_histograms(right, shown.samples, labels, names)
    return figure


def _left_out(shown: Shown) -> str:
    """What of each sample is not drawn."""
    number = num_lines(shown.samples.shape[1:])
    if shown.look != "curve" or number <= LINES_MAX:
        return ""
    return f"The first {LINES_MAX} of the {number} curves of each sample."


class _Cells(NamedTuple):
    """How samples are laid out, in inches."""

    num_lines: int
    num_columns: int
    width: float
    height: float

    @classmethod
    def of(cls, shown: Shown, title_height: float) -> "_Cells":
        number, (height, width) = len(shown.samples), _size_of(shown)
        num_columns = math.ceil(math.sqrt(number * 1.3 * (height + title_height) / width))
        num_columns = min(number, max(1, num_columns))
        num_lines = math.ceil(number / num_columns)
        least = max(num_lines * (height + title_height), HISTOGRAM_WIDTH)
        return cls(num_lines, num_columns, num_columns * width, least)


def _size_of(shown: Shown) -> tuple[float, float]:
    """Height and width of a sample, in inches."""
    if shown.look == "value":
        return 0.4, 1.2
    if shown.look == "curve":
        return 1.5, 2.2
    height, width = shown.picture(0).shape[:2]
    # Of long pictures each has at least so much room that its title fits.
    return min(4.0, max(0.7, 3.6 * height / (height + width))), min(
        4.0, max(1.2, 3.6 * width / (height + width))
    )


def _figure_class() -> Any:
    try:
        # Without pyplot: no window is opened, and no figure outlives its last reference.
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures are drawn by matplotlib. Received: no matplotlib in this environment. "
            "Install it: pip install 'keras_npy[plot]'."
        ) from error

    class Sheet(Figure):
        """A figure that a notebook shows even if nothing of pyplot is imported."""

        def _repr_png_(self) -> bytes:
            png = io.BytesIO()
            self.savefig(png, format="png", dpi=100)
            return png.getvalue()

    return Sheet


def can_write(suffix: str) -> bool:
    """Whether a sheet can be saved to a file that ends so.

    Raises:
        ImportError: If there is no matplotlib.
    """
    return suffix[1:].lower() in _figure_class()().canvas.get_supported_filetypes()


def _limits_of_curves(shown: Shown) -> tuple[float, float]:
    """The least and the greatest value, with a margin: spikes are drawn too."""
    values = shown.samples.astype(np.float32)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1.0
    return float(low - margin), float(high + margin)


def _draw(axes: "Axes", shown: Shown, at: int, limits: tuple[float, float]) -> None:
    sample = shown.samples[at]
    if shown.look == "value":
        axes.set_axis_off()
        axes.text(0.5, 0.5, f"{float(sample):.4g}", ha="center", va="center")
    elif shown.look == "curve":
        axes.plot(lines_of(sample).T, linewidth=0.8)
        axes.set_ylim(*limits)
        axes.tick_params(labelsize=6)
    else:
        axes.imshow(shown.picture(at), interpolation="nearest")
        # With a frame: a white sample on white paper would be none.
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set(color="#c0c0c0", linewidth=0.5)


def title_of(row: int, label: Array | None, names: Sequence[str] | None) -> str:
    """What stands above a sample: its number and its label.

    Example:

    >>> title_of(7, np.array(1), ["cat", "dog"]), title_of(7, None, None)
    ('row 7: dog', 'row 7')
    """
    return f"row {row}" if label is None else f"row {row}: {name_of_label(label, names)}"


def name_of_label(label: Array, names: Sequence[str] | None) -> str:
    """A label in words: the name of its class, its number, or its first values.

    Example:

    >>> name_of_label(np.array([0, 1]), ["cat", "dog"]), name_of_label(np.array(0.25), None)
    ('dog', '0.25')
    """
    number = class_of(label)
    if number is None:
        return name_of_values(label)
    return names[number] if names is not None and 0 <= number < len(names) else str(number)


def name_of_values(values: Array) -> str:
    """The first of some values."""
    flat = values.reshape(-1)
    more = ", ..." if flat.size > _VALUES_NAMED else ""
    return ", ".join(f"{value:.3g}" for value in flat[:_VALUES_NAMED].tolist()) + more


def class_of(label: Array) -> int | None:
    """The class number of a label, one-hot or not; `None` if it is no class."""
    flat = label.reshape(-1)
    if flat.size > 1:
        return int(np.argmax(flat)) if are_one_hot(flat) else None
    value = float(flat[0])
    return int(value) if math.isfinite(value) and value == int(value) else None


def unnamed_classes(labels: Array, names: Sequence[str]) -> list[int]:
    """The class numbers of some labels for which there is no name.

    Example:

    >>> unnamed_classes(np.array([0, 1, 7, 7]), ["cat", "dog"])
    [7]
    """
    numbers = {class_of(label) for label in labels} - {None, *range(len(names))}
    return sorted(number for number in numbers if number is not None)


def _draw_histograms(
    figure: Any, samples: Array, labels: Array | None, names: Sequence[str] | None
) -> None:
    counts = _count_classes(labels, names)
    axes = figure.subplots(2 if counts else 1, 1, squeeze=False).reshape(-1)
    values = samples.astype(np.float32).reshape(-1)
    finite = values[np.isfinite(values)]
    num_left_out, values = values.size - finite.size, finite
    left_out = f"\n{num_left_out:,} left out: NaN or infinite" if num_left_out else ""
    # Of no values matplotlib has no logarithm, and warns.
    axes[0].hist(values, bins=50, log=bool(values.size), color="#4878a8")
    axes[0].set_title(f"values of these samples{left_out}", fontsize=8)
    axes[0].set_ylabel("count (log)", fontsize=7)
    axes[0].set_ylim(bottom=0.5)
    axes[0].minorticks_off()
    axes[0].tick_params(labelsize=7)
    if counts:
        axes[1].barh(list(counts), list(counts.values()), color="#a87848")
        axes[1].invert_yaxis()
        axes[1].set_title("labels of these samples", fontsize=8)
        axes[1].tick_params(labelsize=7)


def _count_classes(labels: Array | None, names: Sequence[str] | None) -> dict[str, int]:
    if labels is None:
        return {}
    numbers = [class_of(label) for label in labels]
    counts = Counter(number for number in numbers if number is not None)
    if len(counts) > CLASSES_SHOWN:
        return {}
    return {name_of_label(np.array(one), names): counts[one] for one in sorted(counts)}
