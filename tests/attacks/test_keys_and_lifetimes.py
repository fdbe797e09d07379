"""A retired key is published as long as anything that it signed can come back."""

import time
from typing import Any

import pytest
import requests

from idp.client_auth import METHODS
from idp.client_auth.jwt_assertion import ASSERTION_ALGS
from idp.grants import GRANTS
from idp.jose.algorithms import SIGNING
from idp.jose.key_directory import KeyDirectory
from idp.protocol.client_metadata import MAX_SIGNED_LIFETIME, check_client
from idp.protocol.errors import InvalidClientMetadata
from tests.cli.conftest import Idp, empty_folder, folder, idp, initialised_folder
from tests.support.accounts import make_client
from tests.support.authorize import signed_in, trusted_party
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, header_of

__all__ = ["empty_folder", "folder", "idp", "initialised_folder"]  # fixtures

DAY = 86_400


def check(**changes: Any) -> None:
    check_client(
        make_client(secret="x" * 32, **changes),
        auth_methods=METHODS,
        grant_types=GRANTS,
        signing_algs=tuple(SIGNING),
        assertion_algs=ASSERTION_ALGS,
    )


@pytest.mark.parametrize("name", ["access_token_lifetime", "id_token_lifetime"])
def test_what_a_client_has_signed_lives_a_day_at_most(name: str) -> None:
    assert MAX_SIGNED_LIFETIME == DAY
    check(**{name: DAY})
    for seconds in (DAY + 1, 0, -1):
        with pytest.raises(InvalidClientMetadata, match=name):
            check(**{name: seconds})


@pytest.mark.parametrize("option", ["--access-token-lifetime", "--id-token-lifetime"])
def test_the_command_line_refuses_a_longer_life(idp: Idp, option: str) -> None:
    arguments = ("clients", "add", "App", "--id", "app", "--redirect-uri", "https://app.example.com/cb", option)
    refused = idp(*arguments, "86401")
    assert refused.code != 0
    assert "86400" in refused.err + refused.out
    assert idp("clients", "show", "app").code != 0
    assert idp(*arguments, "86400").code == 0
    assert idp("clients", "update", "app", option, "86401").code != 0


@pytest.mark.spec("OpenID Connect Core", "10.1.1", "SHOULD")
def test_what_a_retired_key_signed_is_still_ours_for_as_long_as_it_can_come_back(timed: TimedServer) -> None:
    client, user = trusted_party(timed, access_token_lifetime=DAY, id_token_lifetime=DAY), timed.add_user()
    browser = signed_in(timed, user.username)
    first = client.tokens(browser)
    timed.forward(3600)
    fresh = client.tokens(browser)
    keys = KeyDirectory(timed.settings.keys_dir)
    keys.rotate(timed.now, publish_for=0, immediately=True)
    time.sleep(1.1)  # a process looks at its keys once a second
    timed.forward(DAY - 10)
    assert client.userinfo(fresh["access_token"]).status_code == 200
    timed.forward(10)  # 25 hours after the first sign-in, a day after the rotation
    assert client.userinfo(first["access_token"]).status_code == 401, "expired, whatever the key"
    keys.prune(timed.now, timed.settings.longest_token_lifetime)
    timed.forward(3600)
    published = {key["kid"] for key in requests.get(timed.url("/jwks"), timeout=15).json()["keys"]}
    assert header_of(first["id_token"])["kid"] in published
    answer = client.start(Browser(timed), id_token_hint=first["id_token"], prompt="none")
    assert client.callback(answer, {}).error == "login_required", "the hint is known, its person is not here"
    new = client.tokens(signed_in(timed, user.username), id_token_hint=first["id_token"])
    assert header_of(new["id_token"])["kid"] != header_of(first["id_token"])["kid"]
