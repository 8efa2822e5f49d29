"""Kinds of models and of loops, each a few steps of a tiny network; the argument names the case.

`MODELS` gives compiled models for rows of `WIDTH` numbers and one-hot targets, `LOOPS` the arguments of
`fit` that a network is trained with. A case is one of either, beside the plainest of the other.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from typing import Any

import perdure

import keras
import numpy as np
import tensorflow as tf
from disturb import Disturb
from keras import layers, ops

WIDTH, CLASSES, ROWS, BATCH, EPOCHS = 16, 2, 48, 8, 3
rng = np.random.default_rng(0)
X = rng.normal(size=(ROWS + 16, WIDTH)).astype("float32")
Y = np.eye(CLASSES, dtype="float32")[(X.sum(1) > 0).astype("int32")]
VALIDATION = (X[ROWS:], Y[ROWS:])
X, Y = X[:ROWS], Y[:ROWS]


def compiled(model, optimizer="adam", **arguments):
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, **{"metrics": ["accuracy"], **arguments})
    return model


def net():
    return [layers.Dense(8, activation="relu"), layers.Dropout(0.3), layers.Dense(CLASSES)]


# -- kinds of models ---------------------------------------------------------------------------------


def sequential_unbuilt():
    return compiled(keras.Sequential(net()))


def sequential_built():
    return compiled(keras.Sequential([layers.Input((WIDTH,)), *net()]))


def functional():
    x = layers.Input((WIDTH,))
    shared = layers.Dense(4, activation="tanh")
    left, right = shared(x[:, : WIDTH // 2]), shared(x[:, WIDTH // 2 :])
    merged = layers.Dropout(0.2)(layers.Concatenate()([left, right]))
    return compiled(keras.Model(x, layers.Dense(CLASSES)(merged)))


class Subclassed(keras.Model):
    """Layers in a list, a loss and a metric of its own."""

    def __init__(self):
        super().__init__()
        self.blocks = [layers.Dense(8, activation="relu"), layers.Dropout(0.3)]
        self.head = layers.Dense(CLASSES)
        self.size = keras.metrics.Mean(name="size")

    def call(self, x, training=False):
        for block in self.blocks:
            x = block(x, training=training) if isinstance(block, layers.Dropout) else block(x)
        self.add_loss(0.01 * ops.mean(ops.square(x)))
        self.size.update_state(ops.mean(ops.abs(x)))
        return self.head(x)


def subclassed():
    return compiled(Subclassed())


class Gan(keras.Model):
    """Two networks, an optimizer for each, noise from a generator of its own and from Keras' global one."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(7)
        self.generator = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(WIDTH)])
        self.discriminator = keras.Sequential(
            [layers.Dense(8), layers.Dropout(0.2), layers.Dense(1)]
        )
        self.g_loss, self.d_loss = (
            keras.metrics.Mean(name="g_loss"),
            keras.metrics.Mean(name="d_loss"),
        )

    def compile(self, g_optimizer, d_optimizer):
        super().compile(optimizer=None)
        self.g_optimizer, self.d_optimizer = g_optimizer, d_optimizer

    def train_step(self, data):
        real, rows = data[0], ops.shape(data[0])[0]
        noise = keras.random.normal((rows, 4), seed=self.seeds)
        wrong = keras.random.uniform((rows, 1), maxval=0.1)  # from the global generator
        with tf.GradientTape() as tape:
            fake = self.generator(noise, training=True)
            told = self.discriminator(ops.concatenate([real, fake]), training=True)
            truth = ops.concatenate([1.0 - wrong, wrong])
            d_loss = ops.mean(ops.square(told - truth))
        variables = self.discriminator.trainable_variables
        self.d_optimizer.apply(tape.gradient(d_loss, variables), variables)
        with tf.GradientTape() as tape:
            told = self.discriminator(self.generator(noise, training=True), training=True)
            g_loss = ops.mean(ops.square(told - 1.0))
        variables = self.generator.trainable_variables
        self.g_optimizer.apply(tape.gradient(g_loss, variables), variables)
        self.g_loss.update_state(g_loss)
        self.d_loss.update_state(d_loss)
        return {"g_loss": self.g_loss.result(), "d_loss": self.d_loss.result()}

    def test_step(self, data):
        return {"fooled": ops.mean(self.discriminator(data[0]))}


def gan():
    model = Gan()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.RMSprop(0.02, momentum=0.5))
    return model


