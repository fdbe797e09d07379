"""`idp clients add --for KIND`: the settings of each kind, the finished files, what is asked, and what is refused."""

import os
import pty
import select
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from idp.protocol.client import Client
from idp.recipes import RECIPES
from idp.settings import load_settings
from idp.store import Store
from tests.cli.conftest import Answer, Idp, events

API = "https://notes-api.example.com"
APIS = ("fastapi", "flask", "express", "aspnet", "spring")
FLAGS: dict[str, tuple[str, ...]] = {
    "nextauth": ("Shop", "--url", "https://shop.example.com", "--url", "http://localhost:3000"),
    "authjs": ("Shop", "--url", "https://shop.example.com/"),
    "spa": ("Shop", "--url", "https://shop.example.com"),
    "mobile": ("Shop", "--scheme", "com.example.shop", "--link", "https://shop.example.com/app"),
    "cli": ("Shop",),
    "service": ("Shop", "--api", API),
} | dict.fromkeys(APIS, ("Orders", "--api", "https://orders.example.com", "--api-scope", "orders.see=See orders"))
every_kind = pytest.mark.parametrize("kind", FLAGS)
CLIENT_KINDS = [kind for kind in FLAGS if kind not in APIS]


def added(idp: Idp, kind: str, *more: str) -> Any:
    answer = idp("clients", "add", "--for", kind, *FLAGS[kind], *more, "--json")
    assert answer.code == 0, answer.out
    return answer.json


def stored(store: Store, added: Any) -> Client:
    found = next(client for client in store.clients.list() if client.client_id == added["client_id"])
    assert isinstance(found, Client)
    return found


def refusal(answer: Answer) -> str:
    assert answer.code in {1, 2}
    return answer.err


@pytest.fixture
def api(idp: Idp) -> str:
    assert idp("apis", "add", API, "--name", "Notes", "--scope", "notes.see=See notes").code == 0
    return API


# --- What each kind is registered with


@every_kind
def test_every_kind_prints_its_files_complete_and_what_to_do_next(idp: Idp, api: str, kind: str) -> None:
    answer = idp("clients", "add", "--for", kind, *FLAGS[kind])
    assert answer.code == 0
    assert "«" not in answer.out
    for file in RECIPES[kind].files:
        assert f"\n=== {file.path}\n" in answer.out
    for sentence in RECIPES[kind].after:
        assert sentence in answer.out
    assert f"docs/integrate/{RECIPES[kind].page}" in answer.out


@pytest.mark.spec("RFC 9700", "2.1.1", "MUST")
@pytest.mark.parametrize("kind", ["nextauth", "authjs"])
def test_a_front_end_with_a_server_keeps_a_secret_and_must_use_pkce(idp: Idp, store: Store, kind: str) -> None:
    client = stored(store, added(idp, kind))
    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert client.require_pkce is True
    assert client.rotates
    assert client.grant_types == ("authorization_code", "refresh_token")
    assert "https://shop.example.com/api/auth/callback/idp" in client.redirect_uris
    assert "https://shop.example.com" in client.post_logout_redirect_uris
    assert client.made_for == kind


def test_several_urls_are_all_registered_and_the_first_is_in_the_files(idp: Idp, store: Store) -> None:
    data = added(idp, "nextauth")
    client = stored(store, data)
    assert [uri.removesuffix("/api/auth/callback/idp") for uri in client.redirect_uris] == [
        "https://shop.example.com",
        "http://localhost:3000",
    ]
    (env,) = [file["content"] for file in data["files"] if file["path"] == ".env.local"]
    assert "https://shop.example.com" in env
    assert "localhost:3000" not in env


@pytest.mark.spec("RFC 9700", "4.14.2", "MUST")
def test_a_browser_application_has_no_secret_its_origin_and_short_refresh_tokens(idp: Idp, store: Store) -> None:
    data = added(idp, "spa")
    client = stored(store, data)
    assert client.is_public
    assert "client_secret" not in data
    assert client.web_origins == ("https://shop.example.com",)
    assert client.refresh_token_idle_lifetime == 3600
    assert client.refresh_token_lifetime == 86_400
    assert client.rotates


@pytest.mark.spec("RFC 8252", "7", "MUST")
def test_an_app_may_return_by_its_scheme_its_link_and_loopback(idp: Idp, store: Store) -> None:
    client = stored(store, added(idp, "mobile"))
    assert client.is_public
    assert client.redirect_uris == (
        "com.example.shop:/callback",
        "https://shop.example.com/app",
        "http://127.0.0.1/callback",
        "http://[::1]/callback",
    )


