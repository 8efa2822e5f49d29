"""Which of Keras' callbacks write files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

import keras

from perdure import keras_internals
from perdure.state.files.places import Models, Place, Rows
from perdure.state.files.remote import is_elsewhere, is_events


class Events(Place):
    """TensorBoard's: the files that it makes in its folder, which may be another one's too."""

    attribute = "log_dir"
    can_append = True

    def __init__(self, callback: Any) -> None:
        super().__init__(callback)
        self._write_graph = callback.write_graph

    @property
    def journal(self) -> str:
        return os.path.join(self.target, ".perdure")

    def paths(self) -> list[str]:
        folders = (os.path.join(self.target, name) for name in ("train", "validation"))
        found = [
            os.path.join(folder, name)
            for top in folders
            for folder, _, names in os.walk(top)
            for name in names
        ]
        config = os.path.join(self.target, "projector_config.pbtxt")
        return sorted([*found, config] if os.path.isfile(config) else found)

    def grows(self, path: str) -> bool:
        return is_events(path)

    def flush(self) -> None:
        keras_internals.flush_summaries(self.callback)

    def prepare(self) -> None:
        """It begins by writing the model's graph, which is there already."""
        os.makedirs(self.target, exist_ok=True)
        self.callback.write_graph = False

    def state(self) -> int | None:
        return keras_internals.summary_step(self.callback)

    def go_on(self, state: int | None) -> None:
        self.callback.write_graph = self._write_graph
        keras_internals.go_on_with_summaries(self.callback, state)


def places_of(callbacks: Iterable[Any], say: Callable[[str], None]) -> list[Place]:
    """The files of those callbacks that write any which belong to the checkpoint."""
    found = []
    for callback in callbacks:
        place = _place_of(callback)
        if place is None:
            continue
        if is_elsewhere(place.target):
            say(
                f"{type(callback).__name__} writes to {place.target}, where Perdure cannot put anything "
                f"back: after a resume its files are as the interrupted process left them. Expected: a "
                f"local path, or s3://bucket/path"
            )
        else:
            found.append(place)
    return found


def _place_of(callback: Any) -> Place | None:
    match callback:
        case keras.callbacks.ModelCheckpoint():
            return Models(callback)
        case keras.callbacks.CSVLogger():
            return Rows(callback)
        case keras.callbacks.TensorBoard():
            return Events(callback)
    return None
