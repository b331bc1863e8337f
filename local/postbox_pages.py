"""The mailbox's pages: a list of letters and one letter, rendered here, without scripts, in light and dark."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from typing import TYPE_CHECKING

from jinja2 import DictLoader, Environment, StrictUndefined

from tailor.kernel.instants import iso

if TYPE_CHECKING:
    from postbox import Message

VIEWS = {"": "Letter", "phone": "Phone", "text": "Text", "headers": "Headers", "source": "Source"}

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'; img-src data:"
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src http: https: data:; font-src https: data:; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
"""For the letter itself: it may show pictures and open links in a new tab, and nothing else."""

_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_LINK = re.compile(r"""href\s*=\s*["'](https?://[^"']+)""", re.IGNORECASE)

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2327; --soft: #5b6670; --line: #dfe4e8; --paper: #fff; --back: #f5f6f4;
  --leaf: #1e7b46; --leaf-soft: #e4f2e9; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ebe9; --soft: #a3adb1; --line: #343c3f; --paper: #1d2325;
  --back: #14191a; --leaf: #6fd39b; --leaf-soft: #203a2c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
a { color: var(--leaf); }
:focus-visible { outline: 3px solid var(--leaf); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999em; }
.skip:focus { left: 1rem; top: 1rem; background: var(--paper); padding: .5rem; }
.top { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; padding: 1rem clamp(1rem, 4vw, 3rem);
  border-bottom: 1px solid var(--line); background: var(--paper); }
.top h1 { font-size: 1.15rem; margin: 0; } .top h1 a { color: inherit; text-decoration: none; }
.top form { margin-left: auto; display: flex; gap: .5rem; flex: 0 1 24rem; }
input, button { font: inherit; color: inherit; background: var(--back); border: 1px solid var(--line);
  border-radius: 8px; padding: .4rem .8rem; } input { flex: 1; min-width: 0; } button { cursor: pointer; }
button:hover { border-color: var(--leaf); }
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem clamp(1rem, 4vw, 2rem) 4rem; }
.soft { color: var(--soft); }
ol { list-style: none; margin: 0; padding: 0; background: var(--paper); border: 1px solid var(--line);
  border-radius: 12px; overflow: hidden; }
li + li { border-top: 1px solid var(--line); }
li a { display: grid; grid-template-columns: minmax(9rem, 15rem) 1fr auto; gap: .1rem 1.25rem; padding: .8rem 1.1rem;
  color: inherit; text-decoration: none; }
