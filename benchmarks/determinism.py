"""What determinism costs: seconds per epoch with and without the flags that Perdure sets.

Trains the digits' network in processes of their own, alternating, and prints the median of each
setting and its ratio to TensorFlow's defaults with the same number of threads. Run it with
`python benchmarks/determinism.py`; the table goes to benchmarks/results/determinism.json.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import report

ROUNDS = 5
SETTINGS = {
    "defaults": {},
    "op determinism": {"DETERMINISM": "1"},
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
}


def train() -> None:
    """In a child: train and print the seconds of an epoch after the first."""
    import time

    import keras
    import numpy as np
    import tensorflow as tf
    from keras import layers
    from sklearn.datasets import load_digits

    if os.environ.get("DETERMINISM"):
        tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(4)
    tf.config.threading.set_inter_op_parallelism_threads(4)
    keras.utils.set_random_seed(0)
    images, labels = load_digits(return_X_y=True)
    x = np.repeat((images / 16).astype("float32").reshape(-1, 8, 8, 1), 4, 0)
    model = keras.Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(32, 3),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.Conv2D(64, 3),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, np.repeat(labels, 4), batch_size=32, verbose=0)
    began = time.perf_counter()
    model.fit(x, np.repeat(labels, 4), batch_size=32, epochs=3, verbose=0)
    print((time.perf_counter() - began) / 3)


def _seconds(setting: dict[str, str]) -> float:
    command = [sys.executable, __file__, "train"]
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **setting}
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    return float(ended.stdout)


def main() -> None:
    """Measure all settings in turn and print the table."""
    seconds: dict[str, list[float]] = {name: [] for name in SETTINGS}
    for _ in range(ROUNDS):
        for name, setting in SETTINGS.items():
            seconds[name].append(_seconds(setting))
    medians = {name: statistics.median(s) for name, s in seconds.items()}
    base = medians.pop("defaults")
    rows = [
        report.Row(f"an epoch, {name}", "s", median, base, "TensorFlow's defaults")
        for name, median in medians.items()
    ]
    report.write("determinism", rows, {"rounds": ROUNDS})


if __name__ == "__main__":
    train() if sys.argv[1:] == ["train"] else main()
