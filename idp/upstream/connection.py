"""A configured provider: `IDP_UPSTREAM_<NAME>_…` joined to its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.settings import UpstreamSettings, connection_variable
from idp.upstream.provider import Provider

CALLBACK_PATH = "/upstream/{name}/callback"


@dataclass(frozen=True, slots=True, eq=False)
class Connection:
    """One way to sign in. Every connection has a redirect URI of its own, so that no provider's answer can be taken for
    another's (RFC 9700 §4.4.2.2)."""

    settings: UpstreamSettings
    provider: Provider
    redirect_uri: str

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def label(self) -> str:
        return self.settings.label or self.provider.label or self.settings.name

    @property
    def scopes(self) -> tuple[str, ...]:
        return self.settings.scopes or self.provider.scopes

    @property
    def can_prove_fresh_sign_in(self) -> bool:
        return self.provider.fresh is not None

    def url(self, url: str) -> str:
        """An address of the provider, or where its stand-in has it: `<sandbox_url>/<host>/<path>`."""
        if self.settings.sandbox_url is None or url.startswith(self.settings.sandbox_url + "/"):
            return url
        return f"{self.settings.sandbox_url}/{url.removeprefix('https://')}"


def load_connections(
    upstream: Sequence[UpstreamSettings], providers: Mapping[str, Provider], issuer: str
) -> tuple[dict[str, Connection], list[str]]:
    """The connections by name, and one sentence for each thing to mend."""
    connections, problems = {}, []
    for settings in upstream:
        kind = settings.kind or (settings.name if settings.name in providers else "oidc")
        if kind not in providers:
            problems.append(
                f"{connection_variable(settings.name, 'kind')} is {kind}; it must be one of {', '.join(providers)}."
            )
            continue
        provider = providers[kind]
        problems += _missing(settings, provider) + _unasked(settings, provider)
        try:
            provider.check_settings(settings)
        except ValueError as error:
            problems.append(f"{error}")
        redirect_uri = issuer + CALLBACK_PATH.format(name=settings.name)
        connections[settings.name] = Connection(settings, provider, redirect_uri)
    return connections, problems


def sandbox_hosts(upstream: Sequence[UpstreamSettings]) -> tuple[str, ...]:
    """`host:port` of every stand-in, which lies on loopback and speaks plain http."""
    return tuple(urlsplit(settings.sandbox_url).netloc for settings in upstream if settings.sandbox_url is not None)


def _unasked(settings: UpstreamSettings, provider: Provider) -> list[str]:
    """Core §3.1.2.1: without `openid` among the scopes there is no ID token, and so no sign-in."""
    if not settings.scopes or "openid" not in provider.scopes or "openid" in settings.scopes:
        return []
    return [f"{connection_variable(settings.name, 'scopes')} must have openid among them."]


def _missing(settings: UpstreamSettings, provider: Provider) -> list[str]:
    return [
        f"{connection_variable(settings.name, option)} is missing; a connection of kind {provider.kind} needs it."
        for option in provider.required
        if not getattr(settings, option)
    ]
