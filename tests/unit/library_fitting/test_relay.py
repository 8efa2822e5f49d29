"""The relay gives Keras exactly the batches that were pulled before, when they are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from perdure.fitting.feed import Relay, fingerprint, pull

RAGGED = tf.ragged.constant([[1, 2], [3], [], [4, 5, 6]])
SOURCES = {
    "one tensor": np.arange(12, dtype=np.float32).reshape(6, 2),
    "x and y": (np.ones((6, 2), np.float32), np.arange(6)),
    "nested": ({"a": np.ones((6, 2)), "b": np.arange(6, dtype=np.int8)}, np.array([True] * 6)),
    "text": (np.array(["ä", "b", "c", "d", "e", "f"]),),
}


def dataset(data: Any) -> tf.data.Dataset:
    """Batches of which the last is smaller."""
    return tf.data.Dataset.from_tensor_slices(data).batch(4)


def as_numpy(batch: Any) -> Any:
    return [np.asarray(tensor) for tensor in tf.nest.flatten(batch)]


def assert_same(ours: Any, theirs: Any) -> None:
    tf.nest.assert_same_structure(ours, theirs)
    for our, their in zip(as_numpy(ours), as_numpy(theirs), strict=True):
        assert our.dtype == their.dtype
        np.testing.assert_array_equal(our, their)


@pytest.mark.parametrize("data", SOURCES.values(), ids=SOURCES.keys())
def test_what_was_passed_comes_out(data):
    source = iter(dataset(data))
    relay = Relay(source.element_spec, ends=False)
    for _ in range(2):
        (batch,) = pull(source, 1)
        iterator = relay.passing([batch])
        assert iterator.element_spec == source.element_spec
        assert_same(next(iterator), batch)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_several_batches_keep_their_order(count):
    source = iter(tf.data.Dataset.range(20))
    relay = Relay(source.element_spec, ends=False)
    out = []
    for _ in range(20 // count):
        iterator = relay.passing(pull(source, count))
        out += [int(next(iterator)) for _ in range(count)]
    assert out == list(range(20))


def test_nothing_is_pulled_ahead_of_the_step():
    """An asked-for batch that is not there would be an error of the generator."""
    relay = Relay(tf.TensorSpec((), tf.int64), ends=False)
    for n in range(30):
        assert int(next(relay.passing([tf.constant(n, tf.int64)]))) == n


def test_a_traced_step_takes_its_batch_too():
    source = iter(tf.data.Dataset.range(6))
    relay = Relay(source.element_spec, ends=False)

    @tf.function
    def step(iterator: Any) -> Any:
        return next(iterator) + next(iterator)

    sums = [int(step(relay.passing(pull(source, 2)))) for _ in range(3)]
    assert sums == [1, 5, 9]
    assert step.experimental_get_tracing_count() == 1


def test_a_last_relay_ends_after_its_batches():
    relay = Relay(tf.TensorSpec((), tf.int64), ends=True)
    iterator = relay.passing([tf.constant(1, tf.int64), tf.constant(2, tf.int64)])
    assert [int(item) for item in iterator] == [1, 2]


@pytest.mark.parametrize(
    ("there", "count", "pulled"),
    [(5, 1, [0]), (5, 3, [0, 1, 2]), (2, 3, [0, 1]), (3, 3, [0, 1, 2])],
)
def test_pull(there, count, pulled):
    iterator = iter(range(there))
    assert pull(iterator, count) == pulled
    assert list(iterator) == list(range(len(pulled), there)), "not one more was taken"


def test_pull_of_nothing_is_the_end():
    with pytest.raises(StopIteration):
        pull(iter([]), 2)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((np.float32([1, 2]), np.float32([3.5])), id="value"),
        pytest.param((np.float64([1, 2]), np.float32([3])), id="type"),
        pytest.param((np.float32([[1, 2]]), np.float32([3])), id="shape"),
        pytest.param((np.float32([1, 2, 3]),), id="structure"),
        pytest.param((np.float32([3]), np.float32([1, 2])), id="order"),
    ],
)
def test_fingerprint_tells_batches_apart(other):
    batch = (np.float32([1, 2]), np.float32([3]))
    assert fingerprint(batch) == fingerprint(tf.nest.map_structure(tf.constant, batch))
    assert fingerprint(other) != fingerprint(batch)


def test_fingerprint_of_ragged_text_and_empty_batches():
    batches = [
        RAGGED,
        RAGGED[:3],
        tf.constant(["a", "bc"]),
        tf.constant(["ab", "c"]),
        tf.zeros((0, 3)),
    ]
    assert len({fingerprint(batch) for batch in batches}) == len(batches)
