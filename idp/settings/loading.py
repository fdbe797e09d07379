"""`load_settings`: reads all variables, names all mistakes at once, and refuses what is unsafe in production."""

import difflib
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from idp.settings.captcha import captcha_problems
from idp.settings.fields import PREFIX, VARIABLES, Settings, is_secret
from idp.settings.mail import mail_problems
from idp.settings.sources import UnreadableFile, development_secret, read_secret_file, read_variables
from idp.settings.upstream import (
    UPSTREAM_PREFIX,
    UpstreamSettings,
    connection_name,
    connection_variable,
    find_option,
    in_order,
    read_connections,
    similar_variables,
)
from idp.settings.values import LOOPBACK_HOSTS, validated

_log = logging.getLogger(__name__)
MINIMUM_SECRET_LENGTH = 32
MINIMUM_DISTINCT_CHARACTERS = 12
MINIMUM_PRODUCTION_ARGON2_KIB = 19456
_FILES: Mapping[str, str] = {f"{variable}_FILE": name for variable, name in VARIABLES.items() if is_secret(name)}


class ConfigurationError(Exception):
    """The server refuses to start. `problems` holds one plain sentence for each thing to mend.

    `usable`: the settings without the wrong ones, when there are any, so that other checks can still speak.
    """

    def __init__(self, problems: list[str], usable: Settings | None = None) -> None:
        self.problems = problems
        self.usable = usable
        super().__init__("idp cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Read all settings; raise ConfigurationError naming every wrong one at once."""
    variables = read_variables(os.environ if environ is None else environ, env_file)
    values, problems = _read_values(variables)
    connections, wrong_connections = read_connections(variables)
    settings, wrong = validated(Settings, {**values, "upstream": connections})
    problems += [f"{PREFIX}{name.upper()}: {clause}" for name, clause in wrong.items()] + wrong_connections
    if settings is not None:
        settings = settings.model_copy(update={"upstream": _ordered(connections, settings.upstream_order)})
        problems += production_problems(settings)
    if problems or settings is None:
        raise ConfigurationError(problems, usable=settings)
    if settings.secret_key:
        return settings
    return settings.model_copy(update={"secret_key": development_secret(settings.var_dir)})


def _ordered(connections: Sequence[UpstreamSettings], order: Sequence[str]) -> tuple[UpstreamSettings, ...]:
    """A warning, not a refusal: a name without a connection changes nothing."""
    strange = [name for name in order if connection_name(name) not in {each.name for each in connections}]
    if strange and connections:
        _log.warning("IDP_UPSTREAM_ORDER names %s, but there is no such connection.", ", ".join(strange))
    return in_order(connections, order)


def production_problems(settings: Settings) -> list[str]:
    """What the settings alone say against serving real people; empty in development."""
    problems = []
    if "RS256" not in settings.signing_algs:
        problems.append("IDP_SIGNING_ALGS must contain RS256: access tokens are signed with it.")
    problems += captcha_problems(settings)
    problems += mail_problems(settings)
    if not settings.is_production:
        return problems
    if not settings.is_https:
        problems.append(f"IDP_ISSUER is {settings.issuer}; production needs an https URL.")
    if not settings.secret_key:
        problems.append("IDP_SECRET_KEY is missing; set it (or IDP_SECRET_KEY_FILE) to at least 32 random characters.")
    elif not is_strong_secret(settings.secret_key):
        problems.append("IDP_SECRET_KEY is weak; it needs at least 32 random characters.")
    if settings.argon2_memory_kib < MINIMUM_PRODUCTION_ARGON2_KIB:
        problems.append(f"IDP_ARGON2_MEMORY_KIB is {settings.argon2_memory_kib}; production needs 19456 or more.")
    if settings.sandbox:
        problems.append("IDP_SANDBOX is true; stand-ins for other providers are for development alone.")
    return problems + [problem for each in settings.upstream for problem in _connection_problems(each)]


def _connection_problems(connection: UpstreamSettings) -> list[str]:
    problems = []
    if connection.sandbox_url is not None:
        variable = connection_variable(connection.name, "sandbox_url")
        problems.append(f"{variable} is set; a stand-in for a provider is for development alone.")
    if connection.issuer is not None and not connection.issuer.lower().startswith("https://"):
        variable = connection_variable(connection.name, "issuer")
        problems.append(f"{variable} is {connection.issuer}; production needs an https URL.")
    return problems


def is_strong_secret(secret: str) -> bool:
    """Length and variety; a cheap guard against words, repeats and examples, not a measure of entropy."""
    return len(secret) >= MINIMUM_SECRET_LENGTH and len(set(secret)) >= MINIMUM_DISTINCT_CHARACTERS


def _read_values(variables: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Values by field name, and a sentence for each file that is unreadable or given twice."""
    values = {name: variables[name.upper()] for name in ("host", "port") if variables.get(name.upper())}
    problems = []
    for variable, value in variables.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        if variable in VARIABLES:
            values[VARIABLES[variable]] = value
        elif variable in _FILES:
            problems += _read_file(variable, Path(value), variables, values)
        elif find_option(variable) is None:
            _warn_about_unknown(variable)
    if "issuer" not in values and values.get("env", "development") == "development":
        values["issuer"] = _default_issuer(values)
    return values, problems


def _read_file(variable: str, path: Path, variables: Mapping[str, str], values: dict[str, str]) -> list[str]:
    direct = variable.removesuffix("_FILE")
    if variables.get(direct):
        return [f"{direct} and {variable} are both set; keep one."]
    try:
        values[_FILES[variable]] = read_secret_file(variable, path)
    except UnreadableFile as error:
        return [str(error)]
    return []


def _warn_about_unknown(variable: str) -> None:
    """A warning, not a refusal: an older version must start with the settings of a newer one (rolling deployments)."""
    prefix = UPSTREAM_PREFIX if variable.startswith(UPSTREAM_PREFIX) else PREFIX
    known = [*VARIABLES, *_FILES, *similar_variables(variable)]
    rests = [
        each.removeprefix(prefix).upper() for each in known if each.startswith(prefix)
    ]  # the rest tells them apart
    closest = difflib.get_close_matches(variable.removeprefix(prefix).upper(), rests, n=1)
    _log.warning("%s is not a setting.%s", variable, f" Did you mean {prefix}{closest[0]}?" if closest else "")


def _default_issuer(values: Mapping[str, str]) -> str:
    host = values.get("host", "localhost")
    name = host if host in LOOPBACK_HOSTS - {"::1"} else "localhost"
    return f"http://{name}:{values.get('port', '8000')}"
