"""With pipeline_internals the only module that touches private names of Keras and TensorFlow.

Each name was read in every version of the supported range (Keras 3.12 to 3.15, TensorFlow 2.19 to
2.21); outside of that range `check_versions` refuses before anything here is used.
"""

from __future__ import annotations

import inspect
import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.tensorflow import trainer as tensorflow_trainer
from keras.src.random import seed_generator
from keras.src.saving import serialization_lib
from keras.src.trainers.data_adapters import array_data_adapter, data_adapter
from keras.src.utils import rng_utils
from tensorflow.python.client import device_lib
from tensorflow.python.data.ops import iterator_ops
from tensorflow.python.distribute import input_lib
from tensorflow.python.eager import context as tf_context
from tensorflow.python.ops import resource_variable_ops, stateful_random_ops

from perdure.errors import Refused

KERAS_RANGE = ((3, 12), (3, 16))
TENSORFLOW_RANGE = ((2, 19), (2, 22))

DataAdapter = data_adapter.DataAdapter
DatasetIterator = (iterator_ops.OwnedIterator, input_lib.DistributedIterator)
"""What iterating a dataset gives. `isinstance` of `tf.data.Iterator` looks through a protocol, 30 us."""
STRATEGIES = (tf.distribute.MirroredStrategy, tf.distribute.OneDeviceStrategy)
FIT_CODE = inspect.unwrap(tensorflow_trainer.TensorFlowTrainer.fit).__code__
CURRENT_RATE = "_get_current_learning_rate"  # the method that Optimizer.learning_rate calls
EPOCHS_PER_FIT = 2**32  # the two are one number in the key of an order


def check_versions() -> None:
    """Refuse a backend or a version that exact resume was not tested with."""
    if keras.backend.backend() != "tensorflow":
        raise Refused(
            f"Keras backend: expected 'tensorflow', the only one that Perdure resumes exactly. "
            f"Received: {keras.backend.backend()!r}. Set KERAS_BACKEND=tensorflow."
        )
    for name, version, (low, high) in (
        ("Keras", keras.__version__, KERAS_RANGE),
        ("TensorFlow", tf.__version__, TENSORFLOW_RANGE),
    ):
        if not low <= tuple(int(part) for part in version.split(".")[:2]) < high:
            raise Refused(
                f"{name} version: expected at least {low[0]}.{low[1]} and below {high[0]}.{high[1]}. "
                f"Received: {version}. Install a supported version."
            )


class _WatchedEpochIterator(tensorflow_trainer.TFEpochIterator):  # type: ignore[misc]
    """Keras' epoch iterator, which tells what data `fit` was given."""

    latest: weakref.ref[Any] | None = None
    prepare: Callable[[dict[str, Any]], dict[str, Any]] = staticmethod(lambda arguments: arguments)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **type(self).prepare(kwargs))
        type(self).latest = weakref.ref(self)


