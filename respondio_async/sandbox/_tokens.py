"""Tokens that look like the vendor's: a JWT with the claims id, spaceId, orgId, type and iat,
signed with nothing of worth.
"""

import base64
import hashlib
import hmac
import json


def make_token(*, number: int, organisation_id: int, space_id: int, issued_at: int) -> str:
    """Make one; the same arguments make the same token."""
    head = _encode(json.dumps({"alg": "HS256", "typ": "JWT"}, separators=(",", ":")).encode())
    claims = {
        "id": number,
        "spaceId": space_id,
        "orgId": organisation_id,
        "type": "api",
        "iat": issued_at,
    }
    body = _encode(json.dumps(claims, separators=(",", ":")).encode())
    signature = hmac.new(b"sandbox", f"{head}.{body}".encode(), hashlib.sha256).digest()
    return f"{head}.{body}.{_encode(signature)}"


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
