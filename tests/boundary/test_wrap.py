"""Keras's choice of an adapter: what is wrapped, what is not, and what is refused."""

from typing import Any

import keras
import numpy as np
import pytest
from keras.src.trainers import data_adapters

from keras_npy import NpySequence
from keras_npy.boundary import wrap
from tests.conftest import Stored, make_model, run_script


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
        def model():
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
            model.compile("sgd", "mse")
            return model
        one, two = model(), model()
        seq = keras_npy.NpySequence(x, y, batch_size=4)
        one.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        two.fit(seq, shuffle=False, verbose=0)
        for a, b in zip(one.get_weights(), two.get_weights()):
            np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(one.predict(x, verbose=0), two.predict(seq, verbose=0))
        rows = keras_npy.NpySequence(np.arange(10), batch_size=4, shuffle=True, seed=0)
        first = [rows[i].tolist() for i in range(len(rows))]
        rows.on_epoch_end(); rows.on_epoch_end()
        second = [rows[i].tolist() for i in range(len(rows))]
        assert first != second and rows.epoch == 1
        print("trained")
    """
    assert "trained" == run_script(script)


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
    assert "trained" == run_script(script)


@pytest.mark.parametrize("name", ["__getitem__", "on_epoch_end"])
def test_fit_subclass_whose_methods_would_be_ignored_is_refused(stored: Stored, name: str) -> None:
    """Nothing that a user wrote is silently left out."""
    kind = type("Augmented", (NpySequence,), {name: lambda self, *arguments: None})
    with pytest.raises(TypeError, match=rf"Augmented, which overrides {name}.*PyDataset"):
        make_model().fit(kind(stored.x_path, stored.y_path, batch_size=8), verbose=0)
