"""Index-first data: the order of an epoch is a permutation keyed by (seed, epoch), from any batch on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import perdure.data

COUNT = 23


def source(**arguments: Any) -> Any:
    given = {"batch_size": 5, "seed": 3, **arguments}
    return perdure.data.indexed(given.pop("count", COUNT), lambda indices: indices, **given)


def batches(dataset: tf.data.Dataset) -> list[list[int]]:
    return [batch.tolist() for batch in dataset.as_numpy_iterator()]


def flat(dataset: tf.data.Dataset) -> list[int]:
    return [index for batch in batches(dataset) for index in batch]


def order(data: Any, epoch: int) -> list[int]:
    return flat(data.dataset(epoch))


@pytest.mark.parametrize("seed", [0, 3, 2**31 - 1])
def test_each_epoch_is_another_permutation(seed):
    orders = [order(source(seed=seed), epoch) for epoch in range(6)]
    assert all(sorted(indices) == list(range(COUNT)) for indices in orders)
    assert len(set(map(tuple, orders))) == len(orders)
    assert list(range(COUNT)) not in orders


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 100, 257])
def test_each_count_is_permuted(count):
    assert sorted(order(source(count=count), 1)) == list(range(count))


def test_the_order_follows_from_seed_and_epoch_alone():
    first, second = source(), source()
    list(first.dataset(0))
    tf.random.set_seed(5)
    assert [order(first, epoch) for epoch in (2, 0)] == [order(second, epoch) for epoch in (2, 0)]
    assert order(source(seed=4), 0) != order(source(seed=3), 0)


def test_batches_do_not_change_the_order():
    assert order(source(batch_size=4), 1) == order(source(batch_size=23), 1)


@pytest.mark.parametrize("drop_remainder", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("epoch", [0, 4])
def test_an_epoch_can_be_entered_at_every_batch(drop_remainder, shuffle, epoch):
    data = source(drop_remainder=drop_remainder, shuffle=shuffle)
    whole = batches(data.dataset(epoch))
    assert len(whole) == (4 if drop_remainder else 5) == data.num_batches
    for start in range(len(whole) + 3):
        assert batches(data.dataset(epoch, start)) == whole[start:]


def test_without_shuffling_every_epoch_is_in_order():
    data = source(shuffle=False)
    assert order(data, 0) == order(data, 3) == list(range(COUNT))


def test_only_the_batches_that_are_asked_for_are_fetched():
    """Seeking must not cost what it passes over."""
    fetched: list[int] = []

    def fetch(indices: Any) -> Any:
        tf.numpy_function(lambda i: fetched.extend(i.tolist()), [indices], [])
        return indices

    data = perdure.data.indexed(COUNT, fetch, batch_size=5, seed=3)
    last = batches(data.dataset(2, 4))
    assert sorted(fetched) == sorted(last[0])


def test_epochs_share_their_structure():
    data = source()
    assert data.dataset(0).element_spec == data.dataset(7, 2).element_spec


def test_arrays_are_rows_in_the_order_of_their_indices():
    x, y = np.arange(COUNT * 2, dtype=np.float32).reshape(-1, 2), np.arange(COUNT)
    data = perdure.data.arrays(({"a": x}, y), batch_size=5, seed=3)
    for epoch in (0, 1):
        rows = [*data.dataset(epoch).unbatch().as_numpy_iterator()]
        assert [int(label) for _, label in rows] == order(source(), epoch)
        assert all(features["a"].tolist() == x[label].tolist() for features, label in rows)


def test_what_keras_looks_at():
    data = source()
    assert order(data, 0) == flat(data.get_tf_dataset())
    assert (data.batch_size, data.has_partial_batch, data.partial_batch_size) == (None, None, None)


def factory(epoch: int) -> tf.data.Dataset:
    return tf.data.Dataset.range(7).shuffle(7, seed=epoch).batch(2)


@pytest.mark.parametrize("epoch", [0, 3])
def test_epochs_of_a_factory_can_be_entered_at_every_batch(epoch):
    data = perdure.data.epochs(factory)
    whole = batches(data.dataset(epoch))
    assert whole == batches(factory(epoch))
    for start in range(len(whole) + 2):
        assert batches(data.dataset(epoch, start)) == whole[start:]


def test_an_epoch_of_unknown_length_has_no_number_of_batches():
    data = perdure.data.epochs(lambda epoch: factory(epoch).filter(lambda batch: True))
    assert data.num_batches is None
    assert perdure.data.epochs(factory).num_batches == 4


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        pytest.param(lambda: source(count=0), ValueError, "Received: count=0, batch_size=5", id="0"),
        pytest.param(lambda: source(batch_size=0), ValueError, "batch_size=0", id="batch size"),
        pytest.param(lambda: source(count=-1), ValueError, "count=-1", id="negative"),
        pytest.param(
            lambda: perdure.data.arrays((np.ones(3), np.ones(4)), batch_size=2, seed=1),
            ValueError, r"arrays of one length\. Received: \[3, 4\]", id="lengths",
        ),
        pytest.param(
            lambda: perdure.data.epochs(lambda epoch: [1, 2]),
            TypeError, "epoch -> tf.data.Dataset. Received: a list for epoch 0", id="no dataset",
        ),
        pytest.param(
            lambda: perdure.data.epochs(lambda epoch: None if epoch else factory(0)).dataset(1),
            TypeError, "Received: a NoneType for epoch 1", id="no dataset later",
        ),
    ],
)  # fmt: skip
def test_refusals(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()
