"""Files on this machine that hold what must not be lost or read by others."""

from ._files import (
    AS_IT_IS,
    create_private,
    database_path,
    is_private,
    make_private,
    replace_private,
    tighten,
)
from ._writer import SIDECARS, Writer, explained, settle

__all__ = [
    "AS_IT_IS",
    "SIDECARS",
    "Writer",
    "create_private",
    "database_path",
    "explained",
    "is_private",
    "make_private",
    "replace_private",
    "settle",
    "tighten",
]
