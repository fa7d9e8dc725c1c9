"""What every test shares."""

from typing import Any

import pytest


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """The client is asyncio only (aiolimiter is); debug mode finds forgotten awaits and slow callbacks."""
    return "asyncio", {"debug": True}