def test_a_scheme_without_a_domain_is_taken_with_a_warning(idp: Idp, store: Store) -> None:
    answer = idp("clients", "add", "--for", "mobile", "NexTarget", "--scheme", "nextarget://", "--json")
    assert answer.code == 0
    assert "another app" in answer.err
    assert stored(store, answer.json).redirect_uris[0] == "nextarget://callback"


@pytest.mark.spec("RFC 8252", "7.3", "MUST")
def test_a_command_line_program_returns_on_loopback_alone(idp: Idp, store: Store) -> None:
    client = stored(store, added(idp, "cli"))
    assert client.is_public
    assert client.redirect_uris == ("http://127.0.0.1/callback", "http://[::1]/callback")


@pytest.mark.spec("RFC 6749", "4.4", "MUST")
def test_a_service_has_a_secret_and_no_way_for_people(idp: Idp, store: Store, api: str) -> None:
    client = stored(store, added(idp, "service"))
    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert client.grant_types == ("client_credentials",)
    assert client.redirect_uris == ()
    assert client.scope == ("notes.see",)
    assert client.audience == (API,)


@pytest.mark.parametrize("kind", APIS)
def test_an_api_is_registered_with_its_scopes_and_no_client(idp: Idp, store: Store, kind: str) -> None:
    before = len(store.clients.list())
    data = added(idp, kind)
    found = store.apis.all()["https://orders.example.com"]
    assert (found.name, found.scopes) == ("Orders", {"orders.see": "See orders"})
    assert len(store.clients.list()) == before
    assert "client_id" not in data
    assert any("https://orders.example.com" in file["content"] for file in data["files"])


def test_an_api_that_is_there_keeps_its_name_and_scopes_and_gets_more(idp: Idp, store: Store, api: str) -> None:
    answer = idp("clients", "add", "--for", "fastapi", "--api", API, "--api-scope", "notes.do=Write notes", "--json")
    assert answer.code == 0
    found = store.apis.all()[API]
    assert (found.name, found.scopes) == ("Notes", {"notes.see": "See notes", "notes.do": "Write notes"})
    assert answer.json["new_scopes"] == ["notes.do"]


def test_an_api_that_is_there_is_neither_renamed_nor_given_another_meaning(idp: Idp, store: Store, api: str) -> None:
    again = ("Orders", "--for", "express", "--api", API, "--api-scope")
    added = idp("clients", "add", *again, "orders.see=See orders")
    assert "API Notes is there already; scopes added: orders.see." in added.out
    unchanged = idp("clients", "add", *again, "notes.see=Something else")
    assert "API Notes is there already and stays as it is." in unchanged.out
    assert "is registered" not in added.out + unchanged.out
    found = store.apis.all()[API]
    assert (found.name, found.scopes) == ("Notes", {"notes.see": "See notes", "orders.see": "See orders"})


def test_the_files_of_an_api_are_shown_again(idp: Idp) -> None:
    data = added(idp, "spring")
    again = idp("apis", "show", "https://orders.example.com", "--for", "spring", "--json").json
    assert again["files"] == data["files"]
    assert (
        "=== src/main/resources/application.yml"
        in idp("apis", "show", "https://orders.example.com", "--for", "spring").out
    )
    assert idp("apis", "show", "https://orders.example.com", "--json").json == data["api"]
    assert "fastapi, flask" in refusal(idp("apis", "show", "https://orders.example.com", "--for", "spa"))
    assert "There is no API" in refusal(idp("apis", "show", "https://no.example", "--for", "flask"))


def test_an_api_that_introspects_gets_a_client_that_can_do_nothing_else(idp: Idp, store: Store) -> None:
    data = added(idp, "flask", "--introspection")
    client = stored(store, data)
    assert client.serves == ("https://orders.example.com",)
    assert client.grant_types == client.redirect_uris == client.scope == ()
    assert data["client_secret"]
    assert events(store)[-2:] == ["api.saved", "client.added"]


@pytest.mark.parametrize("kind", ["nextauth", "authjs", "spa", "mobile", "cli"])
def test_with_an_api_the_tokens_are_for_it_and_its_scopes_may_be_asked_for(
    idp: Idp, store: Store, api: str, kind: str
) -> None:
    client = stored(store, added(idp, kind, "--api", API))
    assert client.audience == (API,)
    assert "notes.see" in client.scope


