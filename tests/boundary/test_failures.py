"""A step that fails, or is interrupted, leaves the model as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_npy import predict_to_npy
from tests.conftest import Stored, make_model, only_on

pytestmark = only_on("jax", reason="There Keras takes the variables away for the time of the steps")


@pytest.mark.parametrize("first", [0, 24], ids=["first-batch", "later-batch"])
@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda model, seq, _: model.fit(seq, shuffle=False, verbose=0), id="fit"),
        pytest.param(lambda model, seq, _: model.evaluate(seq, verbose=0), id="evaluate"),
        pytest.param(lambda model, seq, _: model.predict(seq, verbose=0), id="predict"),
        pytest.param(predict_to_npy, id="predict_to_npy"),
    ],
)
def test_step_that_fails_leaves_the_model_its_variables(
    stored: Stored, tmp_path: Path, run: Callable[..., Any], first: int
) -> None:
    """Also after a call that failed later, whose values Keras still holds."""
    bad: list[np.ndarray] = []

    def fail(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if bad and np.array_equal(x[0], bad[0]):
            raise KeyboardInterrupt
        return x, y

    model, seq = make_model(), stored.sequence().map(fail)
    bad.append(stored.x[40])
    with pytest.raises(KeyboardInterrupt):
        model.predict(seq, verbose=0)
    weights = [weight + 1 for weight in model.get_weights()]
    model.set_weights(weights)
    bad[0] = stored.x[first]
    with pytest.raises(KeyboardInterrupt):
        run(model, seq, tmp_path / "p.npy")
    # In no case here has a step of fit been completed: several batches go to the device together.
    for expected, weight in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(expected, weight)
    bad.clear()
    assert (53, 3) == model.predict(seq, verbose=0).shape
    model.fit(seq, verbose=0)
