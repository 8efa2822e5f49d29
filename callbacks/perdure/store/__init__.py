"""Where bytes go: objects by key, in S3 or a local folder, behind one small interface."""

from perdure.store.errors import (
    Exists,
    Expired,
    Missing,
    StoreError,
    TooLarge,
    Unavailable,
    Unusable,
)
from perdure.store.interface import Data, Store
from perdure.store.meter import Meter, metered
from perdure.store.probe import Checked, check
from perdure.store.retry import until_deadline
from perdure.store.timeouts import Timeouts
from perdure.store.urls import open_store

__all__ = [
    "Checked",
    "Data",
    "Exists",
    "Expired",
    "Meter",
    "Missing",
    "Store",
    "StoreError",
    "Timeouts",
    "TooLarge",
    "Unavailable",
    "Unusable",
    "check",
    "metered",
    "open_store",
    "until_deadline",
]
