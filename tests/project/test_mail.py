"""The demo's mail: kept as a file, shown in the terminal, sent to nobody."""

from pathlib import Path

import pytest
from django.core.mail import EmailMessage

from project.demo.mail import EmailBackend

LINK = f"http://127.0.0.1:8000/accounts/reset/MQ/{'a' * 100}/"


def test_mail_is_kept_and_shown_as_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = EmailBackend(file_path=str(tmp_path / "mail"), alias="default")
    message = EmailMessage("Grüße", f"Dänä,\n\n{LINK}\n", "demo@localhost", ["dana@example.com"])
    assert connection.send_messages([message]) == 1
    (file,) = (tmp_path / "mail").iterdir()
    for text in (file.read_text(encoding="utf-8"), capsys.readouterr().out):
        assert "To: dana@example.com\nSubject: Grüße\n\nDänä,\n" in text
        assert f"\n{LINK}\n" in text
