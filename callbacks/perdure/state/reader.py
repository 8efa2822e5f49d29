"""Reads all variables of a model at once: by reference, or through the host where memory is short."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import is_
from typing import Any

import numpy as np
import tensorflow as tf

from perdure.lineage.chunk_writer import Tensor
from perdure.state.codec import Array
from perdure.state.headroom import Headroom
from perdure.state.variables import Listed, Named, listed, values_in


class OutOfMemory(Exception):
    """There is not even memory to copy the variables one after the other; training is not harmed."""


class VariableReader:
    """Reads the variables of one model, or of another thing whose variables `list_variables` lists.

    One traced function reads them: TensorFlow then hands out the buffers themselves and copies a
    variable only when the next step writes it. Where a device has no room for that second copy, each
    value is copied into host memory before training goes on.
    """

    def __init__(self, list_variables: Callable[[Any], list[Listed]] = listed) -> None:
        self._list = list_variables
        self._names: list[tuple[str, str]] = []
        self._listed: list[Any] = []
        self._variables: list[Any] = []
        self._read: Callable[[], list[Any]] = list
        self._headroom = Headroom([])
        self.traces = 0
        """How often other variables than before were found."""
        self.went_through_host = False
        """Whether the newest values were copied while training waited."""

    def prepare(self, model: Any) -> None:
        """Trace the function, unless the model has the variables that it was traced for."""
        found = self._list(model)
        variables = [variable for _, _, variable in found]
        if len(variables) != len(self._listed) or not all(map(is_, variables, self._listed)):
            self._trace(values_in(found))
            self._listed = variables
            self.traces += 1

    def reads(self) -> frozenset[int]:
        """The identities of the variables that are read."""
        return frozenset(map(id, self._variables))

    def read(self, model: Any, *, through_host: bool = False) -> list[Tensor]:
        """The tensors of `model` as they are now.

        Raises:
            OutOfMemory: they could not be read in any way.
        """
        self.prepare(model)
        self.went_through_host = through_host or not self._headroom.suffices()
        if self.went_through_host:
            return self._through_host()
        try:
            values = self._read()
        except tf.errors.ResourceExhaustedError:  # what is updated sparsely is copied by the read
            self.went_through_host = True
            return self._through_host()
        return self._tensors([partial(view, value) for value in values])

    def _through_host(self) -> list[Tensor]:
        try:
            arrays = [_on_host(variable.read_value()) for variable in self._variables]
        except (tf.errors.ResourceExhaustedError, MemoryError) as error:
            raise OutOfMemory(
                f"expected memory for one variable on the device and for all of them on the host. "
                f"Received: {str(error).splitlines()[0] if str(error) else type(error).__name__}. Give "
                f"the container more memory, or train with a smaller batch"
            ) from error
        return self._tensors([partial(same, array) for array in arrays])

    def _tensors(self, reads: list[Callable[[], Array]]) -> list[Tensor]:
        return [
            Tensor(group, path, read)
            for (group, path), read in zip(self._names, reads, strict=True)
        ]

    def _trace(self, named: list[Named]) -> None:
        variables = [entry.variable for entry in named]
        self._names = [(entry.group, entry.path) for entry in named]
        self._variables = variables
        self._headroom = Headroom(variables)

        @tf.function(autograph=False)  # type: ignore[untyped-decorator]
        def read() -> list[Any]:
            return [variable.read_value() for variable in variables]

        self._read = read.get_concrete_function() if variables else list


def view(tensor: Any) -> Array:
    """The values of an eager tensor: on a CPU its own memory, which the array keeps alive; from another
    device a copy.
    """
    if tensor.dtype == tf.bfloat16:  # Python's buffers know no such type
        return view(tf.bitcast(tensor, tf.uint16)).view(tf.bfloat16.as_numpy_dtype)
    return np.asarray(memoryview(tensor))


def _on_host(tensor: Any) -> Array:
    array = view(tensor)
    return array.copy() if "CPU" in tensor.backing_device else array


def same(array: Array) -> Array:
    """What reads an array that is on the host already."""
    return array
