"""Letters: render for one person and build the MIME message, against the chain most senders run for each message.

The naive chain compiles the template, inlines its CSS, derives the text part and lets ``EmailMessage`` encode it, each
time. Both write the same words from the same template.
"""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP
from time import process_time_ns
from typing import Any
from unittest.mock import patch

import css_inline
import html2text
import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from bench.measure import medians
from tailor.flows.deliver import Letterheads
from tailor.flows.supply import supplied
from tailor.kernel.person import Person
from tailor.kernel.program import Program
from tailor.rules.consent import View
from tailor.rules.messages import Envelope, build_mime
from tailor.rules.pressing import finished
from tailor.rules.templates import Letterhead, compile_template, given

PEOPLE = 100
NOW = 1_795_000_000_000
LINKS = {
    "unsubscribe_url": "https://mail.shop.example/u/1.k1.cF9hYmNkZWZnaGlqa2xtbm9w.c2lnbmF0dXJlc2lnbmF0dXJl",
    "preferences_url": "https://mail.shop.example/preferences/1.k1.cF9hYmNkZWZnaGlqa2xt.c2lnbmF0dXJlc2lnbg",
}
STYLE = """
  body { margin: 0; background: #f3f1ea; }
  .card { padding: 16px 24px; border: 1px solid #d8dcd6; border-radius: 10px; background: #ffffff; }
  .card h2 { margin: 0 0 6px; font: 700 19px/25px Georgia, serif; color: #1d2321; }
  .card p { margin: 0; font: 400 16px/25px Helvetica, Arial, sans-serif; color: #33403a; }
  .more { color: #1b6b3f; text-decoration: underline; }
  @media (max-width: 620px) { .card { padding: 12px !important; } }
"""
CARD = """
<tr><td class="card">
  <h2>{heading}</h2>
  <p>{opening} What we keep for you is chosen by hand, and stays at this price until Sunday evening.</p>
  <p><a class="more" href="https://shop.example/things/{number}?from=letter&amp;place=card">Have a look</a></p>
</td></tr>"""


def source(cards: int) -> str:
    """The HTML of a letter of that many cards, every third of them for some people only."""
    body = []
    for number in range(cards):
        opening = ("Dear {{ first_name }},", "Fit for {{ city }}:", "Because you like {{ last_purchase_category }}:")
        card = CARD.replace("{heading}", f"Thing number {number}").replace("{number}", str(number))
        card = card.replace("{opening}", opening[number % 3])
        if number % 3 == 2:
            card = "{% if user.interests contains 'outdoor' %}" + card + "{% endif %}"
        body.append(card)
    return (
        f'<!doctype html><html lang="en" dir="ltr"><head><title>Things</title><style>{STYLE}</style></head><body>'
        f'<table role="presentation"><tbody>{"".join(body)}</tbody></table>'
        '<p>{{ postal_address }} <a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>'
    )


def program(html: str) -> Program:
    """A programme with that letter."""
    letter = {"subject": "{first_name}, for you", "preheader": "Things chosen for {city}", "html": html}
    document = {
        "name": "bench",
        "sender": {"from": "Shop <hello@shop.example>", "postal_address": "1 High Street, Springfield"},
        "templates": {"things": letter},
    }
    return Program.of([finished(document)])


def people() -> list[dict[str, Any]]:
    """What is known of some people; every other one likes to be out of doors."""
    names = ("Ada", "Zoë", "Li Wei", "Søren", "Fatima")
    return [
        {
            "first_name": f"{names[number % len(names)]} {number}",
            "city": ("Springfield", "Łódź", "São Paulo")[number % 3],
            "last_purchase_category": "boots & laces",
            "interests": ["outdoor", "tea"] if number % 2 else ["tea"],
        }
        for number in range(PEOPLE)
    ]


def ours(letterhead: Letterhead, sender: Program, person: dict[str, Any]) -> bytes:
    """One message as ``send`` makes it."""
    template = sender.templates["things"]
    letter = letterhead.render(View(person, {}, {}), given(template, LINKS), now=NOW)
    to, message = "ada@customer.example", "m_0123456789abcdef"
    return build_mime(letter, Envelope(template.sender, to, message, "j", "marketing", LINKS["unsubscribe_url"]))


def naive(html: str, person: dict[str, Any]) -> bytes:
    """One message, everything anew."""
    environment = ImmutableSandboxedEnvironment(autoescape=True)
    environment.tests["contains"] = lambda whole, part: part in whole
    plain = html.replace(" contains ", " is contains ")
    values = {**person, "user": person, **LINKS, "postal_address": "1 High Street, Springfield"}
    body = css_inline.CSSInliner(keep_style_tags=True).inline(environment.from_string(plain).render(values))
    message = EmailMessage(policy=SMTP)
    message["From"], message["To"] = "Shop <hello@shop.example>", "ada@customer.example"
    message["Subject"] = f"{person['first_name']}, for you"
    message.set_content(html2text.html2text(body))
    message.add_alternative(body, subtype="html")
    return message.as_bytes()


def run() -> dict[str, float]:
    """``letter_us_15k``, ``letter_us_62k``, ``letter_ratio_to_naive`` (15 KB), ``template_compiles_per_message``,
    ``attributes_us_p95``."""
    measured: dict[str, float] = {}
    everybody = people()
    for metric, cards in (("letter_us_15k", 21), ("letter_us_62k", 91)):
        html = source(cards)
        sender = program(html)
        letterhead = compile_template(sender.templates["things"], sender)

        def write(_: int, head: Letterhead = letterhead, of: Program = sender) -> None:
            for person in everybody:
                ours(head, of, person)

        def write_naively(_: int, body: str = html) -> None:
            for person in everybody[:10]:
                naive(body, person)

        quick, slow = medians([write, write_naively], rounds=7 if cards < 50 else 3)
        measured[metric] = quick / len(everybody) / 1000
        if cards < 50:
            measured["letter_ratio_to_naive"] = (slow / 10) / (quick / len(everybody))
            with patch.object(jinja2.Environment, "compile", side_effect=AssertionError) as compiled:
                write(0)
            measured["template_compiles_per_message"] = compiled.call_count / len(everybody)
    measured["attributes_us_p95"] = attributes()
    return measured


def attributes() -> float:
    """CPU in µs, of the slowest twentieth, for what another sender is told of one person who is at hand."""
    sender = program(source(21))
    letterheads = Letterheads(sender)
    template = sender.templates["things"]
    taken = []
    for attributes in people() * 5:
        person = Person("p_1", attributes=attributes)
        begun = process_time_ns()
        supplied(person, template, sender, letterheads, now=NOW)
        taken.append(process_time_ns() - begun)
    return sorted(taken)[len(taken) * 95 // 100] / 1000
