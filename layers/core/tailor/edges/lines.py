"""Lines: HTTP connections to one host that stay open, each request sent once whatever comes of it.

The standard library speaks HTTP; this only keeps its connections. What a general pool does besides (retries, redirects,
proxies, decoding) may not happen to a letter, and cost as much as the request.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from select import POLLIN, poll
from urllib.parse import urlsplit


class Unreached(OSError):
    """No connection came about: nothing was sent."""


class Broken(OSError):
    """The connection ended, or was silent for too long, while an answer was due: what was sent may have been taken."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; names of headers are found in any case."""

    status: int
    headers: Message
    body: bytes


class Lines:
    """Connections to the host of ``url``, as many as are used at once. ``seconds`` is how long it may keep us waiting,
    for the connection and for each part of its answer; ``trust`` a file of certificates."""

    def __init__(self, url: str, *, seconds: int, trust: str | None = None) -> None:
        parts = urlsplit(url)
        self.host = parts.netloc
        self._seconds = seconds
        self._tls = ssl.create_default_context(cafile=trust) if parts.scheme == "https" else None
        self._idle: list[HTTPConnection] = []

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """One request; many threads may be at it.

        Raises
        ------
        Unreached, Broken : see there.
        """
        line = self._line()
        try:
            line.request("POST", path, body=body, headers=headers)
            answer = line.getresponse()
            reply = Reply(answer.status, answer.headers, answer.read())
        except (OSError, HTTPException) as error:
            line.close()
            raise Broken(f"{type(error).__name__}: {error}") from error
        except ValueError:
            # A header that cannot be one; the line has begun to say it.
            line.close()
            raise
        self._idle.append(line)
        return reply

    def _line(self) -> HTTPConnection:
        """The one used last of those at rest, for the host closes those that rest too long; else a new one."""
        while self._idle:
            line = self._idle.pop()
            if line.sock is not None and not _readable(line.sock.fileno()):
                return line
            line.close()
        line = self._new()
        try:
            line.connect()
        except (OSError, HTTPException) as error:
            line.close()
            raise Unreached(f"{type(error).__name__}: {error}") from error
        return line

    def _new(self) -> HTTPConnection:
        if self._tls is None:
            return HTTPConnection(self.host, timeout=self._seconds)
        return HTTPSConnection(self.host, timeout=self._seconds, context=self._tls)


def _readable(file: int) -> bool:
    """Whether something has come while nothing was asked: the host has hung up."""
    waiting = poll()
    waiting.register(file, POLLIN)
    return bool(waiting.poll(0))
