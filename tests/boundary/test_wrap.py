"""Keras's choice of an adapter: what is wrapped, what is not, and what is refused."""

import textwrap
from typing import Any

import keras
import numpy as np
import pytest
from keras.src.trainers import data_adapters

from keras_npy import NpySequence
from keras_npy.boundary import wrap
from tests.conftest import Stored, make_model
from tests.processes import run_forked


def test_wrap_again_changes_nothing() -> None:
    """The wrap is idempotent."""
    wrapped = data_adapters.get_data_adapter
    wrap.wrap_get_data_adapter()
    assert wrapped is data_adapters.get_data_adapter


def test_wrap_other_inputs_pass_through_untouched() -> None:
    """Arrays, datasets of others and generators get the adapters that Keras chooses."""

    class Others(keras.utils.PyDataset):
        def __len__(self) -> int:
            return 1

        def __getitem__(self, index: int) -> Any:
            return np.zeros((2, 3)), np.zeros(2)

    names = [
        type(data_adapters.get_data_adapter(x)).__name__
        for x in (np.zeros((4, 2)), Others(), (batch for batch in [(np.zeros((2, 2)),)]))
    ]
    assert ["ArrayDataAdapter", "PyDatasetAdapter", "GeneratorDataAdapter"] == names
    arrays = data_adapters.get_data_adapter(np.zeros((4, 2)), np.zeros(4), None, 2, shuffle=True)
    assert (2, 2) == (arrays.num_batches, arrays.batch_size)


def test_wrap_keras_looks_different_warns_once_and_still_trains() -> None:
    """Where the function has other arguments, a sequence is an ordinary PyDataset."""
    script = """
        import warnings
        import numpy as np, keras
        from keras.src.trainers import data_adapters
        original = data_adapters.get_data_adapter
        def other(x, y=None, sample_weight=None, batch_size=None, steps_per_epoch=None,
                  shuffle=False, class_weight=None, something_new=None):
            return original(x, y, sample_weight, batch_size, steps_per_epoch, shuffle, class_weight)
        data_adapters.get_data_adapter = other
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import keras_npy
            keras_npy.boundary.wrap.wrap_get_data_adapter()
        ours = [str(w.message) for w in caught if "keras_npy does not know" in str(w.message)]
        assert len(ours) == 1, ours
        assert data_adapters.get_data_adapter is other
        x, y = np.arange(20, dtype="float32").reshape(10, 2), np.arange(10, dtype="float32")
        seq = keras_npy.NpySequence(x, y, batch_size=4)
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        untrained, results = model.get_weights(), []
        for data in [dict(x=x, y=y, batch_size=4), dict(x=seq)]:
            model.set_weights(untrained)
            model.fit(**data, shuffle=False, verbose=0)
            results.append([*model.get_weights(), model.predict(data["x"], verbose=0)])
        for a, b in zip(*results):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(untrained[0], results[1][0])
        rows = keras_npy.NpySequence(np.arange(10), batch_size=4, shuffle=True, seed=0)
        first = [rows[i].tolist() for i in range(len(rows))]
        rows.on_epoch_end(); rows.on_epoch_end()
        second = [rows[i].tolist() for i in range(len(rows))]
        assert first != second and rows.epoch == 1
        print("trained")
    """
    assert "trained" == run_forked(script)


