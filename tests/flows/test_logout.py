"""RP-initiated logout: OpenID Connect RP-Initiated Logout 1.0. The session is really dead, in every worker process."""

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.jose.tokens import forge
from tests.support.assertions import make_key
from tests.support.idp_server import ServerUnderTest, TimedServer
from tests.support.relying_party import Browser, Page, RelyingParty, claims_of, header_of
from tests.support.scene import Scene, open_scene

SPEC = "OpenID Connect RP-Initiated Logout"
SIGNED_OUT = "https://client.example.com/signed-out"
ALSO_SIGNED_OUT = "https://client.example.com/bye?lang=fr"


@pytest.fixture
def scene(server: ServerUnderTest) -> Scene:
    return open_scene(server)


@pytest.fixture
def party(scene: Scene) -> RelyingParty:
    return scene.client(post_logout_redirect_uris=(SIGNED_OUT, ALSO_SIGNED_OUT))


def is_signed_in(scene: Scene, party: RelyingParty, browser: Browser | None = None) -> bool:
    """Asked several times, so that every worker process has its say."""
    callbacks = [party.sign_in(browser or scene.browser, prompt="none") for _ in range(6)]
    answers = {callback.error for callback in callbacks}
    assert answers in ({None}, {"login_required"})
    return answers == {None}


def logout(scene: Scene, **params: str | None) -> Page:
    sent = {name: value for name, value in params.items() if value is not None}
    return Page(scene.browser, scene.browser.get("/logout", params=sent))


def forge_hint(scene: Scene, genuine: str, **changes: object) -> str:
    """The same header and claims, but not our signature."""
    return forge(header_of(genuine), {**claims_of(genuine), **changes}, make_key("RS256"))


# --- With a valid hint


@pytest.mark.spec(SPEC, "2", "MUST")
@pytest.mark.asvs("7.4.1")
def test_a_hint_of_who_is_signed_in_ends_the_session_at_once(scene: Scene, party: RelyingParty) -> None:
    hint = scene.tokens(party)["id_token"]
    assert logout(scene, id_token_hint=hint).id == "logged-out-page"
    assert not is_signed_in(scene, party)


@pytest.mark.spec(SPEC, "3", "MUST")
@pytest.mark.parametrize("uri", [SIGNED_OUT, ALSO_SIGNED_OUT])
def test_the_person_is_sent_to_the_registered_address_with_the_state(
    scene: Scene, party: RelyingParty, uri: str
) -> None:
    hint = scene.tokens(party)["id_token"]
    state = 'a&b=c+d%20é"<'
    answer = logout(scene, id_token_hint=hint, post_logout_redirect_uri=uri, state=state).response
    assert answer.status_code == 303
    location = urlsplit(answer.headers["Location"])
    assert answer.headers["Location"].startswith(uri)
    expected = parse_qs(urlsplit(uri).query) | {"state": [state]}
    assert parse_qs(location.query) == expected
    assert not is_signed_in(scene, party)


@pytest.mark.spec(SPEC, "3", "MUST")
def test_without_a_state_the_address_is_followed_to_the_byte(scene: Scene, party: RelyingParty) -> None:
    hint = scene.tokens(party)["id_token"]
    answer = logout(scene, id_token_hint=hint, post_logout_redirect_uri=ALSO_SIGNED_OUT).response
    assert answer.headers["Location"] == ALSO_SIGNED_OUT


@pytest.mark.asvs("7.4.1")
def test_the_cookie_goes_and_the_old_one_is_worth_nothing(scene: Scene, party: RelyingParty) -> None:
    stolen = Browser(scene.server)
    stolen.http.cookies.update(scene.browser.http.cookies)
    assert is_signed_in(scene, party, stolen)
    answer = logout(scene, id_token_hint=scene.tokens(party)["id_token"]).response
    cleared = [part for part in answer.headers["Set-Cookie"].split(", ") if part.startswith("idp_session=")]
    assert cleared
    assert "idp_session" not in scene.browser.http.cookies
    assert not is_signed_in(scene, party, stolen)
    assert stolen.open("/logout").id == "logged-out-page"


