"""Forecasts the yearly number of sunspots, 1700 to 2008, that statsmodels brings along.

A plain Keras script with a tf.data pipeline of its own. What makes it survive a kill is
`import perdure` and the `callbacks=` line.
"""

from __future__ import annotations

import perdure  # before the model and the data: it gives the run its seed

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.callbacks import EarlyStopping, ReduceLROnPlateau
from statsmodels.datasets import sunspots

WINDOW = 33  # years that the forecast looks back: three solar cycles
FIRST_VALIDATION_YEAR = 1930
FIRST_TEST_YEAR = 1970


def load():
    """The years, and the numbers brought to a standard scale by the training years' own."""
    data = sunspots.load_pandas().data
    years = data["YEAR"].to_numpy(dtype=int)
    raw = np.sqrt(data["SUNACTIVITY"].to_numpy(dtype="float32"))
    known = raw[years < FIRST_VALIDATION_YEAR]
    return years, (raw - known.mean()) / known.std(), known.std()


def windows(series, first, last, *, shuffled=False):
    """Batches of (the `WINDOW` numbers before a year, the number of that year)."""
    pairs = tf.data.Dataset.from_tensor_slices(
        (
            np.stack([series[i - WINDOW : i] for i in range(first, last)])[..., np.newaxis],
            series[first:last],
        )
    )
    if shuffled:
        pairs = pairs.shuffle(len(pairs), seed=1700)  # seeded: only then can it be replayed
    return pairs.batch(16).prefetch(2)


def build():
    """A recurrent network: its dropout draws from seed generators that are part of the model."""
    model = keras.Sequential(
        [
            layers.Input((WINDOW, 1)),
            layers.GRU(32, return_sequences=True, recurrent_dropout=0.1),
            layers.GRU(32),
            layers.Dropout(0.1),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mse", metrics=["mae"])
    return model


def main():
    years, series, scale = load()
    validation = int(np.searchsorted(years, FIRST_VALIDATION_YEAR))
    test = int(np.searchsorted(years, FIRST_TEST_YEAR))
    model = build()
    model.fit(
        windows(series, WINDOW, validation, shuffled=True),
        epochs=40,
        validation_data=windows(series, validation, test),
        shuffle=False,  # the pipeline shuffles by itself
        verbose=2,
        callbacks=perdure.callbacks(
            ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=3),
            EarlyStopping(monitor="val_loss", patience=8, restore_best_weights=True),
        ),
    )
    _, error = model.evaluate(windows(series, test, len(series)), verbose=0)
    last_year = np.abs(series[test:] - series[test - 1 : -1]).mean()
    print(
        f"{FIRST_TEST_YEAR}-{years[-1]}: mean error {error * scale:.2f}, "
        f"by repeating the year before {last_year * scale:.2f} (square roots of sunspot numbers)"
    )


if __name__ == "__main__":
    main()
