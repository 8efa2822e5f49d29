"""What requests change of a loop."""

from __future__ import annotations

from typing import Any

from perdure.fitting import learning_rate


class LoopControl:
    """A hand-written loop with the optimizers that it applies."""

    def __init__(self, optimizers: list[Any]) -> None:
        self._optimizers = optimizers
        self.is_finishing = False
        learning_rate.make_variable(optimizers)

    def finish(self) -> None:
        """The step under way is the last one."""
        self.is_finishing = True

    def why_no_rate(self) -> str | None:
        """There is no optimizer, or nothing that it does is multiplied."""
        if not self._optimizers:
            return "expected an optimizer among what the loop was given. Received: none."
        if not learning_rate.are_used(self._optimizers):
            return (
                "expected train steps that are traced inside the loop and apply its optimizers. Received: "
                "others. Call the train step first inside `with perdure.loop(...)`."
            )
        return None

    def scale(self, factor: float) -> bool:
        """Steps read the factor from a variable, so none is traced anew."""
        learning_rate.set_variable(self._optimizers, factor)
        return False