def test_every_other_option_has_the_last_word(idp: Idp, store: Store) -> None:
    uri = "https://shop.example.com/auth/callback/idp"
    more = ("--redirect-uri", uri, "--first-party", "--access-token-lifetime", "60")
    client = stored(store, added(idp, "authjs", *more))
    assert client.redirect_uris == (uri,)
    assert client.first_party
    assert client.access_token_lifetime == 60
    assert client.made_for == "authjs"
    client = stored(store, added(idp, "flask", "--introspection", "--auth-method", "client_secret_post"))
    assert client.token_endpoint_auth_method == "client_secret_post"


# --- The secret, and showing the files again


@pytest.mark.parametrize("kind", ["nextauth", "authjs"])
def test_the_secret_is_in_the_printed_file_and_never_shown_again(idp: Idp, kind: str) -> None:
    data = added(idp, kind)
    secret, client_id = data["client_secret"], data["client_id"]
    printed = [file["content"] for file in data["files"]]
    assert any(secret in content for content in printed)
    for arguments in (("--snippets",), ("--snippets", "--json"), ()):
        answer = idp("clients", "show", client_id, *arguments)
        assert answer.code == 0
        assert secret not in answer.out
    again = idp("clients", "show", client_id, "--snippets").out
    assert client_id in again
    assert "put-the-client-secret-here" in again
    assert "--new-secret" in again


@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_the_files_are_shown_again_as_they_were_but_for_what_is_secret(idp: Idp, api: str, kind: str) -> None:
    data = added(idp, kind)
    again = idp("clients", "show", data["client_id"], "--snippets", "--json").json
    assert again["for"] == kind
    for then, now in zip(data["files"], again["files"], strict=True):
        lines = zip(then["content"].splitlines(), now["content"].splitlines(), strict=True)
        changed = [new for old, new in lines if old != new]
        assert all("put-" in line for line in changed), changed


def test_a_client_without_a_kind_is_given_one_later(idp: Idp, api: str) -> None:
    assert idp("clients", "add", "App", "--id", "app", "--redirect-uri", "https://a.example.com/cb").code == 0
    assert "idp clients update app --for KIND" in refusal(idp("clients", "show", "app", "--snippets"))
    assert "--for is one of" in refusal(idp("clients", "update", "app", "--for", "cobol"))
    assert idp("clients", "update", "app", "--for", "authjs").code == 0
    assert "=== .env.local" in idp("clients", "show", "app", "--snippets").out
    assert idp("clients", "update", "app", "--for", "", "--json").json["made_for"] is None


# A client that was registered by hand, in its env file: (kind, redirect URIs, home page, URL).
SHOP = "https://shop.example.com"
NEXT = "/api/auth/callback/idp"
BY_HAND = [
    ("nextauth", (f"{SHOP}/callback", f"{SHOP}/other", f"http://localhost:3000{NEXT}"), None, "http://localhost:3000"),
    ("nextauth", (f"{SHOP}/callback",), "https://www.example.com/welcome", "https://www.example.com"),
    ("authjs", (f"{SHOP}/app{NEXT}", f"{SHOP}{NEXT}"), None, SHOP),
    ("authjs", (f"{SHOP}/app{NEXT}",), None, SHOP),
    ("authjs", (f"{SHOP}:8443/callback",), None, f"{SHOP}:8443"),
]


@pytest.mark.parametrize(("kind", "redirect_uris", "home", "url"), BY_HAND)
def test_the_files_have_the_url_at_which_the_framework_is_returned_to(
    idp: Idp, kind: str, redirect_uris: tuple[str, ...], home: str | None, url: str
) -> None:
    uris = [word for uri in redirect_uris for word in ("--redirect-uri", uri)]
    more = ["--client-uri", home] if home else []
    assert idp("clients", "add", "App", "--id", "app", *uris, *more).code == 0
    assert idp("clients", "update", "app", "--for", kind).code == 0
    files = idp("clients", "show", "app", "--snippets", "--json").json["files"]
    (env,) = [file["content"] for file in files if file["path"] == ".env.local"]
    name = "NEXTAUTH_URL" if kind == "nextauth" else "AUTH_URL"
    assert f'{name}="{url}"\n' in env


