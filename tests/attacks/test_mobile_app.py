"""Attacks on an app of a phone: on `examples/mobile/native_app.py`, which does what AppAuth does, and on the server.

The attacker is another app on the same phone: it has claimed the same private-use scheme and gets the addresses that
the system hands out, knows the client_id, and can open the browser. It reads neither the app's memory nor its file.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import requests

from idp.protocol.errors import InvalidRedirectUri
from idp.protocol.pkce import s256
from idp.protocol.redirect_uri import check_redirect_uri_registration
from tests.examples.phone import Phone, native, new_phone
from tests.support.accounts import PASSWORD
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT, Browser, Page
from tests.support.scene import refused

if TYPE_CHECKING:
    from tests.support.chromium import Pages

OWN_VERIFIER = "a-verifier-that-the-thief-has-made-himself-0123456789"


@pytest.fixture
def phone(server: ServerUnderTest, tmp_path: Path) -> Phone:
    return new_phone(server, tmp_path)


def parameters_of(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query))


def with_parameters(url: str, **changes: str | None) -> str:
    """The same address with some parameters other than they were; None takes one away."""
    params: dict[str, str | None] = {**parameters_of(url), **changes}
    kept = {name: value for name, value in params.items() if value is not None}
    return f"{url.partition('?')[0]}?{urlencode(kept)}"


def steal(phone: Phone, url: str, **form: str) -> requests.Response:
    """The other app redeems the code of an address that it was handed."""
    mine = {"grant_type": "authorization_code", "client_id": phone.client.client_id}
    mine |= {"redirect_uri": phone.redirect_uri, "code": parameters_of(url)["code"]}
    return requests.post(phone.server.url("/token"), data=mine | form, timeout=TIMEOUT)


# --- Another app on the same scheme gets the code (RFC 8252 §8.1, RFC 7636 §1)


@pytest.mark.spec("RFC 8252", "8.1", "MUST")
@pytest.mark.spec("RFC 7636", "4.6", "MUST")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param(lambda pending: {}, id="no verifier"),
        pytest.param(lambda pending: {"code_verifier": ""}, id="an empty verifier"),
        pytest.param(lambda pending: {"code_verifier": OWN_VERIFIER}, id="a verifier of its own"),
        pytest.param(lambda pending: {"code_verifier": pending.code_challenge}, id="the challenge, which it has seen"),
        pytest.param(
            lambda pending: {"code_verifier": pending.code_challenge, "code_challenge_method": "plain"}, id="as plain"
        ),
        pytest.param(lambda pending: {"code_challenge": s256(OWN_VERIFIER), "code_verifier": OWN_VERIFIER}, id="both"),
    ],
)
def test_a_stolen_code_gets_the_thief_nothing_and_the_app_its_tokens(phone: Phone, verifier: Any) -> None:
    """The thief is first, and does not even spoil the code."""
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(pending.url)
    answer = steal(phone, url, **verifier(pending))
    assert answer.status_code == 400
    assert "token" not in answer.text.replace("token_endpoint", "")
    assert phone.app.finish(pending, url)["sub"] == phone.person.id
    assert phone.app.userinfo()["sub"] == phone.person.id


@pytest.mark.spec("RFC 8252", "8.1", "MUST")
@pytest.mark.spec("RFC 7636", "4.4.1", "MUST")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_challenge": None, "code_challenge_method": None}, id="no challenge"),
        pytest.param({"code_challenge_method": "plain"}, id="plain"),
        pytest.param({"code_challenge": OWN_VERIFIER, "code_challenge_method": None}, id="plain by default"),
        pytest.param({"code_challenge_method": "s256"}, id="a method that is none"),
        pytest.param({"code_challenge": ""}, id="an empty challenge"),
    ],
)
def test_nobody_can_talk_the_server_into_a_code_without_proof(phone: Phone, changes: dict[str, Any]) -> None:
    """The attacker has changed the app's request on its way to the browser."""
    url = with_parameters(phone.app.begin(phone.redirect_uri).url, **changes)
    answer = parameters_of(phone.answer_to(url))
    assert answer["error"] == "invalid_request"
    assert "code" not in answer


