"""Export all contacts to a Parquet file: `python examples/export_parquet.py contacts.parquet`;
`--sandbox` shows it without an account.

Contacts are listed eight spans of time side by side, in no particular order, each once; memory
holds one group of rows and the ids. From the environment: RESPONDIO_API_TOKEN. Needs `pip install
'respondio-async[parquet,sandbox]'`.
"""

import argparse
import asyncio
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from respondio_async import AsyncRespond, Contact
from respondio_async.sandbox import Sandbox

GROUP = 10_000
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "created": pa.timestamp("s", tz="UTC"),
        **dict.fromkeys(
            ("first_name", "last_name", "phone", "email", "lifecycle", "status"), pa.string()
        ),
        "assignee_id": pa.int64(),
        "tags": pa.list_(pa.string()),
        "custom": pa.map_(pa.string(), pa.string()),
    }
)


def row_of(contact: Contact) -> dict[str, Any]:
    """Make a row of the contact's attributes; the server gives the values of custom fields as
    texts, whatever their type.
    """
    row = {name: getattr(contact, name) for name in SCHEMA.names}
    row["custom"] = [
        (name, None if value is None else str(value)) for name, value in contact.custom.items()
    ]
    return row


async def export(client: AsyncRespond, path: Path, partitions: int) -> int:
    """Write every contact, and return their number. The file gets its name when it is whole."""
    unfinished = path.with_name(f"{path.name}.part")
    written = 0
    async with client:
        with pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
            rows: list[dict[str, Any]] = []
            async for contact in client.contacts.list(partitions=partitions):
                rows.append(row_of(contact))
                if len(rows) == GROUP:
                    writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                    written += len(rows)
                    rows.clear()
            writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    unfinished.replace(path)
    return written + len(rows)


def main() -> None:
    """Read the command line, and export."""
    parser = argparse.ArgumentParser(description="Export all contacts to a Parquet file.")
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--partitions", type=int, default=8, help="spans of time that are listed side by side"
    )
    parser.add_argument(
        "--sandbox", action="store_true", help="export a sandbox's made-up contacts"
    )
    options = parser.parse_args()
    with Sandbox(contacts=500) if options.sandbox else nullcontext() as sandbox:
        client = AsyncRespond(sandbox.token, base_url=sandbox.url) if sandbox else AsyncRespond()
        written = asyncio.run(export(client, options.file, options.partitions))
    print(f"{written} contacts in {options.file}")


if __name__ == "__main__":
    main()
