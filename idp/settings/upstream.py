"""Connections with other providers, through which people may sign in: `IDP_UPSTREAM_<NAME>_<OPTION>`.

`IDP_UPSTREAM_GOOGLE_STAFF_CLIENT_ID` is the client id of the connection `google-staff`. Owns what one connection has
(`UpstreamSettings`) and how variables become connections. Which providers there are, and what each of them needs, is
not known here.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from idp.settings.sources import UnreadableFile, read_secret_file
from idp.settings.values import (
    LoopbackOrigin,
    OptionalPem,
    OptionalText,
    Text,
    UpstreamIssuer,
    Words,
    blank_is_none,
    holds_secret,
    setting,
    validated,
)

UPSTREAM_PREFIX = "IDP_UPSTREAM_"
RESERVED_NAMES = frozenset({"concurrency", "order"})  # IDP_UPSTREAM_ORDER, … are settings of their own
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_NEEDED, _PROVIDER, _PEOPLE, _DEVELOPMENT = "Every connection", "Some providers", "People and accounts", "Development"


def _check_name(name: str) -> str:
    if name in RESERVED_NAMES:
        raise ValueError(f"a connection cannot be called {name}")
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a connection begins with a letter and has at most 32 letters, digits and _")
    return name


class UpstreamSettings(BaseModel):
    """One connection: a client of ours at another provider, and what its people may do here."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, AfterValidator(_check_name)]
    kind: OptionalText = setting(
        None,
        "The provider: `google`, `facebook`, `discord`, `apple`, `github`, `microsoft`, or `oidc` for any other OpenID "
        "Connect provider. Unset: the name when it is one of these, else `oidc`.",
        group=_NEEDED,
    )
    client_id: Text = setting(..., "What the provider calls this server.", group=_NEEDED, min_length=1)
    client_secret: OptionalText = setting(
        None, "The secret that the provider gave with it. Apple has a key instead.", group=_NEEDED, secret=True
    )
    label: OptionalText = setting(
        None, "What people read on the button. Unset: the provider's own name.", group=_NEEDED
    )
    issuer: Annotated[UpstreamIssuer | None, BeforeValidator(blank_is_none)] = setting(
        None, "`oidc`: the provider's issuer, exactly as it writes it; the rest is discovered there.", group=_PROVIDER
    )
    tenant: OptionalText = setting(
        None,
        "Microsoft: the id (not the domain) of the one tenant whose people may sign in, or `common`, `organizations` "
        "or `consumers`. Unset: `common`.",
        group=_PROVIDER,
    )
    hosted_domain: OptionalText = setting(
        None, "Google: the one Workspace domain whose people may sign in.", group=_PROVIDER
    )
    team_id: OptionalText = setting(None, "Apple: the ten characters of the team.", group=_PROVIDER)
    key_id: OptionalText = setting(None, "Apple: the ten characters of the key.", group=_PROVIDER)
    private_key: OptionalPem = setting(
        None,
        "Apple: the content of the `.p8` file that came with the key. In a variable, `\\n` may stand for its line "
        "breaks.",
        group=_PROVIDER,
        secret=True,
    )
    scopes: Words = setting(
        (), "The scopes to ask for, instead of the provider's usual ones, which are the fewest.", group=_PROVIDER
    )
    trust_email: Literal["refuse", "ask", "link"] = setting(
        "refuse",
        "What happens when somebody arrives with the e-mail address of an account that exists: `refuse` asks for a "
        "sign-in with one of the ways that it has; `ask` lets a yes be enough, and `link` links at once, both only "
        "where the provider hands out the address and the account has confirmed it: see `docs/account-linking.md`.",
        group=_PEOPLE,
    )
    profile_refresh: Literal["first", "always"] = setting(
        "always",
        "When name, picture and the like are taken from the provider: at the `first` sign-in, or `always`. What the "
        "person edited here stays.",
        group=_PEOPLE,
    )
    sign_up: Annotated[Literal["open", "closed"] | None, BeforeValidator(blank_is_none)] = setting(
        None, "Like `IDP_SIGN_UP`, for this connection alone. Unset: as that says.", group=_PEOPLE
    )
    store_tokens: bool = setting(
        False, "Whether the provider's own tokens are kept, encrypted. Off: they are forgotten at once.", group=_PEOPLE
    )
    sandbox_url: Annotated[LoopbackOrigin | None, BeforeValidator(blank_is_none)] = setting(
        None,
        "The origin of a stand-in for the provider on this machine, such as `http://127.0.0.1:8101`. Refused in "
        "production.",
        group=_DEVELOPMENT,
    )


