"""Names of many augmented copies, of which few are looked at first."""

import pytest

from keras_npy.names.copies import of_one_original

NUM = 2000


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param([f"{at}{how}" for at in range(NUM) for how in ("", "_flip")], id="all"),
        pytest.param(
            [f"{at}_aug_{how}" for at in range(NUM) for how in range(3)], id="no-original"
        ),
        pytest.param(
            [f"{how}x{at}" for how in ("flip_", "mirror_", "rot90_", "") for at in range(NUM)],
            id="far-from-the-original",
        ),
        pytest.param(
            [*map(str, range(NUM)), *(f"r{at}{how}" for at in range(99) for how in ("", "_rot"))],
            id="of-a-rare-class",
        ),
    ],
)
def test_copies_among_many_files_are_found(paths: list[str]) -> None:
    """Wherever they stand."""
    found = of_one_original([f"/d/{path}.npy" for path in paths])
    assert found is not None
    assert len(set(found.keys)) < len(paths)


@pytest.mark.parametrize(
    "paths",
    [
        pytest.param([f"leaf ({at})" for at in range(NUM)], id="numbers-in-brackets"),
        pytest.param([f"crop_{at}" for at in range(NUM)], id="crops-of-one"),
        pytest.param([f"{at}_flip" for at in range(NUM)], id="flipped-alone"),
        pytest.param([f"{at}" for at in range(NUM)], id="no-word"),
    ],
)
def test_many_files_with_such_words_are_no_copies(paths: list[str]) -> None:
    """A few of them show it."""
    assert of_one_original([f"/d/{path}.npy" for path in paths]) is None
