"""Whether an address or a name is known shows nowhere: not in what is answered, not in what is done for it, not in how
long it takes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from sqlalchemy import event

from idp import create_app
from idp.server import Server
from tests.support.accounts import PASSWORD, add_user
from tests.support.idp_server import ServerUnderTest, make_settings, prepare
from tests.support.newcomers import NEW_PASSWORD, new_email, newcomer
from tests.support.relying_party import Browser

ROUNDS = 60
TELLING = 0.22  # four standard deviations of what chance alone does in so many rounds
CHANGING_HEADERS = {"Date", "Set-Cookie", "X-Request-Id"}


def without_what_differs(response: requests.Response, *texts: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body, without the address itself and the values that are new each time."""
    body = response.text
    for text in texts:
        body = body.replace(text, "…")
    headers = {name: value for name, value in response.headers.items() if name not in CHANGING_HEADERS}
    lines = [line for line in body.splitlines() if "csrf_token" not in line and "error-reference" not in line]
    return response.status_code, headers, "\n".join(lines)


def answers_to_sign_up(server: ServerUnderTest, email: str) -> list[Any]:
    """The form, the page behind it, a wrong code, and the button that asks whether the link was followed."""
    grace = newcomer(server, email=email)
    sent = grace.fill_in()
    page = grace.browser.page(sent)
    assert page.id == "confirm-page"
    later = [page.response, page.submit("confirm", code="000000"), page.submit("check")]
    return [without_what_differs(each, grace.email, grace.username) for each in (sent, *later)]


@pytest.mark.asvs("6.3.8")
def test_sign_up_answers_the_same_for_a_known_address(server: ServerUnderTest) -> None:
    known = server.add_user().email or ""
    unknown = "x" + known[1:]
    assert answers_to_sign_up(server, known) == answers_to_sign_up(server, unknown)
    assert [mail.template for mail in server.mails(known)] == ["account_exists"]
    assert [mail.template for mail in server.mails(unknown)] == ["verify_email"]


@pytest.mark.asvs("6.3.8")
def test_recovery_answers_the_same_for_an_unknown_address(server: ServerUnderTest) -> None:
    known = server.add_user().email or ""
    unknown, answers = "x" + known[1:], []
    for email in (known, unknown):
        browser = Browser(server)
        sent = browser.open("/recover").submit("recover", email=email)
        answers.append([without_what_differs(each, email) for each in (sent, browser.page(sent).response)])
    assert answers[0] == answers[1]
    assert (len(server.mails(known)), len(server.mails(unknown))) == (1, 0)


@pytest.mark.asvs("6.3.8")
def test_both_answer_the_same_after_their_limits_too(server: ServerUnderTest) -> None:
    known = server.add_user().email or ""
    unknown = "x" + known[1:]
    for email in (known, unknown):
        for _ in range(6):
            newcomer(server, email=email).begin()
    assert answers_to_sign_up(server, known) == answers_to_sign_up(server, unknown)
    assert len(server.mails(known)) == len(server.mails(unknown)) == 5


def test_another_spelling_of_a_known_address_gets_no_mail(server: ServerUnderTest) -> None:
    """Look-up folds letters that mail servers tell apart: a link for `weiss@` must never go to `weiß@`."""
    name = new_email().partition("@")[0]
    owner, other = f"{name}-weiss@mail.example", f"{name}-weiß@mail.example"
    server.add_user(email=owner)
    newcomer(server, email=other).begin()
    browser = Browser(server)
    browser.open("/recover").submit("recover", email=other)
    assert server.mails(other) == []
    assert sorted(mail.template for mail in server.mails(owner)) == ["account_exists", "password_reset"]


def test_the_mail_to_a_strangers_address_says_nothing_that_was_typed(server: ServerUnderTest) -> None:
    grace = newcomer(server)
    grace.begin(given_name="Visit http://spam.example", family_name="to win a car")
    assert "spam.example" not in grace.mail.text + grace.mail.html + grace.mail.subject
    assert "win a car" not in grace.mail.text + grace.mail.html


# --- In this process: what is done, and how long it takes


