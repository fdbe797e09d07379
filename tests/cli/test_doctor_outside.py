"""`idp doctor` against a real server behind a front that spoils one thing at a time: each has its sentence."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from idp.cli import examination
from idp.cli.checks import CHECKS, browsers
from idp.protocol.client import Client
from tests.cli.doctored import Doctor, patiently
from tests.support.front import FRONT_ADDRESS, Front, Passing, running_front
from tests.support.idp_server import ServerUnderTest, running_server
from tests.support.machine import find_free_port

ORIGIN = "https://app.example.com"


@dataclass(frozen=True)
class Site:
    server: ServerUnderTest
    front: Front
    doctor: Doctor
    client: Client


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Site]:
    """A server, the front that its issuer names, and a client with an origin."""
    folder = tmp_path_factory.mktemp("doctored")
    with ExitStack() as stack:
        stack.enter_context(patiently())
        front = stack.enter_context(running_front())
        settings: dict[str, Any] = {
            "issuer": f"http://localhost:{front.port}",
            "trusted_proxies": FRONT_ADDRESS,
            "outbound_timeout": "25",
        }
        server = stack.enter_context(running_server(folder, keys_from=signing_keys, **settings))
        front.upstream = server.settings.port
        client = server.add_client(redirect_uris=(f"{ORIGIN}/cb",)).metadata
        yield Site(server, front, Doctor(folder, server.environment), client)


@pytest.fixture
def site(standing: Site) -> Site:
    standing.front.heal()
    return standing


def on(path: str, spoil: Callable[[Passing], object]) -> Callable[[Passing], None]:
    """Spoil the answers of one path alone."""

    def spoil_it(passing: Passing) -> None:
        if passing.path.partition("?")[0] == path:
            spoil(passing)

    return spoil_it


def lost(name: str) -> Callable[[Passing], None]:
    return lambda passing: passing.set(name, None)


def put(name: str, value: str) -> Callable[[Passing], None]:
    return lambda passing: passing.set(name, value)


def swap(old: str, new: str) -> Callable[[Passing], None]:
    def change(passing: Passing) -> None:
        passing.body = passing.body.replace(old.encode(), new.encode())

    return change


def become(status: int, body: bytes = b"no") -> Callable[[Passing], None]:
    def change(passing: Passing) -> None:
        passing.status, passing.body = status, body

    return change


def test_a_healthy_server_is_found_well_in_everything(site: Site) -> None:
    report = site.doctor.look()
    assert report.wrong == []
    assert report.said("unknown") == []
    topics = {"settings", "secret key", "database", "schema", "redis", "disk", "keys", "mail", "clock", "issuer"}
    topics |= {"https", "instance", "proxies", "discovery", "endpoints", "jwks", "headers", "cookies", "CORS"}
    assert report.topics("well") == topics
    assert f"{FRONT_ADDRESS} forwards for others" in report.one("proxies", "well")
    lines = site.doctor.run().out.splitlines()
    assert lines[-1].startswith("0 wrong, ")
    assert len(lines) == len(report.checks) + 2


def test_nothing_secret_is_said_and_nothing_secret_is_sent_to_others(site: Site) -> None:
    answers = [site.doctor.run(), site.doctor.run("--json"), site.doctor.run("--client", site.client.client_id)]
    hidden = [site.server.settings.secret_key, *(secret.hash or "-" for secret in site.client.secrets)]
    hidden += [path.read_text().splitlines()[1] for path in site.server.settings.keys_dir.glob("*.pem")]
    assert not any(secret in answer.out + answer.err for secret in hidden for answer in answers)
    assert not any(secret in asked for secret in hidden for asked in site.front.asked)


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        pytest.param(on("/health", become(404, b"<h1>nginx</h1>")), "issuer", "is not this server", id="no server"),
        pytest.param(
            on("/health", become(503, b'{"status": "unavailable", "database": "down", "ephemeral": "ok"}')),
            "issuer", "cannot use the database", id="its database down",
        ),
        pytest.param(
            on("/health", lambda passing: (become(308)(passing), put("Location", "https://id.example.com/")(passing))),
            "issuer", "redirect to https://id.example.com/", id="a redirect",
        ),
        pytest.param(
            on("/.well-known/openid-configuration", swap("http://localhost", "https://localhost")),
            "discovery", "IDP_ISSUER", id="another issuer",
        ),
        pytest.param(
            on("/.well-known/openid-configuration", swap("/token\"", "/token\"".replace("/", "x/"))),
            "discovery", "token_endpoint", id="an address outside the issuer",
        ),
        pytest.param(on("/.well-known/openid-configuration", become(500)), "discovery", "status 500", id="no metadata"),
        pytest.param(on("/token", become(403, b"<h1>WAF</h1>")), "endpoints", "token_endpoint", id="no POST"),
        pytest.param(
            on("/token", lambda p: become(p.status, b"<h1>Error</h1>")(p)), "endpoints", "JSON", id="its own errors"
        ),
        pytest.param(on("/userinfo", lost("WWW-Authenticate")), "endpoints", "WWW-Authenticate", id="a challenge lost"),
        pytest.param(on("/jwks", become(404)), "jwks", "has no keys", id="no key set"),
        pytest.param(
            on("/jwks", swap('"kid": "', '"kid": "x')), "jwks", "does not verify", id="keys of somebody else"
        ),
        pytest.param(lost("Content-Security-Policy"), "headers", "Content-Security-Policy", id="no CSP"),
        pytest.param(
            lambda passing: passing.headers.append(("X-Frame-Options", "SAMEORIGIN")), "headers",
            "'DENY' and 'SAMEORIGIN'", id="a header twice",
        ),
        pytest.param(put("Set-Cookie", "idp_form=x; Path=/"), "cookies", "without httponly", id="cookie flags lost"),
        pytest.param(lost("Set-Cookie"), "cookies", "does not arrive", id="no cookie"),
        pytest.param(put("Access-Control-Allow-Origin", "*"), "CORS", "a stranger", id="CORS for everybody"),
        pytest.param(lost("Access-Control-Allow-Origin"), "CORS", "arrives as nothing", id="CORS for nobody"),
        pytest.param(
            lambda passing: passing.headers.extend(pair for pair in list(passing.headers) if pair[1] == ORIGIN),
            "CORS", f"arrives as {ORIGIN} and {ORIGIN}", id="CORS twice",
        ),
        pytest.param(put("Date", formatdate(0, usegmt=True)), "clock", "behind ours", id="a clock behind"),
        pytest.param(put("Date", formatdate(4e9, usegmt=True)), "clock", "ahead of ours", id="a clock ahead"),
    ],
)  # fmt: skip
def test_what_a_front_spoils_is_found(site: Site, spoil: Callable[[Passing], None], what: str, words: str) -> None:
    site.front.spoil = spoil
    report = site.doctor.look()
    assert report.has("wrong", what, words), report.answer.out
    assert report.topics("wrong") == {what}


@pytest.mark.parametrize(
    ("spoil", "what", "words"),
    [
        pytest.param(on("/jwks", put("Cache-Control", "max-age=86400")), "jwks", "max-age=86400", id="a long cache"),
        pytest.param(put("Server", "front/1.0"), "headers", "Server: front/1.0", id="software told"),
        pytest.param(
            on("/.well-known/oauth-authorization-server", become(404)), "discovery", "does not answer with the same",
            id="the other metadata address",
        ),
        pytest.param(
            lambda passing: passing.set("Date", formatdate(time.time() - 30, usegmt=True)), "clock", "Set it by NTP",
            id="a clock a little behind",
        ),
    ],
)  # fmt: skip
def test_what_may_be_meant_so_is_a_warning(site: Site, spoil: Callable[[Passing], None], what: str, words: str) -> None:
    site.front.spoil = spoil
    report = site.doctor.look()
    assert report.has("warning", what, words), report.answer.out
    assert report.wrong == []


def test_a_key_set_with_too_much_or_too_little_is_told(site: Site) -> None:
    def change(keys: Callable[[list[dict[str, str]]], list[dict[str, str]]]) -> Callable[[Passing], None]:
        def spoil(passing: Passing) -> None:
            passing.body = json.dumps({"keys": keys(json.loads(passing.body)["keys"])}).encode()

        return on("/jwks", spoil)

    site.front.spoil = change(lambda keys: [*keys, {**keys[0], "kid": "of-another-instance"}])
    assert "1 key that" in site.doctor.look().one("jwks", "wrong")
    site.front.spoil = change(lambda keys: keys[:-1])  # the active ones come first
    report = site.doctor.look()
    assert "1 next key not published yet" in report.one("jwks", "warning")
    assert report.wrong == []


def test_answers_in_a_row_from_instances_with_different_keys_are_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first probe is opened, the second is not, as it is when a balancer turns to the next instance."""
    opened: list[int] = []

    def forget(passing: Passing) -> None:
        if b'"probe"' in passing.body:
            opened.append(1)
            passing.body = b'{"status":"ok"}' if len(opened) % 2 == 0 else passing.body

    site.front.spoil = on("/health", forget)
    assert site.doctor.look("--client", site.client.client_id).wrong == []
    opened.clear()
    one_alone = tuple(check for check in CHECKS if check.what == "proxies")  # others ask beside it
    monkeypatch.setattr(examination, "CHECKS", one_alone)
    said = site.doctor.look().one("instance", "wrong")
    assert "Of two requests one met an instance with another IDP_SECRET_KEY" in said


