"""Reads, trains on and restores a model whose variables are mirrored on two devices; says what it found."""

import json

import keras
import numpy as np
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)

from perdure.lineage.table import TensorEntry  # noqa: E402
from perdure.state.reader import VariableReader  # noqa: E402
from perdure.state.variables import assign, mismatch, variables_of  # noqa: E402

strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.layers.Input((8,)), keras.layers.Dense(4), keras.layers.BatchNormalization(),
         keras.layers.Dense(1)]
    )  # fmt: skip
    model.compile(keras.optimizers.Adam(0.1), "mse", metrics=["mae"], jit_compile=False)
    model.own = tf.Variable(
        [0.0, 0.0],
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.SUM,
        trainable=False,
    )
x = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
batches = tf.data.Dataset.from_tensor_slices((x, x[:, :1])).batch(8).repeat()


@tf.function
def add_to_own() -> None:
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    model.own.assign_add([1.0, tf.cast(replica, tf.float32)])


def train() -> None:
    model.fit(batches, steps_per_epoch=4, verbose=0)
    strategy.run(add_to_own)


def copies() -> list[bytes]:
    """Every replica's values, each read by itself and copied."""
    return [entry.variable.numpy().tobytes() for entry in variables_of(model)]


train()
tensors = VariableReader().read(model)
before = copies()
train()
after = copies()
held = [np.array(tensor.read()) for tensor in tensors]
entries = [
    TensorEntry(tensor.group, tensor.path, array.dtype.str, array.shape, "", ())
    for tensor, array in zip(tensors, held, strict=True)
]
difference = mismatch(model, entries)
assign(model, entries, held)
print(
    json.dumps(
        {
            "second": [entry.path for entry in variables_of(model) if "replica" in entry.path],
            "trained": before != after,
            "held": [array.tobytes() for array in held] == before,
            "mismatch": difference,
            "restored": copies() == before,
        }
    )
)
