"""What is inside a tf.data pipeline, and what random ops a step has.

With keras_internals the only module that touches private names of TensorFlow; each was read in
TensorFlow 2.19 and 2.21. A pipeline is looked at as the Python objects that it was built from, functions
included. Its serialised graph would say it all, but holds a copy of all data that is in memory.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.python.data.ops import options
from tensorflow.python.framework import config

LOOKED_THROUGH_BYTES = 2**24
"""Pipelines with more data in memory than this are not serialised, only to learn one argument."""

_PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
_STATE_OPS = frozenset(
    {"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp", "RngReadAndSkip", "RngSkip"}
)
_SEEDS_OF = {  # which inputs are the two seeds
    "ShuffleDataset": 2, "ShuffleDatasetV3": 2, "ShuffleAndRepeatDataset": 2,
    "ShuffleAndRepeatDatasetV2": 2, "RandomDataset": 0, "RandomDatasetV2": 0,
}  # fmt: skip
_MEANS = {"Shuffle": "shuffle", "Random": "random or sample_from_datasets"}

Nodes = Iterable[Any]


@dataclass
class Traits:
    """What in a pipeline matters for having its elements again.

    `unseeded`: random ops without a seed. `racing`: ops with a state that parallel calls share.
    `seeds`: of shuffles, in the order found. `files`: names of files that it is made from.
    """

    unseeded: set[str] = field(default_factory=set)
    racing: set[str] = field(default_factory=set)
    keeps_state_across_epochs: bool = False
    runs_python: bool = False
    is_unordered: bool = False
    ignores_errors: bool = False
    is_served: bool = False
    seeds: list[tuple[int, int]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def ops_are_deterministic() -> bool:
    """Whether TensorFlow was told to compute everything, tf.data included, in the same way each time."""
    return bool(config.is_op_determinism_enabled())


def random_ops_of(train_function: Any) -> set[str]:
    """Random ops of TensorFlow in the graphs that Keras' train function has traced so far.

    Their state is in kernels, which nothing can read; those of keras.random keep theirs in variables.
    """
    cells = getattr(train_function, "__closure__", None) or ()
    held = (train_function, *(cell.cell_contents for cell in cells))
    traced = [function for function in held if hasattr(function, "_list_all_concrete_functions")]
    graphs = [f.graph.as_graph_def() for t in traced for f in t._list_all_concrete_functions()]
    bodies = [body for g in graphs for body in (g.node, *(f.node_def for f in g.library.function))]
    return {node.op for body in bodies for node in body if _is_random(node)}


def pipeline_traits(dataset: Any) -> Traits:
    """Look through `dataset` and all it is made of, functions included."""
    traits = Traits()
    dataset = getattr(dataset, "_original_dataset", dataset)  # of one that a strategy distributes
    for part in _parts(dataset):
        _look_at_part(part, traits)
        for nodes, library in _functions(part):
            _look_at_nodes(_reachable(nodes, library, set()), traits)
            if _calls_in_parallel(part):
                traits.racing |= _stateful(_reachable(nodes, library, set()))
            _look_at_nested(nodes, library, traits)
    traits.is_unordered |= dataset.options().deterministic is False
    if ops_are_deterministic():  # then tf.data runs serially what would race, and keeps all orders
        traits.racing, traits.is_unordered = set(), False
    return traits


def _parts(dataset: Any) -> Iterator[Any]:
    stack, seen = [dataset], set()
    while stack:
        part = stack.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        stack += part._inputs()
        held = (getattr(part, name, None) for name in ("_impl", "_filenames"))
        stack += [value for value in held if isinstance(value, tf.data.Dataset)]


def _look_at_part(part: Any, traits: Traits) -> None:
    name = type(part).__name__
    traits.keeps_state_across_epochs |= "Cache" in name or _begins_shuffles_late(part)
    traits.ignores_errors |= "IgnoreErrors" in name
    traits.is_served |= "DataService" in name
    traits.is_unordered |= getattr(part, "_deterministic", "") == "false"
    traits.is_unordered |= name == "_ParallelInterleaveDataset" and _is_unordered(part)
    seeds = [getattr(part, attribute, None) for attribute in ("_seed", "_seed2")]
    given = [int(seed) for seed in seeds if seed is not None]
    if len(given) == 2:
        _look_at_seeds(name.lstrip("_"), given, traits)
    for tensor in getattr(part, "_tensors", ()):
        traits.files += _file_names(tensor)


def _begins_shuffles_late(part: Any) -> bool:
    """Whether iterators of a shuffle are made as `part` is read: each is one more in the shuffle's count."""
    if any(name in type(part).__name__ for name in ("Repeat", "Concatenate")):
        return any(_reshuffles(upstream) for upstream in _parts(part))
    captured = (t for wrapper in part._functions() for t in wrapper.function.captured_inputs)
    return any(tensor.dtype == tf.variant for tensor in captured)


def _reshuffles(part: Any) -> bool:
    is_shuffle = "Shuffle" in type(part).__name__
    return is_shuffle and getattr(part, "_reshuffle_each_iteration", True) is not False


