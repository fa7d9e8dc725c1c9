"""Message templates of a channel.

Source: the vendor's API reference, "List message templates".
"""

from typing import Any

import msgspec

from ._base import AnyShape, Model, elements, parsed


class Template(Model, frozen=True):
    """A template that can be sent once it is approved; `WhatsAppTemplate.fill` makes a message of
    it.
    """

    _shown = ("name", "category")

    id: int
    name: str = ""
    components: AnyShape[list[dict[str, Any]]] = msgspec.field(default_factory=list[dict[str, Any]])
    """Header, body, footer and buttons: a list of objects, though the server also sends it as JSON
    text.
    """
    language_code: str | None = None
    category: str | None = None
    status: str | None = None
    """Its case varies: compare with `is_approved` or in lower case."""
    status_detail: str | None = None
    channel_id: int | None = None
    bot_id: int | str | None = None
    namespace: str | None = None
    template_id: int | str | None = None
    label: str | None = None
    bundle: Any = None
    """Undocumented; as received."""
    quality_score: Any = None
    """Undocumented; as received."""
    catalog_products: Any = None
    """The products of a catalogue template, from `space.get_template`. Undocumented; as received.
    """
    channel: Any = None
    """The template's channel, from `space.get_template`. Undocumented; as received."""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "components", _as_components(self.components))

    @property
    def is_approved(self) -> bool:
        """Whether the channel has approved it for sending."""
        return (self.status or "").lower() == "approved"


def _as_components(value: Any) -> list[dict[str, Any]]:
    value = parsed(value)
    if isinstance(value, dict):
        return [value]
    return [item for item in elements(value) if isinstance(item, dict)]
