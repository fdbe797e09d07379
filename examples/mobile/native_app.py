"""A native app in one file, doing what AppAuth does on a phone (RFC 8252): it signs people in with their own browser.

Public client: no secret, PKCE with S256, `state`, `nonce` and `iss` checked, tokens only in the body of answers and in
a file that nobody else may read (on a phone: Keychain, Keystore). The answer comes back to a loopback address with a
port of the moment, or to a scheme of the app's own. Needs requests and PyJWT[crypto]. `python native_app.py --help`.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import queue
import secrets
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import requests

TIMEOUT = 20  # seconds for one answer of the server
PATIENCE = 300  # seconds for the person in the browser
EARLY = 30  # seconds before its end at which an access token is renewed
LOOPBACK = ("127.0.0.1", "::1", "localhost")
CLOSE_ME = b"<!doctype html><meta charset=utf-8><title>Done</title><p>You can close this window and go back to the app."


class Refused(Exception):
    """What went wrong, in words for the person. Never holds a code or a token."""


class SignedOut(Refused):
    """There are no tokens, or the server does not take them any more: the person must sign in."""


@dataclass(frozen=True)
class Settings:
    """What `idp clients add --for mobile` prints. `redirect_uri` decides how the answer comes back."""

    issuer: str
    client_id: str
    redirect_uri: str = "http://127.0.0.1/callback"
    signed_out_uri: str = "http://127.0.0.1/"
    scope: str = "openid profile email offline_access"
    api: str = ""  # base URL of the API; the access token goes nowhere else


@dataclass
class Pending:
    """One attempt to sign in: what must come back. Lives in the app's memory only."""

    redirect_uri: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    code_verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    url: str = ""
    finished: bool = False

    @property
    def code_challenge(self) -> str:
        """RFC 7636 §4.2."""
        digest = hashlib.sha256(self.code_verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class TokenFile:
    """The stand-in for Keychain and Keystore: one file, readable by its owner alone, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.path.read_text()))
        except FileNotFoundError:
            return {}

    def save(self, tokens: dict[str, Any]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(tokens, file)
        new.replace(self.path)

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


# --- How the answer comes back to the app -----------------------------------------------------------------------------


class LoopbackReceiver:
    """RFC 8252 §7.3: listens on the loopback address of `redirect_uri`, on whatever port is free."""

    def __init__(self, redirect_uri: str) -> None:
        parts = urlsplit(redirect_uri)
        host, path = parts.hostname or "127.0.0.1", parts.path
        arrived: queue.Queue[str] = queue.Queue()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                expected = self.path.partition("?")[0] == path
                self.send_response(200 if expected else 404)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Security-Policy", "default-src 'none'")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                if expected:
                    self.wfile.write(CLOSE_ME)
                    arrived.put(base + self.path)

            def log_message(self, format: str, *args: Any) -> None:
                """The request line holds the code: it is not written anywhere."""

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in host else socket.AF_INET

        self._arrived, self._server = arrived, Server((host, parts.port or 0), Handler)
        base = f"http://{f'[{host}]' if ':' in host else host}:{self._server.server_address[1]}"
        self.redirect_uri = base + path
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def __enter__(self) -> "LoopbackReceiver":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def receive(self, timeout: float = PATIENCE) -> str:
        return _next(self._arrived, timeout)


class SchemeReceiver:
    """RFC 8252 §7.1: the system starts `native_app.py open-url URL` for the app's scheme; that hands the URL over here.

    On a phone the system wakes the app itself; here a socket in the app's own folder stands for that.
    """

    def __init__(self, redirect_uri: str, folder: Path) -> None:
        self.redirect_uri, self._arrived = redirect_uri, queue.Queue[str]()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / "open-url"
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self._path))
        self._socket.listen()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return  # closed
            with connection, connection.makefile() as lines:
                self._arrived.put(lines.readline(8192).strip())

    def __enter__(self) -> "SchemeReceiver":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def receive(self, timeout: float = PATIENCE) -> str:
        return _next(self._arrived, timeout)


def open_url(url: str, folder: Path) -> None:
    """What the system does with a URL of the app's scheme."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(folder / "open-url"))
        connection.sendall(url.encode() + b"\n")


def _next(arrived: "queue.Queue[str]", timeout: float) -> str:
    try:
        return arrived.get(timeout=timeout)
    except queue.Empty:
        raise Refused("Nobody came back from the browser in time.") from None


# --- The app ----------------------------------------------------------------------------------------------------------


class NativeApp:
    """One person's app: sign in, call, refresh, sign out."""

    def __init__(self, settings: Settings, store: TokenFile) -> None:
        self.settings, self.store = settings, store
        self.http = requests.Session()
        self._refreshing = threading.Lock()
        self._metadata: dict[str, Any] = {}

    @property
    def metadata(self) -> dict[str, Any]:
        """OpenID Connect Discovery §4; fetched once. The issuer must be the one that was asked (§4.3)."""
        if not self._metadata:
            issuer = urlsplit(self.settings.issuer)
            if issuer.scheme != "https" and issuer.hostname not in LOOPBACK:
                raise Refused("The server must be reached by https.")
            found = self._read(self.http.get, f"{self.settings.issuer}/.well-known/openid-configuration")
            if found.get("issuer") != self.settings.issuer:
                raise Refused("The server calls itself by another name than the one this app was made for.")
            self._metadata = found
        return self._metadata

    def begin(self, redirect_uri: str) -> Pending:
        """The request for the browser (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3)."""
        pending = Pending(redirect_uri)
        query = {
            "client_id": self.settings.client_id,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": self.settings.scope,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": pending.code_challenge,
            "code_challenge_method": "S256",
        }
        pending.url = f"{self.metadata['authorization_endpoint']}?{urlencode(query)}"
        return pending

    def finish(self, pending: Pending, url: str) -> dict[str, Any]:
        """Check what came back, redeem the code, check the ID token, keep the tokens. Returns the ID token's claims."""
        code = self._code_from(pending, url)
        tokens = self._token_request(
            grant_type="authorization_code",
            code=code,
            redirect_uri=pending.redirect_uri,
            code_verifier=pending.code_verifier,
        )
        claims = self._check_id_token(tokens.get("id_token", ""))
        if not hmac.compare_digest(str(claims.get("nonce", "")), pending.nonce):
            raise Refused("The ID token was made for another sign-in.")
        self._keep(tokens | {"sub": claims["sub"]})
        return claims

    def sign_in(self, receiver: LoopbackReceiver | SchemeReceiver, show: Callable[[str], object]) -> dict[str, Any]:
        """The whole walk; `show` opens the person's browser."""
        pending = self.begin(receiver.redirect_uri)
        show(pending.url)
        return self.finish(pending, receiver.receive())

    def access_token(self) -> str:
        """One that is good for a while, renewed when needed. Raises SignedOut."""
        tokens = self.store.load()
        if not tokens:
            raise SignedOut("Nobody is signed in.")
        return str(tokens["access_token"]) if time.time() < tokens["expires_at"] - EARLY else self.refresh(tokens)

    def refresh(self, seen: dict[str, Any] | None = None) -> str:
        """RFC 6749 §6: the new refresh token replaces the old one. Threads that come together ask once."""
        seen = seen or self.store.load()
        with self._refreshing:
            tokens = self.store.load()
            if not tokens.get("refresh_token"):
                raise SignedOut("Nobody is signed in.")
            if tokens["refresh_token"] != seen.get("refresh_token"):
                return str(tokens["access_token"])  # another thread was quicker
            new = self._token_request(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
            if "id_token" in new and self._check_id_token(new["id_token"])["sub"] != tokens["sub"]:
                raise Refused("The new ID token is about somebody else.")
            self._keep(tokens | new)
            return str(new["access_token"])

    def userinfo(self) -> dict[str, Any]:
        """OpenID Connect Core §5.3; about the person of the ID token, or refused (§5.3.2)."""
        answer = self._with_token("GET", self.metadata["userinfo_endpoint"])
        claims = dict(answer.json())
        if claims.get("sub") != self.store.load().get("sub"):
            raise Refused("The answer is about somebody else.")
        return claims

    def call(self, path: str) -> requests.Response:
        """GET from the app's own API."""
        if not self.settings.api or not path.startswith("/"):
            raise Refused("The access token goes to the app's own API only.")
        return self._with_token("GET", self.settings.api + path)

    def revoke(self) -> None:
        """RFC 7009: the refresh token and all that came of it die at the server; the app forgets them in any case."""
        with self._refreshing:  # a refresh that is under way would keep its tokens afterwards
            token = self.store.load().get("refresh_token")
            self.store.clear()
        if token:
            form = {"token": token, "token_type_hint": "refresh_token", "client_id": self.settings.client_id}
            self.http.post(self.metadata["revocation_endpoint"], data=form, timeout=TIMEOUT).raise_for_status()

    def sign_out(self, receiver: LoopbackReceiver | SchemeReceiver, show: Callable[[str], object]) -> None:
        """Revoke, then end the session of the browser too (OpenID Connect RP-Initiated Logout §2).

        The request names the client and carries no ID token, since it travels in a URL; so the server asks the person.
        """
        self.revoke()
        state = secrets.token_urlsafe(24)
        uri = receiver.redirect_uri
        query = {"client_id": self.settings.client_id, "post_logout_redirect_uri": uri, "state": state}
        show(f"{self.metadata['end_session_endpoint']}?{urlencode(query)}")
        if dict(parse_qsl(urlsplit(receiver.receive()).query)).get("state") != state:
            raise Refused("Somebody else's answer came back; look whether the browser is signed out.")

    # --- Below: one rule each

    def _code_from(self, pending: Pending, url: str) -> str:
        """RFC 6749 §4.1.2 and §10.12 (state), RFC 9207 §2.4 (iss). An answer is taken once."""
        address, _, query = url.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        answer = dict(pairs)
        if address != pending.redirect_uri or len(answer) != len(pairs) or pending.finished:
            raise Refused("That is not an answer to this sign-in.")
        if not hmac.compare_digest(answer.get("state", "").encode(), pending.state.encode()):
            raise Refused("That is the answer to another sign-in.")
        says_iss = self.metadata.get("authorization_response_iss_parameter_supported", False)
        if (says_iss or "iss" in answer) and answer.get("iss") != self.settings.issuer:
            raise Refused("The answer comes from another server.")
        pending.finished = True
        if "error" in answer:
            raise Refused(answer.get("error_description") or answer["error"])
        return answer.get("code", "")

    def _check_id_token(self, token: str) -> dict[str, Any]:
        """OpenID Connect Core §3.1.3.7: signature, iss, aud, exp, iat."""
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            keys = self._read(self.http.get, self.metadata["jwks_uri"])["keys"]
            key = next(key for key in keys if key.get("kid") == kid)
            return dict(
                jwt.decode(
                    token,
                    jwt.PyJWK(key, algorithm="RS256").key,
                    algorithms=["RS256"],
                    audience=self.settings.client_id,
                    issuer=self.settings.issuer,
                    leeway=30,
                    options={"require": ["iss", "sub", "aud", "exp", "iat"]},
                )
            )
        except (jwt.PyJWTError, StopIteration):
            raise Refused("The ID token is not valid.") from None

    def _token_request(self, **form: str) -> dict[str, Any]:
        """RFC 6749 §4.1.3 as a public client: client_id in the body, no secret."""
        form["client_id"] = self.settings.client_id
        try:
            return self._read(self.http.post, self.metadata["token_endpoint"], data=form)
        except SignedOut:
            self.store.clear()
            raise

    def _with_token(self, method: str, url: str) -> requests.Response:
        """RFC 6750 §2.1: the token in the header. A token refused before its time is renewed once."""
        for token in (self.access_token, self.refresh):
            headers = {"Authorization": f"Bearer {token()}"}
            answer = self.http.request(method, url, headers=headers, timeout=TIMEOUT, allow_redirects=False)
            if answer.status_code != 401:
                break
        return answer

    def _keep(self, tokens: dict[str, Any]) -> None:
        """An access token without a lifetime (RFC 6749 §5.1 only recommends it) is taken to be good for a minute."""
        self.store.save(tokens | {"expires_at": time.time() + tokens.get("expires_in", 60)})

    @staticmethod
    def _read(ask: Callable[..., requests.Response], url: str, **options: Any) -> dict[str, Any]:
        """The JSON of a good answer. A network error leaves the tokens alone; `invalid_grant`: they are dead."""
        try:
            answer = ask(url, timeout=TIMEOUT, allow_redirects=False, **options)
            content = answer.json()
        except requests.RequestException:
            raise Refused("The server cannot be reached; try again.") from None
        if answer.status_code == 200 and isinstance(content, dict):
            return content
        error = content.get("error") if isinstance(content, dict) else None
        description = str(content.get("error_description") or error) if error else f"HTTP {answer.status_code}"
        raise (SignedOut if error == "invalid_grant" else Refused)(description)


# --- By hand ----------------------------------------------------------------------------------------------------------


def receiver_for(uri: str, folder: Path) -> LoopbackReceiver | SchemeReceiver:
    return LoopbackReceiver(uri) if uri.startswith("http:") else SchemeReceiver(uri, folder)


def show(url: str) -> None:
    print(f"Opening your browser at\n\n  {url}\n", flush=True)
    webbrowser.open(url)


def main() -> None:
    settings = ", ".join(name.upper() for name in Settings.__dataclass_fields__)
    parser = argparse.ArgumentParser(description=f"Settings come from the environment: {settings}.")
    parser.add_argument("command", choices=("sign-in", "who", "call", "refresh", "revoke", "sign-out", "open-url"))
    parser.add_argument("argument", nargs="?", default="/", help="call: a path; open-url: what the system was given")
    asked = parser.parse_args()
    folder = Path(os.environ.get("APP_FOLDER", Path.home() / ".native-app"))
    if asked.command == "open-url":
        return open_url(asked.argument, folder)
    names = [name for name in Settings.__dataclass_fields__ if name.upper() in os.environ]
    app = NativeApp(Settings(**{name: os.environ[name.upper()] for name in names}), TokenFile(folder / "tokens.json"))
    if asked.command == "sign-in":
        with receiver_for(app.settings.redirect_uri, folder) as receiver:
            print("Signed in:", app.sign_in(receiver, show)["sub"])
    elif asked.command == "sign-out":
        with receiver_for(app.settings.signed_out_uri, folder) as receiver:
            app.sign_out(receiver, show)
    elif asked.command == "who":
        print(json.dumps(app.userinfo(), indent=2, ensure_ascii=False))
    elif asked.command == "call":
        answer = app.call(asked.argument)
        print(answer.status_code, answer.text)
    else:
        getattr(app, asked.command)()
    return None


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(str(refused))
