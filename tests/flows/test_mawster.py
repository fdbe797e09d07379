"""Mawster: Auth.js in front, an API in FastAPI, MariaDB, Discord, Caddy, set up as `docs/migrate/mawster.md` says.

| need | shown by |
|---|---|
| plain oidc provider of Auth.js 5: discovery, PKCE, state, nonce, ID token, userinfo, refresh, sign-out; tokens in the httpOnly cookie | TestFrontEnd, with Auth.js on Express |
| the same with Next.js, and NextAuth 4 | tests/examples/test_authjs_v5.py, tests/examples/test_nextauth_v4.py |
| Discord: identify and email only, snowflakes as text, avatar from id and hash | test_discord_is_asked_for_the_least_and_its_ids_stay_texts |
| people without a verified e-mail | test_people_of_discord_without_a_confirmed_address_come_in |
| linked by subject, never by e-mail; the 409 page; the linking page | test_a_known_address_is_a_question_and_the_old_way_in_links, test_discord_is_linked_on_the_account_page |
| user names: letters and digits, 4 to 15, a suffix on collision | test_user_names_are_derived |
| API: offline; alg none, wrong key, wrong alg, expired, malformed: one 401; detail in the log only | test_every_wrong_token_gets_the_same_answer |
| CORS list, security headers, no Server | test_other_origins_are_not_let_in, test_every_answer_has_the_headers |
| Caddy: https, three sub-domains | test_caddy_serves_three_names |
| limits: 5, 3, 10, 60 a minute; configurable | test_the_limits_of_the_page_hold |
| secret rotation without signing everybody out | test_secrets_change_and_nobody_is_signed_out |
| MariaDB | the fixture |
| secrets from the environment or files, none in the image | the fixture; test_no_secret_is_in_the_image |
| how people move (docs/migrate) | test_people_move_with_password_and_discord |
"""  # noqa: E501  # a row of a table is one line

import re
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bcrypt
import jwt
import pytest
import requests
import sqlalchemy as sa
from requests.adapters import HTTPAdapter

from idp.cli.import_rows import derive_user_id
from idp.jose.jws import sign
from idp.jose.key_directory import KeyDirectory
from tests.examples.api_process import API, ExampleApi, running_api
from tests.examples.authjs_front import FrontEnd, environment_of
from tests.examples.node_app import running_node_app
from tests.examples.promises import INVALID
from tests.flows.systems import MigrationPage, System, for_providers, open_system
from tests.jose.tokens import forge
from tests.support.accounts import PASSWORD
from tests.support.assertions import make_key
from tests.support.authorize import ask
from tests.support.idp_server import ROOT, start, stop
from tests.support.machine import ProgramMissing, find_free_port
from tests.support.newcomers import newcomer
from tests.support.relying_party import TIMEOUT, claims_of, header_of
from tests.support.services import Bench
from tests.support.upstream import Person, open_sandbox, press, somebody, users_of

PAGE = MigrationPage("mawster")
CLIENT = "mawster"
SCOPE = "openid profile email"


