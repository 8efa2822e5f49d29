"""A lineage's log as it lies in the store: who wrote what, in which order."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from s3_server import S3

from perdure.lineage.records import Record, RecordKind

PREFIX = "some/prefix"  # of S3.url


@dataclass(frozen=True)
class Writers:
    """`starts` processes have begun; `fenced_writes` records are of one that had been fenced."""

    starts: int
    fenced_writes: int


def records(s3: S3, lineage: str) -> list[Record]:
    """The records that are kept of `namespace/name/run`, in the order in which they were appended."""
    with contextlib.closing(s3.server.client()) as client:
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=s3.bucket, Prefix=f"{PREFIX}/{lineage}/log/"
        )
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        bodies = [client.get_object(Bucket=s3.bucket, Key=key)["Body"].read() for key in keys]
    return [Record.decode(body) for body in bodies]


def writers_in_order(s3: S3, lineage: str) -> Writers:
    """Whether only the process that had begun last ever wrote."""
    kept = records(s3, lineage)
    writer, fenced = None, 0
    for record in kept:
        if record.kind is RecordKind.START:
            writer = record.writer
        elif writer is not None and record.writer != writer:
            fenced += 1
    starts = [record.body["starts"] for record in kept if record.kind is RecordKind.START]
    return Writers(max(starts), fenced)
