"""`perdure checkpoints export`: what the file holds, and each reason why there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_lineage import perdure

from perdure import keras_internals
from perdure.lineage.records import RecordKind

X = np.random.default_rng(1).normal(size=(8, 4)).astype("float32")
TEXTS = """
import keras
from keras import layers

@keras.saving.register_keras_serializable("mine")
class Registered(layers.Dense):
    pass

class Plain(layers.Dense):
    pass

@keras.saving.register_keras_serializable("mine")
class Two(keras.Model):
    def __init__(self, one=None, other=None, **rest):
        super().__init__(**rest)
        self.one = one or keras.Sequential([layers.Input((4,)), layers.Dense(3)])
        self.other = other or keras.Sequential([layers.Input((3,)), layers.Dense(1)])

    def get_config(self):
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("one", "other")}
        return {**super().get_config(), **parts}

    @classmethod
    def from_config(cls, config):
        for name in ("one", "other"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    def compile(self, one, other):
        super().compile(one, "mse")
        self.optimizer_of_other = other

    def call(self, x):
        return self.other(self.one(x))

def loss(y, p):
    return keras.ops.mean((y - p) ** 2, -1)

class Subclassed(keras.Model):
    def __init__(self, dense):
        super().__init__()
        self.dense = dense

    def call(self, x):
        return self.dense(x)

def build():
    model = Subclassed(layers.Dense(1))
    model.compile("adam", "mse")
    model(keras.ops.zeros((1, 4)))
    return model

def not_compiled():
    model = Subclassed(layers.Dense(1))
    model(keras.ops.zeros((1, 4)))
    return model

def not_built():
    return Subclassed(layers.Dense(1))

def wider():
    return keras.Sequential([layers.Input((4,)), layers.Dense(2)])

def number():
    return 7
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module with classes of the user's own, in the working directory."""
    (tmp_path / "mine.py").write_text(TEXTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield __import__("mine")
    del sys.modules["mine"]


def small(*more: Any, optimizer: Any = "adam") -> Any:
    model = not_compiled(*more)
    model.compile(optimizer, "mse", metrics=["mae"])
    return model


def not_compiled(*more: Any) -> Any:
    return keras.Sequential(
        [layers.Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dropout(0.5), *more,
         layers.Dense(1)]
    )  # fmt: skip


def values(model: Any) -> list[np.ndarray[Any, Any]]:
    return [weight.numpy() for weight in model.weights]


def check_same(one: list[Any], other: list[Any]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def exported(store: Any, *options: str, to: str = "model.keras") -> Any:
    result = perdure(store, "export", "--to", to, *options)
    assert result.exit_code == 0, result.output
    return result


def refused(store: Any, *options: str, to: str = "model.keras") -> str:
    result = perdure(store, "export", "--to", to, *options)
    assert (result.exit_code, result.stdout) == (78, ""), result.output
    assert not Path(to).exists()
    assert not [*Path().glob(".*")]
    return str(result.stderr)


def test_of_mirrored_variables_the_first_replica_is_exported(store, save, monkeypatch):
    model = small()
    with monkeypatch.context() as patch:
        patch.setattr(keras_internals, "replicas_of", lambda v: (v, tf.Variable(tf.zeros_like(v))))
        lineage = save(model)
    (_, _, checkpoint), *_ = lineage.saved()
    assert any(entry.path.endswith("kernel on replica 1") for entry in checkpoint.tensors)
    exported(store)
    check_same(values(keras.models.load_model("model.keras")), values(model))


def test_a_model_is_loaded_as_it_was_trained(store, save):
    model = small()
    save(model)
    result = exported(store)
    assert result.stdout.endswith("model.keras: checkpoint 2 at step 2\n")
    loaded = keras.models.load_model("model.keras")
    check_same(values(loaded), values(model))
    check_same(
        [v.numpy() for v in loaded.optimizer.variables],
        [v.numpy() for v in model.optimizer.variables],
    )
    np.testing.assert_array_equal(loaded(X).numpy(), model(X).numpy())
    assert loaded.loss == "mse"


def test_weights_are_loaded_into_the_scripts_own_model(store, save):
    model, other = small(), not_compiled()
    save(model)
    result = exported(store, to="a.weights.h5")
    assert "without the state of an optimizer" in result.stderr
    other.load_weights("a.weights.h5")
    check_same(values(other), values(model))


def test_the_newest_and_a_number(store, save):
    model = small()
    save(model)
    first = values(model)
    save(model, kind=RecordKind.FINAL)
    assert "final 3" in exported(store, to="last.keras").stdout
    exported(store, "--checkpoint", "2", to="first.keras")
    check_same(values(keras.models.load_model("first.keras")), first)
    check_same(values(keras.models.load_model("last.keras")), values(model))


def test_the_best(store, save):
    model = small()
    for value in (0.5, 0.9, 0.7):
        lineage = save(model, value=value, keep="last=9,best=accuracy:max")
    assert "Received: one that keeps last=3" in refused(store, "--checkpoint", "best")
    lineage.claim({"keep": "last=3,best=loss:min"}, continues=False)
    assert "no value of that in any" in refused(store, "--checkpoint", "best")
    lineage.claim({"keep": "last=3,best=accuracy:max"}, continues=False)
    assert "checkpoint 3 " in exported(store, "--checkpoint", "best").stdout


def test_a_learning_rate_that_has_changed(store, save):
    model = small(optimizer=keras.optimizers.SGD(0.5))
    model.optimizer.learning_rate = 0.25
    save(model)
    exported(store)
    assert keras.models.load_model("model.keras").optimizer.learning_rate == 0.25


@pytest.mark.parametrize(
    ("kind", "swaps", "said"),
    [
        ("checkpoint", False, "those that were trained; their moving averages are in"),
        ("checkpoint", True, "which SwapEMAWeights had put into the model"),
        ("final", False, "which Keras puts into the model when a fit ends"),
    ],
)
def test_moving_averages(store, save, kind, swaps, said):
    model = small(optimizer=keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.5))
    swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
    swap._ema_weights_in_model = swaps  # as after an epoch
    save(model, swap, kind=RecordKind(kind))
    assert said in exported(store).stderr
    check_same(values(keras.models.load_model("model.keras")), values(model))


def test_a_file_that_is_there_stays(store, save):
    save(small())
    Path("model.keras").write_text("mine")
    result = perdure(store, "export", "--to", "model.keras")
    assert (result.exit_code, Path("model.keras").read_text()) == (78, "mine")
    assert "Add --force" in result.stderr
    exported(store, "--force")
    keras.models.load_model("model.keras")


@pytest.mark.parametrize("to", ["model.h5", "model", "model.onnx", "gone/model.keras"])
def test_what_is_no_target_is_refused(store, save, to):
    save(small())
    assert "--to: expected" in refused(store, to=to)


@pytest.mark.parametrize("name", ["Registered", "Plain"])
def test_classes_of_ones_own_are_imported_on_demand_only(store, save, mine, name):
    model = small(getattr(mine, name)(2))
    save(model)
    if name == "Plain":
        assert "Give --import with the module that has it" in refused(store)
    exported(store, "--import", "mine")
    objects = {"Plain": mine.Plain}
    check_same(values(keras.models.load_model("model.keras", objects)), values(model))


def test_a_loss_of_ones_own(store, save, mine):
    model = small()
    model.compile("adam", mine.loss)
    save(model)
    assert "--model" in refused(store)
    exported(store, "--import", "mine")
    exported(store, to="a.weights.h5")  # needs no loss


def test_a_model_that_keras_cannot_describe_is_built_by_a_function(store, save, mine):
    model = mine.build()
    save(model)
    assert "Keras cannot serialise the model" in refused(store)
    assert "can save as .keras" in refused(store, "--model", "mine:build")
    for function in ("build", "not_compiled"):
        exported(store, "--model", f"mine:{function}", "--force", to="a.weights.h5")
        loaded = mine.not_compiled()
        loaded.load_weights("a.weights.h5")
        check_same(values(loaded), values(model))


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("mine:not_built", "Received: a model that is not built"),
        ("mine:wider", "the checkpoint has 4 variables"),
        ("mine:wider", "expected the one that was trained"),
        ("mine:number", "Received: int"),
        ("mine:nothing", "expected module:function. Received: 'mine:nothing'"),
        ("mine", "expected module:function. Received: 'mine'"),
        ("not_there:build", "expected a module that can be imported from here"),
    ],
)
def test_functions_that_do_not_fit(store, save, mine, function, sentence):
    save(mine.build())
    if sentence != "the checkpoint has 4 variables":
        assert sentence in refused(store, "--model", function, to="a.weights.h5")


