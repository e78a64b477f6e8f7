"""The JavaScript client in a real browser, under a strict policy, against real servers."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.test import Client
from django.urls import include, path
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from credfirewall.testing import breached, faults
from credfirewall.testing.quirks import QUIRKS
from credfirewall.testing.server import RangeServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

POLICY = (
    "default-src 'none'; script-src 'self'; "
    "connect-src 'self' http://127.0.0.1:* http://localhost:*"
)


def page_with_token(request: HttpRequest, place: str) -> HttpResponse:
    """A page that has the CSRF token in one place, or in none."""
    token = "" if place == "nowhere" else get_token(request)
    held = {
        "form": f'<input type="hidden" name="csrfmiddlewaretoken" value="{token}">',
        "meta": f'<meta name="csrf-token" content="{token}">',
    }
    page = HttpResponse(f"<!doctype html><title>A page</title>{held.get(place, '')}")
    if place != "cookie":
        # The cookie has to be there to be compared with, and is out of reach of scripts.
        request.META["CSRF_COOKIE_NEEDS_UPDATE"] = False
        if token:
            page.set_cookie("csrftoken", request.META["CSRF_COOKIE"], httponly=True)
    page["Content-Security-Policy"] = POLICY
    page["Referrer-Policy"] = "unsafe-url"  # what a careless site may say
    return page


def proxy(_request: HttpRequest, status: int, kind: str, rest: str) -> HttpResponse:
    """What stands between, and answers by itself."""
    answers = {
        "html": "<!doctype html><title>Sign in</title>",
        "json": '{"message": "no"}',
        "list": "[]",
        "null": "null",
        "empty": "",
        "redirect": "",
        "long": '{"rules": [], "more": "' + "x" * (1 << 20) + '"}',
    }
    headers = {"Retry-After": "soon", "Location": f"/{rest}"}
    return HttpResponse(answers[kind], status=status, headers=headers)


urlpatterns = [
    path("page/<str:place>", page_with_token),
    path("proxy/<int:status>/<str:kind>/<path:rest>", proxy),
    path("", include("credfirewall.urls")),
]

browser_test = pytest.mark.browser


SURROUNDINGS = """async (options) => {
  const module = await import("/static/credfirewall/client.js");
  const { Client, CredfirewallError, violations } = module;
  const client = new Client(options);
  try {
    return await (EXPRESSION);
  } catch (error) {
    const { name, message } = error;
    return { ...error, name, message, ours: error instanceof CredfirewallError };
  }
}"""


class Script:
    """Runs JavaScript in a page that has loaded the client."""

    def __init__(self, page: "Page") -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: "ConsoleMessage") -> None:
        if "Security Policy" in message.text:
            self.complaints.append(message.text)

    def run(self, expression: str, **options: Any) -> Any:
        """Return what ``expression`` gives, or what it was rejected with."""
        return self.page.evaluate(
            SURROUNDINGS.replace("EXPRESSION", expression),
            options,
        )


Open = Callable[..., Script]


@pytest.fixture
def open_page(browser: "Browser", live_server: LiveServer, settings: Settings) -> Iterator[Open]:
    settings.ROOT_URLCONF = __name__
    scripts: list[Script] = []

    def open_page(place: str = "cookie", user: User | None = None) -> Script:
        context = browser.new_context(base_url=live_server.url)
        if user is not None:
            client = Client()
            client.force_login(user)
            cookies = client.cookies.items()
            context.add_cookies(
                [{"name": k, "value": v.value, "url": live_server.url} for k, v in cookies]
            )
        page = context.new_page()
        page.goto(f"/page/{place}")
        scripts.append(Script(page))
        return scripts[-1]

    yield open_page
    for script in scripts:
        script.page.context.close()
    assert [each.complaints for each in scripts if each.complaints] == []


@pytest.fixture
def ann(transactional_db: None) -> User:
    return User.objects.create_user("ann", "ann@example.com")


@pytest.fixture
def script(open_page: Open) -> Script:
    return open_page()


@pytest.fixture
def signed_in(open_page: Open, ann: User) -> Script:
    return open_page(user=ann)


@pytest.fixture
def ranges() -> Iterator[RangeServer]:
    with RangeServer({"hunter2": 17_043, "\N{LATIN SMALL LETTER E WITH ACUTE}clair": 5}) as server:
        yield server


# The site's own API


@browser_test
def test_generating(signed_in: Script) -> None:
    one = signed_in.run("client.generate({ length: 24, exclude: '<>&]\\\\^' })")
    assert (one["kind"], len(one["password"]), one["length"]) == ("password", 24, 24)
    several = signed_in.run("client.generate({ kind: 'passphrase', count: 3 })")
    assert len({each["password"] for each in several}) == 3
    assert signed_in.run("client.generate()")["length"] == 20


@browser_test
def test_what_is_wrong_is_told_by_field(signed_in: Script) -> None:
    error = signed_in.run("client.generate({ length: 3 })")
    assert (error["name"], error["code"], error["status"]) == ("CredfirewallError", "invalid", 400)
    assert error["ours"] is True
    assert error["problem"]["errors"][0]["field"] == "length"
    assert error["message"] == error["detail"]


@browser_test
def test_nobody_is_signed_in(script: Script) -> None:
    error = script.run("client.generate()")
    assert (error["code"], error["status"]) == ("not_authenticated", 401)
    assert script.run("client.policy()")["length"]["minimum"] == 15


@browser_test
@pytest.mark.parametrize("place", ["form", "meta", "cookie"])
def test_the_token_is_found(open_page: Open, ann: User, place: str) -> None:
    with breached({"hunter2": 17}):
        checked = open_page(place, ann).run("client.check('hunter2', { username: 'ann' })")
    assert checked["acceptable"] is False
    assert checked["breach"] == {"status": "breached", "count": None, "source": "bundled"} or (
        checked["breach"]["count"] == 17
    )
    assert {"password_breached", "password_too_short"} <= {
        each["code"] for each in checked["violations"]
    }


@browser_test
def test_without_the_token_the_server_refuses(open_page: Open, ann: User) -> None:
    assert open_page("nowhere", ann).run("client.check('hunter2')")["code"] == "csrf_failed"


@browser_test
@pytest.mark.parametrize("way", ["%s", "() => %s"])
def test_a_token_of_ones_own(open_page: Open, ann: User, way: str) -> None:
    script = open_page("form", ann)
    token = way % "document.querySelector('input').value"
    remove = "document.querySelector('input').remove()"
    made = f"(() => {{ const token = {token}; const own = new Client({{ csrfToken: token }});"
    keep = "" if "=>" in way else remove  # a function looks when it is needed
    assert script.run(made + f" {keep}; return own.check('hunter2'); }})()")["acceptable"] is False


@browser_test
def test_the_token_stays_on_its_site(open_page: Open, ann: User, ranges: RangeServer) -> None:
    other = ranges.url.removesuffix("range/")
    error = open_page("form", ann).run("client.generate()", baseUrl=other)
    assert error["code"] == "network"  # a server that does not expect pages of others
    ahead = [each.headers["access-control-request-headers"] for each in ranges.requests]
    assert ahead == ["content-type"]


@browser_test
def test_a_key_goes_without_cookies(open_page: Open, ann: User) -> None:
    script = open_page("form", ann)
    for options, sent in (({}, "cookie"), ({"key": "cfw_nonsense"}, "authorization")):
        with script.page.expect_request("**/generate") as asked:
            answer = script.run("client.generate()", **options)
        headers = asked.value.all_headers()
        assert {"cookie", "authorization", "x-csrftoken"} & headers.keys() <= {sent, "x-csrftoken"}
        assert ("x-csrftoken" in headers) == (sent == "cookie")
    assert (answer["code"], answer["status"]) == ("authentication_failed", 401)


@browser_test
def test_requests_can_be_made_by_others(script: Script) -> None:
    call = """(async () => {
      const seen = [];
      const own = new Client({
        fetch: (url, { method, cache, credentials, redirect, signal }) => {
          seen.push({ url, method, cache, credentials, redirect, limited: !signal.aborted });
          return Promise.resolve(new Response('{"rules": []}'));
        },
      });
      await own.policy();
      return seen;
    })()"""
    assert script.run(call) == [
        {
            "url": "/api/v1/passwords/policy",
            "method": "GET",
            "cache": "no-store",
            "credentials": "same-origin",
            "redirect": "error",
            "limited": True,
        }
    ]


@browser_test
def test_a_limit_says_when_to_come_back(signed_in: Script, settings: Settings) -> None:
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": {"generate": "1/m"}}
    assert signed_in.run("client.generate()")["length"] == 20
    error = signed_in.run("client.generate()")
    assert (error["code"], error["status"]) == ("rate_limited", 429)
    assert 0 < error["retryAfter"] <= 61


@browser_test
@pytest.mark.parametrize("kind", ["html", "json", "list", "null", "empty", "long"])
@pytest.mark.parametrize("status", [200, 502])
def test_what_somebody_else_answers(script: Script, kind: str, status: int) -> None:
    error = script.run("client.policy()", baseUrl=f"/proxy/{status}/{kind}")
    assert (error["code"], error["status"]) == ("answer_not_understood", status)
    assert error["retryAfter"] is None
    assert error["problem"] == ({"message": "no"} if (status, kind) == (502, "json") else None)


@browser_test
def test_nobody_sends_it_elsewhere(script: Script) -> None:
    assert script.run("client.policy()", baseUrl="/proxy/307/redirect")["code"] == "network"


@browser_test
def test_a_server_that_is_silent(script: Script, ranges: RangeServer) -> None:
    elsewhere = {"baseUrl": ranges.url.removesuffix("range/")}
    for part in ("headers", "body"):
        ranges.fault = faults.Hang(part=part)
        assert script.run("client.policy({ timeout: 100 })", **elsewhere)["code"] == "timeout"
        assert script.run("client.policy()", **elsewhere, timeout=100)["code"] == "timeout"
        aborted = """(() => {
          const controller = new AbortController();
          setTimeout(() => controller.abort(new Error("no longer wanted")), 100);
          return client.policy({ signal: controller.signal });
        })()"""
        error = script.run(aborted, **elsewhere)
        assert (error["message"], error["ours"]) == ("no longer wanted", False)
    ranges.fault = faults.Truncate()
    assert script.run("client.policy()", **elsewhere)["code"] == "network"
    ranges.stop()
    assert script.run("client.policy()", **elsewhere)["code"] == "network"


@browser_test
def test_what_is_called_off_already_is_not_asked(script: Script, ranges: RangeServer) -> None:
    error = script.run(
        "client.breachCount('hunter2', { signal: AbortSignal.abort() })", rangeUrl=ranges.url
    )
    assert (error["name"], ranges.count) == ("AbortError", 0)


# Rules that a page can check


CHECKS = {
    "length": {"kind": "length", "minimum": 8, "normalization": "NFC"},
    "bare": {"kind": "length", "minimum": 8, "normalization": None},
    "mixed": {"kind": "contains", "classes": ["letter", "digit"]},
    "digits": {"kind": "not_only_digits"},
    "later": {"kind": "constructor", "classes": ["constructor"]},
    "classes": {"kind": "contains", "classes": ["constructor", "symbol"]},
    "server": None,
}
POLICY_OF_ALL = {
    "length": {"minimum": 8, "maximum": 20, "unit": "code_points"},
    "rules": [{"code": k, "text": k, "browser_check": check} for k, check in CHECKS.items()],
}


@browser_test
def test_rules_while_one_types(script: Script) -> None:
    cases = {
        "": ["length", "bare", "mixed"],
        "abcdefg1": [],
        "\U0001f511" * 7: ["length", "bare", "mixed"],
        "\U0001f511" * 8: ["mixed"],
        "e\N{COMBINING ACUTE ACCENT}" * 4: ["length", "mixed"],
        "12345678": ["mixed", "digits"],
        "\N{ARABIC-INDIC DIGIT ONE}" * 8: ["mixed", "digits"],
        "\N{CYRILLIC SMALL LETTER A}bcdefg\N{ARABIC-INDIC DIGIT ONE}": [],
        "a1" * 10: [],
        "a1" * 10 + "b": ["password_too_long"],
        "\U0001f511" * 19 + "a1": ["password_too_long"],
        "a1" * 100_000: ["password_too_long"],
    }
    given = (
        f"{json.dumps(list(cases))}.map((each) => violations({json.dumps(POLICY_OF_ALL)}, each))"
    )
    found = script.run(given)
    assert [[each["code"] for each in row] for row in found] == list(cases.values())
    assert found[0][0] == {"code": "length", "text": "length"}
    assert found[-1][0]["text"] is None


@browser_test
def test_the_page_claims_nothing_that_the_server_denies(
    signed_in: Script, settings: Settings
) -> None:
    """What the page says of the real policy, the server says as well."""
    settings.AUTH_PASSWORD_VALIDATORS = [
        *settings.AUTH_PASSWORD_VALIDATORS,
        {"NAME": "credfirewall.validators.LetterAndDigitValidator"},
        {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    ]
    passwords = [
        "",
        "short1",
        "e\N{COMBINING ACUTE ACCENT}" * 14,
        "1" * 15,
        "an odd 1 of mine here",
    ]
    for password in passwords:
        call = (
            "(async (password) => [violations(await client.policy(), password), "
            f"await client.check(password)])({json.dumps(password)})"
        )
        here, there = signed_in.run(call)
        told = {each["code"] for each in there["violations"]}
        assert {each["code"] for each in here} <= told
        assert bool(here) == (password != passwords[-1])


# By k-anonymity, from a range server


@browser_test
def test_how_often_it_was_seen(script: Script, ranges: RangeServer) -> None:
    ranges.add({"a clean look" + "!" * k: 1 for k in range(3)})
    for password, count in {"hunter2": 17_043, "hunter3": 0, "": 0, "x" * 4096: 0}.items():
        call = f"client.breachCount({json.dumps(password)})"
        assert script.run(call, rangeUrl=ranges.url) == count
        assert script.run(call, rangeUrl=ranges.url.removesuffix("/"), padding=False) == count


@browser_test
def test_padding_says_nothing(script: Script, ranges: RangeServer) -> None:
    """A row of padding that is the password's own is no breach."""
    digest = "F3BBBD66A63D4BF1747940578EC3D0103530E21D"  # of hunter2
    rows = {digest[:5]: [("0" * 35, 3), (digest[5:], 0)]}
    with RangeServer(rows=rows) as server:
        assert script.run("client.breachCount('hunter2')", rangeUrl=server.url) == 0
    asked = [each for each in server.requests if each.method == "GET"]
    assert [each.headers["add-padding"] for each in asked] == ["true"]