def test_a_swapped_challenge_locks_the_app_out_and_is_noticed(phone: Phone) -> None:
    """With a challenge of the attacker's the code would be his to redeem, had the app not to be the one that asks. He
    must both change the request and get the answer; the app's own attempt then fails, and ends what he got."""
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(with_parameters(pending.url, code_challenge=s256(OWN_VERIFIER)))
    stolen = steal(phone, url, code_verifier=OWN_VERIFIER).json()
    with pytest.raises(native.Refused):
        phone.app.finish(pending, url)
    assert phone.tokens == {}
    headers = {"Authorization": f"Bearer {stolen['access_token']}"}
    assert requests.get(phone.server.url("/userinfo"), headers=headers, timeout=TIMEOUT).status_code == 401


@pytest.mark.spec("RFC 6749", "4.1.2", "MUST")
@pytest.mark.asvs("10.4.2")
def test_a_code_that_the_app_has_used_is_dead_and_its_theft_does_not_stay_unseen(phone: Phone) -> None:
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(pending.url)
    phone.app.finish(pending, url)
    assert refused(steal(phone, url)) == (400, "invalid_grant")
    with pytest.raises(native.SignedOut):  # somebody has the codes of this app: its tokens end too
        phone.app.refresh()
    assert phone.tokens == {}


@pytest.mark.spec("RFC 6749", "4.1.2", "SHOULD")
def test_a_thief_who_even_has_the_verifier_loses_his_tokens_when_the_app_comes(phone: Phone) -> None:
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(pending.url)
    stolen = steal(phone, url, code_verifier=pending.code_verifier).json()
    with pytest.raises(native.SignedOut):
        phone.app.finish(pending, url)
    form = {"grant_type": "refresh_token", "refresh_token": stolen["refresh_token"]}
    again = requests.post(
        phone.server.url("/token"), data=form | {"client_id": phone.client.client_id}, timeout=TIMEOUT
    )
    assert refused(again) == (400, "invalid_grant")


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD")
def test_another_app_that_poses_as_this_one_needs_the_persons_word_each_time(phone: Phone) -> None:
    """It knows the client_id and has claimed the scheme; the person is signed in and has allowed the true app."""
    phone.sign_in()
    posing = {"code_challenge": s256(OWN_VERIFIER), "state": "thief"}
    silent = with_parameters(phone.app.begin(phone.redirect_uri).url, **posing, prompt="none")
    assert parameters_of(phone.answer_to(silent))["error"] == "consent_required"
    assert phone.browser.open(with_parameters(silent, prompt=None)).id == "consent-page"


# --- Another app begins a sign-in as this one, in the browser in which the person is signed in (RFC 8252 §8.6)


@pytest.mark.spec("RFC 8252", "8.6", "SHOULD NOT")
@pytest.mark.parametrize("first_party", [True, False], ids=["first party", "third party"])
@pytest.mark.parametrize("redirect_uri", ["com.example.orders:/callback", "http://127.0.0.1:49152/callback"])
@pytest.mark.parametrize("prompt", ["", "none"])
def test_another_app_gets_no_code_unseen_from_a_session_that_is_there(
    server: ServerUnderTest, tmp_path: Path, first_party: bool, redirect_uri: str, prompt: str
) -> None:
    """The challenge is its own, so a code would be its account for good."""
    phone = new_phone(server, tmp_path, first_party=first_party)
    phone.sign_in()
    params = {"response_type": "code", "client_id": phone.client.client_id, "redirect_uri": redirect_uri}
    params |= {"code_challenge": s256(OWN_VERIFIER), "code_challenge_method": "S256", "scope": "openid offline_access"}
    url = f"{server.url('/authorize')}?{urlencode(params | ({'prompt': prompt} if prompt else {}))}"
    answer = phone.browser.follow(phone.browser.get(url))
    if prompt:
        assert parameters_of(answer.headers["Location"])["error"] == "consent_required"
    else:
        assert Page(phone.browser, answer).id == "consent-page"
    assert "code" not in parameters_of(answer.headers.get("Location", ""))


