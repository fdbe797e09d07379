"""`idp doctor` over https: behind the real Caddy as it ships, behind one that forwards badly, and with certificates
that nobody should accept."""

import datetime
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from idp.cli.checks.reach import examine_plain_http, plain_url
from idp.cli.checks.site import Site
from tests.cli.doctored import Doctor, patiently
from tests.support.authority import Authority
from tests.support.front import Passing, running_front
from tests.support.idp_server import ROOT, running_server
from tests.support.machine import ProgramMissing, find_free_port
from tests.support.services import Bench

CADDYFILE = ROOT / "Caddyfile"


@pytest.fixture(autouse=True, scope="module")
def patience() -> Iterator[None]:
    with patiently():
        yield


@dataclass(frozen=True)
class Behind:
    """The doctor of a server whose issuer is an https address of Caddy's; `ports`: of Caddy, the server's own."""

    doctor: Doctor
    ports: dict[str, str]


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Behind]:
    folder, https_port = tmp_path_factory.mktemp("doctor-https"), find_free_port()
    settings: dict[str, Any] = {
        "issuer": f"https://localhost:{https_port}", "trusted_proxies": "127.0.0.1", "outbound_timeout": "25"
    }  # fmt: skip
    with running_server(folder, keys_from=signing_keys, **settings) as server:
        ports = {
            "CADDY_SITE": "localhost",
            "CADDY_UPSTREAM": f"127.0.0.1:{server.settings.port}",
            "CADDY_HTTP_PORT": str(find_free_port()),
            "CADDY_HTTPS_PORT": str(https_port),
        }
        yield Behind(Doctor(folder, server.environment), ports)


def spoiled(caddyfile: Path, *changes: tuple[str, str]) -> Path:
    text = CADDYFILE.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    caddyfile.write_text(text)
    return caddyfile


@contextmanager
def caddy_in_front(bench: Bench, behind: Behind, caddyfile: Path) -> Iterator[str]:
    """Caddy with this file before the server; the certificate of its own authority."""
    with ExitStack() as stack:
        try:
            port = int(behind.ports["CADDY_HTTPS_PORT"])
            caddy = stack.enter_context(bench.caddy(caddyfile, port=port, environment=behind.ports))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        yield str(caddy.root_certificate)


def test_a_server_behind_the_caddy_that_ships_is_well(bench: Bench, behind: Behind) -> None:
    """Caddy's own authority signs for twelve hours, which is the only warning."""
    with caddy_in_front(bench, behind, CADDYFILE) as authority:
        trusted = behind.doctor.look(outbound_ca_bundle=authority)
        assert trusted.wrong == []
        assert "renewed by itself" in trusted.one("https", "warning")
        assert trusted.topics("warning") <= {"https", "settings"}
        assert "Secure and bound to the host" in trusted.one("cookies", "well")
        assert "127.0.0.1 forwards for others" in trusted.one("proxies", "well")
        strange = behind.doctor.look()
        assert "IDP_OUTBOUND_CA_BUNDLE" in strange.one("issuer", "wrong")
        assert "IDP_TRUSTED_PROXIES=127.0.0.1" in behind.doctor.look(
            outbound_ca_bundle=authority, trusted_proxies=""
        ).one("proxies", "wrong")


def test_a_caddy_that_hides_for_whom_it_forwards_is_found_and_one_that_says_no_scheme_is_fine(
    bench: Bench, behind: Behind, tmp_path: Path
) -> None:
    hiding = spoiled(
        tmp_path / "Caddyfile",
        ("header_up X-Forwarded-For {remote_host}", "header_up -X-Forwarded-For\n\t\theader_up -X-Forwarded-Proto"),
        ('?Strict-Transport-Security "max-age=31536000; includeSubDomains"', "-Strict-Transport-Security"),
        ("\t\t-Server\n", ""),
    )
    with caddy_in_front(bench, behind, hiding) as authority:
        report = behind.doctor.look(outbound_ca_bundle=authority)
    assert "X-Forwarded-For" in report.one("proxies", "wrong")
    assert "Strict-Transport-Security" in report.one("headers", "wrong")
    assert report.topics("wrong") == {"proxies", "headers"}
    assert "Server: Caddy" in report.one("headers", "warning")
    assert not any("Proto" in sentence for sentence in report.wrong)


def test_a_certificate_that_has_expired_is_told_as_that(tmp_path: Path, folder: Path) -> None:
    authority = Authority(tmp_path)
    context = authority.server_context("localhost", ends_in=-datetime.timedelta(minutes=5))
    with running_front(context=context) as front:
        doctor = Doctor(folder, {"IDP_OUTBOUND_CA_BUNDLE": str(authority.bundle), "IDP_OUTBOUND_TIMEOUT": "25"})
        report = doctor.look(issuer=f"https://localhost:{front.port}")
        assert front.asked == []
    assert "has expired. Renew it." in report.one("issuer", "wrong")
    assert "https" in report.one("network", "unknown")


def test_a_certificate_for_another_host_is_not_accepted(tmp_path: Path, folder: Path) -> None:
    authority = Authority(tmp_path)
    with running_front(context=authority.server_context("id.example.com")) as front:
        doctor = Doctor(folder, {"IDP_OUTBOUND_CA_BUNDLE": str(authority.bundle), "IDP_OUTBOUND_TIMEOUT": "25"})
        sentence = doctor.look(issuer=f"https://localhost:{front.port}").one("issuer", "wrong")
    assert "not accepted" in sentence


def test_http_where_people_come_is_wrong(folder: Path) -> None:
    doctor = Doctor(folder)
    with running_front() as front:
        report = doctor.look(issuer=f"http://127.0.0.2:{front.port}", outbound_timeout="25")
    assert "Use https" in report.one("https", "wrong")


@pytest.mark.parametrize(
    ("status", "location", "result", "words"),
    [
        (200, None, "wrong", "over plain http"),
        (308, "https://id.example.com/health", "well", "leads to https"),
        (301, "http://id.example.com/health", "wrong", "over plain http"),
        (403, None, "well", "refused"),
    ],
)
def test_plain_http_leads_to_https_or_nowhere(status: int, location: str | None, result: str, words: str) -> None:
    def say(passing: Passing) -> None:
        passing.status = status
        passing.set("Location", location)

    site = Site("https://id.example.com", ca_bundle=None, timeout=25)
    with running_front() as front:
        front.spoil = say
        (finding,) = examine_plain_http(site, f"http://127.0.0.1:{front.port}/health")
    assert (finding.result, words in finding.sentence) == (result, True)
    (finding,) = examine_plain_http(site, f"http://127.0.0.1:{find_free_port()}/health")
    assert finding.result == "well"


def test_plain_http_is_looked_for_where_browsers_would() -> None:
    assert plain_url("https://id.example.com/id") == "http://id.example.com/id/health"
    assert plain_url("https://id.example.com:8443") is None
    assert list(examine_plain_http(Site("https://x", ca_bundle=None, timeout=1), None)) == []
