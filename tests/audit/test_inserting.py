"""Rows are inserted all or none, and what fails breaks the caller's transaction only if it may."""

import uuid
from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction
from pytest_django import DjangoAssertNumQueries

from credfirewall.audit.events import Code, KeyRotated
from credfirewall.audit.inserting import insert
from credfirewall.audit.models import AuditEvent, AuditIdentity
from tests.audit.seeding import row

pytestmark = pytest.mark.django_db(transaction=True)
EVENT = KeyRotated(ring=Code("a"), key=Code("b"))


def name() -> AuditIdentity:
    return AuditIdentity(
        ref=uuid.uuid4().hex, salt="0" * 32, type="user", party_id="5", text="Änn%"
    )


@pytest.fixture(params=["by the client", "by the server"])
def _binding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """On PostgreSQL values are filled in by the client, or by the server if a host wants that."""
    if request.param == "by the client":
        yield
        return
    if connection.vendor != "postgresql":
        pytest.skip("only PostgreSQL has a choice")
    connection.close()
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "server_side_binding", True)
    yield
    connection.close()


@pytest.mark.usefixtures("_binding")
class TestInsert:
    def test_a_row_is_stored_as_it_is(self) -> None:
        made = row(EVENT)
        made.user_agent = "50 % of 'it'; \\ ü \U0001f600"
        insert([made])
        stored = AuditEvent.objects.get()
        for field in AuditEvent._meta.fields:
            assert getattr(stored, field.attname) == getattr(made, field.attname)
        assert not made._state.adding
        assert made._state.db == "default"

    @pytest.mark.parametrize("guarded", [True, False])
    def test_all_or_none(self, guarded: bool) -> None:
        first = row(EVENT)
        insert([first])
        with pytest.raises(DatabaseError):
            insert([name(), first], guarded=guarded)
        assert not AuditIdentity.objects.exists()
        assert AuditEvent.objects.count() == 1

    def test_a_guarded_failure_leaves_the_transaction_usable(self) -> None:
        first = row(EVENT)
        with transaction.atomic():
            insert([first], guarded=True)
            with pytest.raises(DatabaseError):
                insert([name(), first], guarded=True)
            insert([name(), row(EVENT)], guarded=True)
        assert AuditEvent.objects.count() == 2
        assert AuditIdentity.objects.count() == 1

    def test_a_failure_breaks_the_transaction(self) -> None:
        first = row(EVENT)
        with transaction.atomic():
            insert([first])
            with pytest.raises(DatabaseError):
                insert([first])
            assert connection.needs_rollback
        assert not AuditEvent.objects.exists()

    def test_in_a_broken_transaction(self) -> None:
        made = row(EVENT)
        with transaction.atomic():
            transaction.set_rollback(True)
            with pytest.raises(DatabaseError):
                insert([made], guarded=True)
            assert connection.needs_rollback
        assert not AuditEvent.objects.exists()

    @pytest.mark.skipif("connection.vendor == 'sqlite'", reason="it is always in transactions")
    def test_where_autocommit_is_off(self) -> None:
        first = row(EVENT)
        connection.set_autocommit(False)
        try:
            insert([first], guarded=True)
            with pytest.raises(DatabaseError):
                insert([name(), first], guarded=True)
            connection.commit()
        finally:
            connection.set_autocommit(True)
        assert AuditEvent.objects.count() == 1
        assert not AuditIdentity.objects.exists()


def test_postgresql_is_asked_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    made = row(EVENT)
    if connection.vendor == "postgresql":
        with transaction.atomic(), django_assert_num_queries(1):
            insert([name(), made], guarded=True)
