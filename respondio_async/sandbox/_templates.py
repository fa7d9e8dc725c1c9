"""The components of a template message.

Source: the vendor's "Send a message" page (WhatsApp template).
"""

from typing import Any, Final

from ._call import as_list, as_object, invalid, missing

_WHERE: Final = "template.components"
_MEDIA: Final = ("image", "video", "document")
_BUTTONS: Final = {
    "quick_reply": ("text",),
    "url": ("text", "url"),
    "phone_number": ("text", "phone_number"),
    "catalog": ("text",),
    "mpm": ("text",),
    "request_contact_info": ("text",),
}


def check_components(components: Any, *, text_required: bool) -> None:
    """Refuse what the server would; the count of variables is not its business (the message fails
    later).
    """
    for index, component in enumerate(_objects(components, _WHERE)):
        where = f"{_WHERE}[{index}]"
        match component.get("type"):
            case "header":
                _header(component, where)
            case "body":
                if text_required and not isinstance(component.get("text"), str):
                    raise missing(f"{where}.text")
                for parameter in _objects(component.get("parameters") or [], f"{where}.parameters"):
                    _parameter(parameter, "text", f"{where}.parameters")
            case "footer":
                _string(component, "text", where)
            case "buttons":
                for button in _objects(component.get("buttons"), f"{where}.buttons"):
                    _button(button, f"{where}.buttons")
            case "carousel":
                for card in _objects(component.get("cards"), f"{where}.cards"):
                    check_components(card.get("components"), text_required=text_required)
            case _:
                raise invalid(f"{where}.type")


def _objects(value: Any, where: str) -> list[dict[str, Any]]:
    items = as_list(value)
    if items is None:
        raise invalid(where)
    objects = [each for item in items if (each := as_object(item)) is not None]
    if len(objects) < len(items):
        raise invalid(where)
    return objects


def _string(holder: dict[str, Any], name: str, where: str) -> None:
    if holder.get(name) is None:
        raise missing(f"{where}.{name}")
    if not isinstance(holder[name], str):
        raise invalid(f"{where}.{name}")


def _header(component: dict[str, Any], where: str) -> None:
    kind = component.get("format")
    if kind not in ("text", "location", *_MEDIA):
        raise invalid(f"{where}.format")
    for parameter in _objects(component.get("parameters") or [], f"{where}.parameters"):
        _parameter(parameter, kind, f"{where}.parameters")


def _parameter(parameter: dict[str, Any], kind: str, where: str) -> None:
    if parameter.get("type", kind) != kind:
        raise invalid(f"{where}.type")
    if kind == "text":
        _string(parameter, "text", where)
        return
    holder = as_object(parameter.get(kind, parameter))
    if holder is None:
        raise invalid(f"{where}.{kind}")
    needed = ("name", "address", "latitude", "longitude") if kind == "location" else ("link",)
    for name in (*needed, "filename") if kind == "document" else needed:
        _string(holder, name, f"{where}.{kind}")


def _button(button: dict[str, Any], where: str) -> None:
    needed = _BUTTONS.get(str(button.get("type")))
    if needed is None:
        raise invalid(f"{where}.type")
    for name in needed:
        _string(button, name, where)
    for parameter in _objects(button.get("parameters") or [], f"{where}.parameters"):
        if button["type"] in ("catalog", "mpm") and not isinstance(parameter.get("action"), dict):
            raise missing(f"{where}.parameters.action")
