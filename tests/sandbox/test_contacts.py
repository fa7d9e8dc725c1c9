"""Contacts: every operation, every refusal."""

from typing import Any

import pytest

from tests.sandbox.conftest import Api, serving

PHONE = "/contact/phone:%2B60123456789"


@pytest.mark.parametrize(
    "identifier",
    [
        "id:100000001",
        "phone:+601100000001",
        "phone:%2B601100000001",
        "phone%3A%2B601100000001",
        "email:BEN.1@example.com",
    ],
)
async def test_a_contact_is_found_by_each_identifier(api: Api, identifier: str) -> None:
    """Raw and encoded identifiers name the same contact; email addresses ignore case."""
    if identifier.startswith("email"):
        identifier = f"email:{api.sandbox.contacts[0].email.upper()}"
    contact = await api.ok("GET", f"/contact/{identifier}")
    assert contact["id"] == 100000001
    assert contact["custom_fields"] == [{"name": "Age", "value": "19"}]
    assert contact["assignee"] is None


@pytest.mark.parametrize(
    "identifier",
    ["phone:60123456789", "60123456789", "id:abc", "email:a", "name:x", "id:", ":1", "phone:+0123"],
)
async def test_a_wrong_identifier_is_refused(api: Api, identifier: str) -> None:
    """A phone without + is not guessed."""
    assert await api.refused("GET", f"/contact/{identifier}") == (
        400,
        "Contact email, phone or ID is invalid",
    )


async def test_a_slash_in_an_identifier_stays_in_it(api: Api) -> None:
    """A percent-encoded slash does not divide the path."""
    await api.contact("email:a%2Fb@example.com")
    assert (await api.ok("GET", "/contact/email:a%2Fb@example.com"))["email"] == "a/b@example.com"


async def test_an_unknown_contact_is_404(api: Api) -> None:
    """The message is the one the vendor gives."""
    assert await api.refused("GET", "/contact/id:5") == (404, "Contact not found")


async def test_create_gives_no_id(api: Api) -> None:
    """A create answers code and message only; the contact can be read at once."""
    assert await api.ok("POST", PHONE, {"firstName": "Aina", "email": "x@y.example"}) == {
        "code": 200,
        "message": "Contact created successfully",
    }
    contact = await api.ok("GET", "/contact/email:x@y.example")
    assert (contact["firstName"], contact["phone"]) == ("Aina", "+60123456789")
    assert contact["custom_fields"] is None


@pytest.mark.parametrize("body", [{}, {"lastName": "B"}])
async def test_create_needs_a_first_name(api: Api, body: dict[str, Any]) -> None:
    """firstName is the one required field."""
    assert await api.refused("POST", PHONE, body) == (400, "Missing field(s) : firstName")


async def test_create_takes_no_id(api: Api) -> None:
    """Only an email or a phone makes a contact."""
    assert (await api.refused("POST", "/contact/id:5", {"firstName": "A"}))[0] == 400


@pytest.mark.parametrize("status", [400, 409])
async def test_create_on_an_existing_contact_is_refused(api: Api, status: int) -> None:
    """Both statuses are thinkable; nothing is written."""
    api.sandbox.answers.create_on_existing = status
    assert (await api.refused("POST", "/contact/phone:+601100000001", {"firstName": "Other"}))[
        0
    ] == status
    assert api.sandbox.contacts[0].first_name != "Other"


async def test_create_may_answer_201(api: Api) -> None:
    """The vendor's status table has it."""
    api.sandbox.answers.create_status = 201
    assert (await api.call("POST", PHONE, {"firstName": "A"})).status_code == 201


async def test_update_writes_and_clears(api: Api) -> None:
    """Absent is untouched, null clears."""
    await api.contact(lastName="B", language="en")
    await api.ok("PUT", PHONE, {"language": None, "countryCode": "MY"})
    contact = await api.ok("GET", PHONE)
    assert (contact["lastName"], contact["language"], contact["countryCode"]) == ("B", None, "MY")


