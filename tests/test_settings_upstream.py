"""Connections with other providers: how variables become them, what is refused, and that no secret is ever shown."""

import logging
from pathlib import Path

import pytest
from pydantic import ValidationError

from idp.settings import (
    OPTIONS,
    VARIABLES,
    ConfigurationError,
    Settings,
    UpstreamSettings,
    connection_variable,
    holds_secret,
    in_order,
    load_settings,
)
from idp.settings.upstream import RESERVED_NAMES, find_option

SECRET = "kP3vN8xQ2mZ7rT5wY1cB6dF9gH4jL0sA"
PRODUCTION = {"IDP_ENV": "production", "IDP_ISSUER": "https://id.example.com", "IDP_SECRET_KEY": SECRET}
GOOGLE = {"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "web", "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "hidden"}
PEM = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----"
SECRET_OPTIONS = [option for option, name in OPTIONS.items() if holds_secret(UpstreamSettings.model_fields[name])]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own: a development secret is written in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def connections(environment: dict[str, str]) -> tuple[UpstreamSettings, ...]:
    return load_settings(environment, None).upstream


def names(environment: dict[str, str]) -> list[str]:
    return [each.name for each in connections(environment)]


def problems_of(environment: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment, None)
    return caught.value.problems


def with_client_id(*spellings: str) -> dict[str, str]:
    return {f"IDP_UPSTREAM_{spelling}_CLIENT_ID": "id" for spelling in spellings}


# --- From variables to connections


def test_without_variables_there_is_no_connection() -> None:
    settings = load_settings({}, None)
    assert settings.upstream == ()
    assert (settings.sign_up, settings.sandbox, settings.upstream_concurrency) == ("open", None, 8)
    assert settings.ratelimit_upstream == "10 per minute"


