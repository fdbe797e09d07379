"""Putting the demo data into the stores and into `var/demo.json`, again and again without changing what is there.

Owns `demo.json`: what tools, tests and the home page read to sign in. Passwords and secrets in it are made at random,
and kept for as long as they fit what the database holds. In production only the playground's client is ever made.
"""

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from idp.accounts.identifiers import new_user_id
from idp.accounts.passwords import Passwords
from idp.cli import demo
from idp.cli.identifiers import new_client_secret, new_password
from idp.jose.encryption import SecretBox
from idp.protocol.client import Client, ClientSecret
from idp.settings import ConfigurationError, Settings
from idp.store import Store
from idp.store.database import hashed

PLAYGROUND_SECRET_PURPOSE = "playground client secret"


def save_demo_data(settings: Settings, store: Store, *, now: int) -> Path:
    """Make sure of the demo API, clients and person, and write `var/demo.json`; answers its path."""
    path = settings.var_dir / "demo.json"
    before = _read(path)
    store_api(store, now)
    password, password_fits = _save_person(settings, store, before, now)
    content = {
        "issuer": settings.issuer,
        "username": demo.USERNAME,
        "password": password,
        "password_fits": password_fits,
        "clients": {
            client.client_id: _save_demo_client(store, client, before, now)
            for client in demo.demo_clients(settings.issuer)
        },
    }
    if content != before:
        write_private(path, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    return path


def store_api(store: Store, now: int) -> None:
    if store.apis.all().get(demo.API.identifier) is None:
        store.apis.save(demo.API, now=now)


def save_playground_client(settings: Settings, store: Store, *, now: int) -> None:
    """The playground's client exactly as described, with the secret that `IDP_SECRET_KEY` leads to."""
    box = SecretBox(settings.secret_key, settings.secret_key_previous)
    secret = ClientSecret(hash=hashed(box.derive(PLAYGROUND_SECRET_PURPOSE)))
    wanted = replace(demo.playground_client(settings.issuer), secrets=(secret,))
    _save_client(store, store.clients.find(wanted.client_id), wanted, now)


def write_private(path: Path, text: str) -> None:
    """Replace a file at once; nobody but its owner can read it, at any instant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def _read(path: Path) -> dict[str, Any]:
    """What `demo.json` says; empty when it is missing or is not JSON, since it can be made again."""
    with suppress(OSError, ValueError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
    return {}


def _save_demo_client(store: Store, wanted: Client, before: dict[str, Any], now: int) -> dict[str, Any]:
    """Add the client, or add what it lacks; answers its entry in `demo.json`. What an operator added to it stays."""
    found = store.clients.find(wanted.client_id)
    merged = wanted if found is None else _with_additions(found, wanted)
    entry: dict[str, Any] = {"client_id": wanted.client_id}
    if not wanted.is_public:
        secret = _known_secret(before, wanted.client_id)
        if secret is None or all(known.hash != hashed(secret) for known in merged.secrets):
            secret = new_client_secret()
            merged = replace(merged, secrets=(ClientSecret(hash=hashed(secret), created_at=now),))
        entry["client_secret"] = secret
    _save_client(store, found, merged, now)
    return entry | {"redirect_uris": list(merged.redirect_uris)}


def _with_additions(found: Client, wanted: Client) -> Client:
    return replace(
        found,
        logo_uri=wanted.logo_uri,
        redirect_uris=_union(found.redirect_uris, wanted.redirect_uris),
        post_logout_redirect_uris=_union(found.post_logout_redirect_uris, wanted.post_logout_redirect_uris),
        scope=_union(found.scope, wanted.scope),
        audience=_union(found.audience, wanted.audience),
    )


def _union(found: tuple[str, ...], wanted: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*found, *wanted)))


def _known_secret(before: dict[str, Any], client_id: str) -> str | None:
    clients = before.get("clients")
    entry = clients.get(client_id) if isinstance(clients, dict) else None
    secret = entry.get("client_secret") if isinstance(entry, dict) else None
    return secret if isinstance(secret, str) else None


def _save_client(store: Store, found: Client | None, wanted: Client, now: int) -> None:
    if found is None:
        store.clients.add(replace(wanted, created_at=now), now=now)
    elif replace(wanted, created_at=found.created_at) != found:
        store.clients.save(replace(wanted, created_at=found.created_at), now=now)


def _save_person(settings: Settings, store: Store, before: dict[str, Any], now: int) -> tuple[str, str]:
    """Add the person, or keep them; answers the password that signs them in, and a note that it was tried."""
    passwords = Passwords(settings)
    found, known = store.users.find_for_sign_in(demo.USERNAME), before.get("password")
    if found is not None and isinstance(known, str):
        fits = _fit(known, found[1])
        if before.get("password_fits") == fits or passwords.is_right(known, found[1]):
            return known, fits
    fresh = new_password()
    password_hash = passwords.hash(fresh)
    if found is not None:
        store.users.set_password_hash(found[0].id, password_hash, now=now)
        store.users.sign_out_everywhere(found[0].id, now=now, why="password changed")
    elif not store.users.add(demo.demo_person(new_user_id(), password_hash), now=now):
        raise ConfigurationError([f"The demo person cannot be made: the e-mail {demo.EMAIL} belongs to somebody else."])
    return fresh, _fit(fresh, password_hash)


def _fit(password: str, password_hash: str | None) -> str:
    """Stands for this password and this hash of the database, so that they need not be tried at every start."""
    return hashed(f"{password} {password_hash}")
