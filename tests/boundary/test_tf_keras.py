"""A model of `tf_keras`, which is Keras 2, is told what to do with a sequence."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpySequence

# The module and the function of tf_keras 2.21, which the tests do not install.
MODULE = """
def select_data_adapter(x, y):
    return "adapter", x, y
"""


def test_tf_keras_is_told_in_one_line_once_it_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else passes through."""
    folder = tmp_path / "tf_keras" / "src" / "engine"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    (folder / "data_adapter.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("tf_keras.src.engine.data_adapter")
    message = r"^An NpySequence is for models of Keras 3\. .*`import keras`, or .*tf_dataset\(\)\.$"
    with pytest.raises(TypeError, match=message):
        module.select_data_adapter(NpySequence(np.arange(3)), None)
    assert ("adapter", 1, 2) == module.select_data_adapter(1, 2)
