"""What the API speaks of: what it answers, and what it is sent.

All are msgspec structs; this package imports nothing of ours but errors.
"""

from ._base import Model
from .acks import Ack, ContactRef, SentMessage
from .channels import Channel, ChannelSource, ContactChannel
from .comments import Comment
from .contacts import Assignee, Contact, ContactFields, ContactStatus, CustomFieldInput, CustomFieldValue
from .contents import (
    AttachedFile,
    AttachmentContent,
    Content,
    CustomPayloadContent,
    EmailContent,
    FacebookTemplateContent,
    QuickReplyContent,
    SentTemplate,
    TextContent,
    UnknownContent,
    WhatsAppTemplateContent,
)
from .messages import Message, MessageStatus, Sender, SenderSource, StatusValue
from .page import Cursor, Page
from .space import ClosingNote, CustomField, CustomFieldType, Restriction, Tag, Team, User, UserRole
from .templates import Template

__all__ = [
    "Ack",
    "Assignee",
    "AttachedFile",
    "AttachmentContent",
    "Channel",
    "ChannelSource",
    "ClosingNote",
    "Comment",
    "Contact",
    "ContactChannel",
    "ContactFields",
    "ContactRef",
    "ContactStatus",
    "Content",
    "Cursor",
    "CustomField",
    "CustomFieldInput",
    "CustomFieldType",
    "CustomFieldValue",
    "CustomPayloadContent",
    "EmailContent",
    "FacebookTemplateContent",
    "Message",
    "MessageStatus",
    "Model",
    "Page",
    "QuickReplyContent",
    "Restriction",
    "Sender",
    "SenderSource",
    "SentMessage",
    "SentTemplate",
    "StatusValue",
    "Tag",
    "Team",
    "Template",
    "TextContent",
    "UnknownContent",
    "User",
    "UserRole",
    "WhatsAppTemplateContent",
]
