"""The pages a recipient sees: plain HTML without script, for phones, the dark, keyboards and screen readers."""

from __future__ import annotations

from html import escape

from tailor.flows.choose import Choice

UNSUBSCRIBE_TEXT = "unsubscribe/1: Stop these letters"
PREFERENCES_TEXT = "preferences/1: What may we write to you about?"

_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #1d2321; --paper: #f6f4ef; --card: #fff; --line: #cfd6d0;
  --act: #1b6b3f; --on: #fff }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e9ece8; --paper: #151917; --card: #1f2522; --line: #46504a;
  --act: #7fd3a2; --on: #10231a }} }}
* {{ box-sizing: border-box }}
body {{ margin: 0; font: 1.05rem/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper) }}
main {{ max-width: 34rem; margin: 8vh auto; padding: 2rem 1.5rem; background: var(--card);
  border: 1px solid var(--line); border-radius: .75rem }}
h1 {{ font-size: 1.5rem; line-height: 1.25; margin: 0 0 1rem }}
fieldset {{ border: 0; margin: 0; padding: 0 }}
label {{ display: flex; gap: .75rem; align-items: flex-start; padding: .65rem 0; border-top: 1px solid var(--line) }}
label.part {{ padding-left: 2rem }}
input {{ width: 1.35rem; height: 1.35rem; margin: .15rem 0 0; flex: none; accent-color: var(--act) }}
button {{ font: inherit; font-weight: 600; margin-top: 1.25rem; padding: .7rem 1.4rem; min-height: 2.75rem;
  cursor: pointer; color: var(--on); background: var(--act); border: 0; border-radius: .5rem }}
:focus-visible {{ outline: 3px solid var(--act); outline-offset: 3px }}
.note {{ padding: .65rem 1rem; border-left: 4px solid var(--act); background: var(--paper) }}
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
    return _page(
        "You are unsubscribed", '<p class="note" role="status">Done. No more of these letters will be sent to you.</p>'
    )


def preferences(choices: list[Choice], *, saved: bool) -> str:
    """The preference centre; nothing to choose means that we hold nothing about the person."""
    if not choices:
        return _page("We hold nothing about you", "<p>There is no profile behind this link any more.</p>")
    note = '<p class="note" role="status">Saved. This holds from now on.</p>' if saved else ""
    rows = "".join(_row(choice) for choice in choices)
    form = (
        f'<form method="post"><fieldset><legend>Tick what you want, untick what you do not.</legend>{rows}</fieldset>'
    )
    return _page("What may we write to you about?", f"{note}{form}<button>Save</button></form>")


def refused(detail: str) -> str:
    """Why it did not work."""
    return _page("That did not work", f"<p>{escape(detail)}</p>")


def _row(choice: Choice) -> str:
    part = ' class="part"' if ":" in choice.key else ""
    ticked = " checked" if choice.chosen else ""
    return (
        f'<label{part}><input type="checkbox" name="choice" value="{escape(choice.key)}"{ticked}>'
        f"<span>{escape(choice.title)}</span></label>"
    )


def _page(title: str, body: str) -> str:
    return _FRAME.format(title=escape(title), body=body)