def test_the_demo_client_works_with_its_files(idp: Idp) -> None:
    assert idp("clients", "update", "demo-web", "--for", "nextauth").code == 0
    assert 'NEXTAUTH_URL="http://localhost:3000"\n' in idp("clients", "show", "demo-web", "--snippets").out


def test_a_browser_application_returns_to_the_redirect_uri_of_its_files(idp: Idp) -> None:
    uris = ("--redirect-uri", "https://a.example/other", "--redirect-uri", "https://a.example/app/callback")
    more = (
        "--post-logout-redirect-uri",
        "https://a.example/bye",
        "--post-logout-redirect-uri",
        "https://a.example/app/",
    )
    assert idp("clients", "add", "App", "--id", "app", "--public", *uris, *more).code == 0
    assert idp("clients", "update", "app", "--for", "spa").code == 0
    shown = idp("clients", "show", "app", "--snippets").out
    assert "https://a.example/app/callback" in shown
    assert "'https://a.example/app/'" in shown
    assert "https://a.example/other" not in shown
    assert "https://a.example/bye" not in shown


@pytest.mark.parametrize(
    ("kind", "sentence"), [("fastapi", "fastapi is an API"), ("spa", "cannot keep a secret"), ("spring", "--serves")]
)
def test_a_client_gets_no_kind_whose_files_cannot_work_with_it(
    idp: Idp, store: Store, kind: str, sentence: str
) -> None:
    assert idp("clients", "add", "App", "--id", "app", "--redirect-uri", "https://a.example.com/cb").code == 0
    assert sentence in refusal(idp("clients", "update", "app", "--for", kind))
    assert next(each for each in store.clients.list() if each.client_id == "app").made_for is None


def test_a_client_is_no_api_unless_it_serves_one(idp: Idp, api: str) -> None:
    service = ("--grant-type", "client_credentials", "--api", API, "--scope", "notes.see")
    assert idp("clients", "add", "App", "--id", "app", *service).code == 0
    assert "(--serves)" in refusal(idp("clients", "update", "app", "--for", "flask"))
    assert idp("clients", "update", "app", "--for", "flask", "--serves", API).code == 0


@pytest.mark.spec("RFC 6749", "4.4", "MUST")
def test_a_service_that_would_get_no_token_is_not_registered(idp: Idp, store: Store, api: str) -> None:
    assert idp("apis", "add", "https://bare.example").code == 0
    before = store.clients.list()
    bare = idp("clients", "add", "--for", "service", "Report", "--api", "https://bare.example")
    assert "--api https://bare.example --api-scope NAME=MEANING" in refusal(bare)
    person = idp("clients", "add", "--for", "service", "Report", "--api", API, "--scope", "openid profile")
    assert "every token would be refused" in refusal(person)
    assert store.clients.list() == before


# --- Writing the files


def test_the_files_are_written_and_only_their_owner_can_read_those_with_a_secret(idp: Idp, tmp_path: Path) -> None:
    data = added(idp, "authjs", "--write", str(tmp_path / "project"))
    assert data["written"] == [str(tmp_path / "project" / file["path"]) for file in data["files"]]
    for file in data["files"]:
        path = tmp_path / "project" / file["path"]
        assert path.read_text("utf-8") == file["content"]
        is_secret = data["client_secret"] in file["content"]
        assert (stat.S_IMODE(path.stat().st_mode) == 0o600) is is_secret
    assert data["client_secret"] in dotenv_values(tmp_path / "project" / ".env.local").values()


@pytest.mark.parametrize("existing", [".env.local", "auth.ts"])
def test_nothing_is_written_over_and_then_nothing_is_registered(
    idp: Idp, store: Store, tmp_path: Path, existing: str
) -> None:
    (tmp_path / existing).write_text("mine")
    before = store.clients.list()
    answer = idp("clients", "add", "--for", "authjs", *FLAGS["authjs"], "--write", str(tmp_path))
    assert "is there already" in refusal(answer)
    assert (tmp_path / existing).read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == [existing]
    assert store.clients.list() == before


