"""The names that users may import from `respondio_async`: pinned, so that none appears or goes by
accident.
"""

import ast
import importlib
import pickle
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import pytest

import respondio_async
from respondio_async import errors

NAMES = """
DEFAULT_LIMITS ROUTES APIError Ack ActionButton Assignee AsyncRespond AttachedFile Attachment
AttachmentContent AttachmentType AttemptEnded BadGatewayError BadRequestError BlockedAtEdgeError
Channel ChannelSource ClientStatistics ClosingNote Comment Condition ConfigurationError
ConflictError ConnectionFailedError Contact ContactChannel ContactFields ContactId ContactRef
ContactStatus Cursor CustomField CustomFieldInput CustomFieldType CustomFieldValue CustomPayload
CustomPayloadContent DeadlineExceededError DecodeError DocumentParameter DriftDetected DriftRecord
Email EmailAttachment EmailContent F FacebookTemplate FacebookTemplateContent Feedback Filter
ForbiddenError GatewayTimeoutError Health HealthCheck Hook HookEvent Identifier ImageParameter
InvalidArgumentError InvalidIdentifierError LocalRateLimiter LocationParameter Message
MessageContent MessageFailedError MessageStatus MessageStatusValue MessageTag NotFoundError
NotReadyError OperationEnded OperationStarted OutcomeUnknownError Page PaginationError Paginator
Payload PhoneButton Priority QuickReplies QuickReplyButton QuickReplyContent RateLimit
RateLimitError RateLimiter RawPayload RequestTimeoutError Reservation RespondError Response
RetryPolicy RouteStatistics Sender SenderSource SentMessage SentTemplate ServerError
ServiceUnavailableError Tag Team Template TemplateBody TemplateButton TemplateButtons
TemplateComponent TemplateFooter TemplateHeader TemplateParameter Text TextContent TextParameter
TransportError UnauthorizedError UnknownContent UrlButton User UserRestriction UserRole
VideoParameter WaitStarted WebhookSignatureError WhatsAppTemplate WhatsAppTemplateContent
__version__
"""
PUBLIC = NAMES.split()

SOURCE = ast.parse(Path(respondio_async.__file__).read_text(encoding="utf-8"))


def test_the_list_is_pinned() -> None:
    """A change here is a change for every user: it belongs into the changelog."""
    assert respondio_async.__all__ == PUBLIC


def test_the_list_names_nothing_twice() -> None:
    """A merge doubles nothing; its order is the linter's."""
    assert len(set(PUBLIC)) == len(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_name_can_be_imported(name: str) -> None:
    """The lazy lookup finds it, and keeps it."""
    value = getattr(respondio_async, name)
    assert vars(respondio_async)[name] is value


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """A name that is not there is an attribute error, as in any module, so that hasattr() and `from
    … import …` work.
    """
    with pytest.raises(AttributeError, match="Respond'"):
        respondio_async.Respond  # noqa: B018
    with pytest.raises(ImportError):
        exec("from respondio_async import Respond")


def test_dir_lists_every_name_before_it_is_used() -> None:
    """Completion in a shell works; asked of a fresh interpreter, since here all names have been
    looked up.
    """
    code = (
        "import respondio_async as r; "
        "print(set(r.__all__) <= set(dir(r)), 'AsyncRespond' in vars(r))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "True False\n"
    )


def seen_by_type_checkers() -> Iterator[str]:
    """The names that the imports under TYPE_CHECKING bring."""
    guarded = next(
        node
        for node in SOURCE.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    for node in guarded.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            home = importlib.import_module(f"respondio_async.{node.module}")
            yield from home.__all__ if alias.name == "*" else [alias.name]


def test_run_time_and_type_checkers_see_the_same() -> None:
    """A type checker accepts no name that is not there, and misses none that is."""
    assert sorted([*seen_by_type_checkers(), "__version__"]) == sorted(PUBLIC)


def test_all_is_a_plain_list() -> None:
    """Type checkers and documentation tools read it without running anything."""
    assigned = next(
        node
        for node in SOURCE.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    assert ast.literal_eval(assigned.value) == PUBLIC


CLASSES = [name for name in PUBLIC if isinstance(getattr(respondio_async, name), type)]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_is_found_under_its_own_module_and_name(name: str) -> None:
    """Pickles, documentation and error texts name a place where the class really is."""
    value = getattr(respondio_async, name)
    assert pickle.loads(pickle.dumps(value)) is value
    assert value.__module__.startswith("respondio_async")


def test_the_client_shows_its_public_home() -> None:
    """It is what a traceback or a repr shows most."""
    assert respondio_async.AsyncRespond.__module__ == "respondio_async"


def test_every_error_is_public() -> None:
    """Whatever is raised can be caught by name."""
    assert set(errors.__all__) <= set(PUBLIC)
    family = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.RespondError)
    }
    assert {cls.__name__ for cls in family} == set(errors.__all__)


def test_what_public_methods_take_and_give_can_be_imported() -> None:
    """A user can annotate whatever the resources hand out: every model that appears in a signature
    has a public name.
    """
    from respondio_async.resources import Comments, Contacts, Conversations, Messages, Space

    def parts(hint: object) -> set[type]:
        found = {hint} if isinstance(hint, type) else set()
        return found.union(
            *(
                parts(each)
                for each in (typing.get_origin(hint), *typing.get_args(hint))
                if each is not None
            )
        )

    hints = [
        hint
        for resource in (Contacts, Messages, Comments, Conversations, Space)
        for name, method in vars(resource).items()
        if not name.startswith("_")
        for hint in typing.get_type_hints(method, localns=vars(respondio_async)).values()
    ]
    ours = {
        part
        for hint in hints
        for part in parts(hint)
        if part.__module__.startswith("respondio_async")
    }
    assert {cls.__name__ for cls in ours if not cls.__name__.startswith("_")} <= set(PUBLIC)
    assert len(ours) > 15


def test_the_version_is_a_version() -> None:
    """What pip, the User-Agent and a bug report name."""
    assert respondio_async.__version__.count(".") == 2
