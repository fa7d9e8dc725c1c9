"""Files on this machine that hold what must not be lost or read by others."""

from ._files import create_private, make_private, replace_private

__all__ = ["create_private", "make_private", "replace_private"]
