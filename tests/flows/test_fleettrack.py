"""FleetTrack: Next.js in front, an API in ASP.NET Core, people who speak French, as `docs/migrate/fleettrack.md` says.

| need | shown by |
|---|---|
| registration: first and last name, user name and e-mail (unique), phone (optional), password of 8 with confirmation, CAPTCHA | test_the_form_asks_for_what_it_must, test_somebody_registers_with_a_captcha_and_a_mail_that_is_really_sent, test_user_name_and_address_are_unique |
| sign-in by user name or e-mail, with CAPTCHA; disabled accounts refused | test_people_sign_in_by_user_name_or_address, test_a_disabled_account_is_refused |
| forgotten password: same answer, link by SMTP, single use, all sessions and refresh tokens end | test_a_forgotten_password_is_replaced_by_a_mail |
| one hour | test_the_link_is_good_for_an_hour |
| reCAPTCHA v2, on and off by configuration, verified on the server; hCaptcha and Turnstile by the same plug | test_no_answer_or_a_wrong_one_signs_nobody_in, test_each_vendor_is_a_setting |
| BCrypt hashes, upgraded at the next sign-in | test_people_of_old_come_with_bcrypt_and_roles |
| AddJwtBearer: discovery, JWKS, aud; role claims | test_a_verifier_like_addjwtbearer_is_content |
| the front end: Auth.js, with what the page registers (Next.js itself: tests/examples) | test_auth_js_signs_in_and_its_token_opens_the_api |
| French and English pages and mails, by ui_locales, then the browser | test_pages_and_mails_speak_the_language_of_the_person |
"""  # noqa: E501  # a row of a table is one line

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import bcrypt
import jwt
import pytest
import requests
import sqlalchemy as sa

from idp.cli.import_rows import derive_user_id
from idp.sandbox.captcha import SECRET, SITE_KEY, make_answer
from tests.cli.test_import import FLEETTRACK, mapping_of
from tests.examples.api_process import ExampleApi
from tests.examples.authjs_front import FrontEnd, environment_of
from tests.examples.node_app import running_node_app
from tests.flows.systems import MigrationPage, System, localised, open_system
from tests.support.accounts import PASSWORD
from tests.support.authorize import Asked, ask
from tests.support.idp_server import timed_server
from tests.support.machine import find_free_port
from tests.support.mail import SmtpServer, smtp_server
from tests.support.newcomers import NEW_PASSWORD, Newcomer, newcomer, path_of
from tests.support.relying_party import TIMEOUT, Browser, Page, claims_of
from tests.support.upstream import open_sandbox

PAGE = MigrationPage("fleettrack")
CLIENT, API = "fleettrack", "https://api.fleettrack.example"
SCOPE = "openid profile email offline_access"
FIELD = "g-recaptcha-response"
MAILS = ("smtp_username", "smtp_password")
OLD_PASSWORD = "camion rouge 17"
_CODE = re.compile(r"^ {4}(\d{6})\r?$", re.MULTILINE)


@dataclass
class Fleet(System):
    """`post` takes the mails; `verify_url` is where CAPTCHAs are verified."""

    post: SmtpServer | None = None

    def mail_to(self, address: str, count: int = 1) -> EmailMessage:
        """The newest of so many mails to this address, once it has come over SMTP."""
        assert self.post is not None
        post = self.post
        post.wait_for(1, 60)
        for total in range(len(post.received), len(post.received) + 50):
            found = self.mails_to(address)
            if len(found) >= count:
                return found[-1]
            post.wait_for(total + 1, 60)
        raise AssertionError(f"no mail to {address}")

    def mails_to(self, address: str) -> list[EmailMessage]:
        """Those that have come so far, the newest last."""
        assert self.post is not None
        return [message for envelope, message in list(self.post.received) if address in envelope.rcpt_tos]


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def captcha(**said: str) -> dict[str, Any]:
    """What the tick box puts into the form."""
    return {FIELD: make_answer(**said)}