@pytest.mark.filterwarnings(
    "ignore:`compile..` was not called as part of model loading:UserWarning"
)
@pytest.mark.parametrize("to", ["model.keras", "a.weights.h5"])
def test_a_model_with_two_optimizers_is_written_without_them(store, save, mine, to):
    model = mine.Two()
    model(keras.ops.zeros((1, 4)))
    model.compile(keras.optimizers.Adam(), keras.optimizers.SGD())
    model.optimizer_of_other.build(model.other.trainable_variables)
    save(model)
    assert "without the state of an optimizer" in exported(store, "--import", "mine", to=to).stderr
    loaded = mine.Two()
    loaded(keras.ops.zeros((1, 4)))
    if to == "model.keras":
        loaded = keras.models.load_model(to)
    else:
        loaded.load_weights(to)
    check_same(values(loaded), values(model))


def test_a_lambda_is_never_run(store, save):
    save(small(layers.Lambda(lambda x: 2 * x)))
    assert "has a lambda" in refused(store)


def test_a_damaged_checkpoint_gives_no_file(store, save):
    lineage = save(small())
    (_, _, checkpoint), = lineage.saved()  # fmt: skip
    for chunk in checkpoint.chunks():
        store.put(f"{lineage.log.prefix}/chunks/{chunk.name}", b"?")
    result = perdure(store, "export", "--to", "model.keras")
    assert (result.exit_code, result.stdout) == (1, "")
    assert not Path("model.keras").exists()
    assert not [*Path().glob(".*")]


class Remembers(layers.Layer):
    """Has a value that no file of Keras holds."""

    def build(self, shape: Any) -> None:
        import tensorflow as tf

        self.seen = tf.Variable(0.0, trainable=False)
        super().build(shape)

    def call(self, x: Any) -> Any:
        self.seen.assign_add(1.0)
        return x


def test_what_the_file_would_leave_out_is_said(store, save, monkeypatch):
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "remembers", module)
    remembers = Remembers()
    model = small(remembers)
    remembers.seen.assign(5.0)
    save(model)
    assert "expected a format that holds model" in refused(store, "--import", "remembers")


def test_a_checkpoint_from_before_architectures_were_kept(store, save, mine):
    lineage = save(mine.build())
    record = lineage.log.read(2)
    del record.body["state"]["architecture"]
    store.put(lineage.log.key(2), record.encode())
    assert "Received: it was not kept" in refused(store)
