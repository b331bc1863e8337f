"""Forms: what a visitor is asked, and which boxes they may tick; a section of a programme document::

    "forms": {"newsletter": {"title": "Letters from Trail & Co", "fields": ["first_name", "city"], "ask": 1,
                             "boxes": {"marketing:deals": "Send me deals"}, "confirm": "confirm-newsletter"}}

What a form grants or asks must be confirmed by a letter (double opt-in), for anybody can write somebody else's address:
``confirm`` names a transactional template that shows ``{confirm_url}``. It is sent by a journey of the form's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tailor.kernel.fields import Fields
from tailor.kernel.keys import digest

SUBMITTED = "Form Submitted"
"""The event of a form that was sent with something to confirm; its property ``form`` is the key."""
OWN_DATA = "own-data"
"""Key of the journey that mails somebody the link to their own data."""
OWN_DATA_ASKED = "Own Data Asked"
"""The event that begins it."""
ASK = 3
"""Fields that are asked at once where the form does not say."""


@dataclass(frozen=True, slots=True)
class Form:
    """One form.

    Attributes
    ----------
    fields : names of attributes, the most wanted first; besides them every form asks for the e-mail address.
    ask : at most so many of those that are not known yet.
    boxes : ``purpose`` or ``purpose:topic`` → the words beside the box. No box is ever ticked beforehand.
    confirm : template of the letter that asks for confirmation.
    """

    key: str
    title: str
    intro: str = ""
    fields: tuple[str, ...] = ()
    ask: int = ASK
    boxes: Mapping[str, str] | None = None
    confirm: str = ""

    @property
    def text(self) -> str:
        """The version of its words, for the ledger: ``newsletter/h3x…``; other words are another version."""
        words = [self.title, self.intro, *(f"{key}={label}" for key, label in (self.boxes or {}).items())]
        return f"{self.key}/{digest(*words, size=8)}"

    @property
    def journey(self) -> str:
        """Key of the journey that sends the letter of confirmation."""
        return f"form-{self.key}"


def read_form(key: str, fields: Fields) -> Form:
    """One form.

    Raises
    ------
    Rejected : malformed, or boxes or fields without a letter of confirmation.
    """
    names = fields.any("fields") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise fields.fail("'fields' must be a list of attribute names", "fields")
    ask = fields.any("ask")
    if ask is not None and (not isinstance(ask, int) or isinstance(ask, bool) or ask < 0):
        raise fields.fail("'ask' is a whole number of fields", "ask")
    boxes = fields.any("boxes") or {}
    if not isinstance(boxes, Mapping) or not all(isinstance(v, str) and v.strip() for v in boxes.values()):
        raise fields.fail("'boxes' leads from purposes (or purpose:topic) to the words beside each box", "boxes")
    confirm = fields.text("confirm", "")
    if (boxes or names) and not confirm:
        detail = "boxes and answers must be confirmed by a letter: name its template in 'confirm'"
        raise fields.fail(detail, "confirm")
    title, intro = fields.text("title", key), fields.text("intro", "")
    return Form(key, title, intro, tuple(names), ASK if ask is None else ask, dict(boxes), confirm)


def journey_of(form: Form) -> dict[str, Any]:
    """The journey that sends the letter of confirmation, as a programme would write it."""
    where = {"form": {"eq": form.key}}
    trigger = {"event": SUBMITTED, "where": where}
    return {"trigger": trigger, "re_entry": "10m", "steps": [{"send": form.confirm}]}


def own_data_journey(template: str) -> dict[str, Any]:
    """The journey that mails a person the link to their own data, as a programme would write it."""
    return {"trigger": {"event": OWN_DATA_ASKED}, "re_entry": "10m", "steps": [{"send": template}]}
