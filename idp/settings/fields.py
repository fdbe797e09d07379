"""`Settings`: one field for each setting, with its type, its default and its meaning, in the order of the documents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from idp.settings.upstream import UpstreamSettings
from idp.settings.values import (
    Issuer,
    OptionalPath,
    OptionalText,
    PositiveSeconds,
    RedisUrl,
    SigningAlgs,
    SignUpFields,
    Words,
    holds_secret,
    setting,
)

PREFIX = "IDP_"
SANDBOX_PORTS = 7
SANDBOX_DISTANCE = 101  # from the server's own port


class Settings(BaseSettings):
    """One value for each setting; see the module docstring for where values come from."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    # --- The server
    env: Literal["development", "production"] = setting(
        "development",
        "`development` makes demo data and a secret of its own; `production` refuses everything that is unsafe.",
        group="Server",
    )
    issuer: Issuer = setting(
        "http://localhost:8000",
        "The public URL of this server, exactly as clients see it. A path works. In development the default follows "
        "`HOST` and `PORT`.",
        group="Server",
    )
    service_name: str = setting("idp", "The name that people read on the pages.", group="Server", min_length=1)
    host: str = setting("localhost", "The address to listen on. `HOST` sets it too.", group="Server")
    port: int = setting(8000, "The port to listen on. `PORT` sets it too.", group="Server", ge=1, le=65535)
    workers: int = setting(0, "Worker processes; 0 means one for each processor core.", group="Server", ge=0, le=64)
    threads: int = setting(4, "Threads in each worker process.", group="Server", ge=1, le=64)
    trusted_proxies: Words = setting(
        (),
        "Addresses or networks (CIDR) of the reverse proxies in front, whose `X-Forwarded-For` is believed.",
        group="Server",
    )
    playground: bool | None = setting(
        None, "The built-in playground at `/playground`. Unset: on in development, off in production.", group="Server"
    )
    default_locale: Literal["en", "fr"] = setting(
        "en", "The language of a page when neither the client nor the browser asks for one we have.", group="Server"
    )

    # --- Secrets and storage
    secret_key: str = setting(
        "",
        "At least 32 random characters; encrypts and signs what only this server reads. Development makes one in "
        "`var/`. Make one with `python3 -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
        group="Secrets and storage",
        secret=True,
    )
    secret_key_previous: Words = setting(
        (),
        "Former values of `IDP_SECRET_KEY`, newest first, so that a change signs nobody out.",
        group="Secrets and storage",
        secret=True,
    )
    database_url: str = setting(
        "sqlite:///var/idp.sqlite3",
        "SQLAlchemy URL: `sqlite:///…`, `postgresql+psycopg://…` or `mysql+pymysql://…`.",
        group="Secrets and storage",
        secret=True,
    )
    database_pool_size: int = setting(
        8, "Database connections that each worker process keeps at most.", group="Secrets and storage", ge=1, le=200
    )
    redis_url: RedisUrl = setting(
        None,
        "`redis://…` for short-lived state and rate limits; needed for limits that hold over several processes.",
        group="Secrets and storage",
        secret=True,
    )
    keys_dir: Path = setting(
        Path("keys"), "The folder of the signing keys, shared by all instances.", group="Secrets and storage"
    )
    var_dir: Path = setting(
        Path("var"), "The folder for the embedded database and the demo data.", group="Secrets and storage"
    )
    signing_algs: SigningAlgs = setting(
        ("RS256", "PS256", "ES256", "EdDSA"),
        "Algorithms with a signing key of their own. RS256 is needed: access tokens are signed with it.",
        group="Secrets and storage",
    )

    # --- Protocol
    require_pkce: Literal["all", "public"] = setting(
        "all",
        "Who must use PKCE: every client, or only `public` ones (for OpenID Connect clients that do not know PKCE).",
        group="Protocol",
    )
    code_lifetime: int = setting(60, "Seconds an authorization code can be redeemed.", group="Protocol", ge=5, le=600)
    access_token_lifetime: PositiveSeconds = setting(900, "Seconds an access token is valid.", group="Protocol")
    id_token_lifetime: PositiveSeconds = setting(900, "Seconds an ID token is valid.", group="Protocol")
    refresh_token_lifetime: PositiveSeconds = setting(
        2_592_000, "Seconds after sign-in when a refresh token ends whatever its use (absolute).", group="Protocol"
    )
    refresh_token_idle_lifetime: PositiveSeconds = setting(
        1_209_600, "Seconds without use after which a refresh token ends (idle).", group="Protocol"
    )
    refresh_token_reuse_window: Annotated[int, Field(ge=0, le=300)] = setting(
        30,
        "Seconds in which a repeated refresh gets the same successor again; 0 switches it off "
        "(`docs/refresh-tokens.md`).",
        group="Protocol",
    )
    interaction_lifetime: int = setting(
        3600, "Seconds a person has to finish a sign-in that a client began.", group="Protocol", ge=60, le=86_400
    )
    jwks_max_age: int = setting(
        300,
        "Seconds that others may cache `/jwks`; a new key is published at least this long before it signs.",
        group="Protocol",
        ge=0,
        le=86_400,
    )

    # --- Sessions and passwords
    session_idle_lifetime: PositiveSeconds = setting(
        28_800, "Seconds without use after which a browser session ends.", group="Sessions and passwords"
    )
    session_absolute_lifetime: PositiveSeconds = setting(
        1_209_600, "Seconds after sign-in when a browser session ends whatever its use.", group="Sessions and passwords"
    )
    argon2_memory_kib: int = setting(
        65_536, "Memory of one password hash, in KiB.", group="Sessions and passwords", ge=8, le=4_194_304
    )
    argon2_iterations: int = setting(3, "Passes of one password hash.", group="Sessions and passwords", ge=1, le=64)
    argon2_parallelism: int = setting(1, "Lanes of one password hash.", group="Sessions and passwords", ge=1, le=16)
    password_hashing_concurrency: int = setting(
        0,
        "Password hashes computed at the same time in one process; 0 shares the processor's cores less one.",
        group="Sessions and passwords",
        ge=0,
        le=64,
    )

    # --- Accounts
    sign_up: Literal["open", "invitation", "closed"] = setting(
        "open",
        "Who may make an account: everybody (`open`), whoever an operator has invited (`invitation`), or "
        "nobody (`closed`). Somebody new who comes from another provider gets one only where it is `open`.",
        group="Accounts",
    )
    sign_up_fields: SignUpFields = setting(
        ("given_name?", "family_name?", "username", "email"),
        "What the sign-up form asks for beside the password, in order; `?` behind a name makes it optional. Of: "
        "given_name, family_name, username, email, phone_number. The e-mail is always asked for.",
        group="Accounts",
    )
    local_passwords: bool = setting(
        True, "Whether people may have passwords here; off leaves passkeys and other providers.", group="Accounts"
    )
    password_min_length: int = setting(
        8, "The fewest characters of a new password; 15 is recommended.", group="Accounts", ge=8, le=64
    )
    password_blocked_words: Words = setting(
        (), "Words that a new password may not be made of, such as names of your organisation.", group="Accounts"
    )
    pwned_passwords_url: OptionalText = setting(
        None,
        "The base of a Pwned Passwords range API, such as `https://api.pwnedpasswords.com/range/`, or your own copy. "
        "Only five characters of a hash are sent there. Unset: nothing is asked.",
        group="Accounts",
    )
    deletion_delay: Annotated[int, Field(ge=0, le=7_776_000)] = setting(
        1_209_600,
        "Seconds in which a person can undo the deletion of their account; 0 deletes at once.",
        group="Accounts",
    )
    second_factor_roles: Words = setting(
        (), "Roles whose people must have, and use, a second factor.", group="Accounts"
    )
    admin_roles: Words = setting(
        ("idp-admin",), "Roles whose people may look at the registered clients, at `/admin/clients`.", group="Accounts"
    )
    trusted_device_lifetime: Annotated[int, Field(ge=0, le=31_536_000)] = setting(
        2_592_000,
        "Seconds in which a browser may skip the second factor when its person wishes; under a day never offers it.",
        group="Accounts",
    )

    # --- Mail
    smtp_host: OptionalText = setting(
        None, "The mail server. Unset: mails are kept in the database, and development shows them.", group="Mail"
    )
    smtp_port: int = setting(587, "Its port.", group="Mail", ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = setting(
        "starttls", "How the connection is protected; `none` only for a server on this machine.", group="Mail"
    )
    smtp_username: OptionalText = setting(None, "The name to sign in there with, if it wants one.", group="Mail")
    smtp_password: OptionalText = setting(None, "The password that goes with it.", group="Mail", secret=True)
    mail_from: str = setting("idp@localhost", "The address that mails come from.", group="Mail", min_length=3)
    mail_reply_to: OptionalText = setting(None, "The address that answers go to, when it is another one.", group="Mail")

    # --- CAPTCHA
    captcha: Literal["none", "recaptcha_v2", "recaptcha_v3", "hcaptcha", "turnstile", "proof_of_work"] = setting(
        "none", "The test that keeps programs out of forms. `proof_of_work` needs no third party.", group="CAPTCHA"
    )
    captcha_site_key: OptionalText = setting(None, "The public key that the vendor gave.", group="CAPTCHA")
    captcha_secret_key: OptionalText = setting(None, "The secret that goes with it.", group="CAPTCHA", secret=True)
    captcha_on: Words = setting(
        ("sign_up", "recovery", "failures"),
        "Where it is asked for: `sign_in`, `sign_up`, `recovery`, and `failures` (sign-in after several wrong tries).",
        group="CAPTCHA",
    )
    captcha_failures: int = setting(3, "How many wrong tries `failures` means.", group="CAPTCHA", ge=1, le=100)
    captcha_min_score: float = setting(
        0.5, "reCAPTCHA v3: the least score that counts as a person.", group="CAPTCHA", ge=0, le=1
    )
    captcha_when_down: Literal["open", "closed"] = setting(
        "open",
        "When the vendor does not answer: let people through with stricter limits (`open`), or nobody (`closed`).",
        group="CAPTCHA",
    )
    captcha_verify_url: OptionalText = setting(
        None,
        "Where answers are verified, instead of the vendor's own address: for a stand-in, or a proxy of yours.",
        group="CAPTCHA",
    )

    # --- Sign-in with other providers
    upstream: tuple[UpstreamSettings, ...] = ()
    upstream_order: Words = setting(
        (),
        "Names of connections, in the order that people see them; the others follow by name.",
        group="Sign-in with other providers",
    )
    upstream_concurrency: int = setting(
        8,
        "Calls to other providers at the same time in one worker process.",
        group="Sign-in with other providers",
        ge=1,
        le=64,
    )
    sandbox: bool | None = setting(
        None,
        "Stand-ins for all providers, served on this machine beside `idp serve`. Unset: on in development when no "
        "connection is configured. Refused in production.",
        group="Sign-in with other providers",
    )
    sandbox_port: int = setting(
        0,
        "The first of the seven ports of the stand-ins; 0 means `IDP_PORT` + 101.",
        group="Sign-in with other providers",
        ge=0,
        le=65_529,
    )

    # --- Limits and outbound requests
    ratelimit_enabled: bool = setting(True, "Limits per address, on or off.", group="Limits")
    ratelimit_sign_in: str = setting("5 per minute", "Password attempts per address.", group="Limits")
    ratelimit_upstream: str = setting(
        "10 per minute", "Sign-ins with other providers that are begun, per address.", group="Limits"
    )
    ratelimit_sign_up: str = setting("3 per minute", "New accounts and recoveries begun, per address.", group="Limits")
    ratelimit_pages: str = setting("60 per minute", "Other requests for public pages, per address.", group="Limits")
    max_body_bytes: int = setting(
        65_536, "The largest request body accepted, in bytes.", group="Limits", ge=8192, le=16_777_216
    )
    outbound_allowed_hosts: Words = setting(
        (),
        "Hosts (`host`, `host:port`) and networks (CIDR) that may be fetched from although private or plain http.",
        group="Outbound requests",
    )
    outbound_ca_bundle: OptionalPath = setting(
        None, "A PEM file of further certificate authorities to trust when fetching.", group="Outbound requests"
    )
    outbound_timeout: float = setting(
        5.0, "Seconds that one outbound request may take.", group="Outbound requests", gt=0, le=60
    )

    # --- Logs
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = setting("INFO", "The least level logged.", group="Logs")
    audit_retention: PositiveSeconds = setting(
        34_560_000, "Seconds that events of the audit trail are kept (400 days by default).", group="Logs"
    )
    inspect_retention: Annotated[int, Field(ge=0, le=2_592_000)] = setting(
        86_400,
        "Seconds that refused requests are kept for `idp inspect`, masked; 0 keeps none (`docs/inspector.md`).",
        group="Logs",
    )
    log_format: Literal["json", "console"] | None = setting(
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
    def offers_sign_up(self) -> bool:
        """Whether anybody may make an account with a password."""
        return self.local_passwords and self.sign_up == "open"

    @property
    def sandbox_ports(self) -> tuple[int, ...]:
        """The ports of the seven stand-ins, in the order of their providers."""
        after, before = self.port + SANDBOX_DISTANCE, self.port - SANDBOX_DISTANCE
        first = self.sandbox_port or (after if after + SANDBOX_PORTS <= 65_536 else before)  # there is no port above
        return tuple(range(first, first + SANDBOX_PORTS))

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


# Environment variable → field. `upstream` has none: each option of a connection has one (`idp.settings.upstream`).
VARIABLES: Mapping[str, str] = {PREFIX + name.upper(): name for name in Settings.model_fields if name != "upstream"}


def is_secret(name: str) -> bool:
    """Whether a field of Settings holds a secret, and hence may come from a file and is never shown."""
    return holds_secret(Settings.model_fields[name])
