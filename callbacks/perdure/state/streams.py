"""The process-wide random streams: Python's, NumPy's, Keras' and TensorFlow's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from perdure import keras_internals


def capture_host() -> dict[str, Any]:
    """Python's and NumPy's global streams."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (str(name), np.array(keys), position, has_gauss, gauss),
    }


def restore_host(state: dict[str, Any]) -> None:
    """Put Python's and NumPy's global streams back."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])


def capture_eager() -> Any:
    """The stream that seeds TensorFlow's eager random ops, or None where no seed was set."""
    return keras_internals.eager_random_state()


def restore_eager(state: Any) -> None:
    """Put TensorFlow's stream of eager seeds back."""
    keras_internals.set_eager_random_state(state)
