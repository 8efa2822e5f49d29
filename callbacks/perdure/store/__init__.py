"""Where bytes go: objects by key, in S3 or a local folder, behind one small interface."""

from perdure.store.errors import Exists, Missing, StoreError, TooLarge, Unavailable, Unusable
from perdure.store.interface import Data, Store
from perdure.store.probe import check
from perdure.store.retry import until_deadline
from perdure.store.timeouts import Timeouts
from perdure.store.urls import open_store

__all__ = [
    "Data",
    "Exists",
    "Missing",
    "Store",
    "StoreError",
    "Timeouts",
    "TooLarge",
    "Unavailable",
    "Unusable",
    "check",
    "open_store",
    "until_deadline",
]
