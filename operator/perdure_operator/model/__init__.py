"""What a TrainingJob manifest may say. No I/O besides reading the manifest's file.

The types are the one source: the CustomResourceDefinition's schema is generated from them, so every
field has a docstring, which becomes its description.
"""

from perdure_operator.model.job import Spec, TrainingJob
from perdure_operator.model.load import ManifestError, load
from perdure_operator.model.stored import from_api, ignored_fields, unknown_fields

__all__ = [
    "ManifestError",
    "Spec",
    "TrainingJob",
    "from_api",
    "ignored_fields",
    "load",
    "unknown_fields",
]
