"""What the documents say about signing in with other providers is what the code does.

Owns the reading of their tables; the rules themselves are tested where they live.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, parse_qsl, urlsplit

import click
import pytest

from idp import audit
from idp.accounts import arrivals
from idp.accounts.linking import EXPLANATIONS, Why, decide_by_email
from idp.cli import main
from idp.jose.client_keys import RemoteKeys
from idp.outbound import OutboundFetcher, OutboundResponse
from idp.protocol.identity import Identity, User
from idp.protocol.names import ACR_FEDERATED, ACR_ONE_FACTOR, AMR_FEDERATED, AMR_PASSWORD, UPSTREAM_HINTS
from idp.sandbox.connections import KINDS
from idp.settings import OPTIONS, VARIABLES, Settings, UpstreamSettings, connection_variable, holds_secret
from idp.settings.fields import is_secret
from idp.settings.upstream import find_option, read_connections
from idp.upstream import PROVIDERS, errors, state
from idp.upstream.authorization_url import Wishes, make_authorization_url
from idp.upstream.connection import CALLBACK_PATH, Connection, load_connections
from idp.upstream.errors import UpstreamFailed
from idp.upstream.exchange import load_identity
from idp.upstream.github import EMAILS
from idp.upstream.microsoft import HOST
from idp.upstream.provider import Answer, Endpoints, Provider
from idp.upstream.state import Pending
from idp.web.session_cookie import FRESH_SECONDS

DOCS = Path(__file__).parent.parent / "docs"
PROVIDER_PAGES = sorted((DOCS / "providers").glob("*.md"))
DOCUMENTS = [*PROVIDER_PAGES, DOCS / "account-linking.md", DOCS / "adding-a-provider.md"]
ISSUER = "https://id.example.com"
GENERIC = "acme"  # what the page of plain OpenID Connect calls its connection
TENANT = "11111111-2222-3333-4444-555555555555"
_VARIABLE = re.compile(r"\bIDP_[A-Z0-9_]*[A-Z0-9]\b")
_COMMAND = re.compile(r"([a-z][a-z-]*(?: [a-z][a-z-]*)*)(.*)")

every_kind = pytest.mark.parametrize("kind", PROVIDERS)


def text_of(*path: str) -> str:
    return DOCS.joinpath(*path).read_text(encoding="utf-8")


def tables_of(text: str) -> Iterator[list[list[str]]]:
    """Each table as its rows of cells, the head first."""
    for block in re.findall(r"(?:^ *\|.*\n)+", text, re.M):
        rows = [[cell.strip() for cell in line.strip().strip("|").split(" |")] for line in block.splitlines()]
        yield [[cell.removeprefix("|").strip() for cell in row] for row in rows if not set("".join(row)) <= set("-|")]


def table_with(text: str, *head: str) -> list[list[str]]:
    """The rows of the one table with this head."""
    found = [rows[1:] for rows in tables_of(text) if rows[0] == list(head)]
    assert len(found) == 1, f"{len(found)} tables with the head {head}"
    return found[0]


def name_on_page(kind: str) -> str:
    return GENERIC if kind == "oidc" else kind


# --- The pages of the providers


def at_a_glance(kind: str) -> dict[str, str]:
    row_texts = re.findall(
        r"^\| ([A-Z][^|]*?) \| (.*?) \|$", text_of("providers", f"{kind}.md").partition("\n## ")[0], re.M
    )
    return dict(row_texts)


@every_kind
def test_every_provider_has_a_page_that_the_overview_leads_to(kind: str) -> None:
    assert f"# {PROVIDERS[kind].label}" in text_of("providers", f"{kind}.md")
    assert f"`{kind}` | [{kind}.md]({kind}.md)" in text_of("providers", "README.md")


def test_every_page_is_about_a_provider_or_the_sandbox() -> None:
    assert {page.stem for page in PROVIDER_PAGES} == {*PROVIDERS, "README", "sandbox"}


@every_kind
def test_a_page_names_every_setting_that_the_provider_needs(kind: str) -> None:
    page = text_of("providers", f"{kind}.md")
    for option in ("client_id", *PROVIDERS[kind].required):
        assert connection_variable(name_on_page(kind), option) in page


@every_kind
def test_a_page_names_the_redirect_uri_and_where_to_register_it(kind: str) -> None:
    page, path = text_of("providers", f"{kind}.md"), CALLBACK_PATH.format(name=name_on_page(kind))
    assert f"`<issuer>{path}`" in page
    assert f"`{ISSUER}{path}`" in page
    assert PROVIDERS[kind].console in page
    others = set(re.findall(r"/upstream/([a-z-]+)/callback", page))
    assert others == {name_on_page(kind)}


@every_kind
def test_a_page_says_truly_what_is_asked_and_what_the_provider_can_do(kind: str) -> None:
    provider, said = PROVIDERS[kind], at_a_glance(kind)
    assert said["Kind"] == f"`{kind}`"
    assert said["Scopes"] == f"`{' '.join(provider.scopes)}`"
    assert said["Protocol"].startswith("OpenID Connect" if provider.has_id_token else "OAuth 2")
    assert said["Can prove a fresh sign-in"].startswith("no" if provider.fresh is None else "yes")
    passes_on = said["Passes on"]
    assert ("`login_hint`" in passes_on) == ("login_hint" in provider.hints)
    assert ("language" in passes_on or "ui_locales" in passes_on) == ("ui_locales" in provider.hints)
    assert ("`prompt=select_account`" in passes_on) == ("select_account" in provider.prompts)
    for parameter in provider.hints.values():
        assert f"`{parameter}`" in passes_on
    if provider.endpoints is not None:
        takes_pkce = provider.endpoints(settings_for(kind)).takes_pkce
        assert said["PKCE"] == ("yes" if takes_pkce else "no")


def test_the_overview_says_truly_who_can_prove_a_fresh_sign_in() -> None:
    overview = " ".join(text_of("providers", "README.md").split())
    able = ", ".join(f"`{kind}`" for kind, provider in PROVIDERS.items() if provider.fresh is not None)
    unable = ", ".join(f"`{kind}`" for kind, provider in PROVIDERS.items() if provider.fresh is None)
    assert f"states the time in its ID token ({able})" in overview
    assert f"Those that cannot ({unable})" in overview


# --- Names in all of these documents


def is_setting(variable: str) -> bool:
    direct = variable.removesuffix("_FILE")
    if variable in VARIABLES or (direct != variable and direct in VARIABLES and is_secret(VARIABLES[direct])):
        return True
    found = find_option(variable)
    if found is None:
        return False
    option = found[1].removesuffix("_FILE")
    return found[1] in OPTIONS or holds_secret(UpstreamSettings.model_fields[OPTIONS[option]])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(DOCS)))
def test_every_variable_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8").replace("<NAME>", "NAME")
    assert [variable for variable in sorted(set(_VARIABLE.findall(text))) if not is_setting(variable)] == []


def test_a_variable_that_does_not_exist_would_be_found() -> None:
    assert not is_setting("IDP_UPSTREAM_GOOGLE_CLIENT_IDS")
    assert not is_setting("IDP_UPSTREAM_GOOGLE_LABEL_FILE")
    assert not is_setting("IDP_SIGNUP")
    assert is_setting("IDP_UPSTREAM_APPLE_PRIVATE_KEY_FILE")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(DOCS)))
def test_every_command_and_option_that_a_document_names_exists(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    written = re.findall(r"`idp ([^`]+)`", text) + re.findall(r"^ *idp (.*)$", text, re.M)
    for line in written:
        words, rest = cast(re.Match[str], _COMMAND.fullmatch(" ".join(line.split()))).groups()
        command: click.Command = main
        for word in words.split():
            if isinstance(command, click.Group):
                below = command.get_command(click.Context(command), word)
                assert below is not None, f"idp {words}"
                command = below
        known = {option for parameter in command.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, f"idp {words}{rest}"


def test_the_variables_of_the_overview_make_the_connections_that_it_names() -> None:
    blocks = re.findall(r"^```\n(.*?)^```", text_of("providers", "README.md"), re.M | re.S)
    block = next(block for block in blocks if "GOOGLE_STAFF" in block)
    variables = dict(line.split("=", 1) for line in block.splitlines())
    order = variables.pop("IDP_UPSTREAM_ORDER").split(",")
    found, problems = read_connections(variables)
    connections, more_problems = load_connections(found, PROVIDERS, ISSUER)
    assert (problems, more_problems) == ([], [])
    assert sorted(connections) == sorted(order) == ["google", "google-staff"]
    assert {connection.provider.kind for connection in connections.values()} == {"google"}


def test_the_times_and_numbers_are_those_of_the_code() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    overview, linking = (
        " ".join(text_of(*path).split()) for path in (("providers", "README.md"), ("account-linking.md",))
    )
    assert f"`IDP_OUTBOUND_TIMEOUT` seconds ({defaults['outbound_timeout']:g} by default)" in overview
    assert f"`IDP_UPSTREAM_CONCURRENCY` ({defaults['upstream_concurrency']})" in overview
    assert "512 KiB" in overview
    assert OutboundFetcher()._max_bytes == 512 * 1024
    assert ("begun is good for ten minutes", state.LIFETIME_SECONDS) == ("begun is good for ten minutes", 600)
    assert "begun is good for ten minutes" in overview
    assert "kept for a quarter of an hour" in linking
    assert arrivals.LIFETIME_SECONDS == 900
    assert "need a sign-in of the last five minutes" in linking
    assert FRESH_SECONDS == 300


def test_the_overview_names_every_kind_of_failure_and_what_clients_are_told() -> None:
    overview = text_of("providers", "README.md")
    kinds = {row[0].strip("`") for row in table_with(overview, "`kind`", "page", "what it means", "what to do")}
    failures = {
        each.__name__ for each in vars(errors).values() if isinstance(each, type) and issubclass(each, UpstreamFailed)
    }
    assert kinds == failures - {"UpstreamFailed", "Denied"}  # who says no goes back to the choice
    told = {
        row[0]: row[1:] for row in table_with(overview, "claim", "after a sign-in with a provider", "after a password")
    }
    assert told["`acr`"][0].startswith(f"`{ACR_FEDERATED}`")
    assert told["`acr`"][1] == f"`{ACR_ONE_FACTOR}`"
    assert told["`amr`"] == [f'`["{AMR_FEDERATED}"]`', f'`["{AMR_PASSWORD}"]`']
    for hint in UPSTREAM_HINTS:
        assert f"`{hint}" in overview


def test_the_page_of_the_sandbox_knows_every_stand_in_and_its_port() -> None:
    page = " ".join(text_of("providers", "sandbox.md").split())
    settings = Settings(issuer="http://localhost:8000")
    for kind, port in zip(KINDS, settings.sandbox_ports, strict=True):
        label = PROVIDERS[kind].label or GENERIC.title()
        assert re.search(rf"{label} (?:is )?at {port}\b", page)


# --- The trust matrix


def settings_for(kind: str, tenant: str | None = None, trust: str = "refuse") -> UpstreamSettings:
    known = {"team_id": "T", "key_id": "K", "private_key": "P", "client_secret": "S", "issuer": "https://acme.example"}
    needed = {option: known[option] for option in PROVIDERS[kind].required}
    options = {"name": name_on_page(kind), "kind": kind, "client_id": "C", "tenant": tenant, "trust_email": trust}
    return UpstreamSettings.model_validate({**options, **needed})


def arrive(kind: str, settings: UpstreamSettings, given: Mapping[str, Any]) -> Identity:
    """The Identity of somebody about whom the provider says `given`, beside what it says of everybody."""
    provider = PROVIDERS[kind]
    endpoints = provider.endpoints(settings) if provider.endpoints else Endpoints("", "", issuer=str(settings.issuer))
    everybody = {"sub": "s", "iat": 0, "iss": f"{HOST}/{TENANT}/v2.0", "tid": TENANT}
    claims = {**everybody, **given} if provider.has_id_token else {}

    def fetch(url: str, query: Mapping[str, str] | None = None) -> Any:
        if url == EMAILS:
            return [{"primary": True, **given}]
        return {"id": 1, "login": "ada"} if kind == "github" else {"id": "1", "username": "ada", **given}

    connection = Connection(settings, provider, "")
    return provider.to_identity(Answer(connection, {"access_token": "t"}, claims, {}, fetch, endpoints))


@dataclass(frozen=True)
class Sample:
    """A row of the sample table: what arrives, and what the document says that it comes to."""

    kind: str
    tenant: str | None
    given: dict[str, Any]
    said: dict[str, str]

    def judge(self, trust: str, *, confirmed_here: bool = True) -> Why:
        settings = settings_for(self.kind, self.tenant, trust)
        identity = arrive(self.kind, settings, self.given)
        claims = {"email": self.given["email"]} | ({"email_verified": True} if confirmed_here else {})
        return decide_by_email(settings, identity, User("u", "ada", claims))

    @property
    def is_confirmed(self) -> bool:
        return arrive(self.kind, settings_for(self.kind, self.tenant), self.given).email_verified

    @property
    def may_link(self) -> bool:
        return self.judge("link") is Why.VOUCHED


def read_samples() -> list[Sample]:
    rows = table_with(
        text_of("account-linking.md"), "provider", "settings", "what arrives", "`refuse`", "`ask`", "`link`"
    )
    tenants = {"": None, "one tenant": TENANT, "`common`": "common"}
    return [
        Sample(
            kind=row[0].strip("`"),
            tenant=tenants[row[1]],
            given=json.loads(row[2].strip("`")),
            said=dict(zip(("refuse", "ask", "link"), row[3:], strict=True)),
        )
        for row in rows
    ]


SAMPLES = read_samples()
WORDS = {Why.VOUCHED: "linked", Why.CONFIRMED: "asked", Why.TRUST_REFUSES: "told", Why.NOT_ITS_ADDRESS: "told"}
every_sample = pytest.mark.parametrize(
    "sample", SAMPLES, ids=lambda sample: f"{sample.kind} {json.dumps(sample.given)}"
)


@every_sample
def test_a_sample_of_the_document_comes_to_what_it_says(sample: Sample) -> None:
    assert {trust: WORDS[sample.judge(trust)] for trust in ("refuse", "ask", "link")} == sample.said


@every_sample
def test_no_provider_hands_out_an_address_that_it_has_not_confirmed(sample: Sample) -> None:
    identity = arrive(sample.kind, settings_for(sample.kind, sample.tenant), sample.given)
    assert identity.email == sample.given["email"]
    assert identity.email_verified or not identity.owns_email


@every_sample
@pytest.mark.parametrize("trust", ["refuse", "ask", "link"])
def test_no_provider_and_no_setting_links_to_an_address_that_was_never_confirmed_here(
    sample: Sample, trust: str
) -> None:
    assert sample.judge(trust, confirmed_here=False) is Why.LOCAL_UNCONFIRMED


def test_the_trust_matrix_has_every_provider_and_its_verdicts_are_those_of_the_code() -> None:
    head = ("provider", "confirms the address?", "hands it out?", "may link", "why")
    matrix = {row[0].strip("`"): row[3] for row in table_with(text_of("account-linking.md"), *head)}
    assert list(matrix) == list(PROVIDERS)
    for kind, said in matrix.items():
        confirmed = [sample.may_link for sample in SAMPLES if sample.kind == kind and sample.is_confirmed]
        others = [sample.may_link for sample in SAMPLES if sample.kind == kind and not sample.is_confirmed]
        assert confirmed or others, f"no sample for {kind}"
        assert not any(others), f"{kind} links an address that it has not confirmed"
        verdict = "never" if not any(confirmed) else "every confirmed" if all(confirmed) else "some"
        assert said == verdict


def test_the_reasons_in_the_audit_trail_are_told_in_its_own_words() -> None:
    rows = table_with(text_of("account-linking.md"), "`why`", "meaning")
    assert {row[0].strip("`"): row[1] for row in rows} == {why.value: text for why, text in EXPLANATIONS.items()}


def test_every_audit_event_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:identity|email|upstream|sign_in|user)\.[a-z_]+)`", text_of("account-linking.md")))
    assert named
    assert named <= {event.value for event in audit.Event}


# --- Adding a provider


@dataclass
class Harbour:
    """The fictitious provider, as the guard on outbound requests would reach it."""

    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> OutboundResponse:
        self.asked.append((method, url, dict(headers or {}), (body or b"").decode()))
        person = {"id": 7, "login": "ada", "email": "ada@harbour.example", "email_confirmed": True, "full_name": "Ada"}
        answer = {"access_token": "secret-token", "token_type": "Bearer"} if method == "POST" else person
        return OutboundResponse(200, {"content-type": "application/json"}, json.dumps(answer).encode())


def read_example() -> tuple[Provider, Connection]:
    """The provider that the document's file makes, with its line in the table and its variables set."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", text_of("adding-a-provider.md"), re.M | re.S)
    program, line = (body for language, body in blocks if language == "python")
    namespace: dict[str, Any] = {"__name__": "idp.upstream.harbour"}
    exec(compile(program, "harbour.py", "exec"), namespace)  # the document's own code
    added = eval(f"{{{line}}}", namespace)
    variables = dict(line.split("=", 1) for language, body in blocks if not language for line in body.splitlines())
    found, problems = read_connections(variables)
    connections, more_problems = load_connections(found, {**PROVIDERS, **added}, ISSUER)
    assert (problems, more_problems) == ([], [])
    return namespace["HARBOUR"], connections["harbour"]