@browser_test
def test_what_the_range_server_gets(open_page: Open, ann: User, ranges: RangeServer) -> None:
    # By the name of the page's own host, whose cookies would come with it otherwise.
    named = ranges.url.replace("127.0.0.1", "localhost")
    script = open_page("form", ann)
    assert script.page.context.cookies(named)
    assert script.run("client.breachCount('hunter2')", rangeUrl=named) == 17_043
    ahead, asked = ranges.requests
    assert (ahead.method, asked.method) == ("OPTIONS", "GET")
    assert ahead.path == asked.path == "/range/F3BBB"
    for name in ("cookie", "referer", "authorization", "x-csrftoken"):
        assert name not in {**ahead.headers, **asked.headers}
    assert asked.headers["cache-control"] == "no-cache"


@browser_test
def test_both_forms_are_looked_up(script: Script, ranges: RangeServer) -> None:
    """As it was typed, and composed."""
    composed, typed = "\N{LATIN SMALL LETTER E WITH ACUTE}clair", "e\N{COMBINING ACUTE ACCENT}clair"
    for password, paths in {composed: 1, typed: 2}.items():
        ranges.reset()
        call = f"client.breachCount({json.dumps(password)})"
        assert script.run(call, rangeUrl=ranges.url, padding=False) == 5
        assert len({each.path for each in ranges.requests}) == paths


