"""The API server and the trainers: the one place where the operator does I/O.

Objects are plain dicts as the API has them, and what an informer hands out is shared: never changed.
Everything here may fail at any time and be asked again: a write whose outcome is unknown says so,
and whoever asked for it looks again.
"""
