"""What a manifest names as `module:name`, from the script itself or from a module beside it."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from perdure.contract.callback_arguments import hint, is_reference
from perdure.errors import Refused


def imported(where: str, reference: str) -> Any:
    """The object that `reference` names for the field at `where`.

    Raises:
        Refused: there is no such module, or nothing of that name in it.
    """
    if not is_reference(reference):
        raise Refused(f"{where}: expected module:name. Received: {reference!r}.")
    module_name, _, name = reference.partition(":")
    main = _script(module_name)
    module = main or _import(where, reference, module_name)
    if not hasattr(module, name):
        when = " when the script reaches perdure.callbacks; define it above" if main else ""
        names = [
            n for n, value in vars(module).items() if callable(value) and not n.startswith("_")
        ]
        raise Refused(
            f"{where}: expected a name in module {module_name}. Received: {reference!r}, which is not "
            f"there{when}.{hint(name, names)}"
        )
    return getattr(module, name)


def _script(module_name: str) -> ModuleType | None:
    """The script that runs, if that is its name: importing it would run it a second time."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    stem = Path(getattr(main, "__file__", None) or "").stem
    return main if module_name in (stem, getattr(spec, "name", None)) else None


def _import(where: str, reference: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except (ImportError, SyntaxError) as error:
        raise Refused(
            f"{where}: expected a module that can be imported. Received: {reference!r} "
            f"({type(error).__name__}: {error})."
        ) from error
