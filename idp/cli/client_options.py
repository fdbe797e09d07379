"""The options that describe a client, shared by `idp clients add` and `update`, and how a client is shown.

Owns the table OPTIONS: option → member of Client. Adding a member to the command line is one line there.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from idp.cli.command import Refused
from idp.cli.output import iso
from idp.protocol.client import Client
from idp.protocol.scopes import IDENTITY_SCOPES, OPENID, Api, scopes_of_token
from idp.settings import UpstreamSettings, connection_name

if TYPE_CHECKING:
    from idp.recipes import Recipe

Function = Callable[..., Any]

_SECONDS = click.IntRange(min=1)
_FLAG: dict[str, Any] = {"default": None}

# (option, member of Client, click's arguments). Lists are given by repeating the option.
OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--redirect-uri", "redirect_uris", {"multiple": True, "help": "Where people return to. Repeatable."}),
    ("--post-logout-redirect-uri", "post_logout_redirect_uris", {"multiple": True, "help": "Likewise, signed out."}),
    ("--origin", "web_origins", {"multiple": True, "help": "Web origin that calls us (default: the redirect URIs')."}),
    ("--auth-method", "token_endpoint_auth_method", {"help": "client_secret_basic (default), private_key_jwt, …"}),
    ("--auth-alg", "token_endpoint_auth_signing_alg", {"help": "The one algorithm of its assertions, such as ES256."}),
    ("--grant-type", "grant_types", {"multiple": True, "help": "Repeatable."}),
    ("--api", "audience", {"multiple": True, "help": "API its access tokens are for. Repeatable."}),
    ("--serves", "serves", {"multiple": True, "help": "API that it is itself, whose tokens it may introspect."}),
    ("--upstream", "upstreams", {"multiple": True, "metavar": "NAME",
     "help": "Connection over which people may sign in to it (default: all). Repeatable."}),
    ("--for", "made_for", {"metavar": "KIND", "help": "What it is made with: nextauth, spa, mobile, service, …"}),
    ("--first-party/--third-party", "first_party",
     _FLAG | {"help": "No consent page; apps that others may pose as: one button."}),
    ("--pkce/--no-pkce", "require_pkce", _FLAG | {"help": "Require PKCE or not, whatever IDP_REQUIRE_PKCE says."}),
    ("--second-factor/--no-second-factor", "require_second_factor",
     _FLAG | {"help": "Let nobody in without a second factor."}),
    ("--claims-in-id-token/--lean-id-token", "claims_in_id_token", _FLAG | {"help": "Profile claims in the ID token."}),
    ("--always-refresh/--refresh-if-asked", "always_issue_refresh_token",
     _FLAG | {"help": "A refresh token even without offline_access."}),
    ("--rotation/--no-rotation", "rotate_refresh_tokens", _FLAG | {"help": "New refresh token at each use."}),
    ("--id-token-alg", "id_token_signed_response_alg", {"help": "RS256 (default), PS256, ES256, EdDSA."}),
    ("--userinfo-alg", "userinfo_signed_response_alg", {"help": "Sign userinfo answers; JSON when not given."}),
    ("--jwks-uri", "jwks_uri", {"metavar": "URL", "help": "Where the client publishes its keys."}),
    ("--client-uri", "client_uri", {"metavar": "URL", "help": "Its home page."}),
    ("--logo-uri", "logo_uri", {"metavar": "URL", "help": "Its logo."}),
    ("--policy-uri", "policy_uri", {"metavar": "URL", "help": "Its privacy policy."}),
    ("--tos-uri", "tos_uri", {"metavar": "URL", "help": "Its terms of service."}),
    ("--max-age", "default_max_age", {"type": click.IntRange(min=0), "help": "Seconds a sign-in may be old."}),
    ("--access-token-lifetime", "access_token_lifetime", {"type": _SECONDS, "help": "Seconds."}),
    ("--id-token-lifetime", "id_token_lifetime", {"type": _SECONDS, "help": "Seconds."}),
    ("--refresh-token-lifetime", "refresh_token_lifetime", {"type": _SECONDS, "help": "Seconds after sign-in."}),
    ("--refresh-token-idle-lifetime", "refresh_token_idle_lifetime", {"type": _SECONDS, "help": "Seconds unused."}),
)  # fmt: skip


def metadata_options(function: Function) -> Function:
    """Decorator: all options that describe a client. An option that is not given is None, or an empty tuple."""
    function = click.option("--jwks", type=click.Path(path_type=Path), help="A file with the client's public keys.")(
        function
    )
    function = click.option("--scope", help="The scopes it may ask for, separated by spaces.")(function)
    for option, _, arguments in reversed(OPTIONS):
        function = click.option(option, **arguments)(function)
    return function


# What only `idp clients add --for` takes: (option, click's arguments).
RECIPE_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--url", {"multiple": True, "help": "With --for: its base URL, such as https://shop.example.com. Repeatable."}),
    ("--scheme", {"help": "With --for mobile: its private-use URI scheme, such as com.example.shop."}),
    ("--link", {"multiple": True, "metavar": "URL", "help": "With --for mobile: a claimed https link. Repeatable."}),
    ("--api-scope", {"multiple": True, "metavar": "NAME=MEANING", "help": "With --for an API: a scope. Repeatable."}),
    ("--introspection", {"is_flag": True, "help": "With --for an API: also a client that may introspect its tokens."}),
    ("--write", {"type": click.Path(path_type=Path, file_okay=False), "metavar": "DIR",
     "help": "With --for: write the files into this folder; nothing is written over."}),
)  # fmt: skip


def recipe_options(function: Function) -> Function:
    """Decorator: the options that only `--for` has a use for."""
    for option, arguments in reversed(RECIPE_OPTIONS):
        function = click.option(option, **arguments)(function)
    return function


def check_no_recipe_options(options: Mapping[str, Any]) -> None:
    """Without `--for` they would be silently ignored."""
    for option, _ in RECIPE_OPTIONS:
        if options[option.removeprefix("--").replace("-", "_")]:
            raise click.UsageError(f"{option} needs --for.")


def with_options(client: Client, options: Mapping[str, Any], apis: Mapping[str, Api]) -> Client:
    """The client with what was given; an empty text takes a value away. Refused: unknown APIs, bad files."""
    values: dict[str, Any] = {}
    for option, member, _ in OPTIONS:
        given = options[option.removeprefix("--").split("/")[0].replace("-", "_")]
        if given is None or given == ():
            continue
        values[member] = _given_list(given) if isinstance(given, tuple) else (None if given == "" else given)
    if options["scope"] is not None:
        values["scope"] = tuple(dict.fromkeys(options["scope"].split()))
    if options["jwks"] is not None:
        values |= {"jwks": _read_jwks(options["jwks"]), "jwks_uri": None}
    elif values.get("jwks_uri"):
        values["jwks"] = None
    if "upstreams" in values:
        values["upstreams"] = tuple(dict.fromkeys(connection_name(name) for name in values["upstreams"]))
    for identifier in (*values.get("audience", ()), *values.get("serves", ())):
        if identifier not in apis:
            raise Refused(f"There is no API {identifier}; add it with: idp apis add {identifier}")
    return replace(client, **values)


def warn_about_upstreams(client: Client, connections: Sequence[UpstreamSettings]) -> None:
    """A warning, not a refusal: a client may be prepared before the connection is."""
    known = [each.name for each in connections]
    for name in client.upstreams:
        if name not in known:
            sentence = f"There is no connection {name} yet; configured: {', '.join(known) or 'none'}"
            click.echo(f"{sentence}. See: idp doctor upstream", err=True)


def with_changes(client: Client, options: Mapping[str, Any]) -> Client:
    """What only `update` has: the name, disabling, single redirect URIs."""
    uris = tuple(dict.fromkeys((*client.redirect_uris, *options["add_redirect_uri"])))
    for uri in options["remove_redirect_uri"]:
        if uri not in uris:
            raise Refused(f"{uri} is not a redirect URI of this client.")
    values: dict[str, Any] = {"redirect_uris": tuple(u for u in uris if u not in options["remove_redirect_uri"])}
    if options["name"] is not None:
        values["client_name"] = options["name"]
    if options["disable"] is not None:
        values["disabled"] = options["disable"]
    return replace(client, **values)


def check_whole_client(client: Client) -> None:
    """All rules on a client as it would be stored. Raises InvalidClientMetadata, InvalidRedirectUri or InvalidKeys, and
    Refused for a kind that there is no recipe for."""
    from idp.client_auth import METHODS
    from idp.client_auth.jwt_assertion import ASSERTION_ALGS
    from idp.grants import GRANTS
    from idp.jose.algorithms import SIGNING
    from idp.jose.client_jwks import check_client_jwks
    from idp.protocol.client_metadata import check_client

    check_kind(client)
    check_client(
        client,
        auth_methods=tuple(METHODS),
        grant_types=tuple(GRANTS),
        signing_algs=tuple(SIGNING),
        assertion_algs=ASSERTION_ALGS,
    )
    if client.jwks is not None:
        check_client_jwks(client.jwks)


def has_service_scope(client: Client, apis: Mapping[str, Api]) -> bool:
    """Whether a token in its own name (RFC 6749 §4.4) would have a scope; without one it is refused."""
    words = [word for word in client.scope if word not in IDENTITY_SCOPES]
    every = {scope for api in apis.values() for scope in api.scopes}
    if not client.audience:
        return not every.isdisjoint(words)
    theirs = [apis[name] for name in client.audience if name in apis]
    return bool(scopes_of_token(words, theirs, all_apis_scopes=every))


def check_kind(client: Client) -> None:
    """Whether the files of its kind can work with it; Refused with a sentence."""
    from idp.recipes import RECIPES

    if client.made_for is None:
        return
    recipe = RECIPES.get(client.made_for)
    if recipe is None:
        raise Refused(f"--for is one of {', '.join(RECIPES)}.")
    if recipe.is_api and (client.redirect_uris or not client.serves):
        raise Refused(
            f"{recipe.kind} is an API: its client only introspects the tokens for it (--serves), and nobody signs in "
            "to it. Register what people sign in to as a client of its own."
        )
    if recipe.is_public and not client.is_public:
        raise Refused(f"{recipe.kind} cannot keep a secret, and its files use none: --auth-method none.")
    if not recipe.is_public and client.token_endpoint_auth_method not in _methods_of_files(recipe):
        raise Refused(f"{recipe.kind} keeps a secret, which its files use: --auth-method client_secret_basic.")
    if (recipe.is_public or recipe.redirect_paths) and OPENID not in client.scope:
        raise Refused(f"The files of {recipe.kind} sign people in with OpenID Connect: leave openid in its --scope.")


def _methods_of_files(recipe: "Recipe") -> frozenset[str]:
    """How a client that keeps a secret may authenticate; the files of an API have no part in it."""
    from idp.client_auth import METHODS

    return frozenset(METHODS) - {"none"} if recipe.is_api else frozenset({"client_secret_basic"})


def described(client: Client) -> dict[str, Any]:
    """Every member of a client in JSON's types, its secrets left out: only how many there are, and until when."""
    shown: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(client).items()
        if name not in {"secrets", "created_at", "scope"}
    }
    shown["scope"] = " ".join(client.scope)
    shown["created_at"] = iso(client.created_at)
    shown["secrets"] = [
        {"created_at": iso(secret.created_at), "expires_at": iso(secret.expires_at or None)}
        for secret in client.secrets
    ]
    return shown


def _given_list(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item for item in given if item))


def _read_jwks(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise Refused(f"{path} is not JSON.") from None
