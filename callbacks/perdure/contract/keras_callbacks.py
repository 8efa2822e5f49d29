"""Keras' callbacks, over the whole supported range of Keras (3.12 to 3.15): the table that the check
before training, the editors' schema and docs/callbacks.md are made from.

Keras itself has the last word: a manifest is checked against the signatures of the image's own Keras
when training starts. A test holds this table against those of the installed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from perdure.contract.callback_arguments import (
    Argument,
    Default,
    Signature,
    hint,
    is_reference,
    misfits,
    wrong_values,
)


@dataclass(frozen=True)
class KerasCallback:
    """A class of keras.callbacks, what Perdure keeps of it, and what a user should know.

    `refusal` says why a manifest cannot name it. `since` is the first Keras of the supported range that
    has it, empty if all do.
    """

    name: str
    arguments: tuple[Argument, ...] = ()
    state: str = ""
    files: str = ""
    notes: str = ""
    since: str = ""
    refusal: str = ""

    @property
    def signature(self) -> Signature:
        """The names of its arguments in any supported Keras."""
        return Signature(
            tuple(argument.name for argument in self.arguments),
            tuple(argument.name for argument in self.arguments if argument.is_required),
        )


def _whole(name: str, default: int) -> Argument:
    return Argument(name, ("integer",), default)


def _number(name: str, default: float) -> Argument:
    return Argument(name, ("number",), default)


def _flag(name: str, *, default: bool = False, since: str = "") -> Argument:
    return Argument(name, ("boolean",), default, since=since)


def _text(name: str, default: Any = Default.REQUIRED) -> Argument:
    return Argument(name, ("string",), default)


def _hook(name: str, *, is_extra: bool = False) -> Argument:
    return Argument(name, ("function", "null"), is_extra=is_extra)


_MONITOR = _text("monitor", "val_loss")
_MODE = Argument("mode", (), "auto", choices=("auto", "min", "max"))
_VERBOSE = Argument("verbose", ("integer", "boolean"), 0)
_SAVE_FREQ = Argument("save_freq", ("integer",), "epoch", choices=("epoch",))
_THRESHOLD = Argument("initial_value_threshold", ("number", "null"))

_HOOKS = (
    "on_epoch_begin", "on_epoch_end", "on_train_begin", "on_train_end", "on_train_batch_begin",
    "on_train_batch_end",
)  # fmt: skip
_FURTHER_HOOKS = (
    "on_batch_begin", "on_batch_end", "on_test_begin", "on_test_end", "on_test_batch_begin",
    "on_test_batch_end", "on_predict_begin", "on_predict_end", "on_predict_batch_begin",
    "on_predict_batch_end",
)  # fmt: skip

ALL = (
    KerasCallback(
        "BackupAndRestore",
        (
            _text("backup_dir"),
            Argument("save_freq", ("integer", "boolean"), "epoch", choices=("epoch",)),
            _flag("double_checkpoint"),
            _flag("delete_checkpoint", default=True),
        ),
        state="none is needed: Perdure resumes, and more exactly",
        files="none",
        notes="left out, and that is said once: it would resume a second time, from older weights",
    ),
    KerasCallback(
        "CSVLogger",
        (_text("filename"), _text("separator", ","), _flag("append")),
        state="the columns",
        files="the rows up to the checkpoint; also to `s3://`",
        notes="each row once",
    ),
    KerasCallback(
        "EarlyStopping",
        (
            _MONITOR,
            _number("min_delta", 0),
            _whole("patience", 0),
            _VERBOSE,
            _MODE,
            Argument("baseline", ("number", "null")),
            _flag("restore_best_weights"),
            _whole("start_from_epoch", 0),
        ),
        state="best value and epoch, epochs waited, best weights",
        notes="patience can be changed while it trains",
    ),
    KerasCallback(
        "History",
        state="all values of all epochs",
        refusal="fit has one always and returns it; leave it out",
        notes="`fit` of a resumed process returns the whole History",
    ),
    KerasCallback(
        "LambdaCallback",
        (*map(_hook, _HOOKS), *(_hook(name, is_extra=True) for name in _FURTHER_HOOKS)),
        notes="what its functions keep in closures or globals is not saved",
    ),
    KerasCallback(
        "LearningRateScheduler",
        (Argument("schedule", ("function",), Default.REQUIRED), _VERBOSE),
        notes="the rate itself is in the optimizer; `schedule(epoch)` or `schedule(epoch, lr)`",
    ),
    KerasCallback(
        "ModelCheckpoint",
        (
            _text("filepath"),
            _MONITOR,
            _VERBOSE,
            _flag("save_best_only"),
            _flag("save_weights_only"),
            _MODE,
            _SAVE_FREQ,
            _THRESHOLD,
        ),
        state="best value, batches since the last file",
        files="the files that it has written; also to `s3://`",
        notes="a worse model never takes the place of the best",
    ),
    KerasCallback(
        "OrbaxCheckpoint",
        (
            _text("directory"),
            _MONITOR,
            _VERBOSE,
            _flag("save_best_only"),
            _MODE,
            _SAVE_FREQ,
            _THRESHOLD,
            Argument("max_to_keep", ("integer", "null"), 1),
            _flag("save_on_background", default=True),
            _flag("save_weights_only"),
        ),
        notes="refused in a script too",
        since="3.13",
        refusal="it cannot save a step a second time, as a resumed training does; use ModelCheckpoint",
    ),
    KerasCallback("ProgbarLogger", notes="fit has one unless verbose=0"),
    KerasCallback(
        "ReduceLROnPlateau",
        (
            _MONITOR,
            _number("factor", 0.1),
            _whole("patience", 10),
            _VERBOSE,
            _MODE,
            _number("min_delta", 1e-4),
            _whole("cooldown", 0),
            _number("min_lr", 0.0),
        ),
        state="best value, epochs waited, cooldown",
        notes="patience can be changed while it trains; the rate itself is in the optimizer",
    ),
    KerasCallback(
        "RemoteMonitor",
        (
            _text("root", "http://localhost:9000"),
            _text("path", "/publish/epoch/end/"),
            _text("field", "data"),
            Argument("headers", ("object", "null")),
            _flag("send_as_json"),
        ),
        notes="at least once: what was posted after the last checkpoint is posted again",
    ),
    KerasCallback(
        "SwapEMAWeights",
        (_flag("swap_on_epoch"),),
        state="whether the weights are swapped",
        notes="the averages themselves are in the optimizer",
    ),
    KerasCallback(
        "TensorBoard",
        (
            _text("log_dir", "logs"),
            _whole("histogram_freq", 0),
            _flag("write_graph", default=True),
            _flag("write_images"),
            _flag("write_steps_per_second"),
            Argument("update_freq", ("integer",), "epoch", choices=("epoch", "batch")),
            Argument("profile_batch", ("integer", "string", "array"), 0),
            _whole("embeddings_freq", 0),
            Argument("embeddings_metadata", ("string", "object", "null")),
        ),
        state="its step counters",
        files="its event files and what lies beside them; also to `s3://`",
        notes="each event once; one event file more per attempt",
    ),
    KerasCallback(
        "TerminateOnNaN",
        (_flag("raise_error", since="3.13"),),
        notes="ends the attempt with exit code 76",
    ),
)

BY_NAME = {callback.name: callback for callback in ALL}
NAMES = tuple(callback.name for callback in ALL if not callback.refusal)
"""The classes that a manifest can name."""


def unknown_class(where: str, name: str, known: tuple[str, ...] = NAMES) -> str:
    """The sentence for a class that Keras does not have, or that makes no sense in a manifest."""
    callback = BY_NAME.get(name)
    if callback is not None and callback.refusal:
        return f"{where}.name: expected another callback than {name}: {callback.refusal}."
    return (
        f"{where}.name: expected a Keras callback or module:Class. Received: {name!r}."
        f"{hint(name, known)}"
    )


def problems(where: str, name: str, arguments: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a callback of a manifest whatever the supported version of Keras; one of the
    user's own is not looked into.
    """
    if is_reference(name):
        return
    if name not in NAMES:
        yield unknown_class(where, name)
        return
    callback = BY_NAME[name]
    yield from misfits(where, name, arguments, callback.signature)
    yield from wrong_values(where, arguments, callback.arguments)
