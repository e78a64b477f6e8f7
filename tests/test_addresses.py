"""Where a request came from: whom to believe, and what may be kept of it."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from credfirewall.addresses import FORWARDED, client_address, is_local, kept

PEER = "203.0.113.9"
KEY = b"k" * 32
GARBAGE = ["", " ", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "1.2.3.256", "[", "[]", "[::1",
           "::1]", ":", ":80", "[1:2", "\0", "\ud800", "\u0661.\u0662.\u0663.\u0664", "fe80::1%",
           "1.2.3.4%eth0"]  # fmt: skip
NOVEMBER = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)


def seen(forwarded: str | None = None, peer: object = PEER) -> str | None:
    meta: dict[str, object] = {"REMOTE_ADDR": peer}
    if forwarded is not None:
        meta["HTTP_X_FORWARDED_FOR"] = forwarded
    address = client_address(meta)
    return None if address is None else str(address)


@pytest.fixture
def proxies(settings: Settings) -> Any:
    def behind(number: int) -> None:
        settings.CREDFIREWALL = {"TRUSTED_PROXIES": number}

    return behind


class TestWhoIsBelieved:
    def test_without_proxies_nobody_but_the_connection(self) -> None:
        assert seen("198.51.100.1") == PEER

    @pytest.mark.parametrize(
        ("number", "forwarded", "client"),
        [
            (1, "198.51.100.1", "198.51.100.1"),
            (1, "6.6.6.6, 198.51.100.1", "198.51.100.1"),
            (1, "6.6.6.6,198.51.100.1", "198.51.100.1"),
            (2, "198.51.100.1, 10.0.0.2", "198.51.100.1"),
            (2, "6.6.6.6, 7.7.7.7, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
            (3, "198.51.100.1, 10.0.0.3, 10.0.0.2", "198.51.100.1"),
        ],
    )
    def test_each_proxy_is_believed_once(
        self, proxies: Any, number: int, forwarded: str, client: str
    ) -> None:
        proxies(number)
        assert seen(forwarded) == client

    @pytest.mark.parametrize("forwarded", [None, "", "198.51.100.1"])
    def test_with_fewer_entries_the_request_did_not_come_through_them(
        self, proxies: Any, forwarded: str | None
    ) -> None:
        proxies(2)
        assert seen(forwarded) == PEER

    @pytest.mark.parametrize("entry", GARBAGE, ids=ascii)
    def test_garbage_is_the_proxy_s(self, proxies: Any, entry: str) -> None:
        proxies(1)
        assert seen(f"6.6.6.6, {entry}") == PEER

    @given(st.text())
    def test_no_header_is_an_error(self, text: str) -> None:
        assert client_address({"REMOTE_ADDR": text, "HTTP_X_FORWARDED_FOR": text}) is None or text

    def test_a_header_of_ten_megabytes_is_no_work(self, proxies: Any) -> None:
        proxies(1)
        assert seen("," * 10_000_000 + "198.51.100.1") == "198.51.100.1"

    @pytest.mark.parametrize("peer", ["", None, "unix:", "/run/gunicorn.sock"])
    def test_a_unix_socket_has_no_address(self, proxies: Any, peer: object) -> None:
        assert seen("198.51.100.1", peer) is None
        proxies(1)
        assert seen("198.51.100.1", peer) == "198.51.100.1"
        assert seen("", peer) is None


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.1:443", "198.51.100.1"),
        (" 198.51.100.1 ", "198.51.100.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1:2]", "2001:db8::1:2"),
        ("2001:db8::1:2", "2001:db8::1:2"),
        ("1:2:3:4:5:6:7:8:443", "1:2:3:4:5:6:7:8"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("[::ffff:198.51.100.1]:443", "198.51.100.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:443", "fe80::1"),
    ],
)
def test_an_address_is_read_however_it_is_written(proxies: Any, written: str, address: str) -> None:
    assert seen(peer=written) == address
    proxies(1)
    assert seen(f"6.6.6.6, {written}") == address


class TestIsLocal:
    LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8000"}

    @pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    @pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1", "[::1]"])
    @pytest.mark.parametrize("port", ["", ":8000"])
    def test_this_machine_asked_by_its_name(self, peer: str, name: str, port: str) -> None:
        assert is_local({"REMOTE_ADDR": peer, "HTTP_HOST": name + port})

    @pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.1", "", "unix:", None])
    def test_another_machine(self, peer: object) -> None:
        assert not is_local(self.LOCAL | {"REMOTE_ADDR": peer})

    @pytest.mark.parametrize(
        "name",
        [
            *("", "www.example.com", "127.0.0.1.example.com", "localhost.example.com", "::1"),
            *("user@localhost", "localhost:8000:1", "localhost\n", "notlocalhost", "[::1", "0"),
        ],
    )
    def test_a_name_from_elsewhere(self, name: str) -> None:
        assert not is_local(self.LOCAL | {"HTTP_HOST": name})

    def test_no_name(self) -> None:
        assert not is_local({"REMOTE_ADDR": "127.0.0.1", "SERVER_NAME": "localhost"})

    @pytest.mark.parametrize(
        "header",
        [
            *(
                "Forwarded",
                "Via",
                "X-Forwarded-For",
                "X-Forwarded-Proto",
                "X-Forwarded",
                "Client-IP",
            ),
            *("X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "CF-Ray", "X-Client-IP"),
            *("X-Cluster-Client-IP", "Fastly-Client-IP", "Fly-Client-IP", "CDN-Loop", "X-Scheme"),
            *("X-Original-URL", "X-Original-Forwarded-For", "X-Envoy-External-Address"),
            *("X-Azure-ClientIP", "X-ARR-SSL", "X-Amzn-Trace-Id", "X-Amz-Cf-Id", "Incap-Client-IP"),
            *("X-AppEngine-User-IP", "X-Vercel-Forwarded-For", "X-ProxyUser-Ip", "X-Remote-IP"),
            *("Front-End-Https", "X-Url-Scheme", "Proxy-Client-IP", "X-Originating-IP"),
        ],
    )
    def test_what_shows_a_proxy(self, header: str) -> None:
        name = f"HTTP_{header.upper().replace('-', '_')}"
        assert name.startswith(FORWARDED)
        for value in ("127.0.0.1", ""):
            assert not is_local(self.LOCAL | {name: value})

    def test_the_proxy_that_settings_name(self, settings: Settings) -> None:
        mine = self.LOCAL | {"HTTP_OUR_EDGE_SAYS": "https"}
        assert is_local(mine)
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_OUR_EDGE_SAYS", "http")
        assert not is_local(mine)
        assert is_local(self.LOCAL)

    def test_nginx_speaks_an_old_http_to_what_is_behind_it(self) -> None:
        assert is_local(self.LOCAL | {"SERVER_PROTOCOL": "HTTP/1.1"})
        assert not is_local(self.LOCAL | {"SERVER_PROTOCOL": "HTTP/1.0"})

    @pytest.mark.parametrize("header", ["USER_AGENT", "ACCEPT", "COOKIE", "X_REQUEST_ID", "ORIGIN"])
    def test_what_shows_none(self, header: str) -> None:
        assert is_local(self.LOCAL | {f"HTTP_{header}": "something"})


class TestKept:
    @pytest.fixture(autouse=True)
    def _as_settings_say(self, settings: Settings) -> None:
        self.settings = settings

    def kept(self, how: str | None, address: str | None, key: bytes = KEY, **later: int) -> str:
        self.settings.CREDFIREWALL = {} if how is None else {"AUDIT_IP": how}
        read = None if address is None else ip_address(address)
        return kept(read, key, NOVEMBER + timedelta(**later))

    @pytest.mark.parametrize("how", ["truncated", None, "fulll"])
    def test_truncated_is_a_network_and_what_is_not_said_otherwise(self, how: str | None) -> None:
        assert self.kept(how, "198.51.100.77") == "198.51.100.0/24"
        assert self.kept(how, "2001:db8:a:b:c::1") == "2001:db8:a::/48"

    def test_full(self) -> None:
        assert self.kept("full", "198.51.100.77") == "198.51.100.77"
        longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        assert self.kept("full", longest) == longest

    def test_none(self) -> None:
        assert self.kept("none", "198.51.100.77") == ""

    @pytest.mark.parametrize("how", ["full", "truncated", "hashed", "none"])
    def test_nothing_is_kept_of_nothing(self, how: str) -> None:
        assert self.kept(how, None) == ""

    def test_hashed_says_nothing_but_that_it_is_the_same(self) -> None:
        hashed = self.kept("hashed", "198.51.100.77")
        assert hashed.startswith("h:") and len(hashed) == 26
        assert hashed == self.kept("hashed", "198.51.100.77", days=-29)
        assert hashed != self.kept("hashed", "198.51.100.78")

    def test_hashed_is_another_one_each_month_and_under_each_key(self) -> None:
        hashed = self.kept("hashed", "198.51.100.77")
        assert hashed != self.kept("hashed", "198.51.100.77", seconds=1)
        assert hashed != self.kept("hashed", "198.51.100.77", days=365)
        assert hashed != self.kept("hashed", "198.51.100.77", b"another")
