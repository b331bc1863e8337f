"""Make ``layers/core/tailor/rules/support.py`` anew: ``python local/client_support.py caniemail.json > ...``.

The file read is ``data/caniemail.json`` of the npm package ``caniemail``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CLIENTS: dict[str, tuple[str, str]] = {
    "i": ("apple-mail", "ios"),
    "m": ("apple-mail", "macos"),
    "g": ("gmail", "desktop-webmail"),
    "a": ("gmail", "android"),
    "p": ("gmail", "ios"),
    "w": ("outlook", "windows"),
    "o": ("outlook", "outlook-com"),
    "y": ("yahoo", "desktop-webmail"),
    "s": ("samsung-email", "android"),
}
"""The letters of ``rules/lint.py``."""
HEAD = '''"""Which mail clients do not support which features: made by ``local/client_support.py``, not by hand.

Data of caniemail.com as packed in npm's ``caniemail`` {version} ({date}), under the MIT License:
Copyright (c) Avi Goldman, Copyright (c) Andrew Powell <andrew@shellscape.org>. Permission is hereby granted, free of
charge, to any person obtaining a copy of this software and associated documentation files (the "Software"), to deal in
the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish,
distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to
do so, subject to the following conditions: The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND,
EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE
AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE
OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""

_TABLE = """\\'''
TAIL = '''"""
UNSUPPORTED: dict[str, tuple[str, str]] = {
    slug: (title, clients) for slug, title, clients in (line.split("|") for line in _TABLE.splitlines())
}
"""Feature → (title, letters of the clients that did not support it when last tested); absent: all support it."""'''


def main() -> None:
    """Print the module."""
    raw = json.loads(Path(sys.argv[1]).read_text())
    print(HEAD.format(version=raw["api_version"], date=raw["last_update_date"][:10]))
    for feature in sorted(raw["data"], key=lambda one: str(one["slug"])):
        lacking = [client for client, (family, platform) in CLIENTS.items() if _lacks(feature, family, platform)]
        if feature["category"] in ("css", "html") and lacking:
            print(f"{feature['slug']}|{feature['title']}|{''.join(lacking)}")
    print(TAIL)


def _lacks(feature: dict[str, Any], family: str, platform: str) -> bool:
    tested = list(feature["stats"].get(family, {}).get(platform, {}).values())
    return bool(tested) and tested[-1].startswith("n")


if __name__ == "__main__":
    main()