async def test_null_may_be_ignored(api: Api) -> None:
    """The other answer to what null does."""
    api.sandbox.answers.put_null = "ignored"
    await api.contact(language="en", custom_fields=[{"name": "Age", "value": 3}])
    await api.ok(
        "PUT", PHONE, {"language": None, "custom_fields": [{"name": "Age", "value": None}]}
    )
    contact = await api.ok("GET", PHONE)
    assert (contact["language"], len(contact["custom_fields"])) == ("en", 1)


async def test_unknown_keys_are_dropped_without_a_word(api: Api) -> None:
    """The misspelt customFields, tags and lifecycle answer 200 and do nothing."""
    contact_id = await api.contact()
    body = {"customFields": [{"name": "Age", "value": 3}], "tags": ["x"], "lifecycle": "Customer"}
    assert await api.ok("PUT", PHONE, body) == {"contactId": contact_id}
    contact = await api.ok("GET", PHONE)
    assert (contact["custom_fields"], contact["tags"], contact["lifecycle"]) == (None, [], None)
    api.sandbox.quirks.drop_unknown_keys = False
    assert (await api.refused("PUT", PHONE, body))[0] == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("firstName", None), ("firstName", ""), ("firstName", 5), ("phone", "0123"),
        ("phone", "60123456789"), ("email", "a@b"),
        ("language", "English"), ("countryCode", "MYS"), ("profilePic", "not a url"),
        ("lastName", ["x"]), ("lastName", "x" * 2001),
        ("custom_fields", {"Age": 3}), ("custom_fields", [{"name": "Age"}]),
        ("custom_fields", ["Age"]),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_refused(api: Api, field: str, value: Any) -> None:
    """The message names the field; nothing of the write is done."""
    await api.contact(lastName="B")
    status, message = await api.refused("PUT", PHONE, {"lastName": "C", field: value})
    assert status == 400
    assert message.startswith(field)
    assert (await api.ok("GET", PHONE))["lastName"] == "B"


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'"x"', b"", b"NaN", b'{"firstName": NaN}', b"\xff", b"[" * 50_000]
)
async def test_a_body_that_is_no_object_is_refused(api: Api, body: bytes) -> None:
    """A body that is no object is refused: broken JSON and other JSON alike."""
    assert await api.refused("PUT", "/contact/id:100000001", content=body) == (
        400,
        "Validation error.",
    )


async def test_a_phone_belongs_to_one_contact(api: Api) -> None:
    """Another contact's phone or email is refused in every write."""
    await api.contact()
    taken = {"phone": "+601100000001"}
    assert (await api.refused("PUT", PHONE, taken))[0] == 400
    assert (await api.refused("POST", "/contact/create_or_update/phone:+60123456789", taken))[
        0
    ] == 400
    assert (
        await api.refused("POST", "/contact/email:new@example.com", {"firstName": "A", **taken})
    )[0] == 400
    await api.ok("PUT", PHONE, {"phone": "+60123456789"})


async def test_a_changed_phone_is_the_new_identifier(api: Api) -> None:
    """The old one is free again."""
    await api.contact()
    await api.ok("PUT", PHONE, {"phone": "+60199999999"})
    assert (await api.call("GET", PHONE)).status_code == 404
    assert (await api.ok("GET", "/contact/phone:+60199999999"))["firstName"] == "Aina"