# --- What comes to the app (RFC 6749 §10.12, RFC 9700 §4.5, RFC 9207)


@pytest.mark.spec("RFC 8252", "8.10", "MUST")
@pytest.mark.spec("RFC 9700", "4.7.1", "MUST")
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"state": "another"}, id="another state"),
        pytest.param({"state": None}, id="no state"),
        pytest.param({"iss": "https://evil.example.com"}, id="RFC 9207 §2.4 another issuer"),
        pytest.param({"iss": None}, id="RFC 9207 §2.4 no issuer"),
    ],
)
def test_an_answer_that_is_not_the_apps_is_refused_before_its_code_goes_anywhere(
    phone: Phone, changes: dict[str, Any]
) -> None:
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(pending.url)
    token_endpoint = phone.app.metadata["token_endpoint"]
    phone.app.metadata["token_endpoint"] = "http://127.0.0.1:9/never-asked"
    with pytest.raises(native.Refused, match=r"(?i)answer"):
        phone.app.finish(pending, with_parameters(url, **changes))
    assert phone.tokens == {}
    phone.app.metadata["token_endpoint"] = token_endpoint
    assert phone.app.finish(pending, url)["sub"] == phone.person.id  # the true one is still welcome


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda url: url + "&state=another", id="a parameter twice"),
        pytest.param(lambda url: url.replace("callback", "callback2"), id="another path"),
        pytest.param(lambda url: url.replace("com.example", "com.evil"), id="another scheme"),
        pytest.param(lambda url: url.replace("?", "/x?"), id="more path"),
        pytest.param(lambda url: "", id="nothing"),
    ],
)
def test_an_address_that_the_app_has_not_asked_for_is_refused(phone: Phone, spoil: Any) -> None:
    pending = phone.app.begin(phone.redirect_uri)
    with pytest.raises(native.Refused, match="not an answer to this sign-in"):
        phone.app.finish(pending, spoil(phone.answer_to(pending.url)))
    assert phone.tokens == {}


def test_an_answer_is_taken_once(phone: Phone) -> None:
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(pending.url)
    phone.app.finish(pending, url)
    with pytest.raises(native.Refused, match="not an answer"):
        phone.app.finish(pending, url)
    assert phone.app.userinfo()["sub"] == phone.person.id  # nothing was sent twice, so nothing was revoked


@pytest.mark.spec("RFC 9700", "4.5.3", "MUST")
def test_a_code_of_the_attackers_own_account_does_not_sign_the_person_in_as_him(phone: Phone, tmp_path: Path) -> None:
    """He has even learnt the state. His code belongs to his own challenge."""
    his = Phone(phone.server, tmp_path / "his", phone.client, phone.server.add_user())
    his_pending, pending = his.app.begin(his.redirect_uri), phone.app.begin(phone.redirect_uri)
    his_code = parameters_of(his.answer_to(his_pending.url))["code"]
    injected = with_parameters(phone.answer_to(pending.url), code=his_code)
    with pytest.raises(native.Refused):
        phone.app.finish(pending, injected)
    assert phone.tokens == {}


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
def test_an_id_token_of_another_sign_in_is_refused(phone: Phone) -> None:
    """The attacker has changed the nonce of the request."""
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(with_parameters(pending.url, nonce="another"))
    with pytest.raises(native.Refused, match="another sign-in"):
        phone.app.finish(pending, url)
    assert phone.tokens == {}


@pytest.mark.spec("OpenID Connect Core", "3.1.3.7", "MUST")
def test_an_id_token_for_another_app_is_refused(phone: Phone, tmp_path: Path) -> None:
    other = new_phone(phone.server, tmp_path / "other")
    other.sign_in()
    phone.sign_in()
    for token in (other.tokens["id_token"], phone.tokens["access_token"], phone.tokens["id_token"][:-8], "x", ""):
        with pytest.raises(native.Refused, match="not valid"):
            phone.app._check_id_token(token)
    assert phone.app._check_id_token(phone.tokens["id_token"])["sub"] == phone.person.id


