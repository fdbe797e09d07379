"""All that is kept: the only SQL and Redis of the server.

Owns the tables, one module for each aggregate, and the short-lived state (`ephemeral`). Takes and returns frozen
dataclasses of `protocol`; no row and no connection leaves this room. Every secret is stored as a SHA-256 hash. What
must happen once (`claim_…`, `redeem_…`, `rotate_…`) is one conditional UPDATE whose row count decides, which holds on
SQLite, PostgreSQL and MariaDB alike.
"""

from dataclasses import dataclass

from idp.store.apis import ApiStore
from idp.store.audit_events import AuditEventStore
from idp.store.belongings import BelongingStore
from idp.store.clients import ClientStore
from idp.store.consents import ConsentStore
from idp.store.database import Database
from idp.store.devices import DeviceStore
from idp.store.ephemeral import Ephemeral, SqlEphemeral, open_ephemeral
from idp.store.grants import GrantStore
from idp.store.identities import IdentityStore
from idp.store.mail_outbox import MailOutboxStore
from idp.store.passkeys import PasskeyStore
from idp.store.profiles import ProfileStore
from idp.store.recovery_codes import RecoveryCodeStore
from idp.store.refresh_tokens import RefreshTokenStore
from idp.store.refusals import RefusalStore
from idp.store.removal import RemovalStore
from idp.store.sessions import SessionStore
from idp.store.sign_in_failures import SignInFailureStore
from idp.store.totp import TotpStore
from idp.store.users import UserStore

__all__ = ["Database", "Ephemeral", "SqlEphemeral", "Store", "open_store"]


@dataclass(frozen=True, slots=True)
class Store:
    """One store for each aggregate, all on the same database.

    `ephemeral`: what lives for minutes or hours, in Redis when there is one. `lasting`: the same for days, always in
    the database, because a Redis that starts anew forgets.
    """

    database: Database
    ephemeral: Ephemeral
    lasting: Ephemeral
    clients: ClientStore
    apis: ApiStore
    users: UserStore
    removal: RemovalStore
    belongings: BelongingStore
    profiles: ProfileStore
    identities: IdentityStore
    sessions: SessionStore
    consents: ConsentStore
    grants: GrantStore
    refresh_tokens: RefreshTokenStore
    audit_events: AuditEventStore
    refusals: RefusalStore
    totp: TotpStore
    recovery_codes: RecoveryCodeStore
    passkeys: PasskeyStore
    devices: DeviceStore
    sign_in_failures: SignInFailureStore
    mail_outbox: MailOutboxStore


def open_store(database_url: str, *, pool_size: int = 8, redis_url: str | None = None) -> Store:
    """The stores on a database (and on Redis, when given, for short-lived state). Nothing connects before first use."""
    database = Database(database_url, pool_size=pool_size)
    return Store(
        database=database,
        ephemeral=open_ephemeral(database, redis_url),
        lasting=SqlEphemeral(database),
        clients=ClientStore(database),
        apis=ApiStore(database),
        users=UserStore(database),
        removal=RemovalStore(database),
        belongings=BelongingStore(database),
        profiles=ProfileStore(database),
        identities=IdentityStore(database),
        sessions=SessionStore(database),
        consents=ConsentStore(database),
        grants=GrantStore(database),
        refresh_tokens=RefreshTokenStore(database),
        audit_events=AuditEventStore(database),
        refusals=RefusalStore(database),
        totp=TotpStore(database),
        recovery_codes=RecoveryCodeStore(database),
        passkeys=PasskeyStore(database),
        devices=DeviceStore(database),
        sign_in_failures=SignInFailureStore(database),
        mail_outbox=MailOutboxStore(database),
    )
