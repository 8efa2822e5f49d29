"""What is wrong with the callbacks of a manifest, as far as it can be told before training starts.

Nothing of the job is imported: Keras' callbacks are looked up in the contract's table, and names of the
job's own modules in their source, where that lies in the job's folder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from perdure.contract.callback_arguments import hint, is_reference
from perdure.contract.keras_callbacks import BY_NAME, problems
from perdure_operator.model.job import Callback


def callback_problems(callbacks: Sequence[Callback], folders: Sequence[Path]) -> list[str]:
    """A sentence for each; the job's modules are looked for in `folders`."""
    return [
        sentence
        for index, callback in enumerate(callbacks)
        for sentence in _of_one(f"spec.callbacks[{index}]", callback, folders)
    ]


def module_folders(directory: Path, command: Iterable[str]) -> list[Path]:
    """Where Python looks for the job's modules: beside its script, and where it is started."""
    scripts = [directory / word for word in command if word.endswith(".py")]
    return [*(script.parent for script in scripts[:1]), directory]


def _of_one(where: str, callback: Callback, folders: Sequence[Path]) -> Iterator[str]:
    yield from problems(where, callback.name, callback.args)
    if is_reference(callback.name):
        yield from _not_there(f"{where}.name", callback.name, folders)
    for key, value in callback.args.items():
        if _is_function(callback.name, key) and is_reference(value):
            yield from _not_there(f"{where}.args.{key}", value, folders)


def _is_function(name: str, key: str) -> bool:
    arguments: Any = BY_NAME[name].arguments if name in BY_NAME else ()
    return any(argument.name == key and argument.is_function for argument in arguments)


def _not_there(where: str, reference: str, folders: Sequence[Path]) -> Iterator[str]:
    module, _, name = reference.partition(":")
    source = next(filter(None, (_source(folder, module) for folder in folders)), None)
    if source is None:
        return  # of a package that is installed, which only the trainer's Python can find
    try:
        names = _names(ast.parse(source.read_bytes()).body)
    except (SyntaxError, ValueError) as error:
        yield f"{where}: expected a module in Python. Received: {reference!r} ({source}: {error})."
        return
    if names.isdisjoint({name, "*", "__getattr__"}):
        yield (
            f"{where}: expected a name that {source.name} defines. Received: {reference!r}."
            f"{hint(name, names)}"
        )


def _source(folder: Path, module: str) -> Path | None:
    path = folder.joinpath(*module.split("."))
    candidates = [path.with_name(f"{path.name}.py"), path / "__init__.py"]
    return next((file for file in candidates if file.is_file()), None)


def _names(statements: Iterable[ast.stmt]) -> set[str]:
    """What these statements may define, `*` if that cannot be told."""
    names: set[str] = set()
    for statement in statements:
        for node in _within(statement):
            names |= _defined(node)
    return names


def _within(statement: ast.AST) -> Iterator[ast.AST]:
    """`statement` and what is in it, without the bodies of functions and classes."""
    yield statement
    if not isinstance(
        statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
    ):
        for child in ast.iter_child_nodes(statement):
            yield from _within(child)


def _defined(node: ast.AST) -> set[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Name(id=name, ctx=ast.Store()):
            return {name}
        case ast.Name(id="exec" | "globals" | "setattr"):
            return {"*"}
        case ast.alias(name=name, asname=asname):
            return {asname or name.split(".")[0]}
    return set()
