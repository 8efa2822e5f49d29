"""The progress bar of a resumed fit."""

from __future__ import annotations

import pytest

from perdure.fitting.gates import QuietProgbar


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
