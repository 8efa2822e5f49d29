"""A pytest plugin: every `fit`, `evaluate` and `predict` of the tests goes through `perdure.callbacks`.

For the tests of Keras' own callbacks, which know nothing of it. All of them are one program: its fits are
numbered as those of any script, and saved.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections import Counter
from functools import wraps
from pathlib import Path

import perdure

import keras
import pytest

METHODS = ("fit", "evaluate", "predict")
went_through: Counter[str] = Counter()


def through_perdure(method):
    signature = inspect.signature(method)

    @wraps(method)
    def call(self, *args, **kwargs):
        given = signature.bind(self, *args, **kwargs)
        own = given.arguments.get("callbacks")
        if not isinstance(own, keras.callbacks.CallbackList):  # that is the validation inside a fit
            went_through[method.__name__] += 1
            own = own if isinstance(own, list | tuple) else [own]
            given.arguments["callbacks"] = perdure.callbacks(*own)
        return method(*given.args, **given.kwargs)

    return call


def skip_if_backend(backend, reason):
    """What Keras' tests import from the conftest of its repository, which the wheel has not."""
    return pytest.mark.skipif(keras.backend.backend() == backend, reason=reason)


def pytest_configure(config):
    sys.modules["conftest"] = sys.modules[__name__]
    for marker in ("requires_trainable_backend", "multi_device"):
        config.addinivalue_line("markers", f"{marker}: of Keras' own tests")
    for name in METHODS:
        setattr(keras.Model, name, through_perdure(getattr(keras.Model, name)))


def pytest_sessionfinish():
    Path(os.environ["WENT_THROUGH"]).write_text(json.dumps(went_through))
