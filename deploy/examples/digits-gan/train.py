"""Trains a small generative adversarial network on the handwritten digits that scikit-learn brings along.

A hand-written loop: two models, two optimizers, `tf.GradientTape`. What makes it survive a kill is
`import perdure` and the three calls of `loop`.
"""

from __future__ import annotations

import perdure  # before the models and the data: it gives the run its seed

import keras
import tensorflow as tf
from keras import layers
from sklearn.datasets import load_digits

NOISE = 16
cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)


def load():
    """8x8 images with pixels from -1 to 1, in a new order every epoch."""
    images, _ = load_digits(return_X_y=True)
    images = (images / 8.0 - 1.0).astype("float32").reshape(-1, 8, 8, 1)
    return tf.data.Dataset.from_tensor_slices(images).shuffle(len(images), seed=1).batch(64)


def build_generator():
    """Noise to images."""
    return keras.Sequential(
        [
            layers.Input((NOISE,)),
            layers.Dense(4 * 4 * 32, use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Reshape((4, 4, 32)),
            layers.Conv2DTranspose(16, 4, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Conv2D(1, 3, padding="same", activation="tanh"),
        ]
    )


def build_discriminator():
    """Images to the logit of their being real."""
    return keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(16, 3, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Conv2D(32, 3, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


class Adversaries:
    """The two networks, their optimizers and the stream that noise is drawn from."""

    def __init__(self):
        self.generator, self.discriminator = build_generator(), build_discriminator()
        self.optimizers = [keras.optimizers.Adam(1e-3, beta_1=0.5) for _ in range(2)]
        self.noise = keras.random.SeedGenerator(7)

    @tf.function
    def train_step(self, images):
        """One step of both; their losses."""
        noise = keras.random.normal((tf.shape(images)[0], NOISE), seed=self.noise)
        with tf.GradientTape(persistent=True) as tape:
            fakes = self.generator(noise, training=True)
            real = self.discriminator(images, training=True)
            fake = self.discriminator(fakes, training=True)
            found_out = cross_entropy(tf.ones_like(real), real)
            found_out += cross_entropy(tf.zeros_like(fake), fake)
            believed = cross_entropy(tf.ones_like(fake), fake)
        for optimizer, model, loss in zip(
            self.optimizers,
            (self.generator, self.discriminator),
            (believed, found_out),
            strict=True,
        ):
            variables = model.trainable_variables
            optimizer.apply(tape.gradient(loss, variables), variables)
        return believed, found_out


def main():
    train, adversaries = load(), Adversaries()
    loss = {name: keras.metrics.Mean() for name in ("generator", "discriminator")}
    with perdure.loop(
        generator=adversaries.generator,
        discriminator=adversaries.discriminator,
        optimizers=adversaries.optimizers,
        noise=adversaries.noise,
        loss=loss,
    ) as loop:
        for epoch in loop.epochs(12):
            for mean in loss.values():
                mean.reset_state()
            for images in loop.batches(train):
                for mean, value in zip(loss.values(), adversaries.train_step(images), strict=True):
                    mean.update_state(value)
                loop.step(**{name: mean.result() for name, mean in loss.items()})
            print(f"epoch {epoch}:", {name: round(float(v), 4) for name, v in loop.logs.items()})
    print(
        f"after {len(loop.history['generator'])} epochs the generator's loss is "
        f"{loop.history['generator'][-1]:.4f}"
    )


if __name__ == "__main__":
    main()