def rnn_stateful():
    model = keras.Sequential(
        [
            layers.Input(batch_shape=(BATCH, WIDTH)),
            layers.Reshape((4, WIDTH // 4)),
            layers.LSTM(4, stateful=True, return_sequences=True, recurrent_dropout=0.2),
            layers.GRU(4, stateful=True, dropout=0.2),
            layers.Dense(CLASSES),
        ]
    )
    return compiled(model)


def augmented():
    model = keras.Sequential(
        [
            layers.Reshape((4, WIDTH // 4, 1)),
            layers.RandomFlip(),
            layers.RandomTranslation(0.2, 0.2),
            layers.RandomContrast(0.3),
            layers.Conv2D(3, 2),
            layers.SpatialDropout2D(0.2),
            layers.GaussianNoise(0.1),
            layers.Flatten(),
            layers.Dense(CLASSES),
        ]
    )
    return compiled(model)


class Jitter(layers.Layer):
    """Two generators of seeds, one of them in a list."""

    def __init__(self):
        super().__init__()
        self.seeds = [keras.random.SeedGenerator(3)]
        self.other = keras.random.SeedGenerator()

    def call(self, x, training=False):
        if training:
            x = x + 0.1 * keras.random.normal(ops.shape(x), seed=self.seeds[0])
            x = x * keras.random.uniform(ops.shape(x), 0.9, 1.1, seed=self.other)
        return x


def seed_generators():
    return compiled(keras.Sequential([Jitter(), *net()]))


def batch_norm_with_ema():
    optimizer = keras.optimizers.AdamW(0.01, use_ema=True, ema_overwrite_frequency=5)
    norm = [layers.Dense(8), layers.BatchNormalization(momentum=0.9), layers.Dense(CLASSES)]
    return compiled(keras.Sequential(norm), optimizer)


def mixed_precision():
    policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    model = keras.Sequential(
        [
            layers.Dense(8, activation="relu", dtype=policy),
            layers.Dropout(0.3, dtype=policy),
            layers.Dense(CLASSES, dtype="float32"),
        ]
    )
    inner = keras.optimizers.Adam(0.01)
    # It grows fast and overflows, so steps are left out.
    scaled = keras.optimizers.LossScaleOptimizer(
        inner, initial_scale=2.0**14, dynamic_growth_steps=2
    )
    return compiled(model, scaled)


def gradient_accumulation():
    optimizer = keras.optimizers.Adam(0.01, gradient_accumulation_steps=4)
    return compiled(keras.Sequential(net()), optimizer)


def learning_rate_schedule():
    rate = keras.optimizers.schedules.CosineDecayRestarts(0.05, 4)
    return compiled(
        keras.Sequential(net()), keras.optimizers.SGD(rate, momentum=0.9, nesterov=True)
    )


def steps_per_execution():
    return compiled(
        keras.Sequential(net()), steps_per_execution=4
    )  # of 6: the last call is partial


def compiled_by_xla():
    return compiled(keras.Sequential([layers.Input((WIDTH,)), *net()]), jit_compile=True)


def not_compiled_by_xla():
    return compiled(keras.Sequential(net()), jit_compile=False)


def run_eagerly():
    return compiled(keras.Sequential(net()), run_eagerly=True)


def mirrored():
    """On two devices, which each have their own moving averages and masks."""
    with tf.distribute.MirroredStrategy(DEVICES).scope():
        model = keras.Sequential([layers.Input((WIDTH,)), layers.BatchNormalization(), *net()])
        return compiled(model, keras.optimizers.Adam(0.01, use_ema=True))


def on_one_device():
    """Of several, where Keras can do several steps in one execution; on more than one device it fails."""
    with tf.distribute.OneDeviceStrategy("/cpu:1").scope():
        return compiled(keras.Sequential(net()), steps_per_execution=4)


# -- kinds of loops ----------------------------------------------------------------------------------


def arrays():
    return {"x": X, "y": Y, "batch_size": BATCH, "validation_data": VALIDATION}


def dataset(rows=64):
    data = tf.data.Dataset.from_tensor_slices((X, Y))
    return data.shuffle(rows, seed=3)


def partial_last_batch():
    return {**arrays(), "x": X[:45], "y": Y[:45]}


def class_weight():
    return {**arrays(), "class_weight": {0: 0.5, 1: 2.0}}


def sample_weight():
    weights = np.linspace(0.1, 2.0, ROWS).astype("float32")
    return {**arrays(), "sample_weight": weights}


def endless():
    return {
        "x": dataset().repeat().batch(BATCH),
        "steps_per_epoch": 6,
        "validation_data": VALIDATION,
    }


def endless_validation():
    validation = (
        tf.data.Dataset.from_tensor_slices(VALIDATION).shuffle(16, seed=4).repeat().batch(4)
    )
    return {**arrays(), "validation_data": validation, "validation_steps": 3}


def augmented_in_the_pipeline():
    """By a layer whose generator of seeds the pipeline itself moves on."""
    noise = layers.GaussianNoise(0.1)
    data = dataset().batch(BATCH).map(lambda x, y: (noise(x, training=True), y))
    return {"x": data, "validation_data": VALIDATION}


def unknown_length():
    return {
        "x": dataset().filter(lambda x, _: x[0] > -1.5).batch(BATCH),
        "validation_data": VALIDATION,
    }


def validation_split():
    return {"x": X, "y": Y, "batch_size": BATCH, "validation_split": 0.25}


def validation_freq():
    return {**arrays(), "validation_freq": [2, 3]}


def initial_epoch():
    return {**arrays(), "initial_epoch": 2, "epochs": 2 + EPOCHS}


def index_first():
    return {"x": perdure.data.arrays((X, Y), batch_size=BATCH), "validation_data": VALIDATION}


def one_source_per_epoch():
    def epoch_of(epoch):
        data = tf.data.Dataset.from_tensor_slices((X, Y))
        return data.shuffle(64, seed=epoch, reshuffle_each_iteration=False).batch(BATCH)

    return {"x": perdure.data.epochs(epoch_of), "validation_data": VALIDATION}


class Probes(keras.callbacks.Callback):
    """Trains a network of its own on what the model makes of the data, at every epoch's end."""

    def __init__(self):
        super().__init__()
        self.probe = keras.Sequential(
            [layers.Input((CLASSES,)), layers.Dropout(0.1), layers.Dense(1)]
        )
        self.probe.compile("adam", "mse")
        self.found = []

    def on_epoch_end(self, epoch, logs=None):
        outputs = self.model(X, training=False)
        fit = self.probe.fit(outputs, X[:, :1], batch_size=16, epochs=2, verbose=0)
        logs["probe"] = fit.history["loss"][-1]
        self.found.append(logs["probe"])


def fit_of_another_model():
    return {**arrays(), "callbacks": [Probes()]}


class Sharpens(keras.callbacks.Callback):
    """Trains the same model on hard rows between epochs, once under Perdure's callbacks too."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self._sharpen(perdure.callbacks(Disturb("INSIDE")))

    def on_epoch_end(self, epoch, logs=None):
        self._sharpen(None)
        self.model.evaluate(*VALIDATION, verbose=0, callbacks=perdure.callbacks())

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 2:
            self._sharpen(None)

    def _sharpen(self, callbacks):
        self.model.fit(
            X[:16], Y[:16], batch_size=8, shuffle=False, verbose=0, validation_data=VALIDATION,
            callbacks=callbacks,
        )  # fmt: skip


def fit_of_the_same_model():
    return {**arrays(), "callbacks": [Sharpens()]}


class Freezes(keras.callbacks.Callback):
    """Trains other layers from epoch to epoch; what it sets at an epoch's end comes into no function."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.layers[0].trainable = epoch != 1
        self.model.layers[2].trainable = epoch < 2
        if epoch:
            self.model.make_train_function(force=True)

    def on_epoch_end(self, epoch, logs=None):
        self.model.layers[2].trainable = False


class FreezesAtFirst(keras.callbacks.Callback):
    """The optimizer has slots of the other layers alone."""

    def on_epoch_begin(self, epoch, logs=None):
        self.model.layers[0].trainable = False


def freezing():
    return {**arrays(), "callbacks": [Freezes()]}


def frozen_at_first():
    return {**arrays(), "callbacks": [FreezesAtFirst()]}


MODELS: dict[str, Callable[[], Any]] = {
    make.__name__: make
    for make in (
        sequential_unbuilt, sequential_built, functional, subclassed, gan, rnn_stateful, augmented,
        seed_generators, batch_norm_with_ema, mixed_precision, gradient_accumulation,
        learning_rate_schedule, steps_per_execution, compiled_by_xla, not_compiled_by_xla, run_eagerly,
        mirrored, on_one_device,
    )
}  # fmt: skip
LOOPS: dict[str, Callable[[], dict[str, Any]]] = {
    make.__name__: make
    for make in (
        arrays, partial_last_batch, class_weight, sample_weight, endless, endless_validation,
        augmented_in_the_pipeline,
        unknown_length, validation_split, validation_freq, initial_epoch, index_first,
        one_source_per_epoch, fit_of_another_model, fit_of_the_same_model, freezing,
        frozen_at_first,
    )
}  # fmt: skip
DEVICES = ["CPU:0", "CPU:1"]
DISTRIBUTED = ("mirrored", "on_one_device")
OF_WHOLE_BATCHES = ("rnn_stateful",)


def make(case: str) -> tuple[Any, dict[str, Any]]:
    """The model and the arguments of `fit` of a case."""
    model, _, loop = case.partition("+")
    if model in DISTRIBUTED:
        split_processor()
    return MODELS[model](), {"epochs": EPOCHS, "verbose": 0, **LOOPS[loop or "arrays"]()}


def split_processor() -> None:
    """Two devices in place of one; TensorFlow must not have started."""
    device = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(device, halves)


def digest(arrays: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()[:16]


def main(case: str) -> None:
    """Looks at the model, trains it, and says what a script sees of it."""
    model, arguments = make(case)
    own = arguments.pop("callbacks", [])
    if model.built:
        print("before", model.predict(X[:8], verbose=0, callbacks=perdure.callbacks()).tolist())
    disturb = Disturb()
    history = model.fit(**arguments, callbacks=perdure.callbacks(own, disturb))
    after = model.evaluate(
        *VALIDATION, batch_size=BATCH, verbose=0, callbacks=perdure.callbacks(), return_dict=True
    )
    print("history", json.dumps(history.history))
    print("after", json.dumps(after), digest(model.get_weights()))
    print("calls", disturb.seen)


if __name__ == "__main__":
    main(sys.argv[1])
