"""`examples/mobile/native_app.py` beside the real server and a real API: what AppAuth does on a phone (RFC 8252)."""

import json
import plistlib
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from xml.etree import ElementTree

import pytest
import requests

from idp.protocol.scopes import Api
from tests.examples.api_process import API, ExampleApi, running_api
from tests.examples.phone import NATIVE_URIS, PROGRAM, SIGNED_OUT_URIS, Phone, add_native_client, native, new_phone
from tests.support.idp_server import ServerUnderTest
from tests.support.relying_party import TIMEOUT

CLAIMED = PROGRAM.parent / "claimed-https"
SCOPE = "openid profile email orders.read"


@pytest.fixture(scope="module")
def api(server: ServerUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    server.store.apis.save(Api(API, "Orders", {"orders.read": "See your orders"}), now=server.now)
    with running_api(server, tmp_path_factory.mktemp("api"), "api-fastapi", "uvicorn", "app:app") as running:
        yield running


@pytest.fixture
def phone(server: ServerUnderTest, tmp_path: Path) -> Phone:
    return new_phone(server, tmp_path)


def is_refused(phone: Phone, tokens: dict[str, str]) -> bool:
    """Whether both tokens are dead at the server."""
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    userinfo = requests.get(phone.server.url("/userinfo"), headers=headers, timeout=TIMEOUT)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    form["client_id"] = phone.client.client_id
    refresh = requests.post(phone.server.url("/token"), data=form, timeout=TIMEOUT)
    return (userinfo.status_code, refresh.status_code) == (401, 400)


@pytest.mark.spec("RFC 8252", "7.1", "MUST")
@pytest.mark.spec("RFC 8252", "7.2", "MAY")
@pytest.mark.spec("RFC 8252", "7.3", "MUST")
@pytest.mark.parametrize("redirect_uri", NATIVE_URIS)
def test_the_app_signs_in_over_every_way_back(server: ServerUnderTest, tmp_path: Path, redirect_uri: str) -> None:
    phone = new_phone(server, tmp_path, redirect_uri=redirect_uri)
    claims = phone.sign_in()
    assert claims["sub"] == phone.person.id
    assert phone.app.userinfo()["email"] == phone.person.email
    [url] = phone.came_back
    address = url.partition("?")[0]
    if redirect_uri.startswith("http://"):  # the port of the moment
        scheme_and_host, port_and_path = address.rsplit(":", 1)
        assert scheme_and_host + "/callback" == redirect_uri
        assert int(port_and_path.removesuffix("/callback")) > 1023
    else:
        assert address == redirect_uri


def test_the_app_calls_its_api_with_what_it_was_granted(
    server: ServerUnderTest, tmp_path: Path, api: ExampleApi
) -> None:
    client = add_native_client(server, scope=tuple(SCOPE.split()), audience=(API,))
    url = f"http://127.0.0.1:{api.port}"
    phone = Phone(server, tmp_path / "app", client, server.add_user(), api=url, scope=SCOPE)
    phone.sign_in()
    assert phone.app.call("/orders").json() == [{"id": "1", "owner": phone.person.id}]
    with pytest.raises(native.Refused, match="own API only"):
        phone.app.call("http://127.0.0.1:9/orders")


def test_tokens_are_renewed_by_rotation_and_survive_a_restart(phone: Phone) -> None:
    phone.sign_in()
    first = phone.tokens
    phone.app.refresh()
    second = phone.tokens
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert phone.another_app().userinfo()["sub"] == phone.person.id


def test_an_access_token_near_its_end_is_renewed_once_however_many_ask(server: ServerUnderTest, tmp_path: Path) -> None:
    phone = new_phone(server, tmp_path, access_token_lifetime=60)
    phone.sign_in()
    first = phone.tokens
    phone.app.store.save(first | {"expires_at": first["expires_at"] - 45})
    with ThreadPoolExecutor(8) as threads:
        tokens = set(threads.map(lambda _: phone.app.access_token(), range(8)))
    assert tokens == {phone.tokens["access_token"]}
    assert first["access_token"] not in tokens


def test_the_tokens_are_for_the_eyes_of_the_app_alone(phone: Phone) -> None:
    phone.sign_in()
    phone.app.refresh()
    assert stat.S_IMODE(phone.app.store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(phone.folder.stat().st_mode) == 0o700
    assert [path.name for path in phone.folder.iterdir()] == ["tokens.json"]


def test_a_refresh_that_is_under_way_does_not_undo_signing_out(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    phone.sign_in()
    ask, leaving = phone.app._token_request, Thread(target=phone.app.revoke)

    def _asked_while_leaving(**form: str) -> object:
        leaving.start()
        leaving.join(0.5)  # it has to wait for us
        return ask(**form)

    monkeypatch.setattr(phone.app, "_token_request", _asked_while_leaving)
    phone.app.refresh()
    leaving.join()
    assert phone.tokens == {}


@pytest.mark.parametrize("signed_out_uri", SIGNED_OUT_URIS)
def test_signing_out_ends_the_tokens_and_the_session_of_the_browser(
    server: ServerUnderTest, tmp_path: Path, signed_out_uri: str
) -> None:
    phone = new_phone(server, tmp_path, signed_out_uri=signed_out_uri)
    phone.sign_in()
    tokens = phone.tokens
    phone.sign_out()
    assert phone.tokens == {}
    assert is_refused(phone, tokens)
    assert phone.browser.open(phone.app.begin(NATIVE_URIS[2]).url).id == "login-page"


def test_signing_out_in_the_browser_is_noticed_by_the_app(phone: Phone) -> None:
    phone.sign_in()
    page = phone.browser.open("/logout")
    phone.browser.follow(page.submit("logout"))
    with pytest.raises(native.SignedOut):
        phone.app.refresh()
    assert phone.tokens == {}


def test_a_server_that_cannot_be_reached_costs_nobody_their_sign_in(phone: Phone) -> None:
    phone.sign_in()
    tokens = phone.tokens
    phone.app.metadata["token_endpoint"] = "http://127.0.0.1:9/token"
    with pytest.raises(native.Refused, match="cannot be reached") as refused:
        phone.app.refresh()
    assert not isinstance(refused.value, native.SignedOut)
    assert phone.tokens == tokens


def test_who_does_not_allow_it_is_told_so_in_words(phone: Phone) -> None:
    pending = phone.app.begin(phone.redirect_uri)
    with pytest.raises(native.Refused, match="refused"):
        phone.app.finish(pending, phone.answer_to(pending.url, decision="deny"))
    assert phone.tokens == {}


@pytest.mark.parametrize("redirect_uri", [NATIVE_URIS[0], NATIVE_URIS[3]])
def test_a_person_can_do_it_by_hand(server: ServerUnderTest, tmp_path: Path, redirect_uri: str) -> None:
    phone = new_phone(server, tmp_path, redirect_uri=redirect_uri)

    def person(url: str) -> None:
        answer = phone.answer_to(url)
        if redirect_uri.startswith("http:"):
            assert requests.get(answer, timeout=TIMEOUT).status_code == 200
        else:
            assert phone.run("open-url", answer) == ""

    assert f"Signed in: {phone.person.id}" in phone.run("sign-in", meanwhile=person)
    assert str(phone.person.email) in phone.run("who")
    assert phone.run("refresh") == ""
    tokens = phone.tokens
    assert phone.run("revoke") == ""
    assert is_refused(phone, tokens)
    assert phone.run("who").strip() == "Nobody is signed in."


def test_the_files_for_claimed_links_are_whole_and_agree_with_each_other() -> None:
    """RFC 8252 §7.2. Where they go is said in docs/integrate/android.md and ios.md."""
    assets = json.loads((CLAIMED / "assetlinks.json").read_text())
    [statement] = assets
    assert statement["relation"] == ["delegate_permission/common.handle_all_urls"]
    package = statement["target"]["package_name"]
    [fingerprint] = statement["target"]["sha256_cert_fingerprints"]
    assert len(bytes.fromhex(fingerprint.replace(":", ""))) == 32
    [detail] = json.loads((CLAIMED / "apple-app-site-association").read_text())["applinks"]["details"]
    assert [app_id.partition(".")[2] for app_id in detail["appIDs"]] == [package]
    [link] = plistlib.loads((CLAIMED / "App.entitlements").read_bytes())["com.apple.developer.associated-domains"]
    android = "{http://schemas.android.com/apk/res/android}"
    activity = ElementTree.parse(CLAIMED / "AndroidManifest.xml").iter("data")
    data = [{name.removeprefix(android): value for name, value in tag.attrib.items()} for tag in activity]
    assert data == [
        {"scheme": package},
        {"scheme": "https", "host": link.removeprefix("applinks:"), "path": "/callback"},
    ]
    assert [component["/"] for component in detail["components"]] == ["/callback"]
