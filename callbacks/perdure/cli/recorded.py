"""What the end of a fit has beside its result, for comparing two runs: fingerprints and callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from perdure.contract.proof import FINGERPRINTS

if TYPE_CHECKING:
    from perdure.lineage.lineage import Lineage
    from perdure.lineage.records import Checkpoint

_NAME = FINGERPRINTS.replace(":", ".")


class _Arrays(Sequence[Any]):
    """The arrays that a checkpoint's state refers to by number; each is read when it is asked for."""

    def __init__(self, lineage: Lineage, checkpoint: Checkpoint) -> None:
        self._log = lineage.log
        self._entries = [entry for entry in checkpoint.tensors if entry.group == "state"]

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, place: Any) -> Any:
        from perdure.lineage.chunk_reader import read_tensors

        return read_tensors(self._log.store, self._log.prefix, [self._entries[place]])[0]


def fingerprints(lineage: Lineage, checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The tensors' paths, and for each step that was recorded its place and their digests in hex."""
    found = [c["state"] for c in _callbacks(checkpoint) if c["name"] == _NAME]
    if not found:
        return None
    from perdure.state.codec import decode

    state = decode(found[0], _Arrays(lineage, checkpoint))
    return {"paths": state["paths"], "rows": list(_rows(state))}


def _rows(state: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start = 0
    for (step, epoch, batch), size in zip(
        state["places"].tolist(), state["sizes"].tolist(), strict=True
    ):
        digests = state["digests"][start : start + size]
        start += size
        yield {
            "step": step, "epoch": epoch, "batch": batch,
            "digests": digests.astype(">u8").tobytes().hex(),
        }  # fmt: skip


def callback_states(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    """Each callback's name and the digest of each part of its state."""
    from perdure.lineage.digest import canonical, digest

    sums = [entry.checksum for entry in checkpoint.tensors if entry.group == "state"]
    return [
        {
            "name": document["name"],
            "values": {
                part: digest(canonical(_with_checksums(value, sums)))
                for part, value in _parts(document).items()
            },
        }
        for document in _callbacks(checkpoint)
        if document["name"] != _NAME
    ]


def _callbacks(checkpoint: Checkpoint) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = checkpoint.state.get("callbacks", [])
    return found


def _parts(document: dict[str, Any]) -> dict[str, Any]:
    """The attributes; of a callback with `get_state` what that gave, as a whole."""
    attributes: dict[str, Any] = document.get("attributes", {})
    return {"get_state()": document["state"]} if "state" in document else attributes


def _with_checksums(document: Any, sums: Sequence[str]) -> Any:
    """An encoded document that names arrays by their checksums instead of their places."""
    if isinstance(document, list):
        return [_with_checksums(item, sums) for item in document]
    if not isinstance(document, dict):
        return document
    if "$array" in document:
        return {"$array": sums[document["$array"]]}
    return {key: _with_checksums(value, sums) for key, value in document.items()}
