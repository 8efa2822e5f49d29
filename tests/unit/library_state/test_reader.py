"""Variables are read one by one through the host where there is no memory for more."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from perdure.state.reader import OutOfMemory, VariableReader, view


def full(*_: object) -> None:
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating\nmore")


@pytest.fixture
def model():
    built = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    built.compile("adam", "mse")
    return built


def values(tensors):
    return [tensor.read().tolist() for tensor in tensors]


def test_out_of_memory_goes_through_the_host(model, monkeypatch):
    reader = VariableReader()
    expected = values(reader.read(model))
    assert not reader.went_through_host
    monkeypatch.setattr(reader, "_read", full)
    tensors = reader.read(model)
    assert reader.went_through_host
    kernel = model.layers[0].kernel
    kernel.assign(tf.zeros_like(kernel))
    assert values(tensors) == expected


def test_a_save_is_given_up_where_even_that_fails(model, monkeypatch):
    reader = VariableReader()
    reader.read(model)
    monkeypatch.setattr(reader, "_read", full)
    monkeypatch.setattr(type(reader._variables[0]), "read_value", full)
    with pytest.raises(OutOfMemory, match=r"Received: OOM when allocating\. Give"):
        reader.read(model)


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float64", "bool", "int8", "uint32", "complex64"]
)
@pytest.mark.parametrize("shape", [(), (0, 3), (2, 3)])
def test_view(dtype, shape):
    tensor = tf.zeros(shape, dtype)
    array = view(tensor)
    assert (array.shape, array.dtype) == (shape, tf.as_dtype(dtype).as_numpy_dtype)
    np.testing.assert_array_equal(array, tensor.numpy())
