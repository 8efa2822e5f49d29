"""What passes the gates around callbacks, and the progress bar of a resumed fit."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import pytest

from perdure.fitting.gates import HOOKS, QuietProgbar, gated


class Hooks:
    """Gates that a test opens and closes."""

    def __init__(self) -> None:
        self.is_open = self.begins = False

    def gates_are_open(self) -> bool:
        return self.is_open

    def train_begins(self) -> bool:
        return self.begins


class Recorder(keras.callbacks.Callback):
    """Remembers which batches it saw."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[object] = []

    def on_train_begin(self, logs=None):
        self.seen.append("begin")

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(batch)


def test_a_hook_passes_while_the_gates_are_open():
    hooks, callback = Hooks(), Recorder()
    gate = gated(callback, hooks)
    for batch, is_open in enumerate([False, True, True]):
        hooks.is_open = is_open
        gate.on_train_batch_end(batch, logs={})
    assert callback.seen == [1, 2]


def test_the_next_fit_finds_the_gates_closed():
    hooks, callback = Hooks(), Recorder()
    gate = gated(callback, hooks)
    hooks.is_open = True
    gate.on_train_batch_end(0)
    gate.close()
    hooks.is_open = False
    gate.on_train_batch_end(1)
    assert callback.seen == [0]


def test_the_begin_of_a_fit_is_decided_apart_and_each_time():
    hooks, callback = Hooks(), Recorder()
    gate = gated(callback, hooks)
    for hooks.begins in (True, False):
        gate.on_train_begin()
    assert callback.seen == ["begin"]


def test_only_the_hooks_that_a_callback_has_are_its_gates():
    gate = gated(Recorder(), Hooks())
    own = [name for name in HOOKS if name in vars(type(gate))]
    assert own == ["on_train_batch_end", "on_train_begin"]


@pytest.mark.parametrize("verbose", [1, 2])
def test_an_epoch_that_had_only_its_end_left_is_shown_to_end(verbose, capsys):
    """Killed after the last batch: Keras made the bar at the epoch's begin, in another process."""
    opened = False
    bar = QuietProgbar(lambda: opened)
    bar.set_params({"verbose": verbose, "epochs": 2, "steps": 3})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    assert capsys.readouterr().out == ""
    opened = True
    bar.on_epoch_end(0, {"loss": 0.5})
    assert "loss: 0.5" in capsys.readouterr().out


def test_an_epoch_of_unknown_length_ends_too():
    bar = QuietProgbar(lambda: True)
    bar.set_params({"verbose": 2, "epochs": 2, "steps": None})
    bar.on_train_begin()
    bar.on_epoch_end(0, {"loss": 0.5})


def test_nothing_is_shown_where_nothing_is_to_be_shown(capsys):
    bar = QuietProgbar(lambda: True)
    bar.set_params({"verbose": 0, "epochs": 2, "steps": 3})
    bar.on_train_begin()
    bar.on_epoch_begin(0)
    bar.on_epoch_end(0, {"loss": 0.5})
    assert capsys.readouterr().out == ""


class Diverged(BaseException):
    pass


class Ends(Hooks):
    """Opened gates, and the end of the process."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = True

    def diverge(self, callback, logs):
        raise Diverged(callback, logs)


class RaisesError(keras.callbacks.TerminateOnNaN):
    """As Keras' own does from 3.13 on."""

    def __init__(self) -> None:
        super().__init__()
        self.raise_error = True

    def on_batch_end(self, batch, logs=None):
        raise RuntimeError


def watched(callback):
    gate = gated(callback, Ends())
    gate.set_model(SimpleNamespace(stop_training=False))
    return gate


@pytest.mark.parametrize("cls", [keras.callbacks.TerminateOnNaN, RaisesError])
@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_process_where_that_was_asked_for(cls, loss):
    with pytest.raises(Diverged) as ended:
        watched(cls()).on_train_batch_end(3, logs={"loss": loss})
    assert ended.value.args == (cls.__name__, {"loss": loss})


def test_another_loss_and_another_stop_do_not():
    gate = watched(keras.callbacks.TerminateOnNaN())
    gate.on_train_batch_end(0, logs={"loss": 1.0})
    gate.model.stop_training = True  # by somebody else
    gate.on_train_batch_end(1, logs={"loss": 1.0})


def test_an_error_that_was_not_asked_for_stays_one():
    callback = RaisesError()
    callback.raise_error = False
    with pytest.raises(RuntimeError):
        watched(callback).on_train_batch_end(0, logs={"loss": 1.0})
