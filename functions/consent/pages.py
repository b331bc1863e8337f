"""The pages a recipient sees: plain HTML without script, for phones, the dark, keyboards and screen readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tailor.flows.choose import Choice, Pace
from tailor.kernel.catalogue import Attribute
from tailor.kernel.forms import Form
from tailor.kernel.instants import DAY, iso

UNSUBSCRIBE_TEXT = "unsubscribe/1: Stop these letters"
PREFERENCES_TEXT = "preferences/2: What may we write to you about?"
CONFIRM_TEXT = "confirm/1: Yes, that was me"
PAUSES = (("", "no pause"), ("7", "for a week"), ("30", "for a month"), ("90", "for three months"))
PACES = (
    ("", "as often as there is something"),
    ("daily", "at most once a day"),
    ("weekly", "at most once a week"),
    ("monthly", "at most once a month"),
)

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1d2321; --soft: #4d5753; --paper: #f6f4ef; --card: #fff; --line: #cfd6d0;
  --edge: #6b756f; --act: #1b6b3f; --on: #fff; --stop: #a32020; --on-stop: #fff }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e9ece8; --soft: #b4beb8; --paper: #151917; --card: #1f2522;
  --line: #46504a; --edge: #8d9892; --act: #7fd3a2; --on: #10231a; --stop: #ff9d9d; --on-stop: #2b0b0b }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0; font: 1.05rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper) }}
main {{ max-width: 36rem; margin: 6vh auto; padding: 2rem 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem }}
h1 {{ font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem }}
h2 {{ font-size: 1.15rem; margin: 2.25rem 0 .5rem; padding-top: 1.5rem; border-top: 1px solid var(--line) }}
fieldset {{ border: 0; margin: 1.5rem 0 1rem; padding: 0 }}
legend {{ padding: 0; margin-bottom: .5rem }}
label.box {{ display: flex; gap: .75rem; align-items: flex-start; padding: .65rem 0;
  border-top: 1px solid var(--line) }}
label.part {{ padding-left: 2rem }}
label.line {{ display: block; margin: 1rem 0 .3rem; font-weight: 600 }}
input[type=checkbox] {{ width: 1.35rem; height: 1.35rem; margin: .15rem 0 0; flex: none; accent-color: var(--act) }}
input[type=text], input[type=email], select {{ font: inherit; width: 100%; padding: .6rem .75rem; min-height: 2.75rem;
  color: inherit; background: var(--paper); border: 1px solid var(--edge); border-radius: .5rem }}
button, a.button {{ display: inline-block; font: inherit; font-weight: 600; margin: 1.25rem .5rem 0 0;
  padding: .6rem 1.3rem; min-height: 2.75rem; cursor: pointer; color: var(--on); background: var(--act);
  border: 2px solid var(--act); border-radius: .5rem; text-decoration: none }}
a.button {{ color: var(--act); background: transparent }}
button.stop {{ color: var(--on-stop); background: var(--stop); border-color: var(--stop) }}
:focus-visible {{ outline: 3px solid var(--act); outline-offset: 3px }}
.note {{ padding: .65rem 1rem; border-left: 4px solid var(--act); background: var(--paper) }}
.soft {{ color: var(--soft) }}
@media (max-width: 40rem) {{ main {{ margin: 0; border: 0; border-radius: 0; min-height: 100vh }} }}
</style></head><body><main><h1>{title}</h1>{body}</main></body></html>"""


def confirm_unsubscribe() -> str:
    """The question; asked because scanners open links, and opening one must not decide for anybody."""
    return _page(
        "Stop these letters?",
        "<p>One press and we will not write to you about this again.</p>"
        '<form method="post"><button name="List-Unsubscribe" value="One-Click">Unsubscribe</button></form>',
    )


def unsubscribed() -> str:
    """The confirmation."""
    return _page("You are unsubscribed", _note("Done. No more of these letters will be sent to you."))