def test_a_link_that_leads_nowhere_is_not_followed(idp: Idp, tmp_path: Path) -> None:
    (tmp_path / ".env.local").symlink_to(tmp_path / "elsewhere")
    answer = idp("clients", "add", "--for", "authjs", *FLAGS["authjs"], "--write", str(tmp_path))
    assert "is there already" in refusal(answer)
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_a_link_out_of_the_project_is_not_followed(idp: Idp, store: Store, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "app").symlink_to(tmp_path / "elsewhere")
    before = store.clients.list()
    answer = idp("clients", "add", "--for", "authjs", *FLAGS["authjs"], "--write", str(tmp_path / "project"))
    assert "through a link" in refusal(answer)
    assert [*(tmp_path / "elsewhere").iterdir(), *(tmp_path / "project" / "app").iterdir()] == []
    assert store.clients.list() == before
    (tmp_path / "here").symlink_to(tmp_path / "elsewhere")
    assert added(idp, "authjs", "--write", str(tmp_path / "here"))["written"], "the folder itself may be one"


def test_a_failed_registration_takes_its_files_away_again(idp: Idp, store: Store, tmp_path: Path) -> None:
    assert idp("clients", "add", "App", "--id", "taken", "--redirect-uri", "https://a.example.com/cb").code == 0
    answer = idp("clients", "add", "--for", "authjs", *FLAGS["authjs"], "--id", "taken", "--write", str(tmp_path / "p"))
    assert "There is a client taken already" in refusal(answer)
    assert [path for path in (tmp_path / "p").rglob("*") if path.is_file()] == []


def test_a_failed_registration_leaves_no_api_behind(idp: Idp) -> None:
    assert idp("clients", "add", "App", "--id", "taken", "--redirect-uri", "https://a.example.com/cb").code == 0
    answer = idp("clients", "add", "--for", "flask", *FLAGS["flask"], "--introspection", "--id", "taken")
    assert "There is a client taken already" in refusal(answer)
    assert "https://orders.example.com" not in idp("apis", "list").out


