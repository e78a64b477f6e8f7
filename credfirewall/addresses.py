"""Where a request came from: read through the project's own proxies only, kept as AUDIT_IP says."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings

from credfirewall.conf import conf

Address = IPv4Address | IPv6Address
_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?")
"""How an IPv6 address is written where a port may follow (RFC 3986 3.2.2)."""
_THIS_MACHINE = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]*)?", re.ASCII | re.IGNORECASE)
"""Host headers that no visitor from elsewhere has a reason to send."""
FORWARDED = (
    *("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED", "HTTP_X_REAL_IP", "HTTP_X_ORIGINAL_"),
    *("HTTP_CLIENT_IP", "HTTP_X_CLIENT_IP", "HTTP_X_CLUSTER_CLIENT_IP", "HTTP_TRUE_CLIENT_IP"),
    *("HTTP_X_REMOTE_", "HTTP_X_ORIGINATING_IP", "HTTP_X_SCHEME", "HTTP_X_URL_SCHEME"),
    *("HTTP_FRONT_END_HTTPS", "HTTP_X_PROXY", "HTTP_PROXY", "HTTP_CDN_LOOP", "HTTP_CF_"),
    *("HTTP_FASTLY_", "HTTP_FLY_", "HTTP_INCAP_", "HTTP_X_AMZ_CF_", "HTTP_X_AMZN_"),
    *("HTTP_X_APPENGINE_", "HTTP_X_ARR_", "HTTP_X_AZURE_", "HTTP_X_ENVOY_", "HTTP_X_VERCEL_"),
)
"""How the headers begin that proxies and content networks add."""


def client_address(meta: Mapping[str, object]) -> Address | None:
    """Return the address of the client, from ``request.META`` or a WSGI environment.

    Each of TRUSTED_PROXIES has added the address that it saw to X-Forwarded-For, so the last so
    many can be believed, and what is before them was written by the client (ASVS 4.1.3). With
    fewer than that the request did not come through the proxies, and its own address counts.
    None when there is none that can be read, as on a Unix socket.
    """
    peer = _read(meta.get("REMOTE_ADDR"))
    proxies = conf.TRUSTED_PROXIES
    if not proxies:
        return peer
    hops = str(meta.get("HTTP_X_FORWARDED_FOR") or "").rsplit(",", proxies)
    if len(hops) < proxies:
        return peer
    return _read(hops[-proxies]) or peer


def is_local(meta: Mapping[str, object]) -> bool:
    """Whether a request was made on this machine, to this machine, and forwarded by nobody.

    Behind a proxy on the same machine every visitor has a loopback address. So the request must
    also ask for this machine by name, and show no trace of a proxy: none of FORWARDED, not the
    header of SECURE_PROXY_SSL_HEADER, and not HTTP/1.0, which nginx speaks to what is behind it
    unless told otherwise, with a name of this machine for a host.
    """
    address = _read(meta.get("REMOTE_ADDR"))
    if address is None or not address.is_loopback:
        return False
    if not _THIS_MACHINE.fullmatch(str(meta.get("HTTP_HOST") or "")):
        return False
    own = settings.SECURE_PROXY_SSL_HEADER
    forwarded = any(name.startswith(FORWARDED) for name in meta) or (own and own[0] in meta)
    return not forwarded and meta.get("SERVER_PROTOCOL") != "HTTP/1.0"


def kept(address: Address | None, key: bytes, at: datetime) -> str:
    """Return what AUDIT_IP says may be kept of ``address``: "" for nothing.

    "truncated" keeps the network (/24, /48); "hashed" a MAC under ``key`` that is another one
    each month, so that it cannot be followed for ever.
    """
    how = conf.AUDIT_IP
    if address is None or how == "none":
        return ""
    if how == "full":
        return str(address)
    if how == "hashed":
        message = f"{at:%Y-%m} {address}".encode()
        return "h:" + hmac.digest(key, message, hashlib.sha256)[:12].hex()
    return _network(address)


@lru_cache(maxsize=256)
def _network(address: Address) -> str:
    length = 24 if address.version == 4 else 48
    return str(ip_network((address, length), strict=False))


def _read(value: object) -> Address | None:
    return _parsed(str(value or ""))


@lru_cache(maxsize=256)
def _parsed(text: str) -> Address | None:
    """Return the address that ``text`` is. Remembered: a request has its read several times."""
    text = text.strip()
    if (bracketed := _BRACKETED.fullmatch(text)) is not None:
        text = bracketed[1]
    try:
        address = ip_address(text)
    except ValueError:
        try:  # some proxies add the port
            address = ip_address(text.rpartition(":")[0])
        except ValueError:
            return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.scope_id:
            return IPv6Address(int(address))
    return address