def preferences(choices: list[Choice], pace: Pace, *, mailed: bool, saved: bool) -> str:
    """The preference centre; nothing to choose means that we hold nothing about the person.

    ``mailed``: whether there is a letter with the link to one's own data.
    """
    if not choices:
        return _page("We hold nothing about you", "<p>There is no profile behind this link any more.</p>")
    note = _note("Saved. This holds from now on.") if saved else ""
    rows = "".join(_box(choice.key, choice.title, name="choice", ticked=choice.chosen) for choice in choices)
    paused = "" if not pace.paused_until else f' <p class="note">Paused until {iso(pace.paused_until)[:10]}.</p>'
    pauses = PAUSES if not pace.paused_until else (("keep", f"until {iso(pace.paused_until)[:10]}"), *PAUSES)
    chosen_pause = "keep" if pace.paused_until else ""
    return _page(
        "What may we write to you about?",
        f'{note}<form method="post">'
        f"<fieldset><legend>Tick what you want, untick what you do not.</legend>{rows}</fieldset>"
        f"{_select('at_most', 'How often?', PACES, pace.at_most)}"
        f"{_select('pause', 'Take a break from letters?', pauses, chosen_pause)}{paused}"
        '<button name="do" value="save">Save</button></form>'
        "<h2>Your data</h2>" + (_ASK if mailed else _ANSWER),
    )


_ASK = (
    "<p>To read, take along or erase everything we hold about you, you need a link that we mail to you, so that nobody "
    "else can do it with a letter you passed on. It is valid for an hour.</p>"
    '<form method="post"><button name="do" value="ask">Mail me the link</button></form>'
)
_ANSWER = "<p>To read, take along or erase everything we hold about you, answer one of our letters and say so.</p>"


def asked() -> str:
    """What follows the wish for a link to one's own data."""
    return _page("Look into your mail", _note("We are sending you a letter with a link that is valid for an hour."))


def own_data(door: str, known: Mapping[str, str], *, restricted: bool, saved: str = "") -> str:
    """What a fresh link leads to.

    ``door``: its path, to which everything is posted; ``known``: name → value of what may be put right; ``restricted``:
    whether nothing may be used but for a contract; ``saved``: what was just done.
    """
    fields = "".join(_field(name, value, name=f"is-{name}") for name, value in known.items())
    correct = (
        f'<h2>Something is wrong?</h2><form method="post" action="{escape(door)}">{fields}'
        '<button name="do" value="correct">Put it right</button></form>'
    )
    use, press, label = _RESTRICTED if restricted else _USED
    return _page(
        "Your data",
        f"{_note(saved) if saved else ''}<p>Everything we hold about you, and what it is used for.</p>"
        f'<p><a class="button" href="{escape(door)}/data?as=page">Read it</a>'
        f'<a class="button" href="{escape(door)}/data?as=json">Download it</a></p>'
        f"{correct if known else ''}"
        f'<h2>Keep it, and do not use it</h2><form method="post" action="{escape(door)}"><p>{use}</p>'
        f'<button name="do" value="{press}">{label}</button></form>'
        f'<h2>Leave altogether</h2><form method="post" action="{escape(door)}">'
        "<p>We erase everything about you and keep only a fingerprint of your address, so that nobody writes to it "
        "again. This cannot be undone.</p>"
        '<label class="box"><input type="checkbox" name="sure" value="yes" required>'
        "<span>Yes, erase everything you hold about me</span></label>"
        '<button class="stop" name="do" value="erase">Erase me</button></form>',
    )


_USE = (
    "We would keep what we hold about you and use it for nothing but what you order from us: no offers, no counting, "
    "no choosing for you. You can lift that here at any time."
)
_USED = (_USE, "restrict", "Restrict it")
_RESTRICTED = (
    "What we hold about you is restricted: we keep it, and use it for nothing but what you order from us.",
    "lift",
    "Lift the restriction",
)


def erased() -> str:
    """What somebody sees who asked to be erased."""
    body = _note("Done. Your profile is gone, and nothing will be sent to you.")
    return _page("You are erased", body + "<p>The last traces in backups end by themselves within 35 days.</p>")