@pytest.mark.spec(SPEC, "2", "SHOULD")
def test_an_expired_hint_is_as_good(timed: TimedServer) -> None:
    scene = open_scene(timed)
    party = scene.client()
    hint = scene.tokens(party)["id_token"]
    timed.forward(7200)
    assert logout(scene, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT).status == 303
    assert not is_signed_in(scene, party)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_hint_of_any_algorithm_of_ours_is_accepted(scene: Scene, alg: str) -> None:
    party = scene.client(id_token_signed_response_alg=alg)
    assert logout(scene, id_token_hint=scene.tokens(party)["id_token"]).id == "logged-out-page"


@pytest.mark.spec(SPEC, "2", "MUST")
def test_post_works_like_get_also_from_a_clients_page_without_our_cookies(scene: Scene, party: RelyingParty) -> None:
    form = {"id_token_hint": scene.tokens(party)["id_token"], "post_logout_redirect_uri": SIGNED_OUT, "state": "s"}
    first = Browser(scene.server).post("/logout", data=form)  # SameSite: the browser keeps our cookies back
    assert first.status_code == 303
    answer = scene.browser.get(first.headers["Location"])
    assert answer.headers["Location"] == f"{SIGNED_OUT}?state=s"
    assert not is_signed_in(scene, party)


def test_post_with_our_cookies_works_in_one_step(scene: Scene, party: RelyingParty) -> None:
    form = {"id_token_hint": scene.tokens(party)["id_token"], "post_logout_redirect_uri": SIGNED_OUT}
    assert scene.browser.post("/logout", data=form).headers["Location"] == SIGNED_OUT
    assert not is_signed_in(scene, party)


def test_who_is_not_signed_in_is_simply_sent_on(scene: Scene, party: RelyingParty) -> None:
    hint = scene.tokens(party)["id_token"]
    logout(scene, id_token_hint=hint)
    again = logout(scene, id_token_hint=hint, post_logout_redirect_uri=SIGNED_OUT, state="s")
    assert again.response.headers["Location"] == f"{SIGNED_OUT}?state=s"


# --- Without one, the person is asked


@pytest.mark.asvs("10.6.2")
@pytest.mark.spec(SPEC, "2", "MUST")
@pytest.mark.parametrize("kind", ["none", "garbage", "forged", "another person's", "access token", "unsigned"])
def test_without_a_valid_hint_of_this_person_nothing_ends_before_they_say_so(
    scene: Scene, party: RelyingParty, kind: str
) -> None:
    tokens = scene.tokens(party)
    unsigned = forge({**header_of(tokens["id_token"]), "alg": "none"}, claims_of(tokens["id_token"]))
    hints = {
        "none": None,
        "garbage": "not.a.token",
        "forged": forge_hint(scene, tokens["id_token"]),
        "another person's": None,
        "access token": tokens["access_token"],
        "unsigned": unsigned,
    }
    if kind == "another person's":
        other = open_scene(scene.server)
        hints[kind] = other.tokens(RelyingParty(scene.server, party.client))["id_token"]
    page = logout(scene, id_token_hint=hints[kind])
    assert (page.status, page.id) == (200, "logout-page")
    assert scene.user.profile is not None
    assert is_signed_in(scene, party)
    assert scene.browser.page(page.submit("logout")).id == "logged-out-page"
    assert not is_signed_in(scene, party)


@pytest.mark.asvs("3.5.1")
def test_the_confirmation_is_a_form_of_ours_and_cannot_be_forged(scene: Scene, party: RelyingParty) -> None:
    page = logout(scene)
    for changes in ({"csrf_token": "made-up"}, {"csrf_token": ""}):
        answer = page.submit("logout", **changes)
        assert answer.status_code in {200, 400}
        assert is_signed_in(scene, party)
    url, fields = page.fields("logout")
    elsewhere = scene.browser.post(url, data=fields, headers={"Sec-Fetch-Site": "cross-site"})
    assert elsewhere.status_code == 400
    assert is_signed_in(scene, party)