@pytest.mark.spec("OpenID Connect Discovery", "4.3", "MUST")
def test_a_server_that_is_another_than_the_app_was_made_for_is_refused(phone: Phone) -> None:
    for issuer, words in (
        (phone.server.issuer.replace("localhost", "127.0.0.1"), "another name"),
        ("http://idp.example.com", "https"),
    ):
        settings = native.Settings(issuer=issuer, client_id=phone.client.client_id)
        with pytest.raises(native.Refused, match=words):
            native.NativeApp(settings, phone.app.store).begin(phone.redirect_uri)


# --- Where an answer may go (RFC 8252 §7)


@pytest.mark.spec("RFC 8252", "8.4", "MUST")
@pytest.mark.asvs("10.4.1")
@pytest.mark.parametrize(
    "redirect_uri",
    [
        pytest.param("http://localhost:49152/callback", id="RFC 8252 §8.3 localhost, which was not registered"),
        pytest.param("http://127.0.0.1:49152/other", id="another path"),
        pytest.param("http://127.0.0.1:49152/callback/", id="one slash more"),
        pytest.param("http://127.0.0.1:49152/callback?next=x", id="a query"),
        pytest.param("http://127.0.0.2:49152/callback", id="another loopback address"),
        pytest.param("http://127.1:49152/callback", id="the address written otherwise"),
        pytest.param("http://[::ffff:127.0.0.1]:49152/callback", id="the address inside IPv6"),
        pytest.param("https://127.0.0.1:49152/callback", id="https on loopback"),
        pytest.param("http://127.0.0.1:49152@evil.example.com/callback", id="an address as user name"),
        pytest.param("com.example.orders://callback", id="two slashes for one"),
        pytest.param("com.example.orders:/callback/more", id="more path"),
        pytest.param("com.example.orders2:/callback", id="a scheme that begins the same"),
        pytest.param("nextarget://callback.evil", id="a host that begins the same"),
        pytest.param("https://orders.example.com:8443/callback", id="a port on a claimed link"),
        pytest.param("javascript:alert(1)", id="a script"),
    ],
)
def test_an_answer_goes_only_where_the_app_was_registered(phone: Phone, redirect_uri: str) -> None:
    answer = phone.browser.get(with_parameters(phone.app.begin(phone.redirect_uri).url, redirect_uri=redirect_uri))
    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert Page(phone.browser, answer).id is not None


@pytest.mark.spec("RFC 8252", "7.1", "MUST")
@pytest.mark.asvs("10.4.1")
@pytest.mark.parametrize(
    "uri",
    ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "intent://x"]
    + ["http://orders.example.com/callback", "http:callback", "https:/callback", "//callback", "callback", "blob:x"],
)
def test_no_app_can_register_an_address_that_a_browser_would_open_itself(uri: str) -> None:
    with pytest.raises(InvalidRedirectUri):
        check_redirect_uri_registration(uri)


def test_the_loopback_listener_takes_its_own_path_and_tells_pages_nothing(phone: Phone) -> None:
    with native.LoopbackReceiver("http://127.0.0.1/callback") as receiver:
        base = receiver.redirect_uri.removesuffix("/callback")
        for path in ("/", "/favicon.ico", "/callback2?code=x", "/callback/?code=x"):
            assert requests.get(base + path, timeout=TIMEOUT).status_code == 404
        answer = requests.get(base + "/callback?code=x", timeout=TIMEOUT)
        assert receiver.receive(1) == base + "/callback?code=x"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    with pytest.raises(native.Refused, match="in time"):
        receiver.receive(0)


# --- Tokens never in URLs


