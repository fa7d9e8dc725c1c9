"""Comments: notes on a contact that only the team sees.

Source: the vendor's API reference, "Comment".
"""

from .._engine import endpoints as e
from .._wire import check_text
from ..identifiers import Identifier
from ..models import Comment
from ._base import Resource


class Comments(Resource):
    """Write comments; nothing reads them back."""

    async def create(self, identifier: Identifier, text: str) -> Comment:
        """Write a comment of 1 to 1,000 characters. ``{{@user.ID}}`` mentions a user.

        Never sent again by itself once it may have landed (`OutcomeUnknownError`).
        """
        body = {"text": check_text(text, "text", longest=1000)}
        return await self._call(e.CREATE_COMMENT, {"identifier": identifier}, json=body)