# The last words of a variable → the field. Secrets have a second one, for a file.
OPTIONS: Mapping[str, str] = {name.upper(): name for name in UpstreamSettings.model_fields if name != "name"}
_FILES: Mapping[str, str] = {
    f"{option}_FILE": name for option, name in OPTIONS.items() if holds_secret(UpstreamSettings.model_fields[name])
}
_SUFFIXES = sorted([*OPTIONS, *_FILES], key=len, reverse=True)


def connection_name(spelling: str) -> str:
    """The name as it stands in a variable, `GOOGLE_STAFF` → as it stands in addresses, `google-staff`."""
    return spelling.lower().replace("_", "-")


def connection_variable(name: str, option: str) -> str:
    """`google-staff`, `client_id` → `IDP_UPSTREAM_GOOGLE_STAFF_CLIENT_ID`."""
    return f"{UPSTREAM_PREFIX}{name.upper().replace('-', '_')}_{option.upper()}"


def find_option(variable: str) -> tuple[str, str] | None:
    """(the name as it is spelled, the longest option it ends in) of a connection's variable; None of any other."""
    if not variable.startswith(UPSTREAM_PREFIX):
        return None
    rest = variable.removeprefix(UPSTREAM_PREFIX)
    for option in _SUFFIXES:
        spelling = rest.removesuffix(f"_{option}")
        if spelling and spelling != rest:
            return spelling, option
    return None


def similar_variables(variable: str) -> list[str]:
    """What a misspelled variable of a connection may have meant: its middle words are the name, the last an option."""
    words = variable.split("_")
    if "_".join(words[2:]) in _SUFFIXES:  # an option without a name
        return []
    prefixes = [f"{UPSTREAM_PREFIX}{'_'.join(words[2:end])}" for end in range(3, len(words))]
    return [f"{prefix}_{option}" for prefix in prefixes if find_option(prefix) is None for option in _SUFFIXES]


def in_order(connections: Iterable[UpstreamSettings], order: Sequence[str]) -> tuple[UpstreamSettings, ...]:
    """Those that `order` names, as it names them, then the others by name."""
    places = {name: place for place, name in enumerate(dict.fromkeys(connection_name(name) for name in order))}
    return tuple(sorted(connections, key=lambda each: (places.get(each.name, len(places)), each.name)))


def read_connections(variables: Mapping[str, str]) -> tuple[tuple[UpstreamSettings, ...], list[str]]:
    """All connections by name, without those that cannot be read, and a sentence for each thing to mend."""
    spelled: dict[str, dict[str, str]] = defaultdict(dict)
    for variable, value in sorted(variables.items()):
        found = find_option(variable)
        if found is not None and value:
            spelled[found[0]][found[1]] = value
    named: dict[str, list[str]] = defaultdict(list)
    for spelling in spelled:
        named[connection_name(spelling)].append(spelling)
    connections, problems = [], []
    for name, spellings in sorted(named.items()):
        if len(spellings) > 1:
            problems.append(_two_spellings(name, spellings, spelled))
            continue
        connection, wrong = _read_connection(name, UPSTREAM_PREFIX + spellings[0], spelled[spellings[0]])
        connections += [] if connection is None else [connection]
        problems += wrong
    return tuple(connections), problems


def _two_spellings(name: str, spellings: Sequence[str], spelled: Mapping[str, Mapping[str, str]]) -> str:
    examples = [f"{UPSTREAM_PREFIX}{spelling}_{next(iter(spelled[spelling]))}" for spelling in spellings]
    return f"{' and '.join(examples)} are different spellings of one connection, {name}; keep one."


def _read_connection(name: str, prefix: str, given: Mapping[str, str]) -> tuple[UpstreamSettings | None, list[str]]:
    """One connection from its options as they are written; `prefix` is what its variables have in common."""
    values, problems = _read_options(prefix, given)
    anything = f"{prefix}_{next(iter(given))}"
    is_complete = "client_id" in values
    if not is_complete:
        problems.append(f"{prefix}_CLIENT_ID is missing, but {anything} is set.")
        values["client_id"] = "missing"  # so that the other options are checked too
    connection, wrong = validated(UpstreamSettings, {"name": name, **values})
    for field, clause in wrong.items():
        problems.append(f"{anything if field == 'name' else f'{prefix}_{field.upper()}'}: {clause}")
    return connection if is_complete else None, problems


def _read_options(prefix: str, given: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    values, problems = {}, []
    for option, value in given.items():
        if option in OPTIONS:
            values[OPTIONS[option]] = value
            continue
        variable = f"{prefix}_{option}"
        if option.removesuffix("_FILE") in given:
            problems.append(f"{variable.removesuffix('_FILE')} and {variable} are both set; keep one.")
            continue
        try:
            values[_FILES[option]] = read_secret_file(variable, Path(value))
        except UnreadableFile as error:
            problems.append(str(error))
    return values, problems
