"""A run that is split over several processes trains the orders of one run."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import Stored, assert_same_weights, make_model, new_model


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("steps", [None, 3, 10], ids=["passes", "part-of-a-pass", "past-a-pass"])
def test_fit_from_initial_epoch_in_a_new_process_trains_the_orders_of_one_run(
    stored: Stored, steps: int | None, shuffle: bool
) -> None:
    """Epoch k begins at batch k * steps of the passes, whichever sequence object serves it."""
    arguments: dict[str, Any] = {"steps_per_epoch": steps, "shuffle": shuffle, "verbose": 0}
    if steps == 10 and not shuffle:
        pytest.skip("steps beyond the last batch of file order warn, which is tested elsewhere")
    once, parts = make_model(), make_model()
    once.fit(stored.sequence(), epochs=4, **arguments)
    for first, last in [(0, 1), (1, 3), (3, 4)]:
        parts.fit(stored.sequence(), initial_epoch=first, epochs=last, **arguments)
    assert_same_weights(once, parts)


@pytest.mark.parametrize("steps", [None, 3])
def test_fit_from_initial_epoch_of_the_same_sequence_trains_the_orders_of_one_run(
    stored: Stored, steps: int | None
) -> None:
    """As in a notebook, where a user trains on."""
    once, parts = make_model(), make_model()
    once.fit(stored.sequence(), epochs=4, steps_per_epoch=steps, verbose=0)
    seq = stored.sequence()
    for first, last in [(0, 2), (2, 4)]:
        parts.fit(seq, initial_epoch=first, epochs=last, steps_per_epoch=steps, verbose=0)
    assert_same_weights(once, parts)


def test_fit_from_initial_epoch_honours_an_epoch_that_was_set(stored: Stored) -> None:
    """Who sets the pass gets that pass."""
    seq = stored.sequence()
    seq.epoch = 7
    make_model().fit(seq, initial_epoch=3, epochs=5, verbose=0)
    assert 9 == seq.epoch


class _Interrupt(keras.callbacks.Callback):
    """Stop as a kill does: `fit` raises, and nothing else is called."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self._epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self._epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("steps", [None, 3])
def test_backup_and_restore_goes_on_with_the_orders_of_one_run(
    stored: Stored, tmp_path: Path, steps: int | None
) -> None:
    """Keras's own callback sets the first epoch within `fit`."""
    once, resumed = new_model(), new_model()
    arguments: dict[str, Any] = {"epochs": 4, "steps_per_epoch": steps, "verbose": 0}
    once.fit(stored.sequence(), **arguments)
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        resumed.fit(stored.sequence(), callbacks=[backup, _Interrupt(2)], **arguments)
    # The weights of a new process are other ones.
    resumed.set_weights([np.zeros_like(weights) for weights in resumed.get_weights()])
    seq = stored.sequence()
    resumed.fit(seq, callbacks=[keras.callbacks.BackupAndRestore(tmp_path / "backup")], **arguments)
    assert_same_weights(once, resumed)
