"""What the pages under docs/ say holds: their Python blocks run."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = {path.stem: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}

# A block marked `py` is not run: it needs a package that tests do not have, or changes the process.
BLOCKS = {
    name: re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, page in PAGES.items()
}
WITH_MODELS = [name for name, blocks in BLOCKS.items() if "keras.Sequential" in "".join(blocks)]
WITHOUT_MODELS = [name for name, blocks in BLOCKS.items() if blocks and name not in WITH_MODELS]


def run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the blocks of a page in turn. A block that imports keras_npy starts anew, elsewhere."""
    session: dict[str, object] = {}
    for number, block in enumerate(BLOCKS[name], 1):
        if re.search(r"^import .*keras_npy", block, re.MULTILINE):
            session = {"__name__": "docs"}
            folder = tmp_path / str(number)
            folder.mkdir()
            monkeypatch.chdir(folder)
        exec(compile(block, f"docs/{name}.md, block {number}", "exec"), session)


# Some recipes say which layouts are slow.
@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("name", WITH_MODELS)
def test_page_with_models_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On each backend."""
    run(name, tmp_path, monkeypatch)


@pytest.mark.filterwarnings("ignore::keras_npy.NpyLayoutWarning")
@pytest.mark.parametrize("name", WITHOUT_MODELS)
def test_page_of_rows_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No row depends on the backend."""
    run(name, tmp_path, monkeypatch)


def test_page_is_short_enough_to_read() -> None:
    """Each has one reader with one question."""
    too_long = {name: len(page.split()) for name, page in PAGES.items() if len(page.split()) > 800}
    assert {} == too_long


def test_first_page_names_each_public_name() -> None:
    """A reader should not have to look for them in the source."""
    import keras_npy

    for name in set(keras_npy.__all__) - {"__version__"}:
        assert re.search(rf"`{name}\b", PAGES["README"]), name


def test_layer_recipes_give_the_shapes_they_say() -> None:
    """Each row of the layer's table is built, and its shape compared."""
    import keras

    import keras_npy

    rows = re.findall(
        r"^\|[^|]*`\(N, ([\d, DHW]+)\)`[^|]*\| `(NpyInputLayer\(.*?\))` \| `\(([\d, DHW]+)\)`",
        PAGES["layer"],
        re.MULTILINE,
    )
    assert 5 == len(rows)
    sizes = {"D": 8, "H": 16, "W": 12}
    keras_setting = keras.config.image_data_format()
    try:
        keras.config.set_image_data_format("channels_last")
        for stored, call, given in rows:
            layer = eval(call, {"NpyInputLayer": keras_npy.NpyInputLayer})
            shape = tuple(eval(f"({stored},)", {}, sizes))
            expected = tuple(eval(f"({given},)", {}, sizes))
            assert (None, *expected) == layer.compute_output_shape((None, *shape)), call
    finally:
        keras.config.set_image_data_format(keras_setting)


def test_hounsfield_recipe_maps_to_the_range_it_says() -> None:
    """-1000 to 0, 1000 to 1, and water between them."""
    import keras_npy

    (call,) = re.findall(r"Hounsfield[^|]*\| `(NpyInputLayer\(.*?\))`", PAGES["layer"])
    layer = eval(call, {"NpyInputLayer": keras_npy.NpyInputLayer})
    values = np.asarray(layer(np.array([-1000, 0, 1000], "int16").reshape(1, 3, 1, 1)))
    assert [0, 0.5, 1] == values.ravel().tolist()
