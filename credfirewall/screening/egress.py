"""What leaves the machine and what may come back: shared by the blocking and the native client."""

import os
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path

import certifi
from requests.utils import get_environ_proxies, select_proxy

from credfirewall import __version__
from credfirewall.corpus.layout import PackedRange
from credfirewall.exceptions import SourceUnavailable
from credfirewall.screening.ranges import parse
from credfirewall.screening.verdict import Reason

MAX_BODY = 4 * 1024 * 1024
"""Bytes. The largest range that can be packed, 65,535 rows, takes 3 MiB."""

HEADERS = {
    "User-Agent": f"django-credfirewall/{__version__}",
    "Accept": "text/plain, */*",
    # Uncompressed: nothing that expands without bound, and Content-MD5 is of the same bytes.
    "Accept-Encoding": "identity",
}
PADDED_HEADERS = {**HEADERS, "Add-Padding": "true"}


@dataclass(frozen=True, slots=True)
class Request:
    """A question for one prefix."""

    base: str
    prefix: str = field(repr=False)
    padded: bool

    @property
    def url(self) -> str:
        return f"{self.base.rstrip('/')}/{self.prefix}"

    @property
    def proxy(self) -> str | None:
        return proxy_for(self.base)

    @property
    def headers(self) -> dict[str, str]:
        return PADDED_HEADERS if self.padded else HEADERS


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: complete if its status is 200, else without its body.

    ``headers`` have lower-case names.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)  # a Location may repeat the prefix
    body: bytes = field(repr=False)

    def packed(self) -> PackedRange:
        """Read the answer as a range. Raises SourceUnavailable."""
        if self.status != 200:
            raise _refusal(self.status, self.headers)
        if self.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise SourceUnavailable(Reason.MALFORMED)
        announced = self.headers.get("content-length")
        if announced is None:
            # With neither, the end of the connection is that of the body, as of one that was cut.
            whole = self.headers.get("transfer-encoding", "").strip().lower() == "chunked"
        else:
            whole = announced.strip() == str(len(self.body))
        if not whole:
            raise SourceUnavailable(Reason.TRUNCATED)
        return parse(self.body, self.headers.get("content-md5"))


def _refusal(status: int, headers: Mapping[str, str]) -> SourceUnavailable:
    if status == 429:
        return SourceUnavailable(Reason.RATE_LIMITED, retry_after=_seconds(headers))
    if 300 <= status < 400:
        return SourceUnavailable(Reason.REDIRECT)
    if 400 <= status < 500:
        return SourceUnavailable(Reason.HTTP_CLIENT_ERROR)
    if status >= 500:
        return SourceUnavailable(Reason.HTTP_SERVER_ERROR)
    return SourceUnavailable(Reason.HTTP_STATUS)


def _seconds(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After (RFC 9110 10.2.3), which names seconds or a date."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit() and len(asked) < 10:
        return float(asked)
    try:
        return parsedate_to_datetime(asked).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


_PROXY_VARIABLES = [
    variant
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for variant in (name, name.lower())
]


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment (HTTPS_PROXY, NO_PROXY ...) asks for, if any.

    ``url`` should be without the prefix: the answer is kept, because finding it takes as long as
    a request does.
    """
    return _proxy_for(url, tuple(map(os.environ.get, _PROXY_VARIABLES)))


@lru_cache(maxsize=64)
def _proxy_for(url: str, environment: tuple[str | None, ...]) -> str | None:
    try:
        return select_proxy(url, get_environ_proxies(url))
    except ValueError:  # not a URL, as the client will say
        return None


@lru_cache(maxsize=8)
def tls_context(
    bundle: str | None, socket_class: type[ssl.SSLSocket] = ssl.SSLSocket
) -> ssl.SSLContext:
    """Return a verifying context. Loading the certificates takes 20 ms, so it is kept.

    Given neither file nor folder, ``ssl`` would trust whom the system trusts.
    """
    bundle = bundle or certifi.where()
    file, folder = (None, bundle) if Path(bundle).is_dir() else (bundle, None)
    context = ssl.create_default_context(cafile=file, capath=folder)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = socket_class
    return context


def ca_bundle() -> str | None:
    """Return the file or folder of trusted certificates that the environment names, if any."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    return next((path for name in names if (path := os.environ.get(name))), None)
