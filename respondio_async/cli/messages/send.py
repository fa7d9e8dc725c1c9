"""`respondio messages send`."""

from typing import Annotated, Literal

import msgspec
import typer

from .._client import Account
from .._command import JsonScreen, command
from .._identify import plain_number, whole_number


class SendReport(msgspec.Struct, frozen=True):
    """What was sent, and how far it has come."""

    message_id: int
    status: str | None = None


@command("Stopped. The message may have been sent: look before you send it again.")
async def send(
    contact: Annotated[
        str, typer.Argument(help='"phone:+60…", "email:…" or "id:…".', show_default=False)
    ],
    text: Annotated[str, typer.Argument(help="The message.", show_default=False)],
    *,
    channel: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="ID",
            show_default=False,
            help="The channel's id; without it the one that the contact last used.",
        ),
    ] = None,
    wait: Annotated[
        Literal["sent", "delivered", "read"] | None,
        typer.Option(show_default=False, help="Wait until it has come so far."),
    ] = None,
    timeout: Annotated[
        float,
        typer.Option(
            parser=lambda text: plain_number(text, 0.1),
            metavar="SECONDS",
            help="Seconds to wait for that.",
        ),
    ] = 60.0,
    screen: JsonScreen,
    account: Account,
) -> None:
    """Send a text message to one contact. It is never sent twice: 3 says that nobody knows whether
    it was sent.

    **Examples**

    - `respondio messages send phone:+60123456789 "Your order is on its way"`
    - `respondio messages send id:123456 Hello --channel 2001 --wait delivered`
    """
    async with account.connect() as client:
        sent = await client.messages.send(contact, text, channel_id=channel)
        status = None
        if wait is not None:
            message = await client.messages.wait_for_status(
                contact, sent.message_id, wait, timeout=timeout
            )
            status = message.current_status.value if message.current_status else None
    result = SendReport(sent.message_id, status)
    screen.result(result, f"message {result.message_id}: {result.status or 'accepted'}")