def not_sure() -> str:
    """The box beside the button was not ticked."""
    return _page("Nothing was erased", "<p>Tick the box to say that you are sure, then press the button again.</p>")


def form(asked: Form, attributes: Sequence[Attribute], *, refusal: str = "", email: str = "") -> str:
    """A form with a box for each purpose, none of them ticked. It can stand in a page of its own or in a frame."""
    several = " (several, with commas)"
    fields = "".join(_field(one.name, hint=several if one.type == "list" else "") for one in attributes)
    boxes = "".join(_box(key, label, name="box", ticked=False) for key, label in (asked.boxes or {}).items())
    legend = "<legend>You decide, box by box; you may leave all of them.</legend>"
    wrong = f'<p class="note" role="alert" id="wrong">{escape(refusal)}</p>' if refusal else ""
    described = ' aria-invalid="true" aria-describedby="wrong"' if refusal else ""
    return _page(
        asked.title,
        f"{f'<p>{escape(asked.intro)}</p>' if asked.intro else ''}{wrong}"
        f'<form method="post"><label class="line" for="email">E-mail address</label>'
        f'<input type="email" id="email" name="email" autocomplete="email" required value="{escape(email)}"{described}>'
        f"{fields}{f'<fieldset>{legend}{boxes}</fieldset>' if boxes else ''}<button>Send</button></form>",
    )


def submitted(asked: Form) -> str:
    """What follows a form; the same whether or not the address is known here."""
    if not asked.confirm:
        return _page("Thank you", _note("We have your address."))
    said = "If you ticked a box or told us something, we have sent you a letter. Follow its link to confirm it was you."
    return _page("Nearly done", _note(said) + '<p class="soft">Nothing is agreed or changed before that.</p>')


def ask_confirmation(said: Sequence[str]) -> str:
    """The question behind the link of a letter of confirmation."""
    if not said:
        return _page("Nothing to confirm", "<p>This was confirmed before, or taken back.</p>")
    listed = "".join(f"<li>{escape(one)}</li>" for one in said)
    button = '<form method="post"><button>Yes, that was me</button></form>'
    return _page(
        "Was it you?", f"<p>Somebody, hopefully you, agreed to this or told us so:</p><ul>{listed}</ul>{button}"
    )


def confirmed() -> str:
    """Thanks."""
    return _page("Confirmed", _note("Thank you. You can change your mind with the link in every letter."))


def refused(detail: str) -> str:
    """Why it did not work."""
    return _page("That did not work", f"<p>{escape(detail)}</p>")


def pause_until(answer: str, before: int, *, now: int) -> int:
    """What an answer to the question of a pause means: an instant, 0 for none."""
    if answer == "keep":
        return before
    return now + int(answer) * DAY if answer in {value for value, _ in PAUSES if value} else 0


def _box(key: str, title: str, *, name: str, ticked: bool) -> str:
    part = " part" if ":" in key and name == "choice" else ""
    checked = " checked" if ticked else ""
    return (
        f'<label class="box{part}"><input type="checkbox" name="{name}" value="{escape(key)}"{checked}>'
        f"<span>{escape(title)}</span></label>"
    )


def _field(attribute: str, value: str = "", *, name: str = "", hint: str = "") -> str:
    """An input for an attribute; ``name`` is what it is sent as."""
    key = escape(name or attribute)
    label = escape(attribute.replace("_", " ").capitalize())
    optional = "" if value else ' <span class="soft">(optional)</span>'
    filled = f' value="{escape(value)}"' if value else ""
    return (
        f'<label class="line" for="f-{key}">{label}{hint}{optional}</label>'
        f'<input type="text" id="f-{key}" name="{key}" maxlength="500"{filled}>'
    )


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    rows = "".join(
        f'<option value="{value}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in options
    )
    return f'<label class="line" for="{name}">{label}</label><select id="{name}" name="{name}">{rows}</select>'


def _note(text: str) -> str:
    return f'<p class="note" role="status">{escape(text)}</p>'


def _page(title: str, body: str) -> str:
    return _FRAME.format(title=escape(title), body=body)
