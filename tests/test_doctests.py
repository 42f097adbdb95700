"""Every example in a docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import keras_npy

MODULES = [
    module.name
    for module in pkgutil.walk_packages(keras_npy.__path__, "keras_npy.")
    if not module.name.endswith("serve_without_keras_npy")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With np imported, as Keras's examples take for granted."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    results = doctest.testmod(module, extraglobs={"np": np})
    assert 0 == results.failed


@pytest.mark.parametrize("name", sorted(set(keras_npy.__all__) - {"__version__", "NpyFileError"}))
def test_public_names_have_an_example(name: str) -> None:
    """A public docstring ends in an example that runs."""
    assert ">>> " in getattr(keras_npy, name).__doc__