def test_a_person_may_stay(scene: Scene, party: RelyingParty) -> None:
    logout(scene).submit("stay")
    assert is_signed_in(scene, party)


@pytest.mark.spec(SPEC, "3", "MUST")
def test_after_saying_yes_the_person_is_sent_on_with_the_state(scene: Scene, party: RelyingParty) -> None:
    asked = {"client_id": party.client.client_id, "post_logout_redirect_uri": SIGNED_OUT, "state": "s t"}
    page = logout(scene, **asked)
    assert page.id == "logout-page"
    assert party.client.metadata.client_name in page.text
    assert page.submit("logout").headers["Location"] == f"{SIGNED_OUT}?state=s%20t"
    assert not is_signed_in(scene, party)


def test_the_page_is_not_kept_by_anybody_and_cannot_be_framed(scene: Scene) -> None:
    headers = logout(scene).response.headers
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"


# --- Where the person may be sent


@pytest.mark.spec(SPEC, "3", "MUST NOT")
@pytest.mark.asvs("10.4.1")
@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example.com/",
        SIGNED_OUT + "/",
        SIGNED_OUT + "?x=1",
        SIGNED_OUT + "#x",
        SIGNED_OUT.replace("client", "CLIENT"),
        SIGNED_OUT.replace("https", "http"),
        "https://client.example.com:444/signed-out",
        "javascript:alert(1)",
        "//client.example.com/signed-out",
        "/",
    ],
)
def test_an_address_that_is_not_registered_is_a_page_and_no_redirect(
    scene: Scene, party: RelyingParty, uri: str
) -> None:
    hint = scene.tokens(party)["id_token"]
    page = logout(scene, id_token_hint=hint, post_logout_redirect_uri=uri)
    assert (page.status, page.id) == (400, "error-page")
    assert "Location" not in page.response.headers
    assert is_signed_in(scene, party)


@pytest.mark.spec(SPEC, "3", "MUST NOT")
def test_an_address_needs_a_client_that_owns_it(scene: Scene, party: RelyingParty) -> None:
    other = scene.client(post_logout_redirect_uris=())
    attempts: list[dict[str, str | None]] = [
        {},
        {"id_token_hint": "garbage"},
        {"client_id": "nobody"},
        {"client_id": other.client.client_id},
        {"id_token_hint": scene.tokens(other)["id_token"]},
        {"id_token_hint": forge_hint(scene, scene.tokens(party)["id_token"])},
    ]
    for attempt in attempts:
        page = logout(scene, post_logout_redirect_uri=SIGNED_OUT, **attempt)
        assert (page.status, page.id) == (400, "error-page"), attempt
    assert is_signed_in(scene, party)


@pytest.mark.spec(SPEC, "2", "MUST")
def test_a_client_id_must_be_the_one_that_the_hint_was_issued_to(scene: Scene, party: RelyingParty) -> None:
    other = scene.client()
    hint = scene.tokens(party)["id_token"]
    page = logout(scene, id_token_hint=hint, client_id=other.client.client_id)
    assert (page.status, page.id) == (400, "error-page")
    assert is_signed_in(scene, party)
    assert logout(scene, id_token_hint=hint, client_id=party.client.client_id).id == "logged-out-page"


@pytest.mark.spec("RFC 6749", "3.1", "MUST NOT")
def test_a_repeated_parameter_is_refused_on_a_page(scene: Scene, party: RelyingParty) -> None:
    page = Page(scene.browser, scene.browser.get("/logout?state=a&state=b"))
    assert (page.status, page.id) == (400, "error-page")
    assert is_signed_in(scene, party)


@pytest.mark.spec(SPEC, "2", "OPTIONAL")
def test_the_page_speaks_the_language_asked_for(scene: Scene) -> None:
    assert logout(scene, ui_locales="fr").soup.html["lang"] == "fr"  # type: ignore[index]
    assert logout(scene, ui_locales="xx en").soup.html["lang"] == "en"  # type: ignore[index]