li a:hover { background: var(--leaf-soft); }
.cut { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; min-width: 0; }
.subject { font-weight: 600; } time { color: var(--soft); font-variant-numeric: tabular-nums; font-size: .9rem; }
.preview { grid-column: 2 / -1; color: var(--soft); font-size: .92rem; }
.empty { text-align: center; padding: 4rem 1rem; color: var(--soft); }
h2 { font-size: 1.5rem; line-height: 1.25; margin: 1rem 0 .25rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: .75rem 0; font-size: .95rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
nav { display: flex; flex-wrap: wrap; gap: .25rem; border-bottom: 1px solid var(--line); margin-top: 1.25rem; }
nav a { padding: .5rem .9rem; text-decoration: none; color: var(--soft); border-bottom: 3px solid transparent; }
nav a[aria-current] { color: var(--ink); border-color: var(--leaf); font-weight: 600; }
iframe { display: block; width: 100%; height: 78vh; border: 1px solid var(--line); border-radius: 0 0 12px 12px;
  background: #fff; }
iframe.phone { width: 375px; max-width: 100%; height: 720px; margin: 1.5rem auto; border: 10px solid #22282a;
  border-radius: 32px; }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 0 0 12px 12px; margin: 0; padding: 1.1rem;
  overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; font: .85rem/1.55 ui-monospace, monospace; }
.reports { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; margin-top: 1.5rem; }
.done { background: var(--leaf-soft); border-radius: 8px; padding: .5rem .9rem; }
@media (max-width: 40rem) { li a { grid-template-columns: 1fr auto; } .subject, .preview { grid-column: 1 / -1; }
  .top form { flex-basis: 100%; margin: 0; } }
"""

_LAYOUT = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<link rel="icon" href="data:,">
<style>{{ style|safe }}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the letters</a>
<header class="top">
<h1><a href="/">Mailbox</a></h1>
<form role="search" action="/" method="get">
<input type="search" name="q" value="{{ wanted }}" aria-label="Filter by recipient, subject or preheader"
 placeholder="Recipient, subject, preheader">
<button>Filter</button>
</form>
</header>
<main id="main">{% block main %}{% endblock %}</main>
</body>
</html>"""

_INBOX = """{% extends "layout" %}{% block main %}
<p class="soft" role="status">{% if wanted %}{{ letters|length }} of {{ total }}{% else %}{{ total }}{% endif %}
 letter{{ "" if total == 1 else "s" }}{% if wanted %} · <a href="/">show all</a>{% endif %}</p>
{% if letters %}<ol>{% for letter in letters %}
<li><a href="/m/{{ letter.id }}">
<span class="cut">{{ letter.to|join(", ") }}</span>
<span class="cut subject">{{ letter.subject or "(no subject)" }}</span>
<time datetime="{{ letter.at|iso }}">{{ (letter.at|iso)[11:19] }}</time>
<span class="cut preview">{{ letter.preview }}</span>
</a></li>{% endfor %}</ol>
{% elif wanted %}<p class="empty">No letter matches.</p>
{% else %}<p class="empty">No letter yet. They appear here as they are sent.</p>
{% endif %}{% endblock %}"""

_LETTER = """{% extends "layout" %}{% block main %}
<p><a href="/">← All letters</a></p>
<h2>{{ letter.subject or "(no subject)" }}</h2>
<p class="soft">{{ letter.preview }}</p>
<dl>
<dt>To</dt><dd>{{ letter.to|join(", ") }}</dd>
<dt>From</dt><dd>{{ letter.header("From") }}</dd>
<dt>Sent</dt><dd><time datetime="{{ letter.at|iso }}">{{ letter.at|iso }}</time></dd>
{% for name, value in letter.tags|dictsort %}<dt>{{ name }}</dt><dd>{{ value }}</dd>{% endfor %}
</dl>
{% if reported in reports %}<p class="done" role="status">Reported: {{ reported }}</p>{% endif %}
<nav aria-label="Views">{% for key, name in views.items() %}
<a href="/m/{{ letter.id }}{{ "?view=" ~ key if key }}"
{%- if key == view %} aria-current="page"{% endif %}>{{ name }}</a>
{%- endfor %}</nav>
{% if view == "text" %}<pre tabindex="0">{{ letter.body.text }}</pre>
{% elif view == "headers" %}<pre tabindex="0">{{ letter.raw_headers }}</pre>
{% elif view == "source" %}<pre tabindex="0">{{ letter.raw.decode("utf-8", "backslashreplace") }}</pre>
<p><a href="/m/{{ letter.id }}/raw" download="{{ letter.id }}.eml">Download the message</a></p>
{% else %}<iframe src="/m/{{ letter.id }}/html" sandbox="allow-popups allow-popups-to-escape-sandbox"
 title="The letter" class="{{ view }}"></iframe>
{% endif %}
<form class="reports" method="post" action="/m/{{ letter.id }}/report">
<span class="soft">Let the world answer:</span>
{% for kind in reports %}<button name="kind" value="{{ kind }}">{{ kind }}</button>{% endfor %}
</form>
{% endblock %}"""

_MISSING = """{% extends "layout" %}{% block main %}
<p class="empty">There is no such letter. <a href="/">Show all</a></p>{% endblock %}"""


def inbox(letters: Sequence[Message], wanted: str, total: int) -> str:
    """The list, newest first; ``wanted`` is the filter in force, ``total`` the number without it."""
    title = f"Mailbox ({total})"
    return _PAGES["inbox"].render(title=title, style=_STYLE, letters=letters, wanted=wanted, total=total)


def letter(message: Message, view: str, reported: str, reports: Sequence[str]) -> str:
    """One letter in one of :data:`VIEWS`; ``reported`` is the report just asked for, if any."""
    return _PAGES["letter"].render(
        title=message.subject,
        style=_STYLE,
        letter=message,
        views=VIEWS,
        view=view if view in VIEWS else "",
        reported=reported,
        reports=reports,
        wanted="",
    )


def missing() -> str:
    """What an unknown address shows."""
    return _PAGES["missing"].render(title="Mailbox", style=_STYLE, wanted="")


def framed(html: str) -> str:
    """The letter as it is, but its links open in a new tab."""
    return _HEAD.sub(lambda head: head[0] + '<base target="_blank">', html, count=1)


def first_link(html: str) -> str:
    """Where the first web link of a letter leads, ``""`` if it has none."""
    found = _LINK.search(html)
    return unescape(found[1]) if found else ""


def _compile() -> Environment:
    sources = {"layout": _LAYOUT, "inbox": _INBOX, "letter": _LETTER, "missing": _MISSING}
    environment = Environment(
        loader=DictLoader(sources), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["iso"] = iso
    return environment


_ENVIRONMENT = _compile()
_PAGES = {name: _ENVIRONMENT.get_template(name) for name in ("inbox", "letter", "missing")}
