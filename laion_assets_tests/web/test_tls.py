"""TLS: trusted when it can be, failed in one word when it cannot."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme

from laion_assets.web import tls
from laion_assets.web.client import GuardedClient
from laion_assets.web.outcome import Outcome
from laion_assets.web.request import Answer
from laion_assets.web.spec import WebSpec
from laion_assets_tests.web.conftest import Run
from laion_assets_tests.web.sites import LOOPBACK, a, plain, serve_names, serve_raw


@dataclass(frozen=True)
class Certificates:
    """An authority we trust, and another."""

    trusted: trustme.CA
    other: trustme.CA
    pem: str


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    trusted, other = trustme.CA(), trustme.CA()
    path: Path = tmp_path_factory.mktemp("tls") / "ca.pem"
    trusted.cert_pem.write_to_path(str(path))
    return Certificates(trusted, other, str(path))


def context_of(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def ask(run: Run[Answer], pem: str | None, context: ssl.SSLContext | None, *, name: str = "img.example") -> Answer:
    async def serve_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(plain(200, body=b"private but fine"))
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.close()

    async def main() -> Answer:
        server = await asyncio.start_server(serve_tls, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server, serve_names(lambda host, _, __: [a(host, "127.0.0.1")]) as names:
            spec = WebSpec(
                allow_networks=LOOPBACK, nameservers=(names.address,), tls_ca_file=pem, attempts=1, connect_s=2
            )
            async with GuardedClient(spec) as client:
                return await client.fetch(f"https://{name}:{port}/")

    return run(main())


def test_a_certificate_of_a_trusted_authority_is_fine(run: Run[Answer], certificates: Certificates) -> None:
    answer = ask(run, certificates.pem, context_of(certificates.trusted.issue_cert("img.example")))
    assert (answer.outcome, answer.body) == (Outcome.OK, b"private but fine")


def test_a_certificate_for_an_address_is_fine(run: Run[Answer], certificates: Certificates) -> None:
    context = context_of(certificates.trusted.issue_cert("127.0.0.1"))
    assert ask(run, certificates.pem, context, name="127.0.0.1").outcome is Outcome.OK


def test_a_certificate_nobody_trusts_fails(run: Run[Answer], certificates: Certificates) -> None:
    context = context_of(certificates.other.issue_cert("img.example"))
    answer = ask(run, certificates.pem, context)
    assert (answer.outcome, answer.requests) == (Outcome.TLS_FAILED, 0)
    assert "certificate verify failed" in (answer.error or "")
    assert ask(run, None, context).outcome is Outcome.TLS_FAILED


def test_a_certificate_of_somebody_else_fails(run: Run[Answer], certificates: Certificates) -> None:
    answer = ask(run, certificates.pem, context_of(certificates.trusted.issue_cert("other.example")))
    assert answer.outcome is Outcome.TLS_FAILED
    assert "img.example" in (answer.error or "")


def test_an_expired_certificate_fails(run: Run[Answer], certificates: Certificates) -> None:
    ended = datetime.now(timezone.utc) - timedelta(days=1)
    old = certificates.trusted.issue_cert("img.example", not_after=ended)
    answer = ask(run, certificates.pem, context_of(old))
    assert answer.outcome is Outcome.TLS_FAILED
    assert "expired" in (answer.error or "")


def test_a_missing_file_of_authorities_is_named(run: Run[None]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=r"tls_ca_file: /nowhere/ca\.pem cannot be used"):
            async with GuardedClient(WebSpec(tls_ca_file="/nowhere/ca.pem")):
                pass

    run(main())


def test_tls_to_a_plain_port_fails(run: Run[Answer]) -> None:
    async def complains(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(plain(400))
        await writer.drain()

    async def main() -> Answer:
        async with serve_raw(complains) as site, GuardedClient(WebSpec(allow_networks=LOOPBACK)) as client:
            return await client.fetch(site.url().replace("http://", "https://"))

    assert run(main()).outcome is Outcome.TLS_FAILED


@pytest.mark.both_loops
def test_a_handshake_that_never_ends_is_abandoned(run: Run[Answer]) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.transport.abort()

    async def main() -> Answer:
        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            spec = WebSpec(allow_networks=LOOPBACK, connect_s=0.3, attempts=1)
            async with GuardedClient(spec) as client:
                return await client.fetch(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/")

    answer = run(main())
    assert (answer.outcome, answer.requests) == (Outcome.TIMED_OUT, 0)
    assert answer.seconds < 2


def ask_in_turn(run: Run[None], certificates: Certificates, names: list[str]) -> list[bool | None]:
    """Ask a server that closes after each answer, under several names; whether each connection resumed an earlier one.

    None where there was no connection. The server's certificate is for one.example and two.example.
    """
    context = context_of(certificates.trusted.issue_cert("one.example", "two.example"))
    resumed: list[bool | None] = []

    async def serve_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        resumed.append(writer.get_extra_info("ssl_object").session_reused)
        writer.write(plain(200, [("Connection", "close")], b"once"))
        await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve_tls, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server, serve_names(lambda host, _, __: [a(host, "127.0.0.1")]) as dns:
            spec = WebSpec(
                allow_networks=LOOPBACK, nameservers=(dns.address,), tls_ca_file=certificates.pem, attempts=1
            )
            async with GuardedClient(spec) as client:
                for name in names:
                    answer = await client.fetch(f"https://{name}:{port}/")
                    if answer.outcome is not Outcome.OK:
                        assert answer.outcome is Outcome.TLS_FAILED
                        resumed.append(None)

    run(main())
    return resumed


@pytest.mark.both_loops
def test_a_host_met_again_takes_its_ticket_back(run: Run[None], certificates: Certificates) -> None:
    assert ask_in_turn(run, certificates, ["one.example"] * 3) == [False, True, True]


@pytest.mark.both_loops
def test_a_ticket_is_shown_to_no_other_name(run: Run[None], certificates: Certificates) -> None:
    names = ["one.example", "two.example", "three.example", "two.example"]
    assert ask_in_turn(run, certificates, names) == [False, False, None, True]


def test_certificates_are_asked_for_again_when_a_ticket_is_old(
    run: Run[None], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "TICKET_S", -1.0)
    assert ask_in_turn(run, certificates, ["one.example"] * 2) == [False, False]


def test_only_so_many_hosts_are_remembered(
    run: Run[None], certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "HOSTS_REMEMBERED", 1)
    names = ["one.example", "two.example", "two.example", "one.example"]
    assert ask_in_turn(run, certificates, names) == [False, False, True, False]


def test_we_trust_no_more_than_python_does_by_default() -> None:
    ours, default = tls.trusting(None), ssl.create_default_context()
    for setting in ("verify_mode", "check_hostname", "verify_flags", "options", "minimum_version", "protocol"):
        assert getattr(ours, setting) == getattr(default, setting), setting
    ours.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="one.example")
    assert ours.get_ca_certs() == default.get_ca_certs()
