"""Parquet, through pyarrow (extra `parquet`): read row by row, and made of JSON lines, some
thousand at a time, with a schema that is known beforehand.
"""

import importlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from .._exit import UsageError, needed
from .cells import cell_of

_CHUNK: Final = 10_000
"""Rows of a group: flat memory whatever the length."""

_READ_AT_ONCE: Final = 1_000

# Everything else is text. Custom field values come as strings whatever their type, so that is what
# they stay.
_TYPES: Final = {
    "id": "int64",
    "contact_id": "int64",
    "message_id": "int64",
    "channel_id": "int64",
    "assignee_id": "int64",
    "sender_user_id": "int64",
    "attempts": "int64",
    "created": "timestamp",
    "sent_at": "timestamp",
    "tags": "texts",
}


def require_pyarrow() -> Any:
    """Import pyarrow.parquet: fail before the export and not after it."""
    return needed("pyarrow.parquet", "Parquet needs", "parquet")


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Give each row's number, from 1, and its values by column."""
    pq = require_pyarrow()
    try:
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(batch_size=_READ_AT_ONCE)
            yield from enumerate(chain.from_iterable(each.to_pylist() for each in batches), start=1)
    except (ValueError, TypeError, OSError, OverflowError, KeyError) as error:
        raise UsageError(
            f"{path.name}: it cannot be read as Parquet ({type(error).__name__})"
        ) from None


def to_parquet(lines: Path, file: BinaryIO, columns: list[str]) -> None:
    """Turn a file of JSON lines into a Parquet file."""
    # Without types of its own, so it is Any here.
    pa: Any = importlib.import_module("pyarrow")
    pq = require_pyarrow()
    types = {
        "int64": pa.int64(),
        "timestamp": pa.timestamp("us", tz="UTC"),
        "texts": pa.list_(pa.string()),
    }
    schema = pa.schema(
        [(name, types[_TYPES[name]] if name in _TYPES else pa.string()) for name in columns]
    )
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for records in _chunks(lines):
            rows = [{name: _value(record, name) for name in columns} for record in records]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _chunks(lines: Path) -> Iterator[list[dict[str, Any]]]:
    with lines.open("rb") as file:
        while chunk := [msgspec.json.decode(line) for line in islice(file, _CHUNK)]:
            yield chunk


def _value(record: Mapping[str, Any], name: str) -> Any:
    value = cell_of(record, name)
    if value is None:
        return None
    match _TYPES.get(name):
        case "timestamp":
            return msgspec.convert(value, type=datetime)
        case None:
            return value if isinstance(value, str) else msgspec.json.encode(value).decode()
        case _:
            return value
