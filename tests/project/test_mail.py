"""The demo's mail: kept as a file, shown in the terminal, sent to nobody."""

from pathlib import Path

import pytest
from django.core.mail import EmailMessage, get_connection

TEXT = "http://127.0.0.1:8000/accounts/reset/MQ/abc/"


def test_mail_is_kept_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    connection = get_connection("project.demo.mail.EmailBackend", file_path=str(tmp_path / "mail"))
    message = EmailMessage("Reset", TEXT, "demo@localhost", ["dana@example.com"])
    assert connection.send_messages([message]) == 1
    (file,) = (tmp_path / "mail").iterdir()
    for text in (file.read_text(), capsys.readouterr().out):
        assert "To: dana@example.com" in text
        assert f"\n{TEXT}\n" in text
