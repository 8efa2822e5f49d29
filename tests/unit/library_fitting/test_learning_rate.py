"""The factor on the learning rate: exact, on the schedule's own rate, and gone where it is 1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from perdure.fitting import learning_rate
from perdure.fitting.learning_rate import scale

optimizers, schedules = keras.optimizers, keras.optimizers.schedules
X = np.linspace(-1, 1, 24, dtype=np.float32).reshape(8, 3)
Y = X.sum(1, keepdims=True)
MAKERS: dict[str, Callable[[float], Any]] = {
    "SGD": lambda rate: optimizers.SGD(rate, momentum=0.9),
    "Adam": optimizers.Adam,
    "AdamW, whose decay is by the rate too": lambda rate: optimizers.AdamW(rate, weight_decay=0.1),
    "Adafactor": optimizers.Adafactor,
    "Lion": optimizers.Lion,
    "Nadam": optimizers.Nadam,
    "Ftrl": optimizers.Ftrl,
    "a schedule": lambda rate: optimizers.Adam(schedules.PolynomialDecay(rate, 10, rate)),
    "a function": lambda rate: optimizers.SGD(lambda: rate),
    "accumulated": lambda rate: optimizers.SGD(rate, gradient_accumulation_steps=2),
    "moving average": lambda rate: optimizers.Adam(rate, use_ema=True, ema_overwrite_frequency=2),
    "LossScaleOptimizer": lambda rate: optimizers.LossScaleOptimizer(optimizers.Adam(rate)),
}


def model_with(optimizer: Any, *, eager: bool = True) -> Any:
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    model.set_weights([np.ones((3, 1), np.float32), np.zeros(1, np.float32)])
    model.compile(optimizer, "mse", run_eagerly=eager)
    return model


def train(model: Any, steps: int = 4) -> list[Any]:
    model.fit(X, Y, batch_size=8, epochs=steps, shuffle=False, verbose=0)
    return [np.asarray(weight) for weight in model.get_weights()]


def assert_same(one: list[Any], other: list[Any]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_half_the_rate_is_what_an_optimizer_of_half_the_rate_does(make):
    """0.25 and 0.125 are exact, so the two are the same bits."""
    scaled = model_with(make(0.25))
    assert scale(scaled, 0.5)
    assert_same(train(scaled), train(model_with(make(0.125))))


def test_it_takes_effect_in_a_step_that_is_traced_already_and_is_taken_back():
    model, other = (model_with(optimizers.SGD(0.25), eager=False) for _ in range(2))
    assert_same(train(model), train(other))
    for factor in (0.5, 1.0):
        assert scale(model, factor)
        assert not scale(model, factor), "nothing is made anew for the same factor"
        other.optimizer.learning_rate = 0.25 * factor
        assert_same(train(model), train(other))


def test_a_factor_is_not_of_the_factor_before():
    model = model_with(optimizers.SGD(0.25))
    scale(model, 0.25)
    scale(model, 0.5)
    assert_same(train(model), train(model_with(optimizers.SGD(0.125))))


def test_without_a_factor_nothing_is_touched():
    model = model_with(optimizers.Adam(0.25), eager=False)
    train(model)
    function, attributes = model.train_function, dict(vars(model.optimizer))
    assert not scale(model, 1.0)
    assert model.train_function is function
    assert vars(model.optimizer) == attributes
    scale(model, 0.5)
    scale(model, 1.0)
    assert vars(model.optimizer).keys() == attributes.keys()


def test_callbacks_read_and_set_the_schedules_own_rate():
    model = model_with(optimizers.SGD(0.5))
    scale(model, 0.5)
    assert float(model.optimizer.learning_rate) == 0.5
    scheduler = keras.callbacks.LearningRateScheduler(lambda _epoch, rate: rate / 2)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[scheduler])
    assert float(model.optimizer.learning_rate) == 0.5 / 8


def test_a_model_is_saved_as_if_there_were_no_factor(tmp_path):
    model = model_with(optimizers.Adam(0.25))
    scale(model, 0.5)
    train(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert float(loaded.optimizer.learning_rate) == 0.25
    assert_same(loaded.get_weights(), model.get_weights())
    assert not scale(loaded, 1.0)


@pytest.mark.parametrize(("optimizer", "has_rate"), [(None, False), ("sgd", True)])
def test_a_model_without_an_optimizer_has_no_rate(optimizer, has_rate):
    assert learning_rate.has_rate(model_with(optimizer)) is has_rate


@pytest.mark.skipif(
    not hasattr(keras.optimizers, "MultiOptimizer"),
    reason="this Keras has no MultiOptimizer; install Keras 3.15 to test it",
)
def test_each_of_several_optimizers_behind_one():
    def make(rate: float) -> Any:
        return optimizers.MultiOptimizer(
            optimizers.OptimizerMap(optimizers.SGD(rate), {".*bias.*": optimizers.Adam(rate)})
        )

    scaled = model_with(make(0.25))
    scale(scaled, 0.5)
    assert_same(train(scaled), train(model_with(make(0.125))))


def test_a_step_that_somebody_else_traced_reads_the_factor_from_a_variable():
    """Before it is changed the step is the same bits, and a fit with the same optimizer has it too."""
    model, other = (model_with(optimizers.SGD(0.25), eager=False) for _ in range(2))
    given = [optimizers.LossScaleOptimizer(model.optimizer)]
    learning_rate.make_variable(given)
    learning_rate.make_variable(given)
    assert not learning_rate.are_used(given)
    assert_same(train(model), train(other))
    assert learning_rate.are_used(given)
    function = model.train_function
    for factor in (0.5, 0.25, 1.0):
        learning_rate.set_variable(given, factor)
        other.optimizer.learning_rate = 0.25 * factor
        assert_same(train(model), train(other))
    assert not scale(model, 0.5), "no trace is needed"
    other.optimizer.learning_rate = 0.25 * 0.5
    assert_same(train(model), train(other))
    assert model.train_function is function
