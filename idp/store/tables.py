"""The tables. Times are integer seconds since the epoch, UTC. Migrations in `idp/migrations` make what stands here.

Identifiers and hashes compare byte for byte on every database: MariaDB's default collations would ignore case.
The one here still ignores spaces at the end: no identifier has any, and look-ups by what comes from outside compare
once more in Python.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects.mysql import MEDIUMTEXT, VARCHAR
from sqlalchemy.types import TypeEngine

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _exact(length: int) -> TypeEngine[str]:
    """A string that compares byte for byte."""
    binary = VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


def _long() -> TypeEngine[str]:
    return Text().with_variant(MEDIUMTEXT(), "mysql", "mariadb")


_hash = _exact(64)  # SHA-256, hexadecimal
_id = _exact(128)

clients = Table(
    "clients",
    metadata,
    Column("client_id", _id, primary_key=True),
    Column("document", _long(), nullable=False),  # the whole Client as JSON
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

client_origins = Table(
    "client_origins",
    metadata,
    Column("origin", _exact(255), primary_key=True),
    Column("client_id", _id, primary_key=True),
)

apis = Table(
    "apis",
    metadata,
    Column("identifier", _exact(255), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("scopes", _long(), nullable=False),  # JSON object: scope → what it means
    Column("created_at", BigInteger, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", _id, primary_key=True),
    Column("username", String(255), nullable=False),
    Column("username_key", _exact(255), nullable=False, unique=True),  # case-folded, for look-up
    Column("email", String(320), nullable=True),
    Column("email_key", _exact(320), nullable=True, unique=True),
    Column("email_verified", Boolean, nullable=False),
    Column("phone_number", String(64), nullable=True),
    Column("phone_number_verified", Boolean, nullable=False),
    Column("profile", _long(), nullable=False),  # JSON object: the other standard claims that have a value
    Column("roles", _long(), nullable=False),  # JSON array
    Column("password_hash", Text, nullable=True),
    Column("password_changed_at", BigInteger, nullable=True),
    Column("deletes_at", BigInteger, nullable=True, index=True),  # as the person has asked
    Column("disabled_at", BigInteger, nullable=True),
    Column("sign_outs", BigInteger, nullable=True),  # how often everything that was begun in their name has been ended
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# Second factors. One authenticator app each; a step (half a minute) is accepted once.
totp = Table(
    "totp",
    metadata,
    Column("user_id", _id, primary_key=True),
    Column("secret", Text, nullable=False),  # encrypted
    Column("last_step", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=True),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("code_hash", _hash, primary_key=True),
    Column("user_id", _id, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=True),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id_hash", _hash, primary_key=True),  # of the credential id, which may be a kilobyte
    Column("user_id", _id, nullable=False, index=True),
    Column("credential_id", Text, nullable=False),  # base64url
    Column("public_key", Text, nullable=False),  # COSE, base64url
    Column("sign_count", BigInteger, nullable=False),
    Column("name", String(100), nullable=False),
    Column("transports", Text, nullable=False),  # JSON array
    Column("backed_up", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=True),
)

# Browsers in which a person has signed in before (their attempts do not count with a stranger's), and those where they
# wish not to be asked for a second factor for a while.
devices = Table(
    "devices",
    metadata,
    Column("id_hash", _hash, primary_key=True),
    Column("user_id", _id, primary_key=True, index=True),
    Column("trusted_until", BigInteger, nullable=True),
    Column("address", String(64), nullable=True),
    Column("user_agent", String(255), nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# Failed attempts in a row at one account, known or not; from strangers and from known devices apart, and at its codes.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("key_hash", _hash, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("blocked_until", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# Mails on their way. What a mail says is encrypted here, because it may hold a link that signs somebody in, and is
# forgotten when it has been sent.
mail_outbox = Table(
    "mail_outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("template", _exact(64), nullable=False),
    Column("recipient", String(320), nullable=False),
    Column("sealed", _long(), nullable=False),  # {subject, text, html}
    Column("created_at", BigInteger, nullable=False),
    Column("next_try_at", BigInteger, nullable=False, index=True),
    Column("tries", Integer, nullable=False),
    Column("claimed_until", BigInteger, nullable=False),
    Column("sent_at", BigInteger, nullable=True),
    Column("failed_at", BigInteger, nullable=True),
    Column("last_error", String(255), nullable=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("user_id", _id, nullable=True, index=True),  # whom it is about; nobody's: a sign-up, an invitation
)

# Who a person is elsewhere: one row for each account of another provider that signs them in here.
identities = Table(
    "identities",
    metadata,
    Column("upstream", _exact(32), primary_key=True),  # the name of the connection
    Column("issuer", _exact(255), primary_key=True),
    Column("subject", _exact(255), primary_key=True),
    Column("user_id", _id, nullable=False, index=True),
    Column("email", String(320), nullable=True),  # as the provider said it last, to show which account it is
    Column("profile", _long(), nullable=False),  # JSON object: the claims taken from it, as they were taken
    Column("tokens", _long(), nullable=True),  # encrypted, and only where a setting asks for it
    Column("linked_how", _exact(32), nullable=False),
    Column("linked_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", _hash, primary_key=True),
    Column("sid", _exact(64), nullable=False, unique=True),
    Column("user_id", _id, nullable=False, index=True),
    Column("auth_time", BigInteger, nullable=False),
    Column("acr", _exact(64), nullable=False),
    Column("amr", Text, nullable=False),  # JSON array
    Column("upstream", _exact(32), nullable=True),  # the connection that the person signed in with, if any
    Column("auth_time_unproven", Boolean, nullable=True),  # true: the upstream did not say when it signed them in
    Column("address", String(64), nullable=True),
    Column("user_agent", String(255), nullable=True),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen_at", BigInteger, nullable=False),
    Column("idle_expires_at", BigInteger, nullable=False, index=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

consents = Table(
    "consents",
    metadata,
    Column("user_id", _id, primary_key=True),
    Column("client_id", _id, primary_key=True, index=True),
    Column("scopes", _long(), nullable=False),  # JSON array
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)

# One row is one authorization: what a person allowed a client once. It carries the authorization code, and every token
# that came of it dies with it.
grants = Table(
    "grants",
    metadata,
    Column("id", _exact(64), primary_key=True),
    Column("client_id", _id, nullable=False, index=True),
    Column("user_id", _id, nullable=False, index=True),
    Column("sid", _exact(64), nullable=True, index=True),
    Column("scopes", _long(), nullable=False),  # JSON array
    Column("resources", _long(), nullable=False),  # JSON array
    Column("claims", _long(), nullable=False),  # JSON object {userinfo, id_token}
    Column("nonce", _long(), nullable=True),
    Column("acr", _exact(64), nullable=False),
    Column("amr", Text, nullable=False),
    Column("auth_time", BigInteger, nullable=False),
    Column("redirect_uri", Text, nullable=False),
    Column("redirect_uri_sent", Boolean, nullable=False),
    Column("code_challenge", _exact(128), nullable=True),
    Column("code_hash", _hash, nullable=False, unique=True),
    Column("code_expires_at", BigInteger, nullable=False),
    Column("code_used_at", BigInteger, nullable=True),
    Column("code_used_network", String(64), nullable=True),  # from where, /24 or /48; for the flow inspector
    Column("code_used_request", _exact(64), nullable=True),  # the id of that request
    Column("created_at", BigInteger, nullable=False),
    Column("refresh_expires_at", BigInteger, nullable=True),  # absolute end of the refresh tokens, once there are some
    Column("expires_at", BigInteger, nullable=False, index=True),  # nothing of this grant is valid any more
    Column("revoked_at", BigInteger, nullable=True),
    Column("revoked_why", String(64), nullable=True),
    Column("upstream", _exact(32), nullable=True),  # the connection that the session was begun with, if any
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", _hash, primary_key=True),
    Column("grant_id", _exact(64), nullable=False, index=True),
    Column("successor_hash", _hash, nullable=True),
    Column("issued_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger, nullable=True),
)

revoked_access_tokens = Table(
    "revoked_access_tokens",
    metadata,
    Column("jti", _exact(128), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

ephemeral = Table(
    "ephemeral",
    metadata,
    Column("key_hash", _hash, primary_key=True),
    Column("value", _long(), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

# What was refused and why, for whoever integrates a client: a ring of the newest, of a day or so. Nothing of it is a
# secret: values were masked before they came here.
refusals = Table(
    "refusals",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("request_id", _exact(64), nullable=False, index=True),
    Column("at", BigInteger, nullable=False, index=True),
    Column("client_id", _id, nullable=True),
    Column("error", _exact(64), nullable=False),
    Column("document", _long(), nullable=False),  # JSON object
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("event", _exact(64), nullable=False),
    Column("user_id", _id, nullable=True),
    Column("client_id", _id, nullable=True),
    Column("address", String(64), nullable=True),
    Column("request_id", _exact(64), nullable=True),
    Column("detail", _long(), nullable=False),  # JSON object
    Index(None, "at"),
    Index(None, "user_id", "at"),
)