@pytest.mark.parametrize(
    ("name", "good", "wrong", "shown"),
    [
        ("Company", "Acme", 5, "Acme"),
        ("Plan", "Pro", "Gold", "Pro"),
        ("Subscribed", True, "true", "true"),
        ("Subscribed", False, 0, "false"),
        ("Work Email", "a@b.example", "a", "a@b.example"),
        ("Age", 42, "42", "42"),
        ("Age", 4.5, True, "4.5"),
        ("Age", 5.0, "5", "5"),
        ("Website", "https://x.example", "x.example", "https://x.example"),
        ("Birthday", "2000-02-29", "2001-02-29", "2000-02-29"),
        ("Birthday", "2000-12-01", "20001201", "2000-12-01"),
        ("Call Time", "23:59", "24:00", "23:59"),
    ],
)
async def test_each_custom_field_type_takes_its_json_type(
    api: Api, name: str, good: bool | float | str, wrong: bool | int | str, shown: str
) -> None:
    """Numbers and booleans must be JSON ones; they come back as strings, unless switched."""
    status, message = await api.refused(
        "PUT", "/contact/id:100000001", {"custom_fields": [{"name": name, "value": wrong}]}
    )
    assert (status, message) == (400, "custom_fields[0].value: Invalid value")
    await api.ok("PUT", "/contact/id:100000001", {"custom_fields": [{"name": name, "value": good}]})
    values = {
        each["name"]: each["value"]
        for each in (await api.ok("GET", "/contact/id:100000001"))["custom_fields"]
    }
    assert values[name] == shown
    api.sandbox.quirks.values_as_strings = False
    values = {
        each["name"]: each["value"]
        for each in (await api.ok("GET", "/contact/id:100000001"))["custom_fields"]
    }
    assert values[name] == good
    await api.ok("PUT", "/contact/id:100000001", {"custom_fields": [{"name": name, "value": None}]})
    assert name not in [
        each["name"]
        for each in (await api.ok("GET", "/contact/id:100000001"))["custom_fields"] or ()
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [(5.0, "5"), (-0.0, "0"), (0.5, "0.5"), (-6.094380781377946e16, "-60943807813779460")],
)
async def test_a_number_is_read_as_javascript_writes_it(
    api: Api, written: float, read: str
) -> None:
    """The digits of the shortest form, and zeros: not all that the binary number has."""
    await api.contact(custom_fields=[{"name": "Age", "value": written}])
    contact = await api.ok("GET", PHONE)
    assert contact["custom_fields"] == [{"name": "Age", "value": read}]


async def test_an_endless_number_is_refused(api: Api) -> None:
    """JSON can write it; no field holds it."""
    body = b'{"custom_fields": [{"name": "Age", "value": 1e999}]}'
    assert (await api.refused("PUT", "/contact/id:100000001", content=body))[0] == 400


async def test_an_unknown_custom_field_refuses_the_whole_write(api: Api) -> None:
    """Nothing of it is written."""
    await api.contact()
    body = {
        "lastName": "New",
        "custom_fields": [{"name": "Age", "value": 3}, {"name": "Nope", "value": "x"}],
    }
    assert await api.refused("PUT", PHONE, body) == (
        400,
        "Custom field Nope not found in the workspace",
    )
    contact = await api.ok("GET", PHONE)
    assert (contact["lastName"], contact["custom_fields"]) == (None, None)


@pytest.mark.parametrize(
    ("naming", "by_name", "by_slug"), [("name", 200, 400), ("slug", 400, 200), ("either", 200, 200)]
)
async def test_custom_fields_are_named_as_the_answer_says(
    api: Api, naming: str, by_name: int, by_slug: int
) -> None:
    """Custom fields are named as the answer says: display name, slug, or either."""
    api.sandbox.answers.custom_field_name = naming
    for name, status in (("Work Email", by_name), ("work_email", by_slug)):
        answer = await api.call(
            "PUT",
            "/contact/id:100000001",
            {"custom_fields": [{"name": name, "value": "a@b.example"}]},
        )
        assert answer.status_code == status


async def test_custom_fields_may_be_null_or_empty(api: Api) -> None:
    """A contact without any shows either; null in a write means nothing to write."""
    await api.contact(custom_fields=None)
    assert (await api.ok("GET", PHONE))["custom_fields"] is None
    api.sandbox.quirks.no_custom_fields = "empty"
    assert (await api.ok("GET", PHONE))["custom_fields"] == []


