"""A checkpoint to a file for serving, which plain Keras loads.

The model is rebuilt, given the checkpoint's values, and saved by Keras itself. Then the file is loaded
again and compared with the checkpoint: what the format leaves out is said, not served.
"""

from __future__ import annotations

import copy
import json
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from perdure import keras_internals
from perdure.lineage.chunk_reader import read_tensors
from perdure.lineage.lineage import Lineage
from perdure.lineage.records import Checkpoint
from perdure.state import variables
from perdure.state.architecture import CODE, parts
from perdure.state.codec import STATE_GROUP

WEIGHTS = ".weights.h5"
MODEL = ".keras"

Build = Callable[[], Any]


class CannotExport(Exception):
    """There is no such file of this checkpoint; the message says what was expected and what to do."""


@dataclass(frozen=True)
class Exported:
    """What was written: the groups of the checkpoint's tensors that are in the file."""

    groups: tuple[str, ...]
    averages: str
    """Which weights they are where the optimizer keeps moving averages, else empty."""


def suffix_of(target: Path) -> str:
    """The kind of file that `target` names, which ends in one of the two."""
    return WEIGHTS if target.name.endswith(WEIGHTS) else MODEL


def builder(
    lineage: Lineage, checkpoint: Checkpoint, suffix: str, custom_objects: dict[str, Any]
) -> Build:
    """What builds the model that `checkpoint` describes; for a file of weights it is not compiled.

    Raises:
        CannotExport: it describes none, or one that needs code which was not given.
    """
    config = _config_of(lineage, checkpoint)
    if suffix == WEIGHTS:
        config["compile_config"] = None
    _check_objects(config, custom_objects)

    def build() -> Any:
        try:
            own = copy.deepcopy(config)  # from_config methods may change what they are given
            return keras_internals.deserialized(own, custom_objects)
        except Exception as error:  # from_config methods of anybody's classes
            raise CannotExport(
                f"the model: expected to be built as the checkpoint describes it. "
                f"Received: {_first_line(error)}. {_GIVE_MODEL}"
            ) from error

    return build


def _first_line(error: Exception) -> str:
    """Without the model's whole description, which Keras says too."""
    return str(error).partition("\n")[0] or type(error).__name__


_GIVE_MODEL = "Give --model module:function, a function that builds it."


def _config_of(lineage: Lineage, checkpoint: Checkpoint) -> dict[str, Any]:
    described = checkpoint.state.get("architecture", {"missing": "it was not kept"})
    if "missing" in described:
        raise CannotExport(
            f"the model: expected its architecture in the checkpoint. Received: {described['missing']}. "
            f"{_GIVE_MODEL}"
        )
    place = described["json"]["$array"]
    entry = [entry for entry in checkpoint.tensors if entry.group == STATE_GROUP][place]
    (data,) = read_tensors(lineage.log.store, lineage.log.prefix, [entry])
    config: dict[str, Any] = json.loads(data.tobytes())
    return config


def _check_objects(config: dict[str, Any], custom_objects: dict[str, Any]) -> None:
    """Nothing is imported and no code is run because a checkpoint says so.

    Raises:
        CannotExport: the model needs it.
    """
    for part in parts(config):
        if part.get("class_name") == CODE:
            raise CannotExport(
                f"the model: expected no code in its description. Received: a lambda. {_GIVE_MODEL}"
            )
        if not ("class_name" in part and "module" in part) or _is_of_keras(part["module"]):
            continue
        is_function = part["class_name"] == "function"
        name = part["config"] if is_function else part.get("registered_name") or part["class_name"]
        if keras.saving.get_registered_object(name, custom_objects) is None:
            raise CannotExport(
                f"{part['class_name']}: expected a class of Keras, or one of a module that is given. "
                f"Received: one of {part['module'] or 'the script'}. Give --import with the module "
                f"that has it, or --model module:function."
            )


def _is_of_keras(module: Any) -> bool:
    """Keras' own, and functions: those it finds among its own and the given ones, nowhere else."""
    return str(module).split(".")[0] == "keras" or module == "builtins"


def export(
    lineage: Lineage, checkpoint: Checkpoint, build: Build, target: Path,
    custom_objects: dict[str, Any], *, is_final: bool,
) -> Exported:  # fmt: skip
    """Write `checkpoint` to `target`, all of it or nothing.

    Args:
        lineage: whose checkpoint it is.
        checkpoint: any, also one in the middle of a fit.
        build: makes the model, with any values.
        target: ends in `.keras` or `.weights.h5`; what is there is replaced.
        custom_objects: classes and functions by the names that the file has for them.
        is_final: whether the checkpoint is the end of a fit.

    Raises:
        CannotExport: the model is another one, or Keras' format does not hold all of it.
        Damaged: the checkpoint is.
    """
    model = build()
    groups = _groups_of(model)
    _assign(lineage, checkpoint, model, groups)
    kept = ("model",) if suffix_of(target) == WEIGHTS else groups
    temporary = target.with_name(f".{uuid.uuid4().hex}{suffix_of(target)}")
    try:
        _save(model, temporary)
        _compare(model, _loaded(temporary, build, custom_objects), kept)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return Exported(kept, _averages(model, checkpoint, is_final=is_final))


