"""The REST API as the command line sees it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

TIMEOUT = 60
"""Seconds to wait for an answer; a cold start takes one or two."""


class Unreachable(Exception):
    """Nobody answered, or not in our language."""


class Refused(Exception):
    """The server said no.

    ``status`` is HTTP's, ``problem`` the body of the answer (``{"detail", "pointer", "errors", ...}``).
    """

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or problem.get("message") or f"HTTP {status}"))
        self.status = status
        self.problem = problem


class Client:
    """One deployment. ``url`` is its root, ``token`` a bearer token."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._bearer = {"authorization": f"Bearer {token}"}

    def get(self, *path: str, **query: str) -> Any:
        """``client.get("people", id, "timeline", limit="20")`` reads ``/api/people/{id}/timeline?limit=20``."""
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        return self.call("GET", _join("api", *path) + (f"?{asked}" if asked else ""), None, self._bearer)

    def post(self, *path: str, body: Mapping[str, Any]) -> Any:
        """Post to ``/api/...``."""
        return self.call("POST", _join("api", *path), _json(body), self._bearer)

    def put(self, *path: str, body: Mapping[str, Any], dry_run: bool = False) -> Any:
        """Put to ``/api/...``."""
        query = "?dry_run=true" if dry_run else ""
        return self.call("PUT", _join("api", *path) + query, _json(body), self._bearer)

    def delete(self, *path: str) -> None:
        """Delete ``/api/...``."""
        self.call("DELETE", _join("api", *path), None, self._bearer)

    def render(self, body: Mapping[str, Any]) -> Any:
        """A letter as one person would get it."""
        return self.call("POST", "/render", _json(body), self._bearer)

    def call(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Any:
        """One request; answers the JSON of the answer, ``None`` for an empty one.

        Raises
        ------
        Refused : the status is 400 or above.
        Unreachable : there is no answer, or none of ours.
        """
        kind = {"content-type": "application/json"} if body is not None else {}
        if urlsplit(self._url).scheme not in ("http", "https"):
            raise Unreachable(f"{self._url!r} is no URL of a deployment: it begins with https://")
        request = Request(self._url + path, data=body, headers={**kind, **headers}, method=method)  # noqa: S310
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                return _read(answer.read(), self._url)
        except HTTPError as error:
            with error:
                raise Refused(error.code, _problem(error.read())) from None
        except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
            raise Unreachable(f"{self._url} does not answer: {getattr(error, 'reason', error)}") from None


def _join(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _json(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _read(raw: bytes, url: str) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        raise Unreachable(f"{url} answers, but not as Tailor does; is it the right URL?") from None


def _problem(raw: bytes) -> dict[str, Any]:
    try:
        problem = json.loads(raw)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