@browser_test
@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("'x'.repeat(4097)", "password_too_long"),
        ("'x'.repeat(1 << 24)", "password_too_long"),
        ("'\\u{1f511}'.repeat(4097)", "password_too_long"),
        ("'a\\ud800b'", "password_not_text"),
        ("'a\\udc00'", "password_not_text"),
        ("'a\\0b'", "password_not_text"),
    ],
)
def test_what_is_no_password_is_not_looked_up(
    script: Script, ranges: RangeServer, password: str, code: str
) -> None:
    assert script.run(f"client.breachCount({password})", rangeUrl=ranges.url)["code"] == code
    assert ranges.count == 0
    key = "client.breachCount('\\u{1f511}'.repeat(4096))"
    assert script.run(key, rangeUrl=ranges.url) == 0


FAILURES = {
    each.name: each
    for each in (
        faults.Status(404, {"Access-Control-Allow-Origin": "*"}),
        faults.Status(503, {"Access-Control-Allow-Origin": "*"}),
        faults.Status(204, {"Access-Control-Allow-Origin": "*"}),
        faults.Status(206, {"Access-Control-Allow-Origin": "*"}, b"0" * 35 + b":1"),
        faults.Empty(),
        faults.Html(),
        faults.TruncateQuietly(),
        faults.Oversized(size=2 << 20),
        faults.Oversized(size=2 << 20, compressed=True),
        *faults.GARBAGE,
    )
}
BROKEN = (
    faults.Status(503),
    faults.Truncate(),
    faults.Reset(part="headers"),
    faults.Reset(part="body"),
    faults.NotHttp(),
)