@pytest.fixture(scope="module")
def system(bench: Bench, tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[System]:
    """On MariaDB; the front end is where this test runs it, and the API has the scope of `examples/api-fastapi`."""
    folder, front = tmp_path_factory.mktemp("mawster"), f"http://localhost:{find_free_port()}"
    words = {"https://mawster.example": front, "https://api.mawster.example": API}
    words |= {"teams.read=See your teams": "orders.read=See your orders"}
    with ExitStack() as stack:
        _, environment = stack.enter_context(open_sandbox(folder / "sandbox"))
        try:
            url = stack.enter_context(bench.fresh_database("mariadb"))
        except ProgramMissing as missing:
            pytest.skip(str(missing))
        own: dict[str, Any] = for_providers(PAGE, environment) | {"database_url": url}
        own |= dict.fromkeys(("smtp_host", "smtp_username", "smtp_password", "mail_from"))  # mails are kept here
        yield stack.enter_context(open_system("mawster", folder, keys_from=signing_keys, words=words, **own))


def arrive(system: System, person: Person, **said: Any) -> Any:
    """Somebody of Discord at the front end, as far as it goes."""
    party = system.party(CLIENT)
    asked = ask(party, system.browser(), scope=SCOPE)
    return asked.then(press(asked.page, "discord").choose(person, **said))


# --- The front end


@pytest.fixture(scope="module")
def api(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    folder = tmp_path_factory.mktemp("api")
    with running_api(system.server, folder, "api-fastapi", "uvicorn", "app:app") as running:
        yield running


@pytest.fixture(scope="module")
def front(system: System, api: ExampleApi, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    client = system.client(CLIENT)
    url = client.metadata.redirect_uris[0].removesuffix("/api/auth/callback/idp")
    front, log = FrontEnd(system.server, client, url), tmp_path_factory.mktemp("front") / "app.log"
    port = int(url.rpartition(":")[2])
    with running_node_app("authjs-express", "app.js", log=log, port=port, **environment_of(front, api)):
        yield front


@pytest.mark.interop
class TestFrontEnd:
    """`examples/authjs-express` with what `idp clients add --for authjs` registers."""

    def test_it_signs_in_by_discovery_with_pkce_state_and_nonce(self, front: FrontEnd, system: System) -> None:
        browser, person = system.browser(), system.server.add_user()
        asked = parse_qs(urlsplit(front.begin(browser).headers["Location"]).query)
        assert {"code_challenge", "state", "nonce"} <= set(asked)
        front.sign_in(browser, person.username)
        session = front.session(browser)
        assert session is not None
        assert session["sub"] == person.id
        assert session["email"] == person.email
        cookies = {each.name: each for each in browser.http.cookies if each.name.startswith("authjs.session-token")}
        assert all(each.has_nonstandard_attr("HttpOnly") for each in cookies.values())
        assert front.get(browser, "/orders").json() == [{"id": "1", "owner": person.id}]
        shown = front.get(browser, "/").text + front.get(browser, "/api/auth/session").text
        assert session["tokens"]["access_token"] not in shown

    def test_it_refreshes_and_signs_out_at_the_provider(self, front: FrontEnd, system: System) -> None:
        browser = system.browser()
        front.sign_in(browser, system.server.add_user().username)
        used = front.make_due(browser)
        assert front.get(browser, "/orders").status_code == 200
        session = front.session(browser)
        assert session is not None
        assert session["tokens"]["refresh_token"] != used
        answer = browser.http.post(f"{front.url}/sign-out", allow_redirects=False, timeout=TIMEOUT)
        browser.get(answer.headers["Location"])
        refused = system.party(CLIENT).refresh(session["tokens"]["refresh_token"])
        assert refused.json()["error"] == "invalid_grant"
        assert browser.page(browser.get(front.begin(browser).headers["Location"])).id == "login-page"


# --- Discord


def test_discord_is_asked_for_the_least_and_its_ids_stay_texts(system: System) -> None:
    party, person = system.party(CLIENT), somebody("discord")
    asked = ask(party, system.browser(), scope=SCOPE)
    away = press(asked.page, "discord")
    assert away.asked["scope"].split() == ["identify", "email"]
    asked = asked.then(away.choose(person, profile={"avatar": "a_0123456789abcdef0123456789abcdef"}))
    info = party.userinfo(party.redeem(asked.callback).json()["access_token"]).json()
    assert info["picture"] == (
        f"https://cdn.discordapp.com/avatars/{person.sub}/a_0123456789abcdef0123456789abcdef.gif"
    )
    (user,) = users_of(system.server, "discord", person)
    (link,) = system.server.store.identities.list_of(user.id)
    assert link.key.subject == person.sub
    assert int(float(person.sub)) != int(person.sub) or int(person.sub) > 2**53, "more than a float can hold"


@pytest.mark.parametrize("email", ["unconfirmed@example.org", None])
def test_people_of_discord_without_a_confirmed_address_come_in(system: System, email: str | None) -> None:
    asked = arrive(system, somebody("discord"), profile={"email": email, "verified": False})
    info = system.party(CLIENT).userinfo(system.party(CLIENT).redeem(asked.callback).json()["access_token"]).json()
    assert info.get("email") == email
    assert not info.get("email_verified")


def test_a_known_address_is_a_question_and_the_old_way_in_links(system: System) -> None:
    user = system.server.add_user()
    person = somebody("discord", email=str(user.email))
    asked = arrive(system, person)
    assert (asked.response.status_code, asked.page.id) == (409, "conflict-page")
    assert users_of(system.server, "discord", person) == [], "nothing is linked by e-mail"
    asked = asked.then(asked.browser.get(str(asked.page.soup.select_one("#way-password")["href"])))
    asked = asked.log_in(user.username)
    assert asked.page.id == "link-page"
    asked = asked.then(asked.page.submit("link"))
    assert claims_of(system.party(CLIENT).redeem(asked.callback).json()["id_token"])["sub"] == user.id
    again = arrive(system, person)
    assert claims_of(system.party(CLIENT).redeem(again.callback).json()["id_token"])["sub"] == user.id


def test_discord_is_linked_on_the_account_page(system: System) -> None:
    user, browser, person = system.server.add_user(), system.browser(), somebody("discord")
    browser.open("/login").submit("login", username=user.username, password=PASSWORD)
    page = browser.page(press(browser.open("/account"), "discord", prefix="link").choose(person))
    assert "is linked" in page.soup.select_one("#notice").get_text()  # type: ignore[union-attr]
    assert [each.id for each in users_of(system.server, "discord", person)] == [user.id]


def test_user_names_are_derived(system: System) -> None:
    name = f"Zoé_of-the.Sea {secrets.token_hex(2)}!"
    found = []
    for _ in range(3):
        person = somebody("discord", name=name)
        assert arrive(system, person, profile={"username": name}).callback.code
        found.append(users_of(system.server, "discord", person)[0].username)
    assert len(set(found)) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9]{4,15}", each) for each in found), found
    assert all(each.startswith("Zoeofthe") for each in found), found


# --- The API


@pytest.mark.asvs("9.1.1", "9.1.2", "9.1.3")
def test_every_wrong_token_gets_the_same_answer(system: System, api: ExampleApi) -> None:
    _, tokens = api.sign_in(roles=("reader",))
    token = tokens["access_token"]
    header, claims = header_of(token), claims_of(token)
    (key,) = (each for each in KeyDirectory(system.server.settings.keys_dir).read() if each.kid == header["kid"])
    wrong = {
        "alg none": forge(header | {"alg": "none"}, claims),
        "wrong key": forge(header, claims, make_key("RS256")),
        "wrong alg": forge(header | {"alg": "PS256"}, claims, make_key("PS256")),
        "expired": sign(claims | {"exp": system.server.now - 60}, key, typ="at+jwt"),
        "malformed": token[:-20],
        "another's": sign(claims | {"aud": "https://other.example"}, key, typ="at+jwt"),
    }
    answers = {name: api.get("/orders", each) for name, each in wrong.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(wrong, 401)
    assert {(answer.headers["WWW-Authenticate"], answer.text) for answer in answers.values()} == {
        (INVALID, answers["expired"].text)
    }
    said = api.log.read_text()
    assert said.count("access token refused: ") >= len(wrong)
    assert all(part not in said for each in wrong.values() for part in each.split(".")[1:] if len(part) > 20)
    assert api.get("/orders", token).status_code == 200


# --- Headers, limits, Caddy


def test_other_origins_are_not_let_in(system: System) -> None:
    own = system.client(CLIENT).metadata.redirect_uris[0].removesuffix("/api/auth/callback/idp")
    for origin, allowed in ((own, own), ("https://evil.example", None), ("null", None)):
        for path in ("/token", "/userinfo", "/.well-known/openid-configuration"):
            asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
            answer = requests.options(system.server.url(path), headers=asked, timeout=TIMEOUT)
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
            assert "Access-Control-Allow-Credentials" not in answer.headers


def check_headers(headers: Any) -> None:
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers


def test_every_answer_has_the_headers(system: System) -> None:
    for path in ("/login", "/jwks", "/no-such-page"):
        check_headers(system.browser().get(path).headers)


@pytest.mark.asvs("6.3.1")
def test_the_limits_of_the_page_hold(system: System) -> None:
    """Each from an address of its own; others are not affected."""
    user = system.server.add_user()
    page = system.browser().open("/login")
    tries = [page.submit("login", username=user.username, password="wrong").status_code for _ in range(6)]
    assert tries == [200] * 5 + [429]
    grace = newcomer(system.server, system.browser())
    registered = [newcomer(system.server, grace.browser).fill_in().status_code for _ in range(4)]
    assert registered == [303] * 3 + [429]
    page = ask(system.party(CLIENT), system.browser()).page
    begun = [page.submit("continue-with-discord").status_code for _ in range(11)]
    assert begun == [303] * 10 + [429]
    browser = system.browser()
    seen = [browser.get("/recover").status_code for _ in range(61)]
    assert seen == [200] * 60 + [429]
    assert system.browser().get("/recover").status_code == 200


class AsHost(HTTPAdapter):
    """Connects to 127.0.0.1 and asks, in TLS too, for a name."""

    def __init__(self, host: str) -> None:
        self.host = host
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, server_hostname=self.host, assert_hostname=self.host, **options)


def test_caddy_serves_three_names(system: System, api: ExampleApi, bench: Bench, tmp_path: Path) -> None:
    """The page's Caddyfile; the front end's place is taken by the API, since only the name matters here."""
    port = find_free_port()
    names = {"FRONT": "front.localhost", "API": "api.localhost", "ID": "id.localhost"}
    environment = names | {
        "CADDY_HTTP_PORT": str(find_free_port()),
        "CADDY_HTTPS_PORT": str(port),
        "FRONT_UPSTREAM": f"127.0.0.1:{api.port}",
        "API_UPSTREAM": f"127.0.0.1:{api.port}",
        "ID_UPSTREAM": f"127.0.0.1:{system.server.settings.port}",
    }
    caddyfile = tmp_path / "Caddyfile"
    caddyfile.write_text(PAGE.file("Caddyfile"), encoding="utf-8")
    try:
        with bench.caddy(caddyfile, port=port, https_host=names["ID"], environment=environment) as caddy:
            for host, path in ((names["FRONT"], "/health"), (names["API"], "/health"), (names["ID"], "/jwks")):
                with requests.Session() as session:
                    session.trust_env = False
                    session.mount("https://", AsHost(host))
                    answer = session.get(
                        f"https://127.0.0.1:{port}{path}",
                        headers={"Host": f"{host}:{port}"},
                        verify=str(caddy.root_certificate),
                        timeout=TIMEOUT,
                    )
                assert answer.status_code == 200, host
                assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
                assert "Server" not in answer.headers
    except ProgramMissing as missing:
        pytest.skip(str(missing))


# --- People who move, and secrets that change

OLD_PASSWORD = "old but gold 42"


def test_people_move_with_password_and_discord(system: System, bench: Bench, tmp_path: Path) -> None:
    mapping, person = tmp_path / "mawster.toml", somebody("discord", email="")
    mapping.write_text(PAGE.file("mawster.toml"), encoding="utf-8")
    old = bcrypt.hashpw(OLD_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    table = (
        "CREATE TABLE users (id INT PRIMARY KEY, username VARCHAR(15), email VARCHAR(255), email_verified TINYINT,"
        " hashed_password VARCHAR(100), discord_id VARCHAR(20), role VARCHAR(20), created_at DATETIME)"
    )
    with bench.fresh_database("mariadb") as url:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(table)
            rows = [
                (1, "ancien", "ancien@example.org", 1, old, None, "user", "2023-01-02 03:04:05"),
                (2, "disco", None, 0, None, person.sub, "admin", None),
            ]
            connection.exec_driver_sql("INSERT INTO users VALUES (%s, %s, %s, %s, %s, %s, %s, %s)", rows)
        words = {"mysql+pymysql://reader@db/mawster": url, "mawster.toml": str(mapping)}
        dry, done = system.run("import", words)
        assert (dry["added"], done["added"], done["refused"]) == (2, 2, 0), done
    party = system.party(CLIENT)
    tokens = party.tokens(system.browser(), "ancien", password=OLD_PASSWORD, scope=SCOPE)
    assert claims_of(tokens["id_token"])["sub"] == derive_user_id("mawster", "1")
    found = system.server.store.users.find_for_sign_in("ancien")
    assert found is not None
    assert str(found[1]).startswith("$argon2id$")
    asked = arrive(system, person)
    claims = claims_of(party.redeem(asked.callback).json()["access_token"])
    assert (claims["sub"], claims["roles"]) == (derive_user_id("mawster", "2"), ["admin"])


def test_no_secret_is_in_the_image() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"SECRET_KEY\s*=|PASSWORD\s*=|DATABASE_URL\s*=\s*(postgres|mysql)", dockerfile)
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert {"*", ".env"} & set(ignored) or ".env*" in ignored


@pytest.mark.slow
def test_secrets_change_and_nobody_is_signed_out(system: System) -> None:
    """The server's, with a file for each value; the signing keys; the client's."""
    browser, party = system.browser(), system.party(CLIENT)
    user = system.server.add_user()
    tokens = party.tokens(browser, user.username, scope=f"{SCOPE} offline_access")
    form = system.browser().open("/login")
    secret = Path(system.server.environment["IDP_SECRET_KEY_FILE"])
    system.server.environment["IDP_SECRET_KEY_PREVIOUS"] = secret.read_text()
    secret.write_text(secrets.token_urlsafe(48))
    stop(system.server, signal.SIGQUIT)
    start(system.server)
    before = set(fetch_kids(system))
    system.idp("keys", "rotate")
    changed = system.idp("clients", "update", CLIENT, "--new-secret", "--keep-old", "3600")
    deadline = time.monotonic() + 30
    while len(fetch_kids(system)) == len(before):  # a process looks for changed keys every second
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "code" in party.sign_in(browser, scope=SCOPE).params, "the session goes on, without a page"
    again = party.refresh(tokens["refresh_token"])
    assert again.status_code == 200, "with the old secret of the client"
    assert party.userinfo(tokens["access_token"]).status_code == 200
    system.secrets[CLIENT] = changed["client_secret"]
    assert system.party(CLIENT).refresh(again.json()["refresh_token"]).status_code == 200, "with the new one"
    fields = {"username": user.username, "password": PASSWORD}
    assert form.submit("login", csrf_token="made up", **fields).status_code == 400
    stranger = system.browser()
    stranger.open("/login")
    token = form.fields("login")[1]["csrf_token"]
    assert stranger.open("/login").submit("login", csrf_token=token, **fields).status_code == 400, "of another browser"
    answer = form.submit("login", **fields)
    assert answer.status_code == 303, form.browser.page(answer).text


def fetch_kids(system: System) -> list[str]:
    keys = requests.get(system.server.url("/jwks"), timeout=TIMEOUT).json()["keys"]
    return [str(jwt.PyJWK(key).key_id) for key in keys if key["kty"] == "RSA"]
