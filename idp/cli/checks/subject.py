"""What the checks look at: the settings, what they open, and the server as others reach it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from idp.cli.checks.site import Site
from idp.jose.encryption import SecretBox
from idp.jose.key_directory import KeyDirectory
from idp.protocol.client import Client
from idp.settings import LOOPBACK_HOSTS, Settings
from idp.store import Store
from idp.web.probe import make_probe

if TYPE_CHECKING:
    from idp.outbound import OutboundFetcher

REQUEST_SECONDS = 4.0  # at most, for one request


@dataclass(frozen=True, eq=False)
class Subject:
    """One deployment. `store`: None when it cannot be used. `clock`: seconds since the epoch. `problems`: what the
    settings, by themselves, refuse to start for. `client`: the one that is looked at, if it is one alone."""

    settings: Settings
    site: Site
    clock: Callable[[], float]
    problems: Collection[str] = ()
    store: Store | None = None
    client: Client | None = None
    offline: bool = False

    @property
    def now(self) -> int:
        return int(self.clock())

    @property
    def timeout(self) -> float:
        return min(self.settings.outbound_timeout, REQUEST_SECONDS)

    @property
    def keys(self) -> KeyDirectory:
        return KeyDirectory(self.settings.keys_dir)

    @property
    def box(self) -> SecretBox | None:
        return make_box(self.settings)

    @property
    def is_public(self) -> bool:
        """Whether others than this machine can come to the issuer."""
        return urlsplit(self.settings.issuer).hostname not in LOOPBACK_HOSTS

    def make_fetcher(self) -> "OutboundFetcher":
        """For what a client or a connection names: guarded as the server itself is."""
        from idp.startup import make_fetcher

        return make_fetcher(self.settings.model_copy(update={"outbound_timeout": self.timeout}))


def make_box(settings: Settings) -> SecretBox | None:
    """None without a secret key, which a production server does not start without."""
    return SecretBox(settings.secret_key, settings.secret_key_previous) if settings.secret_key else None


def make_site(settings: Settings, *, now: int) -> Site:
    timeout = min(settings.outbound_timeout, REQUEST_SECONDS)
    box = make_box(settings)
    probe = make_probe(box, "", now=now) if box is not None else None
    return Site(settings.issuer, ca_bundle=settings.outbound_ca_bundle, timeout=timeout, probe=probe)
