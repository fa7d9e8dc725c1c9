"""The look-ups that other commands need, and `respondio api` for all the rest."""

import json
from pathlib import Path

import pytest

from respondio_async.cli.api import parametrised
from respondio_async.sandbox import Sandbox
from tests.cli.conftest import Respondio


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("channels",), ("2001", "whatsapp_cloud")),
        (("users",), ("1001", "role")),
        (("fields",), ("4001", "text")),
        (("templates", "2001"), ("order_update", "language")),
    ],
    ids=["channels", "users", "fields", "templates"],
)
def test_a_look_up_is_a_table_or_json(
    arguments: tuple[str, ...], words: tuple[str, ...], respondio: Respondio
) -> None:
    """People see ids and names; programs get what the API sent."""
    shown = respondio(*arguments).output
    assert all(word in shown for word in words)
    items = json.loads(respondio(*arguments, "--json").stdout)
    assert all("id" in item for item in items)
    assert items


def test_one_contact_is_shown(respondio: Respondio, sandbox: Sandbox) -> None:
    """One contact is shown by id, with its fields; a missing one is exit code 1."""
    contact = sandbox.contacts[0]
    assert str(contact.id) in respondio("contacts", "get", f"id:{contact.id}").output
    found = json.loads(respondio("contacts", "get", f"id:{contact.id}", "--json").stdout)
    assert found["id"] == contact.id
    respondio("contacts", "get", "id:1", code=1)
    respondio("contacts", "get", "nobody", code=2)


def test_any_request_can_be_made(respondio: Respondio, sandbox: Sandbox) -> None:
    """Fields go into the query of a GET and the body of a POST; the answer is JSON."""
    contact = sandbox.contacts[0]
    users = json.loads(respondio("api", "GET", "/space/user", "-f", "limit=1").stdout)
    assert len(users["items"]) == 1
    path = f"/contact/id:{contact.id}/comment"
    answer = json.loads(respondio("api", "post", path, "-f", "text=Call back").stdout)
    assert answer["text"] == "Call back"
    assert sandbox.requests[-1].method == "POST"
    respondio("api", "GET", "/nowhere", code=1)
    respondio("api", "POST", path, "-f", "text", code=2)


def test_a_body_comes_from_a_file(respondio: Respondio, sandbox: Sandbox) -> None:
    """The whole body as it stands there; no JSON is wrong usage."""
    everybody = {"search": "", "timezone": "UTC", "filter": {"$and": []}}
    Path("filter.json").write_text(json.dumps(everybody), encoding="utf-8")
    path = "/contact/list?limit=100"
    found = json.loads(respondio("api", "POST", path, "--input", "filter.json").stdout)
    assert len(found["items"]) == len(sandbox.contacts)
    Path("broken.json").write_text("{", encoding="utf-8")
    respondio("api", "POST", path, "--input", "broken.json", code=2)
    respondio("api", "POST", path, "--input", "broken.json", "-f", "a=1", code=2)
    assert "no body" in respondio("api", "GET", path, "--input", "filter.json", code=2).stderr
    assert "twice" in respondio("api", "GET", path, "-f", "a=1", "-f", "a=2", code=2).stderr
    assert "twice" in respondio("api", "GET", f"{path}&limit=2", code=2).stderr


def test_an_id_is_digits(respondio: Respondio) -> None:
    """What Python reads as a number is no id for that: 2_001 is not 2001."""
    assert "a whole number" in respondio("templates", "2_001", code=2).stderr


@pytest.mark.parametrize(
    ("path", "template", "params"),
    [
        ("/space/user", "/space/user", {}),
        ("space/user/7", "/space/user/{id}", {"id": 7}),
        ("/contact/id:5", "/contact/{identifier}", {"identifier": "id:5"}),
        (
            "/contact/phone:+60123456789/message/99",
            "/contact/{identifier}/message/{id}",
            {"identifier": "phone:+60123456789", "id": 99},
        ),
        (
            "/contact/create_or_update/email:a@b.example",
            "/contact/create_or_update/{identifier}",
            {"identifier": "email:a@b.example"},
        ),
    ],
)
def test_values_do_not_stay_in_the_template(
    path: str, template: str, params: dict[str, object]
) -> None:
    """Templates reach logs, hooks and limits: a contact's phone or e-mail must not."""
    assert parametrised(path) == (template, params)
