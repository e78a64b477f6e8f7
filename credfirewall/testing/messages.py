"""HTTP requests and responses as the loopback servers see them."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it arrived; header names are in lower case.

    Its ``repr`` shows the method alone: paths hold prefixes, and headers hold credentials.
    """

    method: str
    path: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    version: str = field(default="HTTP/1.1", repr=False)

    @classmethod
    def parse(cls, head: bytes) -> "Request":
        """Read a request's head. Raises ValueError when it is not one."""
        start, *lines = head.decode("latin-1").split("\r\n")
        method, path, version = start.split(" ")
        headers = {}
        for line in lines:
            if line:
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
        return cls(method, path, headers, version=version)

    def with_body(self, body: bytes) -> "Request":
        return replace(self, body=body)

    @property
    def keeps_alive(self) -> bool:
        wish = self.headers.get("connection", "").lower()
        return wish == "keep-alive" if self.version == "HTTP/1.0" else wish != "close"


@dataclass(frozen=True)
class Response:
    """A response, and its bytes (``wire``), made once."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def head(self) -> bytes:
        try:
            phrase = HTTPStatus(self.status).phrase
        except ValueError:
            phrase = ""
        lines = [f"HTTP/1.1 {self.status} {phrase}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @cached_property
    def wire(self) -> bytes:
        return self.head + self.body

    def with_headers(self, **headers: str | None) -> "Response":
        """Return a copy with headers set (``content_md5="..."``) or, for None, left out."""
        changed = {name.replace("_", "-").title(): value for name, value in headers.items()}
        merged = {**self.headers, **changed}
        return replace(self, headers={k: v for k, v in merged.items() if v is not None})

    def with_body(self, body: bytes) -> "Response":
        """Return a copy with another body, and the length and checksum that go with it."""
        checksum = content_md5(body) if "Content-Md5" in self.headers else None
        changed = replace(self, body=body)
        return changed.with_headers(content_length=str(len(body)), content_md5=checksum)


def content_md5(body: bytes) -> str:
    """Return the value of a Content-MD5 header (RFC 1864): base64 of the digest."""
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
