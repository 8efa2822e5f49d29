"""The batches of a loop: drawn as a plain `for` draws them, and had again from any batch on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import perdure.data
from perdure.looping.data import END, Batches
from perdure.pipeline_internals import pipeline_traits

EPOCHS = 4


def numbers() -> Any:
    return tf.data.Dataset.range(10)


class Rows(keras.utils.PyDataset):
    """Changes when an epoch begins and when one ends."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.order = 0, np.random.default_rng(2)

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> Any:
        return self.first + index + np.random.random()

    def on_epoch_begin(self) -> None:
        self.first += 100

    def on_epoch_end(self) -> None:
        self.first += int(self.order.integers(1000))


def endless() -> Iterator[int]:
    order = np.random.default_rng(1)
    while True:
        yield int(order.integers(1000))


def begun_twice(inner: Any) -> Any:
    return tf.data.Dataset.range(2).flat_map(lambda _: inner)


def always(make: Callable[[], Any]) -> Callable[[], Callable[[int], Any]]:
    """The same data in every epoch."""

    def begin() -> Callable[[int], Any]:
        data = make()
        return lambda _epoch: data

    return begin


WAYS: dict[str, Callable[[], Callable[[int], Any]]] = {
    "a shuffle": always(lambda: numbers().shuffle(10, seed=3).batch(3)),
    "a shuffle that is repeated": always(lambda: numbers().shuffle(10, seed=3).repeat(2).batch(3)),
    "a shuffle behind another": always(
        lambda: numbers().concatenate(numbers().shuffle(10, seed=3)).batch(3)
    ),
    "a shuffle that a function begins": always(lambda: begun_twice(numbers().shuffle(10, seed=3))),
    "a cache": always(lambda: numbers().shuffle(10, seed=3).cache().shuffle(10, seed=4)),
    "other data in each epoch": lambda: lambda epoch: numbers().shuffle(10, seed=epoch).batch(3),
    "a source": always(lambda: perdure.data.arrays(np.arange(10), batch_size=3, seed=2)),
    "a list": always(lambda: [1, 2, 3, 4]),
    "an iterator": always(endless),
    "an iterator of a dataset": always(lambda: iter(numbers().repeat())),
    "a new iterator in each epoch": lambda: lambda _epoch: iter([1, 2, 3, 4]),
    "a PyDataset": always(Rows),
}


READ_AHEAD = {
    "a shuffle that is repeated", "a shuffle behind another", "a shuffle that a function begins", "a cache",
}  # fmt: skip
"""What changes before its batches are drawn, as far as TensorFlow has prefetched."""


def plain(batch: Any) -> Any:
    return np.asarray(batch).tolist()


def draw(batches: Batches, most: int) -> list[Any]:
    drawn: list[Any] = []
    while len(drawn) < most and (batch := batches.next()) is not END:
        drawn.append(plain(batch))
    return drawn


CASES = [
    *[pytest.param(way, False, id=way) for way in WAYS],
    *[pytest.param(way, True, id=f"{way}, left early") for way in WAYS if way not in READ_AHEAD],
]


@pytest.mark.parametrize(("way", "leaves_early"), CASES)
def test_all_epochs_can_be_had_again(way, leaves_early):
    """Two processes die, the second while it is in the epoch that the first had come to."""
    most = 3 if leaves_early or "iterator" in way else 99
    np.random.seed(5)
    data, batches, undisturbed = WAYS[way](), Batches(), []
    for epoch in range(EPOCHS):
        batches.begin(data(epoch), epoch)
        undisturbed.append(draw(batches, most))
    for first, second in ((0, 1), (1, 1), (1, 2), (2, 2)):
        np.random.seed(5)
        state, count = dead_run(WAYS[way](), most, first, 1)
        state, count = dead_run(WAYS[way](), most, second, 2, (first, count, state))
        assert trained_on(WAYS[way](), most, (second, count, state)) == undisturbed[second:]


def dead_run(
    data: Any, most: int, last: int, count: int, point: Any = None
) -> tuple[dict[str, Any], int]:
    """A process that dies after `count` batches of epoch `last`; its state and that count."""
    batches = Batches()
    epoch = 0 if point is None else come_back(batches, data, point)
    while True:
        if point is None or epoch > point[0]:
            batches.begin(data(epoch), epoch)
        if epoch == last:
            draw(batches, count - batches.count)
            return batches.to_state(), count
        draw(batches, most - batches.count)
        epoch += 1


def come_back(batches: Batches, data: Any, point: Any) -> int:
    np.random.seed(99)
    epoch, count, state = point
    list(batches.pass_over(data(epoch), epoch, count, state, lambda: None))
    return int(epoch)


def trained_on(data: Any, most: int, point: Any) -> list[list[Any]]:
    """What a process trains on that comes back to `point`, its first epoch made whole."""
    batches = Batches()
    epoch, count, state = point
    np.random.seed(98)
    passed = [
        plain(batch) for batch in batches.pass_over(data(epoch), epoch, count, state, lambda: None)
    ]
    if len(passed) < count:  # a source seeks
        passed = [plain(batch) for batch in data(epoch).dataset(epoch).take(count)]
    epochs = [passed + draw(batches, most - count)]
    for later in range(epoch + 1, EPOCHS):
        batches.begin(data(later), later)
        epochs.append(draw(batches, most))
    return epochs


@pytest.mark.parametrize(
    ("make", "keeps"),
    [
        (lambda: numbers().shuffle(10, seed=3).batch(3), False),
        (lambda: numbers().repeat(2).shuffle(10, seed=3), False),
        (lambda: numbers().shuffle(9, seed=3, reshuffle_each_iteration=False).repeat(2), False),
        (lambda: numbers().shuffle(10, seed=3).repeat(2), True),
        (lambda: numbers().shuffle(10, seed=3).concatenate(numbers()), True),
        (lambda: numbers().shuffle(10, seed=3).flat_map(lambda _: numbers()), False),
    ],
)
def test_what_counts_more_than_its_own_iterators_is_known(make, keeps):
    assert pipeline_traits(make()).keeps_state_across_epochs is keeps


@pytest.mark.parametrize(
    "way", [*sorted(READ_AHEAD), "a shuffle", "a source", "a list", "a PyDataset"]
)
def test_an_epoch_that_was_left_is_told_where_that_counts(way):
    batches = Batches()
    data = WAYS[way]()
    batches.begin(data(0), 0)
    draw(batches, 1)
    assert batches.was_left() is (way in READ_AHEAD)
    draw(batches, 99)
    assert not batches.was_left()


@pytest.mark.parametrize(
    "data", [np.ones(3), (np.ones(3), np.ones(3)), {"x": np.ones(3)}, tf.ones(3), "abc", 7]
)
def test_what_is_no_iterable_of_batches_is_refused(data):
    with pytest.raises(TypeError, match=r"perdure\.data\.arrays.*Received: a"):
        Batches().begin(data, 0)


def test_data_of_an_earlier_epoch_is_refused_where_others_had_their_own():
    one, other = numbers(), numbers()
    for first, second, third in ((one, one, other), (one, other, one), (one, other, other)):
        batches = Batches()
        batches.begin(first, 0)
        batches.begin(second, 1)
        with pytest.raises(ValueError, match="the same data in every epoch"):
            batches.begin(third, 2)


def test_data_that_has_become_less_ends_early():
    batches, less = Batches(), numbers().take(4)
    batches.begin(numbers(), 0)
    draw(batches, 6)
    assert len(list(Batches().pass_over(less, 0, 6, batches.to_state(), lambda: None))) == 4