@browser_test
def test_no_answer_is_not_clean(script: Script, ranges: RangeServer) -> None:
    found = {}
    for name, fault in FAILURES.items():
        ranges.fault = fault
        answer = script.run("client.breachCount('hunter3')", rangeUrl=ranges.url)
        found[name] = answer["code"] if isinstance(answer, dict) else answer
    assert found == dict.fromkeys(FAILURES, "breach_source_unavailable")


@browser_test
def test_neither_is_a_broken_connection(script: Script, ranges: RangeServer) -> None:
    found = {}
    for fault in BROKEN:
        ranges.fault = fault
        answer = script.run("client.breachCount('hunter3')", rangeUrl=ranges.url)
        found[fault.name] = answer["code"] if isinstance(answer, dict) else answer
    assert found == {each.name: "network" for each in BROKEN}
    elsewhere = {"Location": f"{ranges.url}F3BBB", "Access-Control-Allow-Origin": "*"}
    ranges.faults([faults.Status(302, elsewhere)])
    call = "client.breachCount('hunter2')"
    assert script.run(call, rangeUrl=ranges.url)["code"] == "network"
    for part in ("headers", "body"):
        ranges.fault = faults.Hang(part=part)
        call = "client.breachCount('hunter3', { timeout: 100 })"
        assert script.run(call, rangeUrl=ranges.url)["code"] == "timeout"


