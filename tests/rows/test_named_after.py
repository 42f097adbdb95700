"""A pattern that finds masks beside the images that they are named after."""

import glob
import re
from pathlib import Path

import numpy as np
import pytest

from keras_npy import NpySequence, samples


@pytest.mark.parametrize(
    ("names", "num_labels", "num_masks"),
    [
        pytest.param(["scan1", "scan1_mask", "scan2", "scan2_mask"], 2, 2, id="masks"),
        pytest.param(["scan_1", "scan_1_seg", "scan_2", "scan_3"], 3, 1, id="some"),
        pytest.param(["scan1", "scan1_mask", "scan2", "scan2_mask"], 3, 0, id="other-number"),
        pytest.param(["scan_1", "scan_2", "scan_3"], 2, 0, id="numbers"),
        pytest.param(["scan1", "scan1_a", "scan2", "scan2_b"], 2, 0, id="two-kinds"),
    ],
)
def test_files_named_after_others_are_to_be_left_out(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    names: list[str],
    num_labels: int,
    num_masks: int,
) -> None:
    """The remedy does; other numbers of files say nothing."""
    monkeypatch.chdir(tmp_path)
    for name in names:
        np.save(f"{name}.npy", np.zeros(2))
    labels = np.arange(num_labels)
    with pytest.raises(ValueError, match="same number of samples") as caught:
        NpySequence(samples("scan*.npy"), labels)
    said = str(caught.value)
    code = re.search(rf"{num_masks} of these {len(names)} files.* out, (samples\(.*\))\.$", said)
    assert bool(num_masks) == bool(code)
    if code is not None:
        found = eval(code[1], {"samples": samples, "paths": sorted(glob.glob("scan*.npy"))})
        assert num_labels == NpySequence(found, labels).num_samples