# What a Keras of the future might do, in the place of what it does.
FUTURES = {
    "argument": """
        from keras.src.trainers.data_adapters import data_adapter, py_dataset_adapter
        names = ["get_jax_iterator", "get_tf_dataset", "get_torch_dataloader"]
        for kind in (data_adapter.DataAdapter, py_dataset_adapter.PyDatasetAdapter):
            for name in names:
                def method(self, *args, new_thing=None, _original=getattr(kind, name), **kwargs):
                    return _original(self, *args, **kwargs)
                method.__signature__ = inspect.Signature(
                    [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
                     for name in ("self", "new_thing")])
                setattr(kind, name, method)
        called = []
        class Calling:
            "Calls the methods of an adapter as that trainer would."
            def __init__(self, adapter): self.adapter = adapter
            def __getattr__(self, name):
                found = getattr(self.adapter, name)
                if name not in names: return found
                called.append(name)
                return lambda *args, **kwargs: found(*args, new_thing=1, **kwargs)
        make = epoch_iterator.EpochIterator.__init__
        def calling(self, *args, **kwargs):
            make(self, *args, **kwargs)
            self.data_adapter = Calling(self.data_adapter)
        # The trainer of TensorFlow asks for its dataset when it makes the iterator.
        if keras.backend.backend() != "tensorflow":
            epoch_iterator.EpochIterator.__init__ = calling
        said = "get_jax_iterator takes new_thing"
        """,
    "argument-of-the-hook": """
        from keras.src.trainers.data_adapters import data_adapter
        def on_epoch_begin(self, epoch=None): pass
        data_adapter.DataAdapter.on_epoch_begin = on_epoch_begin
        said = "on_epoch_begin takes epoch"
        """,
    "method": """
        from keras.src.trainers.data_adapters import data_adapter
        def get_new_iterator(self): raise NotImplementedError
        data_adapter.DataAdapter.get_new_iterator = get_new_iterator
        said = "DataAdapter has get_new_iterator"
        """,
    "caller": """
        import types
        elsewhere = types.SimpleNamespace(get_data_adapter=data_adapters.get_data_adapter)
        epoch_iterator.data_adapters = elsewhere
        said = "get_data_adapter is called from elsewhere"
        """,
}


@pytest.mark.parametrize("future", FUTURES)
def test_wrap_keras_calls_adapters_differently_warns_once_and_still_trains(future: str) -> None:
    """No TypeError in fit: a sequence is an ordinary PyDataset, with the same rows."""
    script = """
        import inspect, warnings
        import numpy as np, keras
        from keras.src.trainers import data_adapters, epoch_iterator
        {future}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import keras_npy
            keras_npy.boundary.wrap.wrap_get_data_adapter()
        ours = [str(w.message) for w in caught if "keras_npy does not know" in str(w.message)]
        assert len(ours) == 1, ours
        assert said in ours[0], ours
        x, y = np.arange(20, dtype="float32").reshape(10, 2), np.arange(10, dtype="float32")
        class Rows(keras.utils.PyDataset):
            def __len__(self): return 3
            def __getitem__(self, index):
                return x[4 * index : 4 * index + 4], y[4 * index : 4 * index + 4]
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        untrained, results = model.get_weights(), []
        for data in (Rows(), keras_npy.NpySequence(x, y, batch_size=4)):
            model.set_weights(untrained)
            model.fit(data, shuffle=False, verbose=0)
            results.append([*model.get_weights(), model.predict(data, verbose=0)])
        for a, b in zip(*results):
            np.testing.assert_array_equal(a, b)
        assert not np.array_equal(untrained[0], results[1][0])
        print("trained")
    """
    future_lines = textwrap.indent(textwrap.dedent(FUTURES[future]), " " * 8).lstrip()
    assert "trained" == run_forked(script.replace("{future}", future_lines))


def test_wrap_keras_without_the_base_class_still_imports() -> None:
    """A Keras that moved its private modules costs speed, not the import."""
    script = """
        import sys, warnings
        import keras
        sys.modules["keras.src.trainers.data_adapters.data_adapter"] = None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import keras_npy
        assert any("keras_npy does not know" in str(w.message) for w in caught)
        import numpy as np
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(keras_npy.NpySequence(np.zeros((10, 2)), np.zeros(10)), verbose=0)
        print("trained")
    """
    assert "trained" == run_forked(script)


@pytest.mark.parametrize("name", ["__getitem__", "on_epoch_end"])
def test_fit_subclass_whose_methods_would_be_ignored_is_refused(stored: Stored, name: str) -> None:
    """Nothing that a user wrote is silently left out."""
    kind = type("Augmented", (NpySequence,), {name: lambda self, *arguments: None})
    with pytest.raises(TypeError, match=rf"Augmented, which overrides {name}.*NpySequence\.map"):
        make_model().fit(kind(stored.x_path, stored.y_path, batch_size=8), verbose=0)


def test_fit_validation_split_names_split(stored: Stored) -> None:
    """Keras refuses it for anything but arrays, and knows no remedy."""
    model = make_model()
    message = r"Received: validation_split= in fit.*seq\.split\(0\.2, in_order=True\)"
    with pytest.raises(ValueError, match=message):
        model.fit(stored.sequence(), validation_split=0.2, verbose=0)
    history = model.fit(stored.x, stored.y, validation_split=0.2, verbose=0)
    assert "val_loss" in history.history