# --- Refusals


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--for", "cobol"), "--for is one of nextauth, authjs"),
        (("--for", "nextauth"), "NAME and --url must be given"),
        (("--for", "nextauth", "Shop"), "--url must be given"),
        (("--for", "mobile", "Shop"), "--scheme must be given"),
        (("--for", "service", "Shop"), "--api must be given"),
        (("--for", "fastapi"), "--api must be given"),
        (("--for", "nextauth", "Shop", "--url", "http://shop.example.com"), "http is only for loopback"),
        (("--for", "nextauth", "Shop", "--url", "https://u:p@shop.example.com"), "user name or password"),
        (("--for", "nextauth", "Shop", "--url", "https://shop.example.com/?a=b"), "without a query"),
        (("--for", "nextauth", "Shop", "--url", "https://shop.example.com/#a"), "fragments"),
        (("--for", "nextauth", "Shop", "--url", "shop.example.com"), "must be absolute"),
        (("--for", "nextauth", "Shop", "--url", "javascript:alert(1)"), "javascript is not allowed"),
        (("--for", "nextauth", "Shop", "--url", "com.example:/x"), "--url is an https URL"),
        (("--for", "nextauth", "Shop", "--url", "https://a.example/it's"), "no path"),
        (("--for", "nextauth", "two\nlines", "--url", "https://a.example"), "printable"),
        (("--for", "nextauth", "x" * 201, "--url", "https://a.example"), "at most 200"),
        (
            ("--for", "nextauth", "Shop", "--url", "https://a.example", "--scheme", "a.b"),
            "--scheme is not for nextauth",
        ),
        (("--for", "nextauth", "Shop", "--url", "https://a.example", "--api", "https://no.example"), "There is no API"),
        (("--for", "nextauth", "Shop", "--url", "https://a.example/app"), "has no path here"),
        (("--for", "authjs", "Shop", "--url", "https://b.example", "--url", "https://a.example/app/"), "take /app for"),
        (
            ("--for", "spa", "Shop", "--url", "https://a.example", "--auth-method", "client_secret_basic"),
            "its files use none",
        ),
        (("--for", "mobile", "Shop", "--scheme", "a.b", "--auth-method", "client_secret_post"), "cannot keep a secret"),
        (("--for", "authjs", "Shop", "--url", "https://a.example", "--auth-method", "none"), "keeps a secret"),
        (
            ("--for", "nextauth", "Shop", "--url", "https://a.example", "--auth-method", "client_secret_post"),
            "which its files use: --auth-method client_secret_basic",
        ),
        (("--for", "cli", "Shop", "--scope", "profile"), "leave openid in its --scope"),
        (("--for", "authjs", "Shop", "--url", "https://a.example", "--scope", "email"), "leave openid in its --scope"),
        (
            ("--for", "flask", "--api", "https://a.example", "--introspection", "--redirect-uri", "https://a.example/"),
            "flask is an API",
        ),
        (("--for", "mobile", "Shop", "--scheme", "javascript"), "javascript is not allowed"),
        (("--for", "mobile", "Shop", "--scheme", "https"), "scheme of your own"),
        (("--for", "mobile", "Shop", "--scheme", "a b"), "scheme of your own"),
        (("--for", "mobile", "Shop", "--link", "http://localhost/x"), "--link is an https URL"),
        (("--for", "spa", "Shop", "--url", "https://a.example", "--public"), "exclude each other"),
        (("--for", "spa", "Shop", "--url", "https://a.example", "--introspection"), "--introspection is for APIs"),
        (("--for", "fastapi", "--api", "not a uri"), "absolute URI"),
        (("--for", "fastapi", "--api", "https://a.example", "--api", "https://b.example"), "can be given once"),
        (("--for", "fastapi", "--api", "https://a.example", "--scope", "x"), "--api-scope NAME=MEANING"),
        (("--for", "fastapi", "--api", "https://a.example", "--api-scope", "openid=x"), "scope of OpenID Connect"),
        (("--for", "fastapi", "--api", "https://a.example", "--url", "https://b.example"), "--url is not for fastapi"),
        (("--for", "express", "--api", "https://a.example/it's"), "cannot hold safely"),
        (("Shop", "--url", "https://a.example"), "--url needs --for"),
        ((), "Missing argument 'NAME'"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence_and_nothing_is_left_behind(
    idp: Idp, store: Store, arguments: tuple[str, ...], sentence: str
) -> None:
    before = (store.clients.list(), store.apis.all(), len(events(store)))
    answer = idp("clients", "add", *arguments)
    assert sentence in refusal(answer)
    assert answer.out == ""
    assert (store.clients.list(), store.apis.all(), len(events(store))) == before


def test_a_refusal_is_json_where_json_was_asked_for(idp: Idp) -> None:
    answer = idp("clients", "add", "--for", "nextauth", "--json")
    assert answer.code == 2
    assert "NAME and --url" in answer.json["error"]


@pytest.mark.parametrize("kind", CLIENT_KINDS)
def test_an_odd_name_is_registered_as_it_is_because_no_file_has_it(idp: Idp, store: Store, api: str, kind: str) -> None:
    name = """"$(id)` 'hi' ${HOME} </b> <!-- \\ naïve 商店"""
    answer = idp("clients", "add", "--for", kind, name, *FLAGS[kind][1:], "--json")
    assert answer.code == 0, answer.out
    assert stored(store, answer.json).client_name == name
    assert "商店" not in "".join(file["content"] for file in answer.json["files"])


# --- Asked on a terminal


class Terminal:
    """The real command on a terminal of its own, typed into when it asks."""

    def __init__(self, *arguments: str) -> None:
        self.fd, other = pty.openpty()
        command = [sys.executable, "-m", "idp.cli", *arguments]
        self.process = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)
        self.seen = ""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + 120
        while text not in self.seen:
            assert time.monotonic() < deadline, self.seen
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.seen += os.read(self.fd, 65536).decode(errors="replace")
                except OSError:  # it has ended
                    break
        assert text in self.seen, self.seen

    def type(self, question: str, answer: str) -> None:
        self.read_until(question)
        self.seen = self.seen.partition(question)[2]
        os.write(self.fd, f"{answer}\n".encode())

    def end(self) -> int:
        code = self.process.wait(120)
        os.close(self.fd)
        return code


def test_on_a_terminal_what_is_missing_is_asked_and_asked_again_when_it_is_wrong(folder: Path, store: Store) -> None:
    terminal = Terminal("clients", "add", "--for", "authjs")
    terminal.type("What is it called", "Shop")
    terminal.type("Its URL", "http://shop.example.com")
    terminal.read_until("http is only for loopback")
    terminal.type("Its URL", "https://shop.example.com")
    terminal.type("Another one", "http://localhost:3000")
    terminal.type("Another one", "")
    terminal.type("The API that it calls", "")
    terminal.read_until("From the beginning, step by step")
    assert terminal.end() == 0
    (client,) = [each for each in store.clients.list() if each.client_name == "Shop"]
    assert [uri.removesuffix("/api/auth/callback/idp") for uri in client.redirect_uris] == [
        "https://shop.example.com",
        "http://localhost:3000",
    ]
    assert load_settings().issuer in terminal.seen
