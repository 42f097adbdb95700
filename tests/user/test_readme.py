"""What the README says holds: its Python blocks run, and its commands are those of CI."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import only_on

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text()


@only_on("tensorflow", "jax", reason="Keras exports no SavedModel")
def test_readme_python_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block, one after the other, in one session, as a reader would."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for part, num_samples in (("train", 500), ("test", 200)):
        np.save(f"x_{part}.npy", rng.integers(0, 256, (num_samples, 28, 28)).astype("uint8"))
        np.save(f"y_{part}.npy", rng.integers(0, 10, num_samples))
    for number in range(10):
        path = tmp_path / "flowers" / ("rose" if number % 2 else "tulip") / f"{number}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, rng.integers(0, 256, (28, 28)).astype("uint8"))
    blocks = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert 3 <= len(blocks)
    session: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), session)
    assert (tmp_path / "served" / "saved_model.pb").is_file()


def test_readme_recipes_give_the_shapes_they_say() -> None:
    """Each row of the layer's table is built, and its shape compared."""
    import keras

    import keras_npy

    rows = re.findall(
        r"^\|[^|]*`\(N, ([\d, DHW]+)\)`[^|]*\| `(NpyInputLayer\(.*?\))` \| `\(([\d, DHW]+)\)`",
        README,
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


def test_readme_commands_are_complete_lines() -> None:
    """The two commands stand in the README word for word."""
    commands = re.findall(r"^```bash\n(.*?)\n```", README, re.MULTILINE | re.DOTALL)
    make = "python3 -m venv .venv && .venv/bin/pip install"
    assert f"{make} . && .venv/bin/keras-npy demo" == commands[0]
    assert f'{make} -e ".[test]" && .venv/bin/pytest' == commands[1]
