"""What a notebook shows of rows: a strip of thumbnails above what they are."""

import base64
import html
from collections.abc import Callable

from keras_npy.drawing.pictures import encode_png, find_look, shrink
from keras_npy.drawing.sheets import spread_rows, title_of
from keras_npy.drawing.shown import Shown
from keras_npy.errors import cut
from keras_npy.order.selection import rows_at
from keras_npy.rows.base import Rows
from keras_npy.types import Indices

THUMBNAILS = 8
THUMBNAIL_PIXELS = 72

# More bytes are not read only because a cell of a notebook ends in a sequence.
READ_BYTES_MAX = 64 << 20


def html_of(
    text: str,
    find_rows: Callable[[], tuple[Rows, Rows | None]],
    names: list[str] | None,
    numbers: range | Indices,
) -> str:
    """Some samples as small pictures with their labels, above a text.

    Rows that are too large or have no picture are left out. If there can be no pictures, whatever
    the reason is, the reason stands in their place.

    Args:
        text: What is shown below the pictures.
        find_rows: Returns the samples and their targets.
        names: The names of the classes, in the order of their numbers.
        numbers: What the rows are called.
    """
    try:
        strip = _strip(*find_rows(), names, numbers)
    # Whatever has become of the data: a cell does not fail because its last line is a sequence.
    except Exception as error:
        reason = f"No pictures: {type(error).__name__}: {cut(str(error))}"
        strip = f"<p>{html.escape(reason)}</p>"
    return f"<div>{strip}<pre>{html.escape(text)}</pre></div>"


def _strip(x: Rows, y: Rows | None, names: list[str] | None, numbers: range | Indices) -> str:
    look = find_look(x.row_shape)
    if look == "value" or x.dtype.kind == "c" or x.row_bytes * THUMBNAILS > READ_BYTES_MAX:
        return ""
    indices = spread_rows(len(x), THUMBNAILS)
    if y is not None and y.row_bytes * THUMBNAILS > READ_BYTES_MAX:
        y = None
    shown = Shown.read(x, y, indices, look)
    figures = []
    for at, row in enumerate(rows_at(numbers, indices).tolist()):
        picture = shrink(shown.picture(at), 3 * THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
        label = None if shown.labels is None else shown.labels[at]
        caption = title_of(row, label, names) + shown.remark(at)
        figures.append(_figure(encode_png(picture), caption))
    return f'<div style="display:flex;gap:4px;flex-wrap:wrap">{"".join(figures)}</div>'


def _figure(png: bytes, caption: str) -> str:
    data = base64.b64encode(png).decode()
    return (
        '<figure style="margin:0;text-align:center">'
        f'<img src="data:image/png;base64,{data}" style="image-rendering:pixelated">'
        f'<figcaption style="font-size:80%">{html.escape(caption)}</figcaption></figure>'
    )