async def test_create_or_update(api: Api) -> None:
    first = await api.ok(
        "POST", "/contact/create_or_update/email:n@example.com", {"firstName": "A"}
    )
    second = await api.ok(
        "POST", "/contact/create_or_update/email:n@example.com", {"lastName": "B"}
    )
    assert first == second
    assert (await api.ok("GET", "/contact/email:n@example.com"))["lastName"] == "B"


async def test_create_or_update_may_give_no_id(api: Api) -> None:
    """A fresh create without an id, an update with one: both were seen."""
    api.sandbox.answers.create_or_update_returns_id = False
    assert "contactId" not in await api.ok(
        "POST", "/contact/create_or_update/email:n@example.com", {}
    )
    assert "contactId" in await api.ok("POST", "/contact/create_or_update/email:n@example.com", {})


async def test_create_or_update_may_need_a_first_name(api: Api) -> None:
    """Create or update may need a first name, only for a create."""
    api.sandbox.answers.create_or_update_needs_first_name = True
    assert (await api.refused("POST", "/contact/create_or_update/email:n@example.com", {}))[
        1
    ] == "Missing field(s) : firstName"
    await api.ok("POST", "/contact/create_or_update/id:100000001", {})
    assert (await api.refused("POST", "/contact/create_or_update/id:9", {"firstName": "A"}))[
        0
    ] == 404


async def test_delete(api: Api) -> None:
    """A deleted contact is gone from everywhere."""
    contact_id = await api.contact()
    assert await api.ok("DELETE", PHONE) == {"contactId": contact_id}
    assert (await api.call("DELETE", PHONE)).status_code == 404
    assert len(api.sandbox.contacts) == 3
    assert await api.contact() > contact_id


@pytest.mark.parametrize("reverse", [False, True])
async def test_the_older_contact_survives_a_merge(api: Api, reverse: bool) -> None:
    """The older contact survives a merge, whatever the order; it takes over what it lacks."""
    older = await api.contact("email:old@example.com", firstName="Old")
    younger = await api.contact("phone:+60123456789", firstName="Young", lastName="Y")
    await api.ok("POST", f"/contact/id:{younger}/tag", ["t"])
    await api.ok(
        "POST",
        f"/contact/id:{younger}/message",
        {"channelId": 2001, "message": {"type": "text", "text": "hi"}},
    )
    ids = [younger, older] if reverse else [older, younger]
    assert await api.ok("POST", "/contact/merge", {"contactIds": ids, "language": "en"}) == {
        "contactId": older
    }
    contact = await api.ok("GET", "/contact/phone:+60123456789")
    assert [contact[key] for key in ("id", "firstName", "lastName", "email", "language",
        "tags")] == [
        older, "Old", "Y", "old@example.com", "en", ["t"],
    ]  # fmt: skip
    assert len((await api.ok("GET", f"/contact/id:{older}/message/list"))["items"]) == 1
    assert (await api.call("GET", f"/contact/id:{younger}")).status_code == 404


async def test_a_merge_takes_over_missing_identifiers(api: Api) -> None:
    """An email that only the younger contact has."""
    older = await api.contact("phone:+60123456789")
    younger = await api.contact("email:young@example.com")
    await api.ok("POST", "/contact/merge", {"contactIds": [older, younger]})
    assert (await api.ok("GET", "/contact/email:young@example.com"))["id"] == older


async def test_a_merge_keeps_the_open_conversation(api: Api) -> None:
    """It may be the younger contact's; who talks in it stays assigned."""
    older = await api.contact("phone:+60123456789")
    api.sandbox.customer("young@example.com").says("hi")
    young = "/contact/email:young@example.com"
    await api.ok("POST", f"{young}/conversation/assignee", {"assignee": 1003})
    younger = api.sandbox.contact("young@example.com").id
    await api.ok("POST", "/contact/merge", {"contactIds": [older, younger]})
    contact = await api.ok("GET", f"/contact/id:{older}")
    assert (contact["status"], contact["assignee"]["id"]) == ("open", 1003)