# --- Proxies


def test_a_proxy_that_is_not_trusted_is_named(site: Site) -> None:
    report = site.doctor.look(trusted_proxies="10.0.0.1")
    assert f"IDP_TRUSTED_PROXIES={FRONT_ADDRESS}" in report.one("proxies", "wrong")


@pytest.mark.asvs("15.3.4")
@pytest.mark.parametrize("forwarding", ["append", "pass"])
def test_a_proxy_that_lets_people_choose_their_address_is_found(site: Site, forwarding: str) -> None:
    """`append` is what a chain of trusted proxies does: the address before the last trusted one is ours, not forged."""
    site.front.forwarding = forwarding
    is_forged = any("chooses the address" in sentence for sentence in site.doctor.look().wrong)
    assert is_forged is (forwarding == "pass")
    own = site.doctor.look(trusted_proxies=f"{FRONT_ADDRESS} 127.0.0.1")  # then we are a proxy, and may well say so
    assert own.wrong == []


def test_another_secret_key_and_another_database_are_told_apart(site: Site, tmp_path: Path) -> None:
    report = site.doctor.look(secret_key="another-one-" + "abcdefghijklmnop" * 3)
    assert "IDP_SECRET_KEY" in report.one("instance", "wrong")
    other = Doctor(tmp_path, {**site.doctor.variables, "IDP_DATABASE_URL": f"sqlite:///{tmp_path}/other.sqlite3"})
    with pytest.MonkeyPatch.context():
        assert other.run().code == 1
    from idp.store import migrations
    from idp.store.database import Database

    database = Database(f"sqlite:///{tmp_path}/other.sqlite3")
    migrations.upgrade(database)
    database.dispose()
    assert "IDP_DATABASE_URL" in other.look().one("instance", "wrong")