def test_a_client_id_is_enough_for_a_connection_and_the_rest_is_careful() -> None:
    (google,) = connections({"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "web"})
    assert google == UpstreamSettings(name="google", client_id="web")
    assert (google.trust_email, google.profile_refresh, google.sign_up) == ("refuse", "always", None)
    assert (google.kind, google.store_tokens, google.scopes, google.sandbox_url) == (None, False, (), None)


def test_every_option_can_be_set() -> None:
    given = {
        "kind": "oidc",
        "client_id": "web",
        "client_secret": "hidden",
        "label": "Our staff",
        "issuer": "https://id.example.com/",
        "tenant": "organizations",
        "hosted_domain": "example.com",
        "team_id": "TEAM",
        "key_id": "KEY",
        "private_key": PEM,
        "scopes": "openid email",
        "trust_email": "link",
        "profile_refresh": "first",
        "sign_up": "closed",
        "store_tokens": "true",
        "sandbox_url": "http://127.0.0.1:8101",
    }
    assert given.keys() == set(OPTIONS.values())
    (staff,) = connections({connection_variable("google-staff", option): value for option, value in given.items()})
    parsed = {"name": "google-staff", "scopes": ("openid", "email"), "store_tokens": True}
    assert staff.model_dump() == given | parsed


def test_a_name_is_lower_case_with_hyphens_whatever_option_ends_the_variable() -> None:
    environment = with_client_id("GOOGLE", "GOOGLE_STAFF", "MY_ISSUER", "A1")
    assert names(environment) == ["a1", "google", "google-staff", "my-issuer"]
    assert connection_variable("google-staff", "client_id") == "IDP_UPSTREAM_GOOGLE_STAFF_CLIENT_ID"


def test_the_longest_option_that_a_variable_ends_in_is_meant() -> None:
    assert find_option("IDP_UPSTREAM_A_CLIENT_SECRET_FILE") == ("A", "CLIENT_SECRET_FILE")
    assert find_option("IDP_UPSTREAM_A_B_CLIENT_SECRET") == ("A_B", "CLIENT_SECRET")
    assert find_option("IDP_UPSTREAM_A_KEY_ID") == ("A", "KEY_ID")
    assert find_option("IDP_UPSTREAM_CLIENT_ID") is None
    assert find_option("IDP_UPSTREAM__CLIENT_ID") is None
    assert find_option("IDP_UPSTREAM_XCLIENT_ID") is None


def test_no_variable_is_both_a_setting_and_an_option_of_a_connection() -> None:
    assert [variable for variable in VARIABLES if find_option(variable)] == []
    prefix = "upstream_"
    assert {name.removeprefix(prefix) for name in Settings.model_fields if name.startswith(prefix)} == RESERVED_NAMES


def test_an_empty_variable_makes_no_connection() -> None:
    assert connections({"IDP_UPSTREAM_GOOGLE_CLIENT_ID": "", "IDP_UPSTREAM_GOOGLE_ISSUER": ""}) == ()
    (google,) = connections(GOOGLE | {"IDP_UPSTREAM_GOOGLE_LABEL": "", "IDP_UPSTREAM_GOOGLE_KIND": "  "})
    assert (google.label, google.kind) == (None, None)


def test_connections_come_from_the_env_file_too_and_the_environment_wins(here: Path) -> None:
    (here / ".env").write_text(
        "IDP_UPSTREAM_ACME_CLIENT_ID=from-file\nIDP_UPSTREAM_ACME_LABEL='The Acme company'\n", "utf-8"
    )
    (acme,) = load_settings({"IDP_UPSTREAM_ACME_CLIENT_ID": "from-environment"}, here / ".env").upstream
    assert (acme.client_id, acme.label) == ("from-environment", "The Acme company")


# --- Their order


def test_connections_are_in_order_of_their_names_whatever_the_order_of_the_variables() -> None:
    environment = with_client_id("GITHUB", "APPLE", "ZETA", "GOOGLE")
    assert names(environment) == ["apple", "github", "google", "zeta"]
    assert connections(environment) == connections(dict(reversed(environment.items())))


def test_the_order_setting_names_the_first_and_the_rest_follow_by_name() -> None:
    environment = with_client_id("APPLE", "GITHUB", "GOOGLE", "GOOGLE_STAFF")
    order = {"IDP_UPSTREAM_ORDER": "google-staff, github"}
    assert names(environment | order) == ["google-staff", "github", "apple", "google"]
    assert names(environment | {"IDP_UPSTREAM_ORDER": "GOOGLE_STAFF google google-staff"})[:2] == [
        "google-staff",
        "google",
    ]


def test_a_name_in_the_order_without_a_connection_is_pointed_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert names(GOOGLE | {"IDP_UPSTREAM_ORDER": "gogle google"}) == ["google"]
        load_settings({"IDP_UPSTREAM_ORDER": "google"}, None)
    assert caplog.messages == ["IDP_UPSTREAM_ORDER names gogle, but there is no such connection."]


def test_connections_from_elsewhere_can_be_put_in_order_too() -> None:
    both = [UpstreamSettings(name=name, client_id="x") for name in ("b", "a")]
    assert [each.name for each in in_order(both, ())] == ["a", "b"]
    assert [each.name for each in in_order(both, ["b"])] == ["b", "a"]


# --- Secrets


@pytest.mark.parametrize("option", SECRET_OPTIONS)
def test_every_secret_of_a_connection_can_come_from_a_file(here: Path, option: str) -> None:
    (here / "secret").write_text(PEM + "\n", "utf-8")
    (apple,) = connections(with_client_id("APPLE") | {f"IDP_UPSTREAM_APPLE_{option}_FILE": str(here / "secret")})
    assert getattr(apple, OPTIONS[option]) == PEM


def test_a_secret_given_twice_or_in_an_unreadable_file_is_a_mistake() -> None:
    given = GOOGLE | {"IDP_UPSTREAM_GOOGLE_CLIENT_SECRET_FILE": "x", "IDP_UPSTREAM_GOOGLE_PRIVATE_KEY_FILE": "missing"}
    assert problems_of(given) == [
        "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET and IDP_UPSTREAM_GOOGLE_CLIENT_SECRET_FILE are both set; keep one.",
        "IDP_UPSTREAM_GOOGLE_PRIVATE_KEY_FILE names missing, which cannot be read.",
    ]


def test_an_empty_file_holds_no_secret(here: Path) -> None:
    (here / "secret").write_text("\n", "utf-8")
    (google,) = connections(with_client_id("GOOGLE") | {"IDP_UPSTREAM_GOOGLE_CLIENT_SECRET_FILE": str(here / "secret")})
    assert google.client_secret is None


def test_a_key_may_be_written_on_one_line(here: Path) -> None:
    one_line = PEM.replace("\n", "\\n")
    (apple,) = connections(with_client_id("APPLE") | {"IDP_UPSTREAM_APPLE_PRIVATE_KEY": one_line + "\\n"})
    assert apple.private_key == PEM
    (here / ".env").write_text(
        f'IDP_UPSTREAM_APPLE_CLIENT_ID=x\nIDP_UPSTREAM_APPLE_PRIVATE_KEY="{one_line}"\n', "utf-8"
    )
    assert load_settings({}, here / ".env").upstream[0].private_key == PEM


def test_no_secret_shows_when_settings_are_printed() -> None:
    given = GOOGLE | {"IDP_UPSTREAM_GOOGLE_PRIVATE_KEY": "hidden", "IDP_SECRET_KEY": "hidden" + SECRET}
    given |= {"IDP_DATABASE_URL": "postgresql://u:hidden@h/d", "IDP_REDIS_URL": "redis://:hidden@h"}
    settings = load_settings(given, None)
    for shown in (repr(settings), str(settings), repr(settings.upstream), str(settings.upstream[0])):
        assert "hidden" not in shown
        assert "web" in shown


def test_no_secret_is_in_what_is_said_of_mistakes() -> None:
    given = {
        "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "hidden",
        "IDP_UPSTREAM_GOOGLE_PRIVATE_KEY": "hidden",
        "IDP_UPSTREAM_GOOGLE_ISSUER": "https://user:hidden@a.example",
    }
    with pytest.raises(ConfigurationError) as caught:
        load_settings(given, None)
    assert "hidden" not in f"{caught.value} {caught.value.usable!r}"
    with pytest.raises(ValidationError) as refused:
        UpstreamSettings.model_validate({"name": "a", "client_secret": "hidden", "private_key": ["hidden"]})
    assert "hidden" not in str(refused.value)


# --- What is refused


def test_a_connection_needs_a_client_id() -> None:
    assert problems_of({"IDP_UPSTREAM_GOOGLE_CLIENT_SECRET": "x"}) == [
        "IDP_UPSTREAM_GOOGLE_CLIENT_ID is missing, but IDP_UPSTREAM_GOOGLE_CLIENT_SECRET is set."
    ]


def test_all_mistakes_of_all_connections_are_named_at_once_beside_the_others() -> None:
    given = {
        "IDP_PORT": "many",
        "IDP_UPSTREAM_CONCURRENCY": "0",
        "IDP_UPSTREAM_ACME_ISSUER": "acme",
        "IDP_UPSTREAM_ACME_SIGN_UP": "maybe",
        "IDP_UPSTREAM_GOOGLE_CLIENT_ID": "  ",
        "IDP_UPSTREAM_GOOGLE_TRUST_EMAIL": "always",
        "IDP_UPSTREAM_GOOGLE_PROFILE_REFRESH": "never",
        "IDP_UPSTREAM_GOOGLE_STORE_TOKENS": "perhaps",
        "IDP_UPSTREAM_GOOGLE_SANDBOX_URL": "http://stand-in.example",
        "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET_FILE": "missing",
    }
    problems = problems_of(given)
    for variable in given:
        assert [problem.startswith((f"{variable}: ", f"{variable} names")) for problem in problems].count(True) == 1
    (rest,) = [problem for problem in problems if not problem.startswith(tuple(given))]
    assert rest == "IDP_UPSTREAM_ACME_CLIENT_ID is missing, but IDP_UPSTREAM_ACME_ISSUER is set."


def test_what_is_right_can_still_be_checked_when_one_option_is_wrong() -> None:
    given = PRODUCTION | GOOGLE | {"IDP_UPSTREAM_GOOGLE_TRUST_EMAIL": "always", "IDP_UPSTREAM_GITHUB_TENANT": "x"}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(given | {"IDP_UPSTREAM_GOOGLE_SANDBOX_URL": "http://localhost:1"}, None)
    assert caught.value.usable is not None
    assert [each.name for each in caught.value.usable.upstream] == ["google"]
    assert sum("SANDBOX_URL is set" in problem for problem in caught.value.problems) == 1


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("1PASSWORD", id="begins with a digit"),
        pytest.param("_GOOGLE", id="begins with a line"),
        pytest.param("A" * 33, id="33 characters"),
        pytest.param("GOOGLE.STAFF", id="a dot"),
        pytest.param("É", id="not ASCII"),
        pytest.param("ORDER", id="the name of a setting"),
        pytest.param("CONCURRENCY", id="the name of another setting"),
    ],
)
def test_a_connection_cannot_be_called_so(spelling: str) -> None:
    (problem,) = problems_of(with_client_id(spelling))
    assert problem.startswith(f"IDP_UPSTREAM_{spelling}_CLIENT_ID: ")
    assert "name of a connection" in problem or "cannot be called" in problem
    assert names(with_client_id("A" * 32)) == ["a" * 32]


