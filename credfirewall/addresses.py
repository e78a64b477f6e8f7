"""Where a request came from: read through the project's own proxies only, kept as AUDIT_IP says."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from credfirewall.conf import conf

Address = IPv4Address | IPv6Address
_BRACKETED = re.compile(r"\[([^\]]*)\](?::\d+)?")
"""How an IPv6 address is written where a port may follow (RFC 3986 3.2.2)."""


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
    length = 24 if address.version == 4 else 48
    return str(ip_network((address, length), strict=False))


def _read(value: object) -> Address | None:
    text = str(value or "").strip()
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
