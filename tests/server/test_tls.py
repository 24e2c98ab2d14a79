"""TLS of the server's own, and what is believed of a proxy that speaks it instead."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.server.harness import REALTIME, running_server
from tests.server.served_logs import logging_as_served
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from qwen3_asr_realtime.server.tls import check_certificate
from qwen3_asr_realtime.settings import Settings, SettingsError

FOLDER = Path(__file__).parent / "certificate"
CERTIFICATE, KEY = FOLDER / "certificate.pem", FOLDER / "key.pem"
TLS = {"tls_cert_file": str(CERTIFICATE), "tls_key_file": str(KEY)}


def settings(**values: Any) -> Settings:
    return Settings(_env_file=None, **values)


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


class TestOwnCertificate:
    async def test_sessions_and_pages_are_encrypted(self) -> None:
        async with running_server(**TLS) as server:
            async with connect(f"wss://localhost:{server.port}{REALTIME}", ssl=client_context()) as socket:
                assert "session.created" in str(await socket.recv())
            async with httpx.AsyncClient(verify=client_context()) as client:
                assert (await client.get(f"https://localhost:{server.port}/ready")).status_code == 200

    async def test_plain_text_is_not_answered(self) -> None:
        async with running_server(**TLS) as server, httpx.AsyncClient() as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"http://localhost:{server.port}/ready")

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
    async def test_old_versions_of_tls_are_refused(self) -> None:
        context = client_context()
        context.set_ciphers("ALL:@SECLEVEL=0")  # so that this client would
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        async with running_server(**TLS) as server:
            with pytest.raises(ConnectionError):  # by the server; a client that cannot raises SSLError
                await asyncio.open_connection("localhost", server.port, ssl=context)


class TestCheck:
    def test_a_pair_that_fits(self) -> None:
        check_certificate(settings(**TLS))
        check_certificate(settings())

    @pytest.mark.parametrize("given", ["tls_cert_file", "tls_key_file"])
    def test_one_without_the_other(self, given: str) -> None:
        with pytest.raises(ValueError, match="belong together"):
            settings(**{given: TLS[given]})

    @pytest.mark.parametrize(
        ("certificate", "key", "reason"),
        [
            ("nowhere.pem", KEY, "No such file"),
            (CERTIFICATE, CERTIFICATE, "PEM"),
            (KEY, KEY, "PEM"),
        ],
    )
    def test_what_cannot_be_used_is_one_line(self, certificate: Path, key: Path, reason: str) -> None:
        with pytest.raises(SettingsError, match=rf"TLS_CERT_FILE=.*{reason}") as refused:
            check_certificate(settings(tls_cert_file=str(certificate), tls_key_file=str(key)))
        assert "\n" not in str(refused.value)


class TestProxy:
    """The address of a client is in the log of refusals; whoever may set it may lay blame on others."""

    @pytest.mark.parametrize(("trusted", "client"), [("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1")])
    async def test_only_a_trusted_one_says_who_the_client_is(
        self, trusted: str, client: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        with logging_as_served("json"):
            async with running_server(api_keys="sk-of-acme-0123456789", forwarded_allow_ips=trusted) as server:
                with pytest.raises(InvalidStatus):
                    async with server.connect(additional_headers={"X-Forwarded-For": "203.0.113.7"}):
                        pass
        assert f'"client": "{client}"' in capfd.readouterr().err
