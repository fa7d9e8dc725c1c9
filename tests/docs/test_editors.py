"""What an editor shows of the fields that a method takes, and that it is true."""

import contextlib
import importlib.util
import io
from types import ModuleType

import pytest

from respondio_async.checks import check_contact
from respondio_async.models import ContactFields
from respondio_async.resources import Contacts
from respondio_async.webhooks import WebhookRouter
from respondio_async.webhooks._handlers import HandlerOptions
from tests.support.platforms import with_docstrings
from tests.support.snippets import DOCS, ROOT

TAKERS = [
    (Contacts.create, ContactFields),
    (Contacts.update, ContactFields),
    (Contacts.create_or_update, ContactFields),
    (Contacts.ensure, ContactFields),
    (Contacts.merge, ContactFields),
    (check_contact, ContactFields),
    (WebhookRouter.on, HandlerOptions),
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_fields", DOCS / "write_fields.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_docstrings_hold_what_the_script_writes(script: ModuleType) -> None:
    """`python docs/write_fields.py` would change nothing."""
    typed = script.typed_dicts()
    for name in script.FILES:
        source = (ROOT / "respondio_async" / name).read_text(encoding="utf-8")
        assert script.written(source, typed) == source, name


def test_the_script_writes_every_method_that_takes_such_fields(script: ModuleType) -> None:
    """No other module of the package has one."""
    with_fields = {
        str(path.relative_to(ROOT / "respondio_async"))
        for path in (ROOT / "respondio_async").rglob("*.py")
        if ": Unpack[" in path.read_text(encoding="utf-8")
    }
    assert with_fields == set(script.FILES)


def test_create_tells_the_same_of_a_field_as_the_others(script: ModuleType) -> None:
    """Its fields are a TypedDict of their own: all but the first name."""
    typed = script.typed_dicts()
    assert typed["ContactFields"][1:] == typed["_OtherFields"]


@with_docstrings
@pytest.mark.parametrize(("method", "fields"), TAKERS, ids=lambda each: each.__qualname__)
def test_help_shows_every_field(method: object, fields: type) -> None:
    """With what it means."""
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        help(method)
    for name in fields.__annotations__:
        assert name in shown.getvalue()


@pytest.mark.parametrize("call", ["contacts.update", "contacts.ensure", "contacts.create"])
def test_jedi_shows_every_field(call: str) -> None:
    """As Jupyter and IPython ask it: the signature's help, in the middle of a call."""
    jedi = pytest.importorskip("jedi")
    source = f"from respondio_async import AsyncRespond\nclient = AsyncRespond('x')\nclient.{call}("
    [signature] = jedi.Script(source).get_signatures(3, len(f"client.{call}("))
    for name in ContactFields.__annotations__:
        assert f"{name} (" in signature.docstring() or f"{name}: " in signature.docstring()
    assert "E.164" in signature.docstring()
