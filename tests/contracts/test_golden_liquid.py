"""``contains`` means what Liquid says it means: every case of the Golden Liquid suite that uses it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tailor.kernel.program import Program, Template
from tailor.rules.consent import View
from tailor.rules.templates import compile_template

SUITE = Path(__file__).parents[3] / "shared" / "corpus" / "email" / "golden-liquid" / "golden_liquid.json"
WORDS = {"if", "endif", "else", "contains", "nil", "true", "false"}


def cases() -> list[dict[str, Any]]:
    if not SUITE.exists():
        return []
    return [case for case in json.loads(SUITE.read_text())["tests"] if " contains " in case["template"]]


def test_the_suite_is_there() -> None:
    if not SUITE.exists():
        pytest.skip("Golden Liquid suite not present")
    assert len(cases()) >= 16


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"])
def test_contains(case: dict[str, Any]) -> None:
    tags = " ".join(re.findall(r"\{%(.*?)%\}", case["template"]))
    names = set(re.findall(r"(?<![.\w])[a-z]\w*", re.sub(r"'[^']*'", "", tags))) - WORDS
    program = Program.of([{"name": "golden", "attributes": {name: {} for name in names}}])
    letterhead = compile_template(Template("case", "s", case["template"]), program)
    assert letterhead.render(View(case.get("data", {}), {}, {}), {}, now=0).html == case["result"]