@pytest.mark.parametrize("other", ["Google_Staff", "GOOGLE-STAFF"])
def test_two_spellings_of_one_name_are_refused(other: str) -> None:
    (problem,) = problems_of(with_client_id("GOOGLE_STAFF", other))
    assert problem.endswith("are different spellings of one connection, google-staff; keep one.")
    assert "IDP_UPSTREAM_GOOGLE_STAFF_CLIENT_ID" in problem
    assert f"IDP_UPSTREAM_{other}_CLIENT_ID" in problem


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("IDP_UPSTREAM_GOOGLE_CLIENT_SECRT", "IDP_UPSTREAM_GOOGLE_CLIENT_SECRET"),
        ("IDP_UPSTREAM_GOOGLE_STAFF_CLIENTID", "IDP_UPSTREAM_GOOGLE_STAFF_CLIENT_ID"),
        ("IDP_UPSTREAM_GOOGLE_client_id", "IDP_UPSTREAM_GOOGLE_CLIENT_ID"),
        ("IDP_UPSTREAM_GOOGLE_CLIENT_ID_FILE", "IDP_UPSTREAM_GOOGLE_CLIENT_ID"),
        ("IDP_UPSTREM_GOOGLE_CLIENT_ID", "IDP_UPSTREAM_GOOGLE_CLIENT_ID"),
        ("IDP_UPSTREAM_ODER", "IDP_UPSTREAM_ORDER"),
        ("IDP_UPSTREAM_GOOGLE", None),
        ("IDP_UPSTREAM_CLIENT_ID", None),
    ],
)
def test_a_variable_that_ends_in_no_option_is_pointed_out_with_the_one_that_was_meant(
    caplog: pytest.LogCaptureFixture, variable: str, meant: str | None
) -> None:
    with caplog.at_level(logging.WARNING):
        assert connections({variable: "x"}) == ()
    suggestion = f" Did you mean {meant}?" if meant else ""
    assert caplog.messages == [f"{variable} is not a setting.{suggestion}"]


