"""Secrets leave no trace in what is stored."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from pipeglot.core import redact
from pipeglot.core.redact import Redactor

SECRET = 'pa"ss/wörd +1\nline two'


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"user:" + SECRET.encode()).decode(),
        base64.b64encode(b"user:x" + SECRET.encode() + b"@host").decode(),
        "line two",
    ],
)
def test_every_form_of_a_secret_is_masked(form: str) -> None:
    masked = Redactor([SECRET]).text(f"before {form} after")
    assert "***" in masked
    assert SECRET not in masked
    assert base64.b64encode(SECRET.encode()).decode().rstrip("=")[4:-4] not in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")


def test_short_secrets_are_left() -> None:
    assert Redactor(["12345"]).text("12345") == "12345"


def test_a_secret_within_a_longer_one_leaves_no_rest() -> None:
    assert Redactor(["secret-1", "secret-1-and-more"]).text("secret-1-and-more") == "***"


def test_a_file_is_cleaned_across_the_borders_of_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "CHUNK", 7)
    source, target = tmp_path / "raw", tmp_path / "clean"
    text = "".join(f"{i}:hunter2-hunter2;" for i in range(50))
    source.write_text(text)
    Redactor(["hunter2-hunter2", "hunter2"]).file(source, target)
    assert target.read_text() == text.replace("hunter2-hunter2", "***")


def test_no_secrets_change_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "raw", tmp_path / "clean"
    source.write_bytes(b"\xff\x00anything")
    Redactor([]).file(source, target)
    assert target.read_bytes() == b"\xff\x00anything"


def live(redactor: Redactor, *chunks: bytes) -> list[bytes]:
    """What has come out after each chunk that ends with `!`, and after the end."""
    read, write = os.pipe()
    seen, out = os.pipe()
    pump = threading.Thread(target=redactor.live, args=(read, out))
    pump.start()
    found = []
    for chunk in chunks:
        os.write(write, chunk)
        if chunk.endswith(b"!"):
            found.append(os.read(seen, 1000))
            while not found[-1].endswith(b"!"):
                found[-1] += os.read(seen, 1000)
    os.close(write)
    pump.join()
    os.close(out)
    with open(seen, "rb") as rest:
        found.append(rest.read())
    os.close(read)
    return found


def test_what_is_printed_now_is_cleaned_now_and_only_what_may_be_a_secret_waits() -> None:
    redactor = Redactor(["hunter2-hunter2", "hunter2"])
    assert live(redactor, b"at once!", b" hunt", b"er2 is out!", b"hunter2-hunt", b"er2", b" hunter") == [
        b"at once!",
        b" *** is out!",
        b"*** hunter",
    ]
    assert live(Redactor(["a-b-a-b-c"]), b"a-b-a-b-a-b-c!") == [b"a-b-***!", b""]
