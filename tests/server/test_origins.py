import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen3_asr_realtime.server.origins import is_allowed, parsed_origins

ALLOWED = parsed_origins("https://App.example.com/, http://localhost:5173")


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "asr.example.com"),  # no browser
        ("https://app.example.com", "asr.example.com"),
        ("HTTP://LOCALHOST:5173", "asr.example.com"),
        ("http://asr.example.com:8001", "asr.example.com:8001"),  # the Python SDK, or a page of this server
        ("https://asr.example.com", "asr.example.com"),
        ("https://asr.example.com", "asr.example.com:443"),
        ("http://asr.example.com:80", "asr.example.com"),
        ("http://[::1]:8001", "[::1]:8001"),
    ],
)
def test_let_in(origin: str | None, host: str) -> None:
    assert is_allowed(origin, host, ALLOWED)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://evil.example", "asr.example.com"),
        ("http://app.example.com", "asr.example.com"),
        ("https://app.example.com.evil.example", "asr.example.com"),
        ("http://asr.example.com:8002", "asr.example.com:8001"),
        ("https://asr.example.com", "asr.example.com:80"),
        ("null", "asr.example.com"),
        ("", ""),
        ("http://", ""),
        ("http://asr.example.com:port", "asr.example.com:port"),
        ("http://[::1", "[::1"),
    ],
)
def test_kept_out(origin: str, host: str) -> None:
    assert not is_allowed(origin, host, ALLOWED)


@pytest.mark.parametrize("setting", ["", " , ", "*", "https://app.example.com,*"])
def test_any_origin(setting: str) -> None:
    assert is_allowed("https://elsewhere.example", "asr.example.com", parsed_origins(setting))


@given(st.text(), st.text())
def test_whatever_a_client_sends(origin: str, host: str) -> None:
    if is_allowed(origin, host, ALLOWED):
        assert origin.strip().lower() in ALLOWED or "://" in origin