def test_the_example_of_a_new_provider_sends_people_there() -> None:
    provider, connection = read_example()
    assert provider.endpoints is not None
    pending = Pending("harbour", nonce="n", code_verifier="v" * 43, started_at=0)
    url = make_authorization_url(
        connection, provider.endpoints(connection.settings), pending, "the-state", Wishes("ada", "fr", "select_account")
    )
    assert url.startswith("https://login.harbour.example/authorize?")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["redirect_uri"] == f"{ISSUER}/upstream/harbour/callback"
    assert (asked["scope"], asked["state"]) == ("profile email", "the-state")
    assert (asked["login_hint"], asked["lang"]) == ("ada", "fr")
    assert asked["code_challenge_method"] == "S256"
    assert {"nonce", "prompt"}.isdisjoint(asked)


def test_the_example_of_a_new_provider_signs_somebody_in() -> None:
    provider, connection = read_example()
    assert provider.endpoints is not None
    pending, harbour = Pending("harbour", nonce="n", code_verifier="v" * 43, started_at=0), Harbour()
    identity, tokens = load_identity(
        connection,
        provider.endpoints(connection.settings),
        pending,
        {"code": "the-code"},
        fetcher=cast(OutboundFetcher, harbour),
        keys=cast(RemoteKeys, None),  # it has no ID token
        now=0,
    )
    assert (identity.issuer, identity.subject) == ("https://login.harbour.example", "7")
    assert (identity.email, identity.email_verified, identity.owns_email) == ("ada@harbour.example", True, True)
    assert identity.profile == {"name": "Ada"}
    assert identity.names[0] == "ada"
    assert tokens["access_token"] == "secret-token"
    (_, token_url, _, form), (_, profile_url, headers, _) = harbour.asked
    assert token_url == "https://login.harbour.example/token"
    assert parse_qs(form)["code_verifier"] == ["v" * 43]
    assert parse_qs(form)["client_secret"] == ["harbour-secret"]
    assert profile_url == "https://api.harbour.example/v1/me"
    assert headers["Authorization"] == "Bearer secret-token"


def test_the_document_lists_every_member_of_a_provider() -> None:
    rows = table_with(text_of("adding-a-provider.md"), "member", "say it when")
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(Provider.__dataclass_fields__)
