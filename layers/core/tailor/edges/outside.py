"""Requests to addresses that customers name: over TLS, to public addresses only, to what was looked up and checked.

Whoever may name a URL could otherwise have this account's network call itself (server-side request forgery): the
metadata service, private addresses, whatever a name resolves to the second time it is asked. So a name is resolved
once, every address it has must be public, and the connection goes to one of those addresses. Redirects are answers
like any other.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from tailor.kernel.errors import Rejected, Transient

if TYPE_CHECKING:
    from http.client import HTTPConnection

SECONDS = 10
"""How long an endpoint may keep us waiting, for the connection and for each part of its answer."""
PORTS = (443, 8443)

# Ways to write an IPv4 address in IPv6 that Python calls global.
_TRANSLATED = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outside:
    """The world outside. ``anywhere`` lifts the limits, for runs on one machine."""

    anywhere: bool = False

    def check(self, url: str) -> SplitResult:
        """A URL that may be posted to, as far as can be told without a look-up.

        Raises
        ------
        Rejected : it may not.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _refused(f"this is no URL: {error}") from error
        if not parts.hostname or any(not 0x20 < ord(char) < 0x7F for char in url):
            raise _refused("give a whole URL, such as https://shop.example/hooks")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise _refused("leave user, password and fragment out of the URL")
        if self.anywhere and parts.scheme in ("http", "https"):
            return parts
        if parts.scheme != "https":
            raise _refused("the URL must begin with https://")
        if port is not None and port not in PORTS:
            raise _refused(f"the port must be one of {', '.join(map(str, PORTS))}")
        try:
            literal = ip_address(parts.hostname)
        except ValueError:
            return parts
        if not _public(literal):
            raise _refused("this address is not a public one")
        return parts

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Post once; answers the status. Redirects are not followed.

        Raises
        ------
        Rejected : the URL leads to where nothing may be sent.
        Transient : there was no answer.
        """
        return self.ask("POST", url, body, headers, room=1024).status

    def ask(self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, room: int) -> Heard:
        """One request, of whose answer ``room`` bytes are read. Redirects are not followed.

        Raises
        ------
        Rejected : the URL leads to where nothing may be sent.
        Transient : there was no answer.
        """
        from http.client import HTTPException

        parts = self.check(url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection = self._connection(parts)
        try:
            connection.request(method, path, body or None, dict(headers))
            answer = connection.getresponse()
            said = answer.read(room)
            return Heard(answer.status, {name.lower(): value for name, value in answer.getheaders()}, said)
        except (OSError, HTTPException) as error:
            raise Transient(f"no answer: {type(error).__name__}") from error
        finally:
            connection.close()

    def _connection(self, parts: SplitResult) -> HTTPConnection:
        from http.client import HTTPConnection, HTTPSConnection

        host = str(parts.hostname)
        if parts.scheme == "http":
            return HTTPConnection(host, parts.port or 80, timeout=SECONDS)
        address = self._address(host, parts.port or 443)
        connection = HTTPSConnection(host, parts.port or 443, timeout=SECONDS)
        # The certificate is checked against the name; the socket goes to the address that was looked at.
        connection._create_connection = lambda _, *rest: socket.create_connection(address, *rest)  # type: ignore[attr-defined]
        return connection

    def _address(self, host: str, port: int) -> tuple[str, int]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Transient(f"the name does not resolve: {type(error).__name__}") from error
        addresses = [str(address[0]) for *_, address in found]
        if not self.anywhere and not all(_public(ip_address(one.partition("%")[0])) for one in addresses):
            raise _refused("the name leads to an address that is not a public one")
        return addresses[0], port


def _public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _public(address.ipv4_mapped)
        if address.teredo is not None or any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _refused(detail: str) -> Rejected:
    return Rejected(detail, code="bad-url", pointer="/url")
