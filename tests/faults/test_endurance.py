"""A few seconds of `tests/faults/endurance.py`, whose command runs for as long as wanted."""

import json

import pytest

from tests.faults import endurance
from tests.processes import run_forked

_ENDURE = """
    import json
    from tests.faults import endurance
    names = ("small-epochs", "fits")
    print(json.dumps([endurance.endure(name, "read", 2) for name in names]))
"""


def test_epochs_and_fits_leave_descriptors_mappings_and_threads_as_they_were() -> None:
    """And memory. What grows with each of them shows in seconds."""
    for found in json.loads(run_forked(_ENDURE).splitlines()[-1]):
        assert [] == endurance.too_much(found, None), found


def test_growth_is_what_comes_after_the_warm_up() -> None:
    """What grows at first and then no more does not count, nor does a single peak, nor a saw."""
    watch = endurance.Watch(60, 1e9)
    growths = iter([(min(step, 20), step * 0.2, 5 + (step == 50), step % 7) for step in range(60)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(endurance, "state", lambda: list(next(growths)))
        while watch.step():
            pass
    found = watch.growth()
    assert (0, 0, 0) == (found["RssAnon, MB"], found["mappings"], found["threads"])
    assert 4 == pytest.approx(found["descriptors"])
    assert ["descriptors"] == endurance.too_much({"times": 60, "growth": found}, None)
