"""What Keras asks of a sequence, and the batches that a feed reads for it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Required, TypedDict

from keras_npy.feeds.batches import Batches
from keras_npy.feeds.device_cache import DeviceCache
from keras_npy.feeds.maps import BatchMap, DrawnRead
from keras_npy.feeds.weights import first_only, weighted, weighted_map
from keras_npy.order.arguments import merge_shuffle
from keras_npy.order.order import Order
from keras_npy.order.shares import Share, shared_order
from keras_npy.types import ShuffleArgument


class Asked(TypedDict, total=False):
    """What Keras asks for."""

    shuffle: Required[ShuffleArgument]
    """As `fit` takes it."""
    class_weight: Mapping[int, float] | None
    """Weight of each class number, if any."""
    only_x: bool
    """Whether to leave out targets and weights, which `predict` does not need."""
    is_endless: bool
    """Whether the next pass begins where one ends."""
    is_training: bool
    """Whether `fit` trains on the batches."""
    drop_remainder: bool
    """Whether to leave out a short last batch that the sequence serves."""


@dataclasses.dataclass(frozen=True)
class Served:
    """What a sequence serves.

    Args:
        data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each a nest of `Rows`.
        map: What makes a batch of them, if anything does.
        order: The rows of each batch of all processes, in file order.
        share: Which part of each batch is this process's.
        shuffle: The `shuffle` of the sequence. With `False` it is never shuffled, and with
            `"batch"` in no other way.
        cache: Keeps rows on the device, if the user wants that.
    """

    data: tuple[Any, ...]
    map: BatchMap | DrawnRead | None
    order: Order
    share: Share
    shuffle: ShuffleArgument
    cache: DeviceCache | None

    def batches(self, asked: Asked) -> Batches:
        """The part of each batch that is this process's.

        Raises:
            ValueError: If `class_weight` cannot be applied.
        """
        data, batch_map = self._read(asked.get("only_x", False), asked.get("class_weight"))
        order = self.order.shuffled(merge_shuffle(asked["shuffle"], self.shuffle))
        if asked.get("drop_remainder", False):
            order = dataclasses.replace(order, drop_remainder=True)
        return Batches(
            data if batch_map is None else DrawnRead(data).numbers,
            shared_order(order, self.share),
            is_endless=asked.get("is_endless", False),
            map=batch_map,
            is_training=asked.get("is_training", False),
            cache=self.cache,
        )

    def _read(
        self, only_x: bool, class_weight: Mapping[int, float] | None
    ) -> tuple[tuple[Any, ...], BatchMap | DrawnRead | None]:
        """What is read, and the map of it."""
        data, batch_map = self.data, self.map
        if only_x and isinstance(batch_map, DrawnRead):
            return data[:1], DrawnRead(data[:1])
        if only_x and batch_map is not None:
            # The function gets y in `predict` too, as it does in `fit`.
            return data, first_only(batch_map)
        if only_x:
            return data[:1], None
        if batch_map is not None:
            return data, weighted_map(batch_map, class_weight)
        return weighted(data, class_weight), None