def watch_epoch_iterators(prepare: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """From now on remember the epoch iterator made last, and let `prepare` change its arguments."""
    _WatchedEpochIterator.prepare = staticmethod(prepare)
    tensorflow_trainer.TFEpochIterator = _WatchedEpochIterator


def latest_epoch_iterator() -> Any:
    """The epoch iterator made last; in `on_train_begin` that is the training data's."""
    latest = _WatchedEpochIterator.latest and _WatchedEpochIterator.latest()
    assert latest is not None, "fit makes its epoch iterator before on_train_begin"
    return latest


def fits_under_way() -> int:
    """How many calls of Keras' `fit` this thread is inside of."""
    count, frame = 0, sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        count += frame.f_code is FIT_CODE
    return count


def is_distributed(epoch_iterator: Any) -> bool:
    """Whether batches are distributed by a `tf.distribute` strategy.

    Raises:
        Refused: the strategy is one whose training is not resumed.
    """
    strategy = epoch_iterator._distribute_strategy
    if strategy is None or not hasattr(epoch_iterator._distributed_dataset, "_input_workers"):
        return False
    if not isinstance(strategy, STRATEGIES):
        raise Refused(
            f"distribution strategy: expected one of this process' devices (MirroredStrategy, "
            f"OneDeviceStrategy), or none. Received: {type(strategy).__name__}, whose training Perdure "
            f"cannot resume so far. Use one of those, or fit without Perdure."
        )
    return True


def distributed(epoch_iterator: Any, dataset: Any) -> Any:
    """`dataset` as Keras distributes that of `epoch_iterator`."""
    return epoch_iterator._distribute_strategy.experimental_distribute_dataset(dataset)


def replicas_of(variable: Any) -> tuple[Any, ...]:
    """The TensorFlow variables behind `variable`: under a `tf.distribute` strategy one for each replica.

    Those that are mirrored need not be equal: Keras' BatchNormalization lets its moving averages differ.
    """
    is_distributed = isinstance(variable, tf.distribute.DistributedValues)
    return tuple(variable.values) if is_distributed else (variable,)


def gpu_memory(device: str) -> tuple[int, int]:
    """Bytes that TensorFlow's allocator may take on a GPU, and the most that were in use."""
    place = tf.DeviceSpec.from_string(device)
    name = f"{place.device_type}:{place.device_index}"
    return _gpu_limits()[name], int(tf.config.experimental.get_memory_info(name)["peak"])


@cache
def _gpu_limits() -> dict[str, int]:
    devices = device_lib.list_local_devices()
    return {d.name.removeprefix("/device:"): int(d.memory_limit) for d in devices}


def compilation_of(model: Any) -> Any:
    """What the newest `compile` has left: another object each time."""
    return getattr(model, "_compile_config", None)


def trained_by(optimizer: Any) -> list[Any]:
    """The variables that an optimizer was built for, in the order of its slots."""
    return list(optimizer._trainable_variables)


def layers_of(model: Any) -> list[Any]:
    """The model and all its layers, each once, in the order in which Keras has them."""
    return list(model._flatten_layers())


def serialized(model: Any) -> dict[str, Any]:
    """What Keras puts into the config.json of a `.keras` file; an object that is shared is so once."""
    with serialization_lib.ObjectSharingScope():
        config: dict[str, Any] = serialization_lib.serialize_keras_object(model)
    return config


def deserialized(config: dict[str, Any], custom_objects: dict[str, Any]) -> Any:
    """The model that `serialized` described, without its values; no code in it is run."""
    with serialization_lib.ObjectSharingScope():
        return serialization_lib.deserialize_keras_object(config, custom_objects, safe_mode=True)


def flush_summaries(tensorboard: Any) -> None:
    """What the callback has logged so far is in its event files afterwards."""
    for writer in tensorboard._writers.values():
        writer.flush()


def summary_step(tensorboard: Any) -> int | None:
    """The step that decides what the callback records now: Keras 3.12 sets it once, later versions at each
    batch; None where it records everything.
    """
    pushed = tensorboard._prev_summary_state
    return int(pushed[-1][0]._step) if pushed else None


def go_on_with_summaries(tensorboard: Any, step: int | None) -> None:
    """The callback has its counters back; what it keeps beside them is made to fit.

    Those are its folders, `summary_step`, and a trace that a dead process had begun.
    """
    tensorboard._log_write_dir = tensorboard.log_dir
    tensorboard._train_dir = os.path.join(tensorboard.log_dir, "train")
    tensorboard._val_dir = os.path.join(tensorboard.log_dir, "validation")
    if tensorboard._prev_summary_state and step is not None:
        tensorboard._pop_writer()
        tensorboard._push_writer(tensorboard._train_writer, step)
    if tensorboard._is_tracing:
        tensorboard._profiler_started = False
        tensorboard._start_trace()


def evaluation_iterator(model: Any) -> Any:
    """The epoch iterator of the validation that runs inside `fit`, or None."""
    return getattr(model, "_eval_epoch_iterator", None)


def are_arrays(arguments: dict[str, Any]) -> bool:
    """Whether Keras would handle these arguments of an epoch iterator with its array adapter."""
    x, y, weight = (arguments.get(name) for name in ("x", "y", "sample_weight"))
    is_adapter = isinstance(x, DataAdapter)
    return not is_adapter and bool(array_data_adapter.can_convert_arrays((x, y, weight)))


class KeyedArrayAdapter(array_data_adapter.ArrayDataAdapter):  # type: ignore[misc]
    """Keras' array adapter with an order that is a permutation keyed by (seed, fit, epoch).

    Keras shuffles by `tf.random.shuffle`, whose order cannot be had again in another process without
    a global seed, and with one is the same in every epoch.
    """

    def __init__(self, *, seed: int, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._seed = seed
        self._fit = 0
        # Of this class, so that a strategy in whose scope fit is called does not mirror them.
        self._is_keyed = resource_variable_ops.ResourceVariable(False, trainable=False)
        self._epoch = resource_variable_ops.ResourceVariable(0, dtype=tf.int64, trainable=False)

    def begin_fit(self, fit: int) -> None:
        """The fit is one of Perdure's; any other is shuffled as Keras does it."""
        self._fit = fit
        self._is_keyed.assign(True)

    def begin_epoch(self, epoch: int) -> None:
        """The next order that is drawn is that of `epoch`."""
        self._epoch.assign(self._fit * EPOCHS_PER_FIT + epoch)

    def get_tf_dataset(self) -> Any:
        """The dataset of one epoch; its order is drawn when its first batch is."""
        shuffle = tf.random.shuffle
        with _replaced_shuffle(lambda indices: self._permute(indices, shuffle)) as calls:
            dataset = super().get_tf_dataset()
        assert calls, "Keras' array adapter shuffles by tf.random.shuffle"
        return dataset

    def _permute(self, indices: Any, shuffle: Callable[[Any], Any]) -> Any:
        key = tf.stack([tf.constant(self._seed, tf.int64), self._epoch.read_value()])
        return tf.cond(
            self._is_keyed.read_value(),
            lambda: tf.random.experimental.stateless_shuffle(indices, seed=key),
            lambda: shuffle(indices),
        )


@contextmanager
def _replaced_shuffle(shuffle: Callable[[Any], Any]) -> Iterator[list[Any]]:
    original = tf.random.shuffle
    calls: list[Any] = []

    def replacement(indices: Any) -> Any:
        calls.append(indices)
        return shuffle(indices)

    tf.random.shuffle = replacement
    try:
        yield calls
    finally:
        tf.random.shuffle = original


def script_seed() -> int | None:
    """The global seed that is in force in Keras or TensorFlow, or None."""
    seed = rng_utils.get_random_seed()
    return int(seed) if seed is not None else tf_context.global_seed()


def global_random_variables() -> dict[str, Any]:
    """The states of Keras' and TensorFlow's global generators, where they are in use.

    They are not made here: making one draws from Python's global stream.
    """
    variables = {}
    generator = global_state.get_global_attribute("global_seed_generator")
    if generator is not None:
        variables["keras"] = generator.state
    if stateful_random_ops.global_generator is not None:
        variables["tensorflow"] = stateful_random_ops.global_generator.state
    return variables


def make_global_generators(names: Iterable[str]) -> dict[str, Any]:
    """The states of the global generators `names`, made where this process has not used them yet."""
    makers = {
        "keras": seed_generator.global_seed_generator,
        "tensorflow": tf.random.get_global_generator,
    }
    return {name: makers[name]().state for name in names}


def eager_random_state() -> Any:
    """The state of the Python generator that seeds eager random ops, or None without a global seed."""
    generator = getattr(tf_context.context(), "_rng", None)
    return None if generator is None or tf_context.global_seed() is None else generator.getstate()


def set_eager_random_state(state: Any) -> None:
    """Set what `eager_random_state` gave."""
    generator = getattr(tf_context.context(), "_rng", None)
    if state is not None and generator is not None:
        generator.setstate(state)
