"""Templates that mean harm are refused, or cost little: each is compiled and rendered in a process that measures it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CORE = Path(__file__).parents[2] / "layers" / "core"
MILLISECONDS = 100
MEGABYTES = 64

REFUSED = [
    "{{ 'x' * 50000000 }}",
    "{{ 10 ** 10000000 }}",
    "{{ '%099999999d' % 1 }}",
    "{{ '{:>99999999}'.format(1) }}",
    "{{ 'x'|center(99999999) }}",
    "{{ 'x'|indent(99999999) }}",
    "{{ 'ab'|replace('a', 'aaaaaaaa') }}",
    "{{ '%s'|format(first_name) }}",
    "{{ first_name|wordwrap(1) }}",
    "{{ interests|tojson }}",
    "{{ first_name|safe }}",
    "{{ first_name|attr('__class__') }}",
    "{{ interests|map('upper')|list }}",
    "{{ interests|groupby('x') }}",
    "{{ range(99999999) }}",
    "{% for a in range(99999) %}{% endfor %}",
    "{{ lipsum(1000) }}",
    "{{ cycler('a') }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ first_name.__class__ }}",
    "{{ first_name['__class__'] }}",
    "{{ user._x }}",
    "{{ self }}",
    "{{ self._TemplateReference__context }}",
    "{{ _fallbacks }}",
    "{{ known }}",
    "{{ first_name|known('a', 'b') }}",
    "{{ first_name|stand_in('a') }}",
    "{{ first_name.upper() }}",
    "{{ interests.append('x') }}",
    "{% set x = 'x' %}",
    "{% set x %}{% endset %}",
    "{% set ns = namespace(x='x') %}",
    "{% macro m() %}{{ m() }}{% endmacro %}",
    "{% call m() %}{% endcall %}",
    "{% include 'x' %}",
    "{% import 'x' as y %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block x %}{% endblock %}",
    "{% filter upper %}{% endfilter %}",
    "{% with x=1 %}{% endwith %}",
    "{% autoescape false %}{{ first_name }}{% endautoescape %}",
    "{% for a in interests recursive %}{{ loop(a) }}{% endfor %}",
    "{% for a in interests %}{% for b in interests %}{% for c in interests %}{% endfor %}{% endfor %}{% endfor %}",
    "{% for a in 'xxxxxxxxx' %}{% endfor %}",
    "{% for a in [1, 2] %}{% endfor %}",
    "{% for a, b in interests %}{% endfor %}",
    "{% for city in interests %}{% endfor %}",
    "{% for _a in interests %}{% endfor %}",
    "{{ loop.index }}",
    "{% for a in interests %}{{ loop }}{% endfor %}",
    "{% for a in interests %}{{ loop.changed }}{% endfor %}",
    "{{ interests[first_name] }}",
    "{{ {'a': 1} }}",
    "{{ 9" + "9" * 400 + " }}",
    "{{ 9" + "9" * 5000 + " }}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "-" * 3000 + "1 }}",
    "{{ " + "not " * 3000 + "1 }}",
    "{{ '" + "x" * 2000 + "' }}",
    "{% if city %}" * 100 + "{% endif %}" * 100,
    "{{ city|x }}" * 2000,
    "{{ 1 }}" * 6000,
    "x" * 400_000,
    "{%" * 90_000,
    "{{" * 90_000,
    "{#" * 90_000,
    "{% raw %}" * 20_000,
    "{% if city" + ".a" * 5_000 + " %}{% endif %}",
    "{{ address" + ".a" * 5_000 + " }}",
    "{% if city %}" + "{% elif city %}b" * 4_000 + "{% endif %}",
    "{% if " + " and ".join(["city"] * 1_000) + " %}{% endif %}",
    "<!-->" * 30_000 + "{nope}",
    "<style></style>" * 13_000 + "{nope}",
    "<a href='" * 20_000 + "{nope}",
    "<!--" * 50_000,
    "<a" * 90_000,
    "a\x00b",
    "a\ud800b",
]
"""What could never be a letter."""

BOUNDED = [
    "{% for a in cart %}{% for b in a %}{{ b }}{{ b }}{{ first_name }}{% endfor %}{% endfor %}",
    "{% for a in cart %}{% for b in cart %}{{ first_name|upper|lower|title|trim }}{% endfor %}{% endfor %}",
    "{% for a in cart %}{% for b in cart %}{{ cart|join(',')|truncate(5) }}{% endfor %}{% endfor %}",
    "{% for a in cart %}{% for b in cart %}{% if cart|join contains 'q' %}x{% endif %}{% endfor %}{% endfor %}",
    "{% for a in interests %}{% for b in interests %}{{ loop.revindex }}{% endfor %}{% endfor %}" * 20,
    "{{ cart }}",
    "{{ cart|join(first_name) }}",
    "{{ interests|join(interests|join(first_name)) }}",
    "{{ interests|join(', ')" + "|urlencode" * 30 + " }}",
    "{{ " + "first_name ~ " * 300 + "city }}",
    "{{ 1 if " + "(city or " * 40 + "city" + ")" * 40 + " }}",
    "{{ first_name|truncate(99999999999) }}",
    "{{ 1.5|round(999999) }}",
    "{% if " + "not " * 50 + "city %}{% endif %}",
    "{{ first_name|title|title|title }}" * 700,
    "<style>" + "a " * 50_000 + "{ x: y }</style><p>{first_name}</p>",
    "<style>" + "* { color: red } " * 5_000 + "</style>" + "<p></p>" * 5_000,
    "<style>td { color: red }</style>" + "<table>" * 15_000,
    "<style>p { c: d }</style><p style='" + "a: b;" * 25_000 + "'>x</p>",
    "<mjml><mj-body>" + "<mj-section>" * 3_000 + "</mj-body></mjml>",
]
"""What is a letter for somebody, or was meant to be a great deal of one."""


@pytest.fixture(scope="module")
def measured() -> dict[str, list[Any]]:
    """Template → ``[outcome, CPU in ms, MB]``."""
    every = [*REFUSED, *BOUNDED]
    probe = subprocess.run(
        [sys.executable, Path(__file__).with_name("hostile_probe.py")],
        input=json.dumps(every),
        capture_output=True,
        check=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(CORE)},
    )
    return dict(zip(every, json.loads(probe.stdout), strict=True))


def brief(source: str) -> str:
    return source[:40].encode("ascii", "backslashreplace").decode()


@pytest.mark.parametrize("source", REFUSED, ids=brief)
def test_what_could_never_be_a_letter_is_refused(source: str, measured: dict[str, list[Any]]) -> None:
    assert measured[source][0] == "bad-template"


@pytest.mark.parametrize("source", BOUNDED, ids=brief)
def test_what_could_be_one_ends_as_a_letter_or_as_a_reason(source: str, measured: dict[str, list[Any]]) -> None:
    assert measured[source][0] in ("letter", "letter-too-large", "bad-template")


def test_none_takes_more_time_or_memory_than_a_letter_may(measured: dict[str, list[Any]]) -> None:
    assert len(measured) >= 40
    worst = {brief(source): took for source, took in measured.items() if took[1] > MILLISECONDS or took[2] > MEGABYTES}
    assert worst == {}