def test_what_the_server_sees_is_told_to_nobody_without_the_key(site: Site) -> None:
    """A probe is the only way to ask, and its answer cannot be read without the key that made it."""
    import requests

    from idp.jose.encryption import DecryptionFailed, SecretBox
    from idp.web.probe import HEADER, make_probe, read_answer

    url, now = site.server.url("/health"), site.server.now
    plain = requests.get(url, timeout=60).json()
    strange = make_probe(SecretBox("x" * 40), "nonce", now=now)
    for header in (strange, "1.nonsense", "", "x" * 5000):
        assert requests.get(url, headers={HEADER: header}, timeout=60).json() == plain
    ours = make_probe(SecretBox(site.server.settings.secret_key), "nonce", now=now)
    sealed = requests.get(url, headers={HEADER: ours}, timeout=60).json()["probe"]
    assert "127.0.0" not in sealed
    with pytest.raises(DecryptionFailed):
        read_answer(SecretBox("x" * 40), sealed)
    assert read_answer(SecretBox(site.server.settings.secret_key), sealed).peer == FRONT_ADDRESS


# --- Nobody there


def test_a_server_that_is_not_there_is_one_sentence_and_one_more(site: Site) -> None:
    report = site.doctor.look(issuer=f"http://localhost:{find_free_port()}")
    assert f"the server itself does at 127.0.0.1:{site.server.settings.port}" in report.one("issuer", "wrong")
    assert "discovery" in report.one("network", "unknown")
    nobody = find_free_port()
    report = site.doctor.look(issuer=f"http://localhost:{nobody}", port=str(nobody))
    assert "Start the server" in report.one("issuer", "wrong")


def test_offline_asks_the_issuer_nothing(site: Site) -> None:
    report = site.doctor.look("--offline")
    assert site.front.asked == []
    assert report.wrong == []
    assert report.topics("unknown") == {"network"}


@pytest.mark.slow
def test_an_issuer_that_hangs_ends_in_time(site: Site) -> None:
    site.front.hangs = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("idp.cli.checks.subject.REQUEST_SECONDS", 1.0)
        began = time.monotonic()
        report = site.doctor.look()
    assert time.monotonic() - began < 40  # seven at most on a machine that is not busy
    assert "no answer within 1 seconds" in report.one("issuer", "wrong")


# --- Clients


def test_the_origin_of_each_client_is_tried(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    many = tuple(f"https://app-{number}.example.com" for number in range(30))
    site.server.store.clients.save(replace(site.client, web_origins=many), now=site.server.now)
    try:
        monkeypatch.setattr(browsers, "SECONDS", 60.0)
        all_of_them = len({origin for each in site.server.store.clients.list() for origin in each.origins()})
        assert site.doctor.look().one("CORS", "well") == f"{all_of_them} origins of clients may call from a browser."
        monkeypatch.setattr(browsers, "SECONDS", 0.0)
        assert f"not tried, for want of time: {all_of_them - 1} more" in site.doctor.look().one("CORS", "well")
    finally:
        site.server.store.clients.save(site.client, now=site.server.now)


def test_every_client_of_a_wrong_origin_is_named(site: Site) -> None:
    wrong = replace(site.client, web_origins=(f"{ORIGIN}/",))
    site.server.store.clients.save(wrong, now=site.server.now)
    try:
        sentence = site.doctor.look().one("CORS", "wrong")
    finally:
        site.server.store.clients.save(site.client, now=site.server.now)
    assert site.client.client_id in sentence
    assert f"write {ORIGIN}." in sentence