def _groups_of(model: Any) -> tuple[str, ...]:
    """The groups of tensors that `model` takes: those of the optimizers where it has any.

    Raises:
        CannotExport: it is not built.
    """
    if not isinstance(model, keras.Model) or not model.built:
        what = (
            "a model that is not built" if isinstance(model, keras.Model) else type(model).__name__
        )
        raise CannotExport(
            f"--model: expected a function that returns a built Keras model. Received: {what}. "
            f"Call its build method with the shape of its input, or the model with an example."
        )
    compiled = getattr(model, "optimizer", None)
    if compiled is not None and not compiled.built:
        compiled.build(model.trainable_variables)
    return ("model", "optimizer") if variables.optimizers_of(model) else ("model",)


def _assign(lineage: Lineage, checkpoint: Checkpoint, model: Any, groups: tuple[str, ...]) -> None:
    entries = [
        entry
        for entry in checkpoint.tensors
        if entry.group in groups and not variables.is_of_other_replica(entry.path)
    ]  # of the replicas' values the first one's, as Keras saves
    difference = variables.mismatch(model, entries, groups)
    if difference is not None:
        raise CannotExport(
            f"the model: expected the one that was trained. Received: {difference}. {_GIVE_MODEL}"
        )
    arrays = read_tensors(lineage.log.store, lineage.log.prefix, entries)
    variables.assign(model, entries, arrays, groups)


def _save(model: Any, path: Path) -> None:
    try:
        if path.name.endswith(WEIGHTS):
            model.save_weights(path)
        else:
            model.save(path)
    except (NotImplementedError, TypeError, ValueError) as error:
        raise CannotExport(
            f"--to: expected a model that Keras can save as {suffix_of(path)}. Received: {_first_line(error)}. "
            f"Give the model's classes a get_config method, or export {WEIGHTS}."
        ) from error


def _loaded(path: Path, build: Build, custom_objects: dict[str, Any]) -> Any:
    model = build() if suffix_of(path) == WEIGHTS else None
    try:
        if model is None:
            return keras.models.load_model(path, custom_objects)
        _groups_of(model)
        model.load_weights(path)
    except Exception as error:  # from anybody's classes
        raise CannotExport(
            f"--to: expected a file that Keras can load again. Received: {_first_line(error)}. "
            f"Give --import with the modules that have the model's classes."
        ) from error
    return model


def _compare(model: Any, loaded: Any, groups: Sequence[str]) -> None:
    """The file must hold every value bit for bit.

    Raises:
        CannotExport: it does not.
    """
    ours, theirs = _saved_by_keras(model, groups), _saved_by_keras(loaded, groups)
    for our, their in zip(ours, theirs, strict=False):
        if not _are_same(our.variable, their.variable):
            raise CannotExport(
                f"--to: expected a format that holds {our.group} {our.path}. Received: one that leaves it "
                f"out, so the file would serve another model than was trained. It was not written."
            )
    if len(ours) != len(theirs):
        raise CannotExport(
            f"--to: expected a file with {len(ours)} variables. Received: one with {len(theirs)} when it "
            f"is loaded. It was not written."
        )


def _saved_by_keras(model: Any, groups: Sequence[str]) -> list[variables.Named]:
    """Generators of random numbers are left out: Keras gives each new model new ones."""
    generators = {id(v) for v in model.variables} - {id(v) for v in model.weights}
    return variables.values_in(
        (group, path, variable)
        for group, path, variable in variables.listed(model)
        if group in groups and id(variable) not in generators
    )


def _are_same(ours: Any, theirs: Any) -> bool:
    a, b = np.asarray(ours.numpy()), np.asarray(theirs.numpy())
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


def _averages(model: Any, checkpoint: Checkpoint, *, is_final: bool) -> str:
    """Which weights the model has, where its optimizer keeps moving averages of them."""
    if not getattr(getattr(model, "optimizer", None), "use_ema", False):
        return ""
    if is_final:
        return "the moving averages, which Keras puts into the model when a fit ends"
    swapped = [
        callback["attributes"].get("_ema_weights_in_model")
        for callback in checkpoint.state["callbacks"]
        if callback["name"].endswith(".SwapEMAWeights") and "attributes" in callback
    ]
    if any(swapped):
        return "the moving averages, which SwapEMAWeights had put into the model"
    return "those that were trained; their moving averages are in the optimizer's state"