async def test_an_email_may_begin_with_a_plus(api: Api) -> None:
    """It is no phone, in the API's paths and for a customer."""
    await api.contact("email:+a@example.com")
    assert (await api.ok("GET", "/contact/email:+a@example.com"))["email"] == "+a@example.com"
    api.sandbox.customer("+b@example.com").says("hi")
    contact = await api.ok("GET", "/contact/email:+b@example.com")
    assert (contact["email"], contact["phone"]) == ("+b@example.com", None)


@pytest.mark.parametrize(
    ("ids", "status"),
    [(None, 400), ([1], 400), ([100000001, 100000001], 400), (["100000001", 100000002], 400),
    ("x", 400), ([100000001, 9], 404),
     ([True, 100000001], 400)],
)  # fmt: skip
async def test_a_wrong_merge_is_refused(api: Api, ids: list[Any] | str | None, status: int) -> None:
    """A wrong merge is refused: two different ids, as JSON numbers, of contacts that exist."""
    assert (await api.refused("POST", "/contact/merge", {"contactIds": ids}))[0] == status


async def test_a_merge_takes_no_third_contacts_phone(api: Api) -> None:
    """Identifiers stay unique; those of the merged two may be given."""
    body = {"contactIds": [100000001, 100000002], "phone": "+601100000003"}
    assert (await api.refused("POST", "/contact/merge", body))[0] == 400
    await api.ok("POST", "/contact/merge", {**body, "phone": "+601100000002"})
    assert (await api.ok("GET", "/contact/phone:+601100000002"))["id"] == 100000001


async def test_tags_are_added_and_removed(api: Api) -> None:
    """A bare array each way; a tag that is there, or is not, answers 200."""
    path = "/contact/id:100000001/tag"
    assert await api.ok("POST", path, ["a", "b"]) == {"contactId": 100000001}
    await api.ok("POST", path, ["b", "c"])
    await api.ok("DELETE", path, ["a", "z"])
    assert (await api.ok("GET", "/contact/id:100000001"))["tags"] == ["b", "c"]
    api.sandbox.quirks.repeated_tag_is_silent = False
    assert (await api.refused("POST", path, ["b"]))[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {"tags": ["a"]},
        [],
        ["a", "a"],
        [str(number) for number in range(11)],
        ["x" * 256],
        [5],
        [""],
        [" "],
        None,
    ],
)
async def test_wrong_tags_are_refused(api: Api, body: dict[str, Any] | list[Any] | None) -> None:
    """Wrong tags are refused: 1 to 10 unique strings of at most 255 characters, not wrapped in
    anything.
    """
    assert (await api.refused("POST", "/contact/id:100000001/tag", body))[0] == 400


async def test_ten_long_tags_are_taken(api: Api) -> None:
    """The bounds themselves are allowed."""
    await api.ok("POST", "/contact/id:100000001/tag", [str(number) * 255 for number in range(10)])


async def test_lifecycle(api: Api) -> None:
    path = "/contact/id:100000001/lifecycle/update"
    assert (await api.ok("POST", path, {"name": "Anything"}))["code"] == 200
    assert (await api.ok("GET", "/contact/id:100000001"))["lifecycle"] == "Anything"
    await api.ok("POST", path, {"name": None})
    assert (await api.ok("GET", "/contact/id:100000001"))["lifecycle"] is None
    assert (await api.refused("POST", path, {}))[1] == "Missing field(s) : name"
    assert (await api.refused("POST", path, {"name": 5}))[0] == 400
    api.sandbox.quirks.fixed_lifecycle_stages = True
    assert (await api.refused("POST", path, {"name": "Anything"}))[0] == 404
    await api.ok("POST", path, {"name": "Customer"})


