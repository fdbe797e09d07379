"""Every setting, once: its type, its default, its meaning, and the environment variable `IDP_<NAME>` that sets it.

Values come from the environment, then from a `.env` file in the working folder, then from the defaults here. A setting
that holds a secret can also be given as `IDP_<NAME>_FILE`, a path whose content is the value. All mistakes are named at
once. `docs/settings.md` and `.env.example` are generated from this module.
"""

import contextlib
import difflib
import logging
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic.config import JsonDict
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

_log = logging.getLogger(__name__)
PREFIX = "IDP_"
MINIMUM_SECRET_LENGTH = 32
MINIMUM_DISTINCT_CHARACTERS = 12
MINIMUM_PRODUCTION_ARGON2_KIB = 19456
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


class ConfigurationError(Exception):
    """The server refuses to start. `problems` holds one plain sentence for each thing to mend.

    `usable`: the settings without the wrong ones, when there are any, so that other checks can still speak.
    """

    def __init__(self, problems: list[str], usable: "Settings | None" = None) -> None:
        self.problems = problems
        self.usable = usable
        super().__init__("idp cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))


def _split(value: Any) -> Any:
    """A list setting is written with commas or white space between its items."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _check_issuer(value: str) -> str:
    """OpenID Connect Discovery §3: a URL with scheme, host and optional path; no query, no fragment."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("must be a URL such as https://id.example.com, without query or fragment")
    if value.endswith("/"):
        raise ValueError("must not end with a slash, because clients compare it byte for byte")
    return value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
Seconds = Annotated[int, Field(ge=0)]
PositiveSeconds = Annotated[int, Field(gt=0)]
SigningAlg = Literal["RS256", "PS256", "ES256", "EdDSA"]


def _setting(default: Any, description: str, *, group: str, secret: bool = False, **constraints: Any) -> Any:
    extra: JsonDict = {"group": group, "secret": secret}
    return Field(
        default=default, description=description, json_schema_extra=extra, validate_default=True, **constraints
    )


class Settings(BaseSettings):
    """One value for each setting; see the module docstring for where values come from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    # --- The server
    env: Literal["development", "production"] = _setting(
        "development",
        "`development` makes demo data and a secret of its own; `production` refuses everything that is unsafe.",
        group="Server",
    )
    issuer: Annotated[str, AfterValidator(_check_issuer)] = _setting(
        "http://localhost:8000",
        "The public URL of this server, exactly as clients see it. A path works. In development the default follows "
        "`HOST` and `PORT`.",
        group="Server",
    )
    service_name: str = _setting("idp", "The name that people read on the pages.", group="Server", min_length=1)
    host: str = _setting("localhost", "The address to listen on. `HOST` sets it too.", group="Server")
    port: int = _setting(8000, "The port to listen on. `PORT` sets it too.", group="Server", ge=1, le=65535)
    workers: int = _setting(0, "Worker processes; 0 means one for each processor core.", group="Server", ge=0, le=64)
    threads: int = _setting(4, "Threads in each worker process.", group="Server", ge=1, le=64)
    trusted_proxies: Words = _setting(
        (),
        "Addresses or networks (CIDR) of the reverse proxies in front, whose `X-Forwarded-For` is believed.",
        group="Server",
    )
    playground: bool | None = _setting(
        None, "The built-in playground at `/playground`. Unset: on in development, off in production.", group="Server"
    )
    default_locale: Literal["en", "fr"] = _setting(
        "en", "The language of a page when neither the client nor the browser asks for one we have.", group="Server"
    )

    # --- Secrets and storage
    secret_key: str = _setting(
        "",
        "At least 32 random characters; encrypts and signs what only this server reads. Development makes one in "
        "`var/`. Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
        group="Secrets and storage",
        secret=True,
    )
    secret_key_previous: Words = _setting(
        (),
        "Former values of `IDP_SECRET_KEY`, newest first, so that a change signs nobody out.",
        group="Secrets and storage",
        secret=True,
    )
    database_url: str = _setting(
        "sqlite:///var/idp.sqlite3",
        "SQLAlchemy URL: `sqlite:///…`, `postgresql+psycopg://…` or `mysql+pymysql://…`.",
        group="Secrets and storage",
        secret=True,
    )
    database_pool_size: int = _setting(
        8, "Database connections that each worker process keeps at most.", group="Secrets and storage", ge=1, le=200
    )
    redis_url: Annotated[str | None, BeforeValidator(_blank_is_none)] = _setting(
        None,
        "`redis://…` for short-lived state and rate limits; needed for limits that hold over several processes.",
        group="Secrets and storage",
        secret=True,
    )
    keys_dir: Path = _setting(
        Path("keys"), "The folder of the signing keys, shared by all instances.", group="Secrets and storage"
    )
    var_dir: Path = _setting(
        Path("var"), "The folder for the embedded database and the demo data.", group="Secrets and storage"
    )
    signing_algs: Annotated[tuple[SigningAlg, ...], NoDecode, BeforeValidator(_split)] = _setting(
        ("RS256", "PS256", "ES256", "EdDSA"),
        "Algorithms with a signing key of their own. RS256 is needed: access tokens are signed with it.",
        group="Secrets and storage",
    )

    # --- Protocol
    require_pkce: Literal["all", "public"] = _setting(
        "all",
        "Who must use PKCE: every client, or only `public` ones (for OpenID Connect clients that do not know PKCE).",
        group="Protocol",
    )
    code_lifetime: int = _setting(60, "Seconds an authorization code can be redeemed.", group="Protocol", ge=5, le=600)
    access_token_lifetime: PositiveSeconds = _setting(900, "Seconds an access token is valid.", group="Protocol")
    id_token_lifetime: PositiveSeconds = _setting(900, "Seconds an ID token is valid.", group="Protocol")
    refresh_token_lifetime: PositiveSeconds = _setting(
        2_592_000, "Seconds after sign-in when a refresh token ends whatever its use (absolute).", group="Protocol"
    )
    refresh_token_idle_lifetime: PositiveSeconds = _setting(
        1_209_600, "Seconds without use after which a refresh token ends (idle).", group="Protocol"
    )
    refresh_token_reuse_window: Annotated[int, Field(ge=0, le=300)] = _setting(
        30,
        "Seconds in which a repeated refresh gets the same successor again; 0 switches it off "
        "(`docs/refresh-tokens.md`).",
        group="Protocol",
    )
    interaction_lifetime: int = _setting(
        3600, "Seconds a person has to finish a sign-in that a client began.", group="Protocol", ge=60, le=86_400
    )
    jwks_max_age: int = _setting(
        300,
        "Seconds that others may cache `/jwks`; a new key is published at least this long before it signs.",
        group="Protocol",
        ge=0,
        le=86_400,
    )

    # --- Sessions and passwords
    session_idle_lifetime: PositiveSeconds = _setting(
        28_800, "Seconds without use after which a browser session ends.", group="Sessions and passwords"
    )
    session_absolute_lifetime: PositiveSeconds = _setting(
        1_209_600, "Seconds after sign-in when a browser session ends whatever its use.", group="Sessions and passwords"
    )
    argon2_memory_kib: int = _setting(
        65_536, "Memory of one password hash, in KiB.", group="Sessions and passwords", ge=8, le=4_194_304
    )
    argon2_iterations: int = _setting(3, "Passes of one password hash.", group="Sessions and passwords", ge=1, le=64)
    argon2_parallelism: int = _setting(1, "Lanes of one password hash.", group="Sessions and passwords", ge=1, le=16)
    password_hashing_concurrency: int = _setting(
        0,
        "Password hashes computed at the same time in one process; 0 shares the processor's cores less one.",
        group="Sessions and passwords",
        ge=0,
        le=64,
    )

    # --- Limits and outbound requests
    ratelimit_enabled: bool = _setting(True, "Limits per address, on or off.", group="Limits")
    ratelimit_sign_in: str = _setting("5 per minute", "Password attempts per address.", group="Limits")
    ratelimit_pages: str = _setting("60 per minute", "Other requests for public pages, per address.", group="Limits")
    max_body_bytes: int = _setting(
        65_536, "The largest request body accepted, in bytes.", group="Limits", ge=8192, le=16_777_216
    )
    outbound_allowed_hosts: Words = _setting(
        (),
        "Hosts (`host`, `host:port`) and networks (CIDR) that may be fetched from although private or plain http.",
        group="Outbound requests",
    )
    outbound_ca_bundle: OptionalPath = _setting(
        None, "A PEM file of further certificate authorities to trust when fetching.", group="Outbound requests"
    )
    outbound_timeout: float = _setting(
        5.0, "Seconds that one outbound request may take.", group="Outbound requests", gt=0, le=60
    )

    # --- Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _setting("INFO", "The least level logged.", group="Logs")
    audit_retention: PositiveSeconds = _setting(
        34_560_000, "Seconds that events of the audit trail are kept (400 days by default).", group="Logs"
    )
    log_format: Literal["json", "console"] | None = _setting(
        None, "`json` or `console`. Unset: console in development, json in production.", group="Logs"
    )

    @property
    def is_production(self) -> bool:
        return self.env == "production"

    @property
    def is_https(self) -> bool:
        return self.issuer.startswith("https://")

    @property
    def playground_enabled(self) -> bool:
        return not self.is_production if self.playground is None else self.playground

    @property
    def longest_token_lifetime(self) -> int:
        """Seconds that a retired key stays published: as long as something it signed, also a hint, may come back."""
        return max(self.access_token_lifetime, self.id_token_lifetime, self.session_absolute_lifetime, 86_400)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands over: it has already merged the environment, the files and `.env`."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def is_secret(name: str) -> bool:
    extra = Settings.model_fields[name].json_schema_extra
    return isinstance(extra, dict) and extra["secret"] is True


def load_settings(environ: Mapping[str, str] | None = None, env_file: Path | None = Path(".env")) -> Settings:
    """Read all settings; raise ConfigurationError naming every wrong one at once."""
    variables = _variables(os.environ if environ is None else environ, env_file)
    values, problems = _read_values(variables)
    settings, wrong = _validate(values)
    problems += wrong
    problems += [] if settings is None else production_problems(settings)
    if problems or settings is None:
        raise ConfigurationError(problems, usable=settings)
    return (
        settings if settings.secret_key else settings.model_copy(update={"secret_key": _development_secret(settings)})
    )


def production_problems(settings: Settings) -> list[str]:
    """What the settings alone say against serving real people; empty in development."""
    problems = []
    if "RS256" not in settings.signing_algs:
        problems.append("IDP_SIGNING_ALGS must contain RS256: access tokens are signed with it.")
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
    return problems


def is_strong_secret(secret: str) -> bool:
    """Length and variety; a cheap guard against words, repeats and examples, not a measure of entropy."""
    return len(secret) >= MINIMUM_SECRET_LENGTH and len(set(secret)) >= MINIMUM_DISTINCT_CHARACTERS


def _variables(environ: Mapping[str, str], env_file: Path | None) -> dict[str, str]:
    from_file = dotenv_values(env_file) if env_file is not None and env_file.is_file() else {}
    merged = {name: value for name, value in from_file.items() if value is not None}
    return merged | dict(environ)


def _read_values(variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Values by field name, and a sentence for each file that is unreadable or given twice."""
    values = {name: variables[name.upper()] for name in ("host", "port") if variables.get(name.upper())}
    problems = []
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    files = {f"{variable}_FILE": name for variable, name in known.items() if is_secret(name)}
    for variable, value in variables.items():
        if not variable.startswith(PREFIX) or not value:
            continue
        if variable in known:
            values[known[variable]] = value
        elif variable in files:
            problems += _read_file(variable, Path(value), files[variable], variables, values)
        else:
            _warn_about_unknown(variable, [*known, *files])
    if "issuer" not in values and values.get("env", "development") == "development":
        values["issuer"] = _default_issuer(values)
    return values, problems


def _warn_about_unknown(variable: str, known: list[str]) -> None:
    """A warning, not a refusal: an older version must start with the settings of a newer one (rolling deployments)."""
    closest = difflib.get_close_matches(variable, known, n=1)
    _log.warning("%s is not a setting.%s", variable, f" Did you mean {closest[0]}?" if closest else "")


def _read_file(variable: str, path: Path, name: str, variables: Mapping[str, str], values: dict[str, str]) -> list[str]:
    direct = variable.removesuffix("_FILE")
    if variables.get(direct):
        return [f"{direct} and {variable} are both set; keep one."]
    try:
        values[name] = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return [f"{variable} names {path}, which cannot be read."]
    return []


def _default_issuer(values: Mapping[str, str]) -> str:
    host = values.get("host", "localhost")
    name = host if host in LOOPBACK_HOSTS - {"::1"} else "localhost"
    return f"http://{name}:{values.get('port', '8000')}"


def _validate(values: dict[str, str]) -> tuple[Settings | None, list[str]]:
    """The settings (without the wrong ones, so that later checks still speak) and a sentence for each wrong one."""
    try:
        return Settings(**values), []  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = {str(item["loc"][0]): item["msg"].removeprefix("Value error, ") for item in error.errors()}
    problems = [f"{PREFIX}{name.upper()}: {message[0].lower()}{message[1:]}" for name, message in wrong.items()]
    rest = {name: value for name, value in values.items() if name not in wrong}
    try:
        return Settings(**rest), problems  # type: ignore[arg-type]
    except ValidationError:
        return None, problems


def _development_secret(settings: Settings) -> str:
    """A random secret of this checkout's own in `var/secret_key` (0600), shared by all workers and starts."""
    settings.var_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.var_dir / "secret_key"
    if not path.exists():
        fresh = path.with_name(f"secret_key.{os.getpid()}")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(48))
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # of two processes that start together, the first to link decides
        fresh.unlink()
    return path.read_text(encoding="utf-8").strip()
