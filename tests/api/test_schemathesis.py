"""Every operation does what the schema says, whatever is sent: schemathesis, all of its checks."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import StopReason, events, from_schema

from credfirewall.api import keys
from credfirewall.api.schema import KEY, schema
from credfirewall.api.scopes import SCOPES
from credfirewall.conf import DEFAULT_RATES

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_endpoints")]

EXAMPLES = 25
"""Of requests that are drawn for an operation; those that its rules call for come on top."""
CHARACTERS = {
    "nothing_to_draw_from",
    "class_excluded",
    "character_repeated",
    "character_unusable",
    "policy_unsatisfiable",
}
"""Which characters go together is more than a schema can say."""
BEYOND_THE_SCHEMA = {
    "POST /api/v1/passwords/generate": CHARACTERS,
    # Nor can it say of parameters that one goes with another; that of a body does.
    "GET /api/v1/passwords/generate": {*CHARACTERS, "option_not_for_kind", "option_conflict"},
    # Signed: only what a page before has answered is one.
    "GET /api/v1/audit/events": {"cursor"},
}
"""Codes with which what fits the schema may be refused all the same: 400, and for these alone."""
ACCEPTED = ["2xx", "400"]


@pytest.fixture
def key(settings: Settings, transactional_db: None) -> str:
    """The API key of somebody who may do everything, as often as it takes."""
    rates = dict.fromkeys(DEFAULT_RATES, "1000000/m")
    settings.CREDFIREWALL = {**settings.CREDFIREWALL, "RATES": rates}
    return keys.create(User.objects.create_superuser("root"), "probe", SCOPES).text


def configuration(url: str, key: str) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "base-url": url,
            "seed": 1,
            "auth": {"openapi": {KEY: {"bearer": key}}},
            "continue-on-failure": True,
            "generation": {
                "max-examples": EXAMPLES,
                "deterministic": True,
                "database": "none",
                "no-shrink": True,
                "with-security-parameters": False,
            },
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx"]}},
            "operations": [
                {
                    "include-name": name,
                    "checks": {"positive_data_acceptance": {"expected-statuses": ACCEPTED}},
                }
                for name in BEYOND_THE_SCHEMA
            ],
        }
    )


def refusals(scenario: events.ScenarioFinished) -> Iterator[str]:
    """Codes of the errors in what was sent by the schema; of a field, where the code is general."""
    for number, interaction in scenario.recorder.interactions.items():
        answer, meta = interaction.response, scenario.recorder.cases[number].value.meta
        if answer is None or answer.status_code != 400 or meta is None:
            continue
        if meta.generation.mode is schemathesis.GenerationMode.POSITIVE:
            problem = json.loads(answer.content)
            for error in problem.get("errors", [{"code": problem["code"]}]):
                yield error["field"] if error["code"] == "invalid" else error["code"]


def failures(scenario: events.ScenarioFinished) -> Iterator[str]:
    for number, checks in scenario.recorder.checks.items():
        for check in checks:
            if (info := check.failure_info) is not None:
                sent = scenario.recorder.cases[number].value.as_curl_command()
                yield f"{sent}\n  {info.failure.title}: {info.failure.message}"


def test_every_operation(live_server: LiveServer, key: str) -> None:
    signed_in = {"Authorization": f"Bearer {key}", "Host": "localhost"}
    document = Client(headers=signed_in).get("/api/v1/schema").json()
    config = configuration(live_server.url, key)
    # From an address, it would leave out that address.
    found: Any = schemathesis.openapi.from_dict(document, config=config)
    asked: Counter[str] = Counter()
    wrong, codes = [], set()
    for event in from_schema(found).execute():
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            wrong.append(f"{event.label}: {event.value!r}")
        if isinstance(event, events.EngineFinished):
            assert event.stop_reason is StopReason.COMPLETED
        if isinstance(event, events.ScenarioFinished):
            label = event.recorder.label
            asked[label] += len(event.recorder.interactions)
            wrong += failures(event)
            codes |= {(label, code) for code in refusals(event)}
    assert wrong == [], "\n".join(wrong)
    assert {(label, code) for label, code in codes if code not in BEYOND_THE_SCHEMA[label]} == set()
    described = {f"{m.upper()} {where}" for where, all_ in schema()["paths"].items() for m in all_}
    assert described <= set(+asked)
