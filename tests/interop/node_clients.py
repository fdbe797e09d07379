"""Runs the scenarios of a Node.js script against a server, and keeps what came of each.

A script exports `scenarios`: sentences and functions. The person, and every client a scenario may need, are registered
here; the scripts know them by short names.
"""

import json
import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from idp.jose.algorithms import generate_key
from idp.jose.encryption import SecretBox
from idp.protocol.client import ClientSecret
from tests.support.accounts import PASSWORD
from tests.support.idp_server import RegisteredClient, ServerUnderTest
from tests.support.machine import ProgramMissing, find_needed

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

FOLDER = Path(__file__).parent
API = "https://api.example.com"
AWKWARD_SECRET = "a:b c+d%20e&f=g/é€~" + secrets.token_urlsafe(24)
SECONDS_FOR_A_SCRIPT = 120


@dataclass(frozen=True)
class ScriptRun:
    """What became of each scenario: None, or the error that ended it. `noise` is what Node.js said besides."""

    errors: dict[str, str | None]
    noise: str

    def check(self, scenario: str) -> None:
        if scenario not in self.errors:
            pytest.fail(f"the script did not run {scenario!r}\n{self.noise}", pytrace=False)
        if (error := self.errors[scenario]) is not None:
            pytest.fail(error, pytrace=False)

    def check_complete(self, promises: "tuple[ParameterSet, ...]") -> None:
        """Whether the script and the table of its promises name the same scenarios."""
        assert sorted(self.errors) == sorted(str(each.values[0]) for each in promises), self.noise


def promise(
    scenario: str, specification: str | None = None, section: str = "", level: str = "", *, asvs: str | None = None
) -> "ParameterSet":
    """A scenario as a test parameter, with the rule that it shows where there is one."""
    marks = [] if specification is None else [pytest.mark.spec(specification, section, level)]
    return pytest.param(scenario, marks=[*marks, *([] if asvs is None else [pytest.mark.asvs(asvs)])], id=scenario)


def run_script(script: str, server: ServerUnderTest) -> ScriptRun:
    """Run every scenario of a script. Skips when Node.js, or the packages it needs, are not installed."""
    try:
        node = find_needed("node", package="nodejs")
    except ProgramMissing as missing:
        pytest.skip(str(missing))
    find_packages()
    result = subprocess.run(
        [node, FOLDER / "run.mjs", script],
        input=json.dumps(_describe_bench(server)),
        env={"PATH": str(node.parent), "LC_ALL": "C.UTF-8"},  # no proxy, no options
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_A_SCRIPT,
        check=False,
    )
    outcomes = [json.loads(line) for line in result.stdout.splitlines()]
    return ScriptRun({each["name"]: each["error"] for each in outcomes}, result.stderr[-4000:])


def find_packages() -> Path:
    """The folder of the npm packages. Skips the test when they are not installed."""
    packages = FOLDER / "node_modules"
    if not packages.is_dir():
        pytest.skip("needs the npm packages of tests/interop: npm ci --prefix tests/interop")
    return packages


def _describe_bench(server: ServerUnderTest) -> dict[str, Any]:
    user = server.add_user()
    account = {"username": user.username, "password": PASSWORD, "sub": user.id}
    return {"issuer": server.issuer, "account": account, "clients": _register_clients(server)}


def _register_clients(server: ServerUnderTest) -> dict[str, dict[str, Any]]:
    add = server.add_client
    registered = {
        "basic": add(),
        "awkward_secret": add(secret=AWKWARD_SECRET),
        "post": add(token_endpoint_auth_method="client_secret_post"),
        "secret_jwt": add_secret_jwt_client(server),
        "public": add(public=True),
        "native_loopback": add(public=True, redirect_uris=("http://127.0.0.1/callback",)),
        "native_scheme": add(public=True, redirect_uris=("com.example.app:/callback",)),
        "without_pkce": add(require_pkce=False),
        "own_query": add(redirect_uris=("https://client.example.com/callback?tenant=a%20b",)),
        "never_consented": add(),
        "signed_userinfo": add(userinfo_signed_response_alg="RS256"),
        "caller": add(audience=(API,)),
        "api": add(serves=(API,)),
        "service": add(grant_types=("client_credentials",), scope=("jobs.run",), audience=(API,)),
    }
    for alg in ("PS256", "ES256", "EdDSA"):
        registered[f"id_token_{alg.lower()}"] = add(id_token_signed_response_alg=alg)
    described = {name: describe_client(client) for name, client in registered.items()}
    for alg in ("RS256", "PS256", "ES256", "Ed25519"):
        client, private_jwk = add_key_client(server, alg)
        described[f"key_{alg.lower()}"] = describe_client(client) | {"private_jwk": private_jwk}
    return described


def add_secret_jwt_client(server: ServerUnderTest) -> RegisteredClient:
    """A client for client_secret_jwt: its secret is stored encrypted, since it must be read back."""
    secret = secrets.token_urlsafe(32)
    sealed = SecretBox(server.settings.secret_key).encrypt(secret, purpose="client secret")
    stored = ClientSecret(encrypted=sealed, created_at=server.now)
    added = server.add_client(token_endpoint_auth_method="client_secret_jwt", secrets=(stored,))
    return RegisteredClient(added.metadata, secret)


def add_key_client(server: ServerUnderTest, alg: str) -> tuple[RegisteredClient, dict[str, Any]]:
    """A client for private_key_jwt with this algorithm only, and its private key as a JWK."""
    key = generate_key("EdDSA" if alg == "Ed25519" else alg)  # two names of one algorithm (RFC 9864 §2.2)
    kid = {"kid": key.thumbprint()}
    client = server.add_client(
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg=alg,
        jwks={"keys": [dict(key.as_dict(private=False)) | kid]},
    )
    return client, dict(key.as_dict(private=True)) | kid | {"alg": alg}


def describe_client(client: RegisteredClient) -> dict[str, Any]:
    """What a client knows of itself; `metadata` in the words of OpenID Connect Registration §2."""
    registered = client.metadata
    metadata = {
        "id_token_signed_response_alg": registered.id_token_signed_response_alg,
        "userinfo_signed_response_alg": registered.userinfo_signed_response_alg,
    }
    return {
        "client_id": client.client_id,
        "client_secret": client.secret,
        "redirect_uri": registered.redirect_uris[0],
        "post_logout_redirect_uri": registered.post_logout_redirect_uris[0],
        "token_endpoint_auth_method": registered.token_endpoint_auth_method,
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