@pytest.fixture(scope="module")
def verify_at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The stand-in of the vendors, which verifies what the server sends it."""
    with open_sandbox(tmp_path_factory.mktemp("sandbox")) as (sandbox, _):
        yield f"{sandbox.origins['oidc']}/captcha"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path, verify_at: str) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleettrack")
    own: dict[str, Any] = {
        "captcha_site_key": SITE_KEY,
        "captcha_secret_key": SECRET,
        "captcha_verify_url": f"{verify_at}/recaptcha_v2/siteverify",
        "ratelimit_enabled": "true",
    } | dict.fromkeys(MAILS)
    with ExitStack() as stack:
        post = stack.enter_context(smtp_server())
        own |= {"smtp_host": "127.0.0.1", "smtp_port": str(post.port), "smtp_security": "none"}
        words = {"https://fleettrack.example": f"http://localhost:{find_free_port()}"}
        opened = stack.enter_context(open_system("fleettrack", folder, keys_from=signing_keys, words=words, **own))
        yield Fleet(opened.page, opened.server, opened.folder, opened.secrets, post)


def log_in(asked: Asked, username: str, password: str = PASSWORD, **more: str) -> Asked:
    return asked.then(asked.page.submit("login", username=username, password=password, **(captcha() | more)))


def tokens_of(system: System, username: str, password: str = PASSWORD, browser: Browser | None = None) -> Any:
    party = system.party(CLIENT)
    asked = log_in(ask(party, browser or system.browser(), scope=SCOPE), username, password)
    return party.redeem(asked.callback).json()


# --- Registration


def test_the_form_asks_for_what_it_must(system: Fleet) -> None:
    page = system.browser().open("/sign-up")
    fields = {str(tag["name"]): tag.has_attr("required") for tag in page.soup.select("main input[type!=hidden]")}
    required = ("given_name", "family_name", "username", "email", "password", "password_again")
    assert fields == dict.fromkeys(required, True) | {"phone_number": False}
    widget = page.soup.select_one("#captcha [data-sitekey]") or page.soup.select_one("[data-sitekey]")
    assert widget is not None
    assert widget["data-sitekey"] == SITE_KEY
    for changes, says in (
        ({"password": "courts7", "password_again": "courts7"}, "at least 8"),
        ({"password_again": "another"}, "differ"),
        ({"family_name": ""}, "Fill in this field"),
    ):
        grace = newcomer(system.server, system.browser())
        refused = grace.browser.page(grace.fill_in(**(changes | captcha())))
        assert (refused.status, says in refused.text) == (400, True), refused.text


def test_somebody_registers_with_a_captcha_and_a_mail_that_is_really_sent(system: Fleet) -> None:
    grace = newcomer(system.server, system.browser())
    without = grace.browser.page(grace.fill_in())
    assert without.soup.find(id="captcha-error") is not None
    page = begin(grace, phone_number="+33 1 23 45 67 89")
    found = _CODE.search(text_of(system.mail_to(grace.email)))
    assert found is not None
    assert page.submit("confirm", code=found[1]).status_code == 303
    tokens = tokens_of(system, grace.username, NEW_PASSWORD)
    info = system.party(CLIENT).userinfo(tokens["access_token"]).json()
    assert (info["given_name"], info["family_name"], info["email"]) == ("Grace", "Hopper", grace.email)
    assert info["preferred_username"] == grace.username


def begin(grace: Newcomer, **changes: str) -> Page:
    page = grace.browser.page(grace.fill_in(**(changes | captcha())))
    assert page.id == "confirm-page", page.text
    return page


def test_user_name_and_address_are_unique(system: Fleet) -> None:
    """The name is said to be taken. The address is not: its owner hears of it by mail, and nobody else."""
    user, grace = system.server.add_user(), newcomer(system.server, system.browser())
    taken = grace.browser.page(grace.fill_in(**({"username": user.username} | captcha())))
    assert "This user name is taken" in taken.text
    new, known = newcomer(system.server, system.browser()), newcomer(system.server, system.browser())
    pages = begin(new), begin(known, email=str(user.email))
    first, second = pages[0].text.replace(new.email, "…"), pages[1].text.replace(str(user.email), "…")
    assert first == second
    assert _CODE.search(text_of(system.mail_to(str(user.email)))) is None


# --- Signing in


def test_people_sign_in_by_user_name_or_address(system: Fleet) -> None:
    user = system.server.add_user()
    for name in (user.username, str(user.email), user.username.upper()):
        assert claims_of(tokens_of(system, name)["id_token"])["sub"] == user.id


def test_a_disabled_account_is_refused(system: Fleet) -> None:
    user, party = system.server.add_user(), system.party(CLIENT)
    system.idp("users", "disable", user.username)
    disabled = log_in(ask(party, system.browser()), user.username)
    wrong = log_in(ask(party, system.browser()), "nobody-of-this-name")
    assert disabled.page.id == wrong.page.id == "login-page"
    said = [asked.page.soup.find(id="error-summary") for asked in (disabled, wrong)]
    assert str(said[0]) == str(said[1]), "it is not told apart from a wrong password"


def test_no_answer_or_a_wrong_one_signs_nobody_in(system: Fleet) -> None:
    user = system.server.add_user()
    for answer in ({}, {FIELD: "made up"}, captcha(hostname="evil.example"), captcha(age="600")):
        page = ask(system.party(CLIENT), system.browser()).page
        refused = page.browser.page(page.submit("login", username=user.username, password=PASSWORD, **answer))
        assert refused.soup.find(id="captcha-error") is not None
        assert "idp_session" not in page.browser.http.cookies


@pytest.mark.parametrize(
    ("kind", "field"), [("hcaptcha", "h-captcha-response"), ("turnstile", "cf-turnstile-response"), ("none", "")]
)
def test_each_vendor_is_a_setting(tmp_path: Path, signing_keys: Path, verify_at: str, kind: str, field: str) -> None:
    keys = {"captcha_site_key": SITE_KEY, "captcha_secret_key": SECRET} if field else {}
    where = {"captcha_verify_url": f"{verify_at}/{kind}/siteverify"} if field else {}
    off = {"captcha_site_key": None, "captcha_secret_key": None} | dict.fromkeys(("smtp_host", *MAILS))
    settings = localised(PAGE, tmp_path, **(off | keys | where | {"captcha": kind}))
    with timed_server(tmp_path, keys_from=signing_keys, **settings) as server:
        user, browser = server.add_user(), Browser(server)
        page = browser.open("/login")
        assert (page.soup.select_one("[data-sitekey]") is not None) is bool(field)
        answer = {field: make_answer()} if field else {}
        assert page.submit("login", username=user.username, password=PASSWORD, **answer).status_code == 303


# --- The forgotten password


def recover(browser: Browser, email: str) -> Page:
    page = browser.open("/recover")
    return browser.page(page.submit("recover", email=email, **captcha()))


def link_in(mail: EmailMessage) -> str:
    found = re.search(r"https?://\S+/recover/\S+", text_of(mail))
    assert found is not None, text_of(mail)
    return path_of(found[0])


@pytest.mark.asvs("6.4.3", "7.4.3")
def test_a_forgotten_password_is_replaced_by_a_mail(system: Fleet) -> None:
    user, elsewhere, browser = system.server.add_user(), system.browser(), system.browser()
    tokens = tokens_of(system, user.username, browser=elsewhere)
    known, unknown = recover(browser, str(user.email)), recover(system.browser(), "nobody@example.org")
    assert known.text.replace(str(user.email), "…") == unknown.text.replace("nobody@example.org", "…")
    sent_before = 2  # that of the sign-in from a new browser, and this one
    mail = next_reset(system, str(user.email), sent_before)
    link = link_in(mail)
    done = browser.page(browser.open(link).submit("reset", password=NEW_PASSWORD, password_again=NEW_PASSWORD))
    assert done.id == "login-page"
    assert browser.open(link).status == 400, "it works once"
    assert elsewhere.open("/account").id == "login-page"
    assert system.party(CLIENT).refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert tokens_of(system, user.username, NEW_PASSWORD)["access_token"]


def next_reset(system: Fleet, address: str, most: int) -> EmailMessage:
    """The mail with the link, whichever of the mails to this address it is, and in whatever order they come."""
    for count in range(1, most + 1):
        system.mail_to(address, count)
        found = [mail for mail in system.mails_to(address) if re.search(r"/recover/", text_of(mail))]
        if found:
            return found[-1]
    raise AssertionError(f"no link to {address}")


def test_the_link_is_good_for_an_hour(tmp_path: Path, signing_keys: Path) -> None:
    off: dict[str, Any] = {"captcha": "none", "captcha_site_key": None, "captcha_secret_key": None}
    settings = localised(PAGE, tmp_path, **off, **dict.fromkeys(("smtp_host", *MAILS)))
    with timed_server(tmp_path, keys_from=signing_keys, **settings) as server:
        user, browser = server.add_user(), Browser(server)
        for seconds, status in ((3500, 200), (3601, 400)):
            page = browser.open("/recover")
            page.submit("recover", email=str(user.email))
            link = path_of(server.mails(str(user.email))[-1].link)
            server.forward(seconds)
            assert browser.open(link).status == status


# --- People of old, and the API


def test_people_of_old_come_with_bcrypt_and_roles(system: Fleet, tmp_path: Path) -> None:
    old = bcrypt.hashpw(OLD_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    source, mapping = tmp_path / "old.db", tmp_path / "fleettrack.toml"
    mapping.write_text(mapping_of("FleetTrack"), encoding="utf-8")
    engine = sa.create_engine(f"sqlite:///{source}", poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in FLEETTRACK:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql("UPDATE accounts SET password_hash = ?", (old,))
    words = {
        "mssql-export.db": f"sqlite:///{source}",
        "fleettrack.toml": str(mapping),
        "refused.csv": str(tmp_path / "refused.csv"),
    }
    dry, done = system.run("import", words)
    assert (dry["added"], done["added"], done["refused"]) == (3, 3, 0), done
    gone = log_in(ask(system.party(CLIENT), system.browser()), "parti", OLD_PASSWORD)
    assert gone.page.id == "login-page", "disabled there, disabled here"
    tokens = tokens_of(system, "j@example.fr", OLD_PASSWORD)
    claims = claims_of(tokens["access_token"])
    assert (claims["sub"], claims["roles"]) == (derive_user_id("fleettrack", "1"), ["Admin"])
    found = system.server.store.users.find_for_sign_in("jdupont")
    assert found is not None
    assert str(found[1]).startswith("$argon2id$")
    assert tokens_of(system, "jdupont", OLD_PASSWORD)["access_token"]


class JwtBearer:
    """What ASP.NET Core's AddJwtBearer demands, given an Authority and an audience."""

    def __init__(self, authority: str, audience: str) -> None:
        metadata = requests.get(f"{authority}/.well-known/openid-configuration", timeout=TIMEOUT).json()
        assert metadata["issuer"] == authority
        self.issuer, self.audience = metadata["issuer"], audience
        self.keys = jwt.PyJWKClient(metadata["jwks_uri"])

    def read(self, token: str) -> dict[str, Any]:
        """`ValidTypes = ["at+jwt"]`, `RoleClaimType = "roles"`."""
        if jwt.get_unverified_header(token)["typ"] != "at+jwt":
            raise jwt.InvalidTokenError("typ")
        key = self.keys.get_signing_key_from_jwt(token)
        required: Any = {"require": ["exp", "iss", "aud", "sub"]}
        claims = jwt.decode(token, key, ["RS256"], required, audience=self.audience, issuer=self.issuer)
        return dict(claims)

    def is_in_role(self, token: str, role: str) -> bool:
        return role in self.read(token)["roles"]


