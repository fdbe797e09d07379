"""The settings by themselves: what a server refuses to start for, and what it starts with at a risk."""

from collections.abc import Iterator
from ipaddress import ip_network

from idp.cli.checks.finding import Finding, unknown, warning, well, wrong
from idp.cli.checks.subject import Subject
from idp.settings import ConfigurationError, Settings, is_strong_secret
from idp.web.proxy import load_networks

LONG_ACCESS_TOKEN = 3600  # seconds


def examine_settings(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    for problem in subject.problems:
        yield wrong("settings", problem)
    kind = "production" if settings.is_production else "development"
    if not subject.problems:
        yield well("settings", f"They can be read, and are for {kind}; the issuer is {settings.issuer}.")
    yield from _examine_environment(subject)
    yield from _examine_proxies(settings)
    risks = [*_risks(settings)] if settings.is_production else []
    for risk in risks:
        yield warning("settings", risk)
    if settings.is_production and subject.store is not None:
        from idp.startup import demo_problems

        for problem in demo_problems(subject.store):
            yield wrong("settings", problem)


def _examine_environment(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if not settings.is_production and subject.is_public:
        yield warning(
            "settings",
            f"The issuer {settings.issuer} is not on this machine alone, but IDP_ENV is development, which has demo "
            "people and shows mails. Set IDP_ENV=production before real people come.",
        )


def _examine_proxies(settings: Settings) -> Iterator[Finding]:
    try:
        networks = load_networks(settings.trusted_proxies)
    except ConfigurationError as error:
        yield from (wrong("settings", problem) for problem in error.problems)
        return
    for network in networks:
        if network.prefixlen == 0:
            yield wrong(
                "settings",
                f"IDP_TRUSTED_PROXIES has {network}, so anybody can choose the address that limits and the audit trail "
                "see. Name the addresses of your proxies alone.",
            )


def _risks(settings: Settings) -> Iterator[str]:
    """What a production server starts with, though few will want it."""
    if settings.playground_enabled:
        yield "IDP_PLAYGROUND is on: the playground is for developers; leave it off in production."
    if not settings.ratelimit_enabled:
        yield "IDP_RATELIMIT_ENABLED is false: nothing slows down who guesses passwords from one address."
    if settings.log_level == "DEBUG":
        yield "IDP_LOG_LEVEL is DEBUG: libraries may write there what should not be in a log. Use INFO."
    if settings.require_pkce != "all":
        yield "IDP_REQUIRE_PKCE is public: let it be all, and exempt single clients: idp clients update ID --no-pkce"
    if settings.access_token_lifetime > LONG_ACCESS_TOKEN:
        yield (
            f"IDP_ACCESS_TOKEN_LIFETIME is {settings.access_token_lifetime} seconds: so long a stolen token works, and "
            "somebody who was signed out is still let in by APIs. 900 is usual."
        )
    for host in settings.outbound_allowed_hosts:
        if _is_everything(host):
            yield f"IDP_OUTBOUND_ALLOWED_HOSTS has {host}, which opens your whole network to what clients name."


def _is_everything(host: str) -> bool:
    try:
        return "/" in host and ip_network(host, strict=False).prefixlen == 0
    except ValueError:
        return False


def examine_secret_key(subject: Subject) -> Iterator[Finding]:
    settings = subject.settings
    if not settings.secret_key:
        yield unknown("secret key", "There is none to look at; see the settings.")
        return
    if not is_strong_secret(settings.secret_key):
        result = wrong if settings.is_production else warning
        yield result("secret key", "IDP_SECRET_KEY is weak: it needs at least 32 random characters.")
    else:
        yield well("secret key", f"It is strong enough ({len(settings.secret_key)} characters).")
    if any(not is_strong_secret(previous) for previous in settings.secret_key_previous):
        yield warning(
            "secret key",
            "A former key in IDP_SECRET_KEY_PREVIOUS is weak, and still opens what was made under it. Take it out when "
            "nobody needs it any more.",
        )
    if settings.secret_key in settings.secret_key_previous:
        yield warning("secret key", "IDP_SECRET_KEY_PREVIOUS has the present key too; it holds former ones alone.")