@browser_test
def test_answers_in_unusual_clothes(script: Script, ranges: RangeServer) -> None:
    found = {}
    for quirk in QUIRKS:
        ranges.fault = quirk
        found[quirk.name] = script.run("client.breachCount('hunter2')", rangeUrl=ranges.url)
    assert found == {each.name: 17_043 for each in QUIRKS}


@browser_test
def test_without_https_it_says_so(script: Script, ranges: RangeServer) -> None:
    script.page.evaluate("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    error = script.run("client.breachCount('hunter2')", rangeUrl=ranges.url)
    assert (error["code"], ranges.count) == ("insecure_context", 0)


@browser_test
def test_errors_do_not_repeat_the_password(signed_in: Script, ranges: RangeServer) -> None:
    ranges.fault = faults.Html()
    secret = "swordfish-and-more"
    calls = [
        (f"client.breachCount('{secret}')", {"rangeUrl": ranges.url}),
        (f"client.breachCount('{secret}\\ud800')", {"rangeUrl": ranges.url}),
        (f"client.check('{secret}')", {"baseUrl": "/proxy/502/html"}),
        (f"client.check({{ of: '{secret}' }})", {}),
    ]
    for call, options in calls:
        error = signed_in.run(call, **options)
        assert error["ours"] is True
        assert secret not in json.dumps(error)
