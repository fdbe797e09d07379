"""From settings to a Server: everything that must be right before the first request, said at once when it is not."""

from collections.abc import Callable

from idp.accounts.passwords import Passwords
from idp.jose.client_keys import RemoteKeys
from idp.jose.encryption import SecretBox
from idp.jose.key_directory import KeyDirectory
from idp.jose.signing_keys import KeyDirectoryError, SigningKeys
from idp.outbound import OutboundFetcher
from idp.server import Server
from idp.settings import ConfigurationError, Settings, load_settings
from idp.store import Store, open_store
from idp.store.database import DatabaseUrlError
from idp.store.schema import is_current
from idp.upstream import PROVIDERS
from idp.upstream.connection import load_connections, sandbox_hosts
from idp.upstream.upstreams import Upstreams

DEMO_CLIENT_IDS = ("demo-web", "demo-spa", "demo-mobile")
DEMO_USERNAME = "demo"


def load_server_settings() -> Settings:
    """`load_settings` for a server: when it refuses, what the database and the keys add is named in the same breath."""
    try:
        return load_settings()
    except ConfigurationError as error:
        if error.usable is not None:
            error = ConfigurationError(error.problems + _stored_problems(error.usable))
        raise error from None


def make_server(settings: Settings, *, clock: Callable[[], float]) -> Server:
    """Open the keys and the stores. Raises ConfigurationError with every problem."""
    problems: list[str] = []
    store = _open_store(settings, problems)
    keys = _open_keys(settings, problems)
    problems += load_connections(settings.upstream, PROVIDERS, settings.issuer)[1]
    if settings.is_production:
        problems += demo_problems(store) if store is not None else []
    if problems or store is None or keys is None:
        raise ConfigurationError(problems)
    keys.warm_up(int(clock()))  # the first signature of each key would cost what fifty later ones do
    return Server(
        settings=settings,
        store=store,
        keys=keys,
        secret_box=SecretBox(settings.secret_key, settings.secret_key_previous),
        remote_keys=RemoteKeys(make_fetcher(settings)),
        clock=lambda: int(clock()),
    )


def make_passwords(settings: Settings) -> Passwords:
    passwords = Passwords(settings)
    passwords.warm_up()
    return passwords


def make_upstreams(settings: Settings) -> Upstreams:
    """The connections with other providers; what they need is loaded now when there are some, and never otherwise."""
    connections, _ = load_connections(settings.upstream, PROVIDERS, settings.issuer)
    upstreams = Upstreams(settings, connections, make_fetcher(settings))
    if connections:
        upstreams.warm_up()
    return upstreams


def make_fetcher(settings: Settings) -> OutboundFetcher:
    return OutboundFetcher(
        allowed_hosts=(*settings.outbound_allowed_hosts, *sandbox_hosts(settings.upstream)),
        ca_bundle=settings.outbound_ca_bundle,
        timeout=settings.outbound_timeout,
    )


def _open_store(settings: Settings, problems: list[str]) -> Store | None:
    try:
        store = open_store(settings.database_url, pool_size=settings.database_pool_size, redis_url=settings.redis_url)
    except DatabaseUrlError as error:
        problems.append(f"IDP_DATABASE_URL: {error}")
        return None
    except ImportError:
        problems.append("IDP_REDIS_URL is set, but the redis package is not installed: pip install 'idp[redis]'.")
        return None
    if not store.database.is_reachable():
        problems.append("The database (IDP_DATABASE_URL) cannot be reached.")
        return None
    if not is_current(store.database):
        problems.append("The database schema is not that of this version; run: idp db upgrade")
        return None
    return store


def _open_keys(settings: Settings, problems: list[str]) -> SigningKeys | None:
    directory = KeyDirectory(settings.keys_dir)
    try:
        if settings.is_production:
            problems += [
                f"{path} can be read by others; run: chmod go-rwx {path}" for path in directory.insecure_files()
            ]
        keys = SigningKeys(directory, keep_for=settings.longest_token_lifetime)
        missing = set(settings.signing_algs) - set(keys.algs)
    except KeyDirectoryError as error:
        problems.append(f"IDP_KEYS_DIR: {error} Run: idp init")
        return None
    if missing:
        problems.append(f"IDP_KEYS_DIR has no key for {', '.join(sorted(missing))}; run: idp init")
    return keys


def _stored_problems(settings: Settings) -> list[str]:
    """What the database and the keys say against starting; nothing of them is kept open."""
    problems: list[str] = []
    store = _open_store(settings, problems)
    _open_keys(settings, problems)
    problems += load_connections(settings.upstream, PROVIDERS, settings.issuer)[1]
    if store is not None:
        problems += demo_problems(store) if settings.is_production else []
        store.database.dispose()
    return problems


def demo_problems(store: Store) -> list[str]:
    """What of the demo data is still there, and how to remove it: production does not start with it."""
    found = [client_id for client_id in DEMO_CLIENT_IDS if store.clients.find(client_id) is not None]
    problems = [
        f"The demo client {client_id} is in the database; run: idp clients remove {client_id}" for client_id in found
    ]
    if store.users.find_for_sign_in(DEMO_USERNAME) is not None:
        problems.append(f"The demo person is in the database; run: idp users remove {DEMO_USERNAME}")
    return problems