@pytest.mark.spec("RFC 6750", "2.3", "SHOULD NOT")
@pytest.mark.asvs("14.2.1")
def test_no_token_is_ever_in_an_address_a_header_or_the_history(
    server: ServerUnderTest, tmp_path: Path, browser_page: "Pages"
) -> None:
    """The whole life of a sign-in, walked in Chromium: pages, redirects, the app's own requests, signing out."""
    phone = new_phone(server, tmp_path, redirect_uri="http://127.0.0.1/callback", signed_out_uri="http://127.0.0.1/")
    page = browser_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(f"{request.url} {request.headers}"))
    page.on("response", lambda response: seen.append(f"{response.url} {response.headers}"))
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    phone.app.http.hooks["response"].append(lambda answer, **_: seen.append(f"{answer.url} {answer.headers}"))

    def sign_in(url: str) -> None:
        page.goto(url)
        page.fill("#username", phone.person.username)
        page.fill("#password", PASSWORD)
        page.click("#login")
        page.click("#allow")
        page.get_by_text("You can close this window").wait_for()

    def sign_out(url: str) -> None:
        page.goto(url)
        page.click("#logout")
        page.get_by_text("You can close this window").wait_for()

    tokens: list[str] = []
    with native.receiver_for(phone.redirect_uri, phone.folder) as receiver:
        phone.app.sign_in(receiver, sign_in)
    for _ in range(2):
        tokens += [phone.tokens[name] for name in ("access_token", "refresh_token", "id_token")]
        phone.app.userinfo()
        phone.app.refresh()
    with native.receiver_for(phone.signed_out_uri, phone.folder) as receiver:
        phone.app.sign_out(receiver, sign_out)
    assert len(set(tokens)) >= 5
    everything = "\n".join(seen)
    assert "/authorize" in everything
    assert "/userinfo" in everything
    for token in tokens:
        assert token not in everything
        assert token.rsplit(".", maxsplit=1)[-1] not in everything
    assert "code_verifier" not in everything
    [code] = {parameters_of(text.split()[0]).get("code", "") for text in seen if "/callback?" in text.split()[0]}
    holding = [text for text in seen if code in text.split()[0]]
    assert all(urlsplit(text.split()[0]).path == "/callback" for text in holding)  # the answer itself, nothing after
    assert not [text for text in seen if "referer" in text.lower() and code in text.lower().split("referer")[1]]


def test_nothing_of_the_app_says_a_code_or_a_token(phone: Phone, capfd: pytest.CaptureFixture[str]) -> None:
    """Not on its terminal, not in its refusals; and the server's log has none either."""
    pending = phone.app.begin(phone.redirect_uri)
    url = phone.answer_to(pending.url)
    code = parameters_of(url)["code"]
    said = []
    for spoilt in (with_parameters(url, state="x"), with_parameters(url, iss="x"), url + "&code=y"):
        with pytest.raises(native.Refused) as caught:
            phone.app.finish(pending, spoilt)
        said.append(repr(caught.value))
    phone.app.finish(pending, url)
    with pytest.raises(native.Refused) as caught:
        phone.app.finish(pending, url)
    captured = capfd.readouterr()
    text = "".join([*said, repr(caught.value), captured.out, captured.err, phone.server.log_text()])
    for secret in (code, pending.code_verifier, *(phone.tokens[name] for name in ("access_token", "refresh_token"))):
        assert secret not in text


def test_another_person_on_the_same_phone_is_not_mixed_up(phone: Phone) -> None:
    """The answer of /userinfo must be about who signed in (OpenID Connect Core §5.3.2)."""
    phone.sign_in()
    phone.app.store.save(phone.tokens | {"sub": "somebody else"})
    with pytest.raises(native.Refused, match="somebody else"):
        phone.app.userinfo()


def test_the_browser_of_the_person_holds_nothing_of_the_app(phone: Phone) -> None:
    """Cookies are the server's own, and none of them is a token of the app."""
    phone.sign_in()
    values = {cookie.value for cookie in phone.browser.http.cookies}
    assert values
    assert not values & {phone.tokens[name] for name in ("access_token", "refresh_token", "id_token")}
    stranger = Browser(phone.server)
    assert stranger.get("/userinfo").status_code == 401
