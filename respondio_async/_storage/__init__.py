"""Files on this machine that hold what must not be lost or read by others."""

from ._failures import explained
from ._files import create_private, database_path, make_private, replace_private, tighten
from ._writer import SIDECARS, Writer

__all__ = [
    "SIDECARS",
    "Writer",
    "create_private",
    "database_path",
    "explained",
    "make_private",
    "replace_private",
    "tighten",
]