def _look_at_seeds(name: str, seeds: list[int], traits: Traits) -> None:
    if not any(seeds):
        means = next((text for start, text in _MEANS.items() if name.startswith(start)), name)
        traits.unseeded.add(f"{means} without a seed")
    traits.seeds.append((seeds[0], seeds[1]))


def _file_names(tensor: Any) -> list[str]:
    """The strings of `tensor` if they are names of files, which the first of them tells."""
    if (
        tensor.dtype != tf.string
        or not isinstance(tensor, tf.Tensor)
        or not hasattr(tensor, "numpy")
    ):
        return []
    values = np.ravel(tensor.numpy())
    names = [os.fsdecode(value) for value in values[:1]]
    if not (names and ("://" in names[0] or os.path.isfile(names[0]))):
        return []
    return [os.fsdecode(value) for value in values]


def _is_unordered(interleave: Any) -> bool:
    """Whether `deterministic=False` was given to interleave, which keeps it nowhere but in its op."""
    if sum(map(_bytes_held, _parts(interleave))) > LOOKED_THROUGH_BYTES:
        return False
    ignore = options.ExternalStatePolicy.IGNORE
    text = interleave._as_serialized_graph(external_state_policy=ignore).numpy()
    nodes = graph_pb2.GraphDef.FromString(text).node
    return any(
        node.op.startswith("ParallelInterleave") and node.attr["deterministic"].s == b"false"
        for node in nodes
    )


def _bytes_held(part: Any) -> int:
    captured = [t for wrapper in part._functions() for t in wrapper.function.captured_inputs]
    tensors = [t for t in (*captured, *getattr(part, "_tensors", ())) if hasattr(t, "numpy")]
    return sum(int(tf.size(t)) * max(t.dtype.size, 100 * (t.dtype == tf.string)) for t in tensors
               if t.dtype not in (tf.resource, tf.variant))  # fmt: skip


def _functions(part: Any) -> Iterator[tuple[Nodes, Mapping[str, Nodes]]]:
    for wrapper in part._functions():
        graph = wrapper.function.graph.as_graph_def()
        yield graph.node, {f.signature.name: f.node_def for f in graph.library.function}


def _reachable(nodes: Nodes, library: Mapping[str, Nodes], seen: set[str]) -> Iterator[Any]:
    """`nodes` and those of all functions that they call."""
    for node in nodes:
        yield node
        for attribute in node.attr.values():
            name = attribute.func.name
            if name in library and name not in seen:
                seen.add(name)
                yield from _reachable(library[name], library, seen)


def _look_at_nodes(nodes: Nodes, traits: Traits) -> None:
    for node in nodes:
        traits.runs_python |= node.op in _PYTHON_OPS
        traits.keeps_state_across_epochs |= _is_stateful(node)
        traits.ignores_errors |= node.op.startswith("IgnoreErrorsDataset")
        traits.is_served |= node.op.startswith("DataServiceDataset")
        traits.is_unordered |= "deterministic" in node.attr and (
            node.attr["deterministic"].s == b"false"
        )
        if _is_random(node) and node.attr["seed"].i == 0 and node.attr["seed2"].i == 0:
            traits.unseeded.add(node.op)


def _is_random(node: Any) -> bool:
    """Keras' recurrent layers leave dropout, which the seeds of cuDNN's ops are for, to Keras."""
    has_seeds = "seed" in node.attr and "seed2" in node.attr
    return has_seeds and not node.op.startswith("Cudnn")


def _is_stateful(node: Any) -> bool:
    is_call = node.op == "StatefulPartitionedCall"
    has_state = node.op in _PYTHON_OPS | _STATE_OPS or node.op.startswith("Stateful")
    return (has_state and not is_call) or _is_random(node)


def _stateful(nodes: Nodes) -> set[str]:
    return {node.op for node in nodes if _is_stateful(node)}


def _calls_in_parallel(part: Any) -> bool:
    calls = getattr(part, "_num_parallel_calls", None)
    is_parallel = type(part).__name__.lstrip("_").startswith(("Parallel", "MapAndBatch"))
    return is_parallel and (calls is None or int(calls) != 1)


def _look_at_nested(nodes: Nodes, library: Mapping[str, Nodes], traits: Traits) -> None:
    """Datasets that are made inside a function, such as that of interleave."""
    for body in (nodes, *library.values()):
        by_name = {node.name: node for node in body}
        for node in by_name.values():
            if node.op in _SEEDS_OF:
                first = _SEEDS_OF[node.op]
                seeds = [_constant(name, by_name) for name in node.input[first : first + 2]]
                if None not in seeds:
                    _look_at_seeds(node.op, seeds, traits)
            if node.op.startswith(("ParallelMap", "MapAndBatch")):
                called = library.get(node.attr["f"].func.name, ())
                traits.racing |= _stateful(_reachable(called, library, set()))


def _constant(name: str, nodes: Mapping[str, Any]) -> Any:
    """The whole number that input `name` is, None where it is computed."""
    node = nodes.get(name.partition(":")[0])
    if node is None or node.op != "Const":
        return None
    return int(tf.make_ndarray(node.attr["value"].tensor))
