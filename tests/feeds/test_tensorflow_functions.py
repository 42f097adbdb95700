"""Functions of a dataset that stay on one device: they do what `Dataset.map` and `flat_map` do."""

from collections.abc import Callable
from typing import Any

import pytest

from keras_npy.feeds.tensorflow_functions import flat_map_dataset, map_dataset

tf = pytest.importorskip("tensorflow")


def numbered(number: Any) -> Any:
    return {"b": (number, None), "a": tf.stack([number, -number])}, number * 2


@pytest.mark.parametrize("parallel_calls", [1, 3])
def test_map_dataset_gives_what_map_gives_in_order(parallel_calls: int) -> None:
    """Nests, `None` in them, and a tuple as arguments: the same elements of the same spec."""
    numbers = tf.data.Dataset.range(50)
    outer = tf.constant(range(200), tf.int64)

    def picked(first: Any, doubled: Any) -> Any:
        assert first["b"][1] is None
        return tf.gather(outer, doubled + first["a"][0]), first

    ours = map_dataset(map_dataset(numbers, numbered, parallel_calls), picked, parallel_calls)
    expected = numbers.map(numbered).map(picked)
    assert expected.element_spec == ours.element_spec
    assert [str(element) for element in expected] == [str(element) for element in ours]


def test_flat_map_dataset_gives_what_flat_map_gives() -> None:
    """Also of a dataset of nests, and from the second iterator."""

    def spread(number: Any) -> Any:
        both = tf.data.Dataset.range(number), tf.data.Dataset.from_tensors(number).repeat()
        return tf.data.Dataset.zip(both)

    numbers = tf.data.Dataset.range(5)
    ours, expected = flat_map_dataset(numbers, spread), numbers.flat_map(spread)
    assert expected.element_spec == ours.element_spec
    for _ in range(2):
        assert list(expected.as_numpy_iterator()) == list(ours.as_numpy_iterator())


def test_a_function_that_stays_on_one_device_is_not_instantiated_for_several() -> None:
    """An iterator takes an eighth of the time: TensorFlow partitions no graph for it."""
    functions: list[Any] = []
    trace: Callable[..., Any] = tf.function

    def watched(*arguments: Any, **options: Any) -> Any:
        functions.append(trace(*arguments, **options))
        return functions[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf, "function", watched)
        map_dataset(tf.data.Dataset.range(2), numbered)
    (definition,) = [made.get_concrete_function().function_def for made in functions]
    assert definition.attr["experimental_ints_on_device"].b
