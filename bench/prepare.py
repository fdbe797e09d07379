"""Makes the database, the keys, a client, a person, a session and a consent; says as JSON how to use them.

Runs in the checkout of the revision that is measured, with the environment of its server:
`python bench/prepare.py`. A revision that has this file runs its own copy, so the file may follow the store.
"""

import json
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from idp.jose.key_directory import KeyDirectory
from idp.protocol.client import Client, ClientSecret
from idp.settings import load_settings
from idp.store import migrations, open_store
from idp.store.database import hashed
from idp.store.sessions import SignIn
from idp.store.users import NewUser

SCOPES = ("openid", "profile", "email")
REDIRECT_URI = "https://client.example.com/callback"


def main() -> None:
    settings, now = load_settings(env_file=None), int(time.time())
    KeyDirectory(settings.keys_dir).init(settings.signing_algs, now)
    store = open_store(settings.database_url)
    migrations.upgrade(store.database)
    secret, cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    client = Client(
        client_id="bench",
        client_name="Bench",
        redirect_uris=(REDIRECT_URI,),
        scope=SCOPES,
        always_issue_refresh_token=True,
        secrets=(ClientSecret(hash=hashed(secret), created_at=now),),
    )
    profile = {"name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "locale": "en-GB"}
    user = NewUser(id="u_bench", username="ada", email="ada@example.com", email_verified=True, profile=profile)
    store.clients.add(client, now=now)
    store.users.add(user, now=now)
    store.consents.add(user.id, client.client_id, SCOPES, now=now)
    sign_in = SignIn(user_id=user.id, acr="1", amr=("pwd",))
    limits = {"idle": settings.session_idle_lifetime, "absolute": settings.session_absolute_lifetime}
    store.sessions.start(cookie, secrets.token_urlsafe(16), sign_in, now=now, **limits)
    prefix = "__Host-" if settings.is_https else ""
    print(
        json.dumps(
            {
                "cookie": f"{prefix}idp_session={cookie}",
                "client_id": client.client_id,
                "client_secret": secret,
                "redirect_uri": REDIRECT_URI,
                "scope": " ".join(SCOPES),
            }
        )
    )


if __name__ == "__main__":
    main()