def test_a_verifier_like_addjwtbearer_is_content(system: Fleet) -> None:
    admin, driver = system.server.add_user(roles=("Admin", "Driver")), system.server.add_user(roles=("Driver",))
    bearer = JwtBearer(system.server.issuer, API)
    tokens = tokens_of(system, admin.username)
    assert bearer.read(tokens["access_token"])["sub"] == admin.id
    assert bearer.is_in_role(tokens["access_token"], "Admin")
    assert not bearer.is_in_role(tokens_of(system, driver.username)["access_token"], "Admin")
    with pytest.raises(jwt.InvalidAudienceError):
        JwtBearer(system.server.issuer, "https://another.example").read(tokens["access_token"])
    with pytest.raises(jwt.InvalidTokenError):
        bearer.read(tokens["id_token"])


@pytest.mark.interop
def test_auth_js_signs_in_and_its_token_opens_the_api(system: Fleet, tmp_path: Path) -> None:
    client = system.client(CLIENT)
    front = FrontEnd(system.server, client, client.metadata.redirect_uris[0].removesuffix("/api/auth/callback/idp"))
    environment = environment_of(front, ExampleApi(system.server, 9, tmp_path / "no.log"))
    port = int(front.url.rpartition(":")[2])
    admin, browser = system.server.add_user(roles=("Admin",)), system.browser()
    with running_node_app("authjs-express", "app.js", log=tmp_path / "front.log", port=port, **environment):
        page = browser.page(browser.get(front.begin(browser).headers["Location"]))
        answer = browser.follow(page.submit("login", username=admin.username, password=PASSWORD, **captcha()))
        browser.http.get(answer.headers["Location"], allow_redirects=False, timeout=TIMEOUT)
    session = front.session(browser)
    assert session is not None
    assert session["sub"] == admin.id
    assert JwtBearer(system.server.issuer, API).is_in_role(session["tokens"]["access_token"], "Admin")


# --- Languages


def test_pages_and_mails_speak_the_language_of_the_person(system: Fleet) -> None:
    party = system.party(CLIENT)
    french = system.browser(**{"Accept-Language": "fr-CH, en;q=0.5"})
    for path in ("/login", "/sign-up", "/recover"):
        assert language_of(french.open(path)) == "fr"
    assert language_of(ask(party, french, ui_locales="en").page) == "en", "the client's wish comes first"
    assert language_of(ask(party, system.browser(), ui_locales="fr-CA fr en").page) == "fr"
    assert language_of(system.browser(**{"Accept-Language": "de"}).open("/login")) == "fr", "IDP_DEFAULT_LOCALE"
    for browser, says in ((system.browser(**{"Accept-Language": "fr"}), "Bonjour"), (system.browser(), "Hello")):
        grace = newcomer(system.server, browser)
        begin(grace)
        mail = system.mail_to(grace.email)
        assert says in text_of(mail), text_of(mail)


def language_of(page: Page) -> str:
    html = page.soup.find("html")
    assert html is not None
    return str(html["lang"])
