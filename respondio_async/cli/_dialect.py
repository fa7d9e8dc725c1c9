"""A contract report as settings of the sandbox: it then answers as that server did."""

from pathlib import Path
from typing import Any, Final, Literal, cast

import msgspec

from ..routes import DEFAULT_LIMITS, bucket_of
from ..sandbox import Answers, Quirks
from ._contract import FIRST_PAGE, LAST_PAGE, ContractReport, is_list, is_object
from ._exit import UsageError

_CURSORS: Final = {"integer", "string", "relative", "url", "url_without_version"}
_ENDS: Final = {"null", "empty", "missing", "no_pagination"}


def read_report(path: Path) -> ContractReport:
    """Read what `respondio doctor --report` wrote."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ContractReport)
    except OSError as error:
        raise UsageError(f"{path.name}: {error.strerror}") from None
    except (ValueError, msgspec.MsgspecError):
        raise UsageError(f"{path.name} is no contract report of `respondio doctor`") from None


def as_quirks(report: ContractReport, quirks: Quirks) -> Quirks:
    """Take over the forms that the report has seen; what it has not seen stays."""
    first, last = report.operations.get(FIRST_PAGE), report.operations.get(LAST_PAGE)
    if first is not None and first.next_form in _CURSORS:
        quirks.next_cursor = cast("Any", first.next_form)
    if last is not None and last.next_form in _ENDS:
        quirks.last_page = cast("Any", last.next_form)
    answered = [each for each in report.operations.values() if each.status == 200]
    if answered:
        quirks.rate_limit_headers = any(each.limit is not None for each in answered)
    if _is_text(_seen(report, "GET /space/user", "team")):
        quirks.team = "text"
    if _is_text(_seen(report, "GET /space/channel/{id}/template", "components")):
        quirks.template_components = "string"
    if is_object(_seen(report, "GET /space/custom_field", "allowedValues")):
        quirks.allowed_values = "object"
    envelope: object = report.not_found.get("shape") if is_object(report.not_found) else None
    quirks.named_errors = is_object(envelope) and "status" in envelope
    return quirks


def as_answers(report: ContractReport) -> Answers:
    """Answer the questions that the report decides; the others stay as they are by default."""
    answers = Answers()
    if report.custom_field_path is not None:
        path = report.custom_field_path.rpartition("/")[2]
        if path in {"custom_field", "contact_field"}:
            answers.custom_field_path = cast('Literal["custom_field", "contact_field"]', path)
    return answers


def as_limits(report: ContractReport) -> dict[str, float]:
    """Give the limits that the server reported, by route."""
    return {
        bucket_of(operation): each.limit
        for operation, each in report.operations.items()
        if each.limit is not None and bucket_of(operation) in DEFAULT_LIMITS
    }


def _seen(report: ContractReport, operation: str, key: str) -> Any:
    answered = report.operations.get(operation)
    body: object = answered.shape if answered is not None else None
    items: object = body.get("items") if is_object(body) else None
    item: object = items[0] if is_list(items) and items else None
    return item.get(key) if is_object(item) else None


def _is_text(form: object) -> bool:
    return isinstance(form, str) and "string" in form.split(" | ")
