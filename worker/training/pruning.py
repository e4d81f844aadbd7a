"""Snapshots in files, without people who are none any more."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

_PERSON = "person_id"


def prune(file: Path, still: Callable[[Collection[int]], Collection[int]]) -> int:
    """Rewrite the file without rows of people whom `still` does not name; returns how many rows went.

    Nobody ever sees half of it, and it is not touched where nobody is gone. A file that is not one of ours is left
    alone. Raises `OSError`.
    """
    try:
        with pq.ParquetFile(file) as held:
            if b"leadgauge" not in (held.schema_arrow.metadata or {}):
                return 0
            people = held.read(columns=[_PERSON]).column(_PERSON).unique().to_pylist()
            kept = pa.array(sorted(still(people)), pa.int64())
            if len(kept) == len(people):
                return 0
            return _rewrite(file, held, kept)
    except pa.ArrowInvalid:
        return 0


def _rewrite(file: Path, held: pq.ParquetFile, kept: pa.Array) -> int:
    part, gone = file.with_name(f".{file.name}.{os.getpid()}"), 0
    try:
        with pq.ParquetWriter(part, held.schema_arrow, compression="zstd") as out:
            for batch in held.iter_batches():
                left = batch.filter(pc.is_in(batch.column(_PERSON), value_set=kept))
                gone += batch.num_rows - left.num_rows
                out.write_batch(left)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return gone
