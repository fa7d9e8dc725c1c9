"""An organisation: its tokens, its workspace and the meter that counts its requests."""

import base64
import hmac
from typing import Final

import msgspec

from .limits import Meter
from .workspace import Workspace

__all__ = ["Organisation"]

MOST_TOKENS: Final = 10
"""Source: the vendor's "Developer API" settings page."""


class Organisation:
    """All its tokens see one workspace and share one set of limits."""

    def __init__(self, organisation_id: int, workspace: Workspace, meter: Meter) -> None:
        self.id = organisation_id
        self.space_id: int = organisation_id * 10 + 1
        self.workspace = workspace
        self.meter = meter
        self.tokens: list[str] = []
        """Those in force."""
        self._made = 0

    def add_token(self) -> str:
        """Make another token; at most ten are in force at a time."""
        if len(self.tokens) >= MOST_TOKENS:
            raise ValueError(f"an organisation has at most {MOST_TOKENS} tokens")
        self._made += 1
        token = make_token(
            number=self.id * 100 + self._made,
            organisation_id=self.id,
            space_id=self.space_id,
            issued_at=1_767_225_600,
        )
        self.tokens.append(token)
        return token


def make_token(*, number: int, organisation_id: int, space_id: int, issued_at: int) -> str:
    """Make a token with the claims of the vendor's, a JWT whose signature proves nothing.

    The same arguments make the same token.
    """
    claims = {
        "id": number,
        "spaceId": space_id,
        "orgId": organisation_id,
        "type": "api",
        "iat": issued_at,
    }
    parts = [msgspec.json.encode(part) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signed = b".".join(map(_encode, parts))
    return b".".join((signed, _encode(hmac.digest(b"sandbox", signed, "sha256")))).decode()


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
