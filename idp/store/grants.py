"""Grants, the codes they carry, and the access tokens revoked one by one.

A code lives in its grant's row, so that issuing it is one INSERT, redeeming it one conditional UPDATE, and revoking all
that came of it one UPDATE, in one database, with nothing to keep in step.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, exists, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from idp.protocol.claims import ClaimsRequest
from idp.protocol.grant import Grant
from idp.protocol.identity import User
from idp.store.database import Database, hashed, to_json
from idp.store.tables import grants, refresh_tokens, revoked_access_tokens, users
from idp.store.users import USER_COLUMNS, to_user

GRANT_COLUMNS = (
    (grants.c.id.label("grant_id"), grants.c.client_id, grants.c.user_id, grants.c.sid, grants.c.scopes)
    + (grants.c.resources, grants.c.claims, grants.c.nonce, grants.c.acr, grants.c.amr, grants.c.auth_time)
    + (grants.c.redirect_uri, grants.c.redirect_uri_sent, grants.c.code_challenge, grants.c.upstream)
    + (grants.c.created_at.label("grant_created_at"), grants.c.revoked_at, grants.c.refresh_expires_at)
)  # fmt: skip

_insert = insert(grants)
_by_code = (
    select(*GRANT_COLUMNS, *USER_COLUMNS, grants.c.code_expires_at, grants.c.code_used_at)
    .add_columns(grants.c.code_used_network, grants.c.code_used_request)
    .join_from(grants, users, users.c.id == grants.c.user_id)
    .where(grants.c.code_hash == bindparam("h"))
)
_redeem = (
    update(grants)
    .where(grants.c.id == bindparam("grant"), grants.c.code_used_at.is_(None), grants.c.revoked_at.is_(None))
    .values(code_used_at=bindparam("now"), refresh_expires_at=bindparam("refresh"), expires_at=bindparam("end"))
    .values(code_used_network=bindparam("network"), code_used_request=bindparam("request"))
)
_insert_refresh_token = insert(refresh_tokens)
_live = (
    select(*GRANT_COLUMNS, *USER_COLUMNS)
    .join_from(grants, users, users.c.id == grants.c.user_id)
    .where(
        grants.c.id == bindparam("grant"),
        grants.c.revoked_at.is_(None),
        users.c.disabled_at.is_(None),
        users.c.deletes_at.is_(None),
        ~exists().where(revoked_access_tokens.c.jti == bindparam("jti")),
    )
)
_is_revoked = select(revoked_access_tokens.c.jti).where(revoked_access_tokens.c.jti == bindparam("jti"))
_not_revoked = grants.c.revoked_at.is_(None)
_revoke = (
    update(grants)
    .where(grants.c.id == bindparam("grant"), _not_revoked)
    .values(revoked_at=bindparam("now"), revoked_why=bindparam("why"))
)


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code as found: its grant and person, and what has become of it. `used_from`: the network and the request id of
    its first use."""

    grant: Grant
    user: User
    expires_at: int
    used_at: int | None
    is_revoked: bool
    used_from: tuple[str | None, str | None] = (None, None)


class GrantStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, grant: Grant, code: str, *, code_expires_at: int) -> None:
        row = _to_row(grant) | {
            "code_hash": hashed(code),
            "code_expires_at": code_expires_at,
            "expires_at": code_expires_at,
        }
        with self._database.writing() as connection:
            connection.execute(_insert, row)

    def find_by_code(self, code: str) -> IssuedCode | None:
        with self._database.reading() as connection:
            row = connection.execute(_by_code, {"h": hashed(code)}).first()
        if row is None:
            return None
        return IssuedCode(
            grant=to_grant(row),
            user=to_user(row),
            expires_at=row.code_expires_at,
            used_at=row.code_used_at,
            is_revoked=row.revoked_at is not None,
            used_from=(row.code_used_network, row.code_used_request),
        )

    def redeem_code(
        self,
        grant_id: str,
        *,
        now: int,
        access_ends: int,
        refresh_token: str | None,
        refresh_expires_at: int,
        refresh_ends: int,
        used_from: tuple[str | None, str | None] = (None, None),
    ) -> bool:
        """Use the grant's code, once among all who try, and store its first refresh token in the same transaction.

        `access_ends`: when the longest-lived access token of now ends; `refresh_expires_at`: idle end of this refresh
        token; `refresh_ends`: absolute end of the family; `used_from`: the network and the id of this request.
        """
        end = access_ends if refresh_token is None else refresh_ends + (access_ends - now)
        values = {"grant": grant_id, "now": now, "refresh": refresh_ends if refresh_token else None, "end": end}
        values |= dict(zip(("network", "request"), used_from, strict=True))
        with self._database.writing() as connection:
            if connection.execute(_redeem, values).rowcount != 1:
                return False
            if refresh_token is not None:
                connection.execute(_insert_refresh_token, refresh_row(refresh_token, grant_id, now, refresh_expires_at))
        return True

    def find_live(self, grant_id: str, jti: str) -> tuple[Grant, User] | None:
        """The grant of an access token, unless it, the token, or the person's account is dead."""
        with self._database.reading() as connection:
            row = connection.execute(_live, {"grant": grant_id, "jti": jti}).first()
        return None if row is None else (to_grant(row), to_user(row))

    def revoke(self, grant_id: str, *, now: int, why: str) -> bool:
        """Kill the grant and with it every token that came or would come of it."""
        with self._database.writing() as connection:
            return connection.execute(_revoke, {"grant": grant_id, "now": now, "why": why}).rowcount == 1

    def revoke_access_token(self, jti: str, *, expires_at: int) -> None:
        try:
            with self._database.writing() as connection:
                connection.execute(insert(revoked_access_tokens), {"jti": jti, "expires_at": expires_at})
        except IntegrityError:
            return  # revoked before

    def is_access_token_revoked(self, jti: str) -> bool:
        """For a token that came of no grant: whether it was revoked by itself."""
        with self._database.reading() as connection:
            return connection.execute(_is_revoked, {"jti": jti}).first() is not None

    def revoke_for_session(self, sid: str, *, client_id: str | None, now: int) -> None:
        """Sign-out: grants of the session die, except offline ones of other clients than the one that signs out.

        Back-Channel Logout §2.7: a person who was granted `offline_access` stays connected in the other applications.
        """
        with self._database.writing() as connection:
            rows = connection.execute(
                select(grants.c.id, grants.c.client_id, grants.c.scopes).where(grants.c.sid == sid, _not_revoked)
            ).all()
            for row in rows:
                if row.client_id == client_id or "offline_access" not in json.loads(row.scopes):
                    connection.execute(_revoke, {"grant": row.id, "now": now, "why": "signed out"})

    def revoke_of_upstream(
        self, user_id: str, upstream: str, *, sids: Collection[str], keep: str, now: int, why: str
    ) -> None:
        """Every grant that a person gave over this connection dies, offline ones too, also where its session is over:
        what let the person in does so no more. So do all of the sessions `sids`; those of the session to `keep` stay.
        """
        other = or_(grants.c.sid.is_(None), grants.c.sid != keep)
        over_it = or_(grants.c.upstream == upstream, grants.c.sid.in_(list(sids)))
        theirs = and_(grants.c.user_id == user_id, other, over_it, _not_revoked)
        with self._database.writing() as connection:
            connection.execute(update(grants).where(theirs).values(revoked_at=now, revoked_why=why))

    def revoke_for(self, user_id: str, *, client_id: str | None = None, now: int, why: str) -> int:
        """Revoke all grants of a person (to one client, when given); how many there were."""
        mine = and_(grants.c.user_id == user_id, _not_revoked)
        if client_id is not None:
            mine = and_(mine, grants.c.client_id == client_id)
        with self._database.writing() as connection:
            return connection.execute(update(grants).where(mine).values(revoked_at=now, revoked_why=why)).rowcount


def refresh_row(token: str, grant_id: str, now: int, expires_at: int) -> dict[str, Any]:
    return {
        "token_hash": hashed(token),
        "grant_id": grant_id,
        "successor_hash": None,
        "issued_at": now,
        "expires_at": expires_at,
        "used_at": None,
    }


def to_grant(row: Any) -> Grant:
    claims = json.loads(row.claims)  # by name: newer code may have written more members
    return Grant(
        id=row.grant_id,
        client_id=row.client_id,
        user_id=row.user_id,
        sid=row.sid,
        scopes=tuple(json.loads(row.scopes)),
        resources=tuple(json.loads(row.resources)),
        claims=ClaimsRequest(userinfo=claims.get("userinfo", {}), id_token=claims.get("id_token", {})),
        nonce=row.nonce,
        acr=row.acr,
        amr=tuple(json.loads(row.amr)),
        auth_time=row.auth_time,
        redirect_uri=row.redirect_uri,
        redirect_uri_sent=bool(row.redirect_uri_sent),
        code_challenge=row.code_challenge,
        created_at=row.grant_created_at,
        upstream=row.upstream,
    )


def _to_row(grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "client_id": grant.client_id,
        "user_id": grant.user_id,
        "sid": grant.sid,
        "scopes": to_json(grant.scopes),
        "resources": to_json(grant.resources),
        "claims": to_json({"userinfo": grant.claims.userinfo, "id_token": grant.claims.id_token}),
        "nonce": grant.nonce,
        "acr": grant.acr,
        "amr": to_json(grant.amr),
        "auth_time": grant.auth_time,
        "redirect_uri": grant.redirect_uri,
        "redirect_uri_sent": grant.redirect_uri_sent,
        "code_challenge": grant.code_challenge,
        "created_at": grant.created_at,
        "upstream": grant.upstream,
    }