def test_connections_are_not_set_by_one_variable(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert connections({"IDP_UPSTREAM": '[{"name": "a", "client_id": "b"}]'}) == ()
    assert "IDP_UPSTREAM is not a setting." in caplog.text


@pytest.mark.spec("OpenID Connect Discovery", "3", "MUST")
@pytest.mark.parametrize(
    "issuer",
    [
        "https://id.example.com",
        "https://id.example.com/",
        "https://id.example.com:8443/realms/a",
        "https://login.example.com/{tenantid}/v2.0",
        "http://localhost:9000",
        "http://127.0.0.1",
        "http://[::1]:9000/a/",
    ],
)
def test_the_issuer_of_a_provider_is_kept_to_the_byte(issuer: str) -> None:
    (acme,) = connections(with_client_id("ACME") | {"IDP_UPSTREAM_ACME_ISSUER": issuer})
    assert acme.issuer == issuer


@pytest.mark.spec("OpenID Connect Discovery", "3", "MUST")
@pytest.mark.parametrize(
    "issuer",
    ["id.example.com", "ftp://a.example", "http://a.example", "http://localhost.a.example", "http://10.0.0.1"]
    + ["https://a.example?x=1", "https://a.example?", "https://a.example#x", "https://a.example#", "https://"]
    + ["https://user@a.example", "http://localhost@a.example", "http://a.example\\@localhost", "https://a.example:x"]
    + ["https://a.example:99999", "https://[::1", " https://a.example", "https://a.exa\nmple", "https://é.example"],
)
def test_the_issuer_of_a_provider_is_an_https_url_or_on_this_machine(issuer: str) -> None:
    (problem,) = problems_of(with_client_id("ACME") | {"IDP_UPSTREAM_ACME_ISSUER": issuer})
    assert problem.startswith("IDP_UPSTREAM_ACME_ISSUER: must be an https URL")


def test_the_issuer_of_a_provider_is_no_longer_than_a_link_can_keep() -> None:
    longest = "https://id.example.com/".ljust(255, "a")
    assert connections(with_client_id("ACME") | {"IDP_UPSTREAM_ACME_ISSUER": longest})[0].issuer == longest
    (problem,) = problems_of(with_client_id("ACME") | {"IDP_UPSTREAM_ACME_ISSUER": longest + "a"})
    assert problem.startswith("IDP_UPSTREAM_ACME_ISSUER: must have at most 255 characters")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8101", "http://localhost:1", "http://[::1]:8101", "https://localhost"]
)
def test_a_stand_in_is_on_this_machine(url: str) -> None:
    (google,) = connections(GOOGLE | {"IDP_UPSTREAM_GOOGLE_SANDBOX_URL": url})
    assert google.sandbox_url == url


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8101/", "http://127.0.0.1:8101/a", "http://127.0.0.1:8101?a", "127.0.0.1:8101", "http://"]
    + ["https://accounts.example", "http://10.0.0.1:8101", "http://127.0.0.1@a.example", "http://0.0.0.0:8101"],
)
def test_a_stand_in_anywhere_else_is_refused(url: str) -> None:
    (problem,) = problems_of(GOOGLE | {"IDP_UPSTREAM_GOOGLE_SANDBOX_URL": url})
    assert problem.startswith("IDP_UPSTREAM_GOOGLE_SANDBOX_URL: must be the address of a stand-in on this machine")


