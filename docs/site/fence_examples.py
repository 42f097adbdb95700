"""For the site: put the examples of docstrings, which begin with `>>>`, into blocks of code."""

import re
from typing import Any

import griffe

# From the first `>>>` to the next empty line, which ends an example for doctest too.
_EXAMPLE = re.compile(r"^>>> .*?(?=\n\s*\n|\Z)", re.MULTILINE | re.DOTALL)


class FenceExamples(griffe.Extension):
    """Fence what doctest runs; Markdown would take it for quotations and links."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = _EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", text)