async def test_contact_channels(api: Api) -> None:
    """A page of channels, and one of them; the shapes of meta and of times are switchable."""
    path = "/contact/id:100000001"
    (channel,) = (await api.ok("GET", f"{path}/channels"))["items"]
    assert (channel["id"], channel["source"], channel["meta"]) == (2001, "whatsapp_cloud", {})
    assert await api.ok("GET", f"{path}/channel/2001") == channel
    assert (await api.refused("GET", f"{path}/channel/2002"))[0] == 404
    assert (await api.refused("GET", f"{path}/channel/x"))[0] == 404
    api.sandbox.quirks.channel_meta = "string"
    api.sandbox.answers.conversation_times = "milliseconds"
    other = await api.ok("GET", f"{path}/channel/2001")
    assert (other["meta"], other["lastMessageTime"]) == ("{}", channel["lastMessageTime"] * 1000)
    api.sandbox.answers.contact_channel_operation = False
    assert (await api.call("GET", f"{path}/channel/2001")).status_code == 404


async def test_a_new_contact_has_no_channel_unless_told_otherwise() -> None:
    """A contact made through the API was never spoken to."""
    async with serving() as api:
        await api.contact()
        assert (await api.ok("GET", f"{PHONE}/channels"))["items"] == []
        api.sandbox.quirks.channel_on_create = True
        await api.contact("email:other@example.com")
        assert len((await api.ok("GET", "/contact/email:other@example.com/channels"))["items"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "tag", ["a"]), ("DELETE", "tag", ["a"]), ("POST", "comment", {"text": "x"}),
        ("POST", "conversation/assignee", {"assignee": 1001}),
        ("POST", "conversation/status", {"status": "open"}),
    ],
)  # fmt: skip
async def test_a_new_contact_is_not_ready(
    api: Api, method: str, path: str, body: dict[str, Any] | list[str]
) -> None:
    """The four documented writes answer 449 for a moment after the create."""
    api.sandbox.quirks.not_ready_for = 10.0
    await api.contact()
    answer = await api.call(method, f"{PHONE}/{path}", body)
    assert (answer.status_code, answer.json()["code"]) == (449, 449)
    assert "Retry-After" not in answer.headers
    api.sandbox.advance(10)
    await api.ok(method, f"{PHONE}/{path}", body)


async def test_not_ready_may_count_tries_and_name_a_delay(api: Api) -> None:
    """Some first tries answer 449 however late they come; a Retry-After may come with it."""
    api.sandbox.quirks.not_ready_tries = 2
    api.sandbox.answers.not_ready_retry_after = 3
    await api.contact()
    for _ in range(2):
        answer = await api.call("POST", f"{PHONE}/tag", ["a"])
        assert (answer.status_code, answer.headers["Retry-After"]) == (449, "3")
    await api.ok("POST", f"{PHONE}/tag", ["a"])
    await api.ok("POST", "/contact/id:100000001/tag", ["a"])


async def test_other_writes_may_be_not_ready_too(api: Api) -> None:
    """Any write to a contact might answer 449."""
    api.sandbox.quirks.not_ready_for = 10.0
    api.sandbox.quirks.not_ready_operations = frozenset({"update", "lifecycle", "message"})
    await api.contact()
    assert (await api.call("PUT", PHONE, {})).status_code == 449
    assert (await api.call("POST", f"{PHONE}/lifecycle/update", {"name": None})).status_code == 449
    await api.ok("POST", f"{PHONE}/tag", ["a"])


@pytest.mark.parametrize(("style", "shown"), [("null", None), ("empty", {})])
async def test_no_assignee_is_null_or_empty(
    api: Api, style: str, shown: dict[str, Any] | None
) -> None:
    """Servers have been seen that answer null, and others that answer an empty object."""
    api.sandbox.quirks.no_assignee = style
    assert (await api.ok("GET", "/contact/id:100000001"))["assignee"] == shown