class Desk:
    """The application in this process, with one visitor."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.client: FlaskClient
        self.server: Server
        self.hash = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$WwD2/wGGTuw7u4BW8sLM0Q"

    def now(self) -> float:
        return time.time() + self.waited

    def token(self, page: str) -> str:
        text = self.client.get(page).get_data(as_text=True)
        return text.partition('name="csrf_token" value="')[2].partition('"')[0]

    def add(self) -> str:
        return add_user(self.server.store, self.hash).email or ""

    def sign_up(self, email: str, token: str) -> int:
        form = {"username": f"n{new_email()[7:15]}", "email": email, "password": NEW_PASSWORD}
        form |= {"password_again": NEW_PASSWORD, "csrf_token": token}
        return self.client.post("/sign-up", data=form).status_code

    def recover(self, email: str, token: str) -> int:
        return self.client.post("/recover", data={"email": email, "csrf_token": token}).status_code

    def sign_in(self, email: str, token: str) -> int:
        form = {"username": email, "password": PASSWORD + "x", "csrf_token": token}
        return self.client.post("/login", data=form).status_code


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, signing_keys: Path) -> Iterator[Desk]:
    settings, _ = make_settings(tmp_path_factory.mktemp("desk"), argon2_memory_kib="1024", smtp_host="localhost")
    prepare(settings, signing_keys)
    made = Desk()
    app = create_app(settings, clock=made.now)
    made.client, made.server = app.test_client(), app.extensions["idp"]
    made.hash = app.extensions["idp.passwords"].hash(PASSWORD)
    yield made
    made.server.store.database.dispose()


@contextmanager
def statements_of(server: Server) -> Iterator[list[str]]:
    """What is asked of the database inside the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = server.store.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


ACTS = [pytest.param("sign_up", "/sign-up", id="sign-up"), pytest.param("recover", "/recover", id="recovery"),
        pytest.param("sign_in", "/login", id="sign-in")]  # fmt: skip


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize(("act", "page"), ACTS)
def test_the_same_is_asked_of_the_database(desk: Desk, act: str, page: str) -> None:
    """Also at once again, which is too soon for another link, and again a little later."""
    emails, waits = (desk.add(), new_email()), (0, 0, 61)
    for times, wait in enumerate(waits, start=1):
        desk.waited += wait
        token, asked = desk.token(page), []
        for email in emails:
            with statements_of(desk.server) as statements:
                getattr(desk, act)(email, token)
            asked.append(statements)
        assert asked[0] == asked[1], f"request {times}"


@pytest.mark.asvs("6.3.8")
def test_the_same_is_asked_for_whom_a_recovery_does_not_help(desk: Desk) -> None:
    """An account with a second factor and an address that it never confirmed, an address without an account."""
    squatter = add_user(desk.server.store, desk.hash, email_verified=False)
    desk.server.store.totp.save(squatter.id, "sealed", step=0, now=int(desk.now()))
    for act, page in (("sign_up", "/sign-up"), ("recover", "/recover")):
        emails = (squatter.email or "", new_email())
        for wait in (0, 0, 61):
            desk.waited += wait
            token, asked = desk.token(page), []
            for email in emails:
                with statements_of(desk.server) as statements:
                    getattr(desk, act)(email, token)
                asked.append(statements)
            assert asked[0] == asked[1], (act, wait)


@pytest.mark.asvs("6.3.8")
@pytest.mark.parametrize(("act", "page"), ACTS)
def test_a_known_and_an_unknown_address_take_the_same_time(desk: Desk, act: str, page: str) -> None:
    """Interleaved measurements: of a known and an unknown one, the known one takes longer about half of the time."""
    token, act_on = desk.token(page), getattr(desk, act)
    people = {"known": desk.add, "unknown": new_email}
    took: dict[str, list[float]] = {kind: [] for kind in people}
    emails = [(kind, make()) for _ in range(ROUNDS) for kind, make in people.items()]
    act_on(new_email(), token)  # everything is loaded
    for kind, email in emails:
        began = time.perf_counter()
        status = act_on(email, token)
        took[kind].append(time.perf_counter() - began)
        assert status in {200, 303}
    longer = [known > unknown for known in took["known"] for unknown in took["unknown"]]
    assert abs(sum(longer) / len(longer) - 0.5) < TELLING, {kind: sorted(times) for kind, times in took.items()}