def test_an_option_that_does_not_exist_is_refused_in_code_too() -> None:
    with pytest.raises(ValidationError, match="client_secrt"):
        UpstreamSettings.model_validate({"name": "a", "client_id": "b", "client_secrt": "c"})


# --- Production and development


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        pytest.param(
            {"IDP_UPSTREAM_GOOGLE_SANDBOX_URL": "http://127.0.0.1:8101"},
            "IDP_UPSTREAM_GOOGLE_SANDBOX_URL is set; a stand-in for a provider is for development alone.",
            id="a stand-in",
        ),
        pytest.param(
            {"IDP_SANDBOX": "true"},
            "IDP_SANDBOX is true; stand-ins for other providers are for development alone.",
            id="all stand-ins",
        ),
        pytest.param(
            {"IDP_UPSTREAM_ACME_CLIENT_ID": "x", "IDP_UPSTREAM_ACME_ISSUER": "http://localhost:9000"},
            "IDP_UPSTREAM_ACME_ISSUER is http://localhost:9000; production needs an https URL.",
            id="an http issuer",
        ),
    ],
)
def test_production_refuses_what_is_for_development(changes: dict[str, str], sentence: str) -> None:
    assert len(connections(PRODUCTION | GOOGLE | {"IDP_SANDBOX": "false"})) == 1
    assert load_settings(GOOGLE | changes, None).env == "development"
    assert problems_of(PRODUCTION | GOOGLE | changes) == [sentence]


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, 8101),
        ({"PORT": "9000"}, 9101),
        ({"IDP_PORT": "9000", "IDP_SANDBOX_PORT": "7000"}, 7000),
        ({"IDP_PORT": "65428"}, 65529),
        ({"IDP_PORT": "65429"}, 65328),
        ({"IDP_PORT": "65535"}, 65434),
        ({"IDP_SANDBOX_PORT": "65529"}, 65529),
    ],
)
def test_the_stand_ins_have_seven_ports_that_are_not_the_servers(environment: dict[str, str], first: int) -> None:
    settings = load_settings(environment, None)
    assert settings.sandbox_ports == tuple(range(first, first + 7))
    assert settings.port not in settings.sandbox_ports
    assert max(settings.sandbox_ports) <= 65535


def test_ports_that_do_not_exist_are_refused() -> None:
    assert problems_of({"IDP_SANDBOX_PORT": "65530"})[0].startswith("IDP_SANDBOX_PORT: ")
