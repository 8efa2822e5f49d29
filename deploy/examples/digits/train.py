"""Trains a small convolutional network on the handwritten digits that scikit-learn brings along.

A plain Keras script. What makes it survive a kill is `import perdure` and the `callbacks=` line.
"""

from __future__ import annotations

import perdure  # before the model and the data: it gives the run its seed

import keras
from keras import layers
from keras.callbacks import EarlyStopping, ModelCheckpoint
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

BEST = "best.keras"


def load():
    """8x8 images with pixels from 0 to 1, split into training, validation and test parts."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).astype("float32").reshape(-1, 8, 8, 1)
    images, x_test, labels, y_test = train_test_split(
        images, labels, test_size=297, random_state=0, stratify=labels
    )
    x_train, x_val, y_train, y_val = train_test_split(
        images, labels, test_size=300, random_state=0, stratify=labels
    )
    return (x_train, y_train), (x_val, y_val), (x_test, y_test)


def build():
    """Augmentation, BatchNormalization and Dropout: each keeps state of its own between steps."""
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1, fill_mode="constant"),
            layers.RandomRotation(0.05, fill_mode="constant"),
            layers.Conv2D(32, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.Conv2D(64, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(128, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.Activation("relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def main():
    train, validation, test = load()
    model = build()
    model.fit(
        *train,
        batch_size=32,
        epochs=20,
        validation_data=validation,
        verbose=2,
        callbacks=perdure.callbacks(
            EarlyStopping(monitor="val_loss", patience=5, restore_best_weights=True),
            ModelCheckpoint(BEST, monitor="val_loss", save_best_only=True),
        ),
    )
    best = keras.models.load_model(BEST)
    loss, accuracy = best.evaluate(*test, verbose=0)
    print(f"{BEST}: test accuracy {accuracy:.4f}, test loss {loss:.4f}")


if __name__ == "__main__":
    main()
