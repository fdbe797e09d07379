"""A password that is changed while it is being checked: the one that was right a moment ago brings nobody in, keeps no
session, and is not written back. One that is only hashed anew meanwhile signs in as ever."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from idp import create_app
from idp.accounts.passwords import Passwords
from idp.server import Server
from idp.store.tables import sessions
from tests.support.accounts import PASSWORD, add_user
from tests.support.crowd import at_once
from tests.support.idp_server import make_settings, prepare, running_server
from tests.support.relying_party import Browser

NEW_HASH = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$WwD2/wGGTuw7u4BW8sLM0Q"


class Interrupted:
    """Passwords as they are, but each check lasts until somebody has chosen another one."""

    def __init__(self, passwords: Passwords, server: Server) -> None:
        self._passwords, self._server, self.user_id = passwords, server, ""

    def is_right(self, password: str, password_hash: str | None) -> bool:
        fits = self._passwords.is_right(password, password_hash)
        self._server.store.users.set_password_hash(self.user_id, NEW_HASH, now=self._server.clock())
        self._server.store.users.sign_out_everywhere(self.user_id, now=self._server.clock(), why="password reset")
        return fits

    def __getattr__(self, name: str) -> Any:
        return getattr(self._passwords, name)


class Together:
    """Passwords as they are, but two people hash at the same time: both have checked the old hash."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords, self._both = passwords, threading.Barrier(2)

    def hash(self, password: str) -> str:
        self._both.wait(60)
        return self._passwords.hash(password)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._passwords, name)


@pytest.fixture
def app(tmp_path: Path, signing_keys: Path) -> Iterator[Flask]:
    settings, _ = make_settings(tmp_path, argon2_memory_kib="1024")
    prepare(settings, signing_keys)
    made = create_app(settings)
    yield made
    made.extensions["idp"].store.database.dispose()


def old_hash(server: Server) -> str:
    """One of PASSWORD that is replaced at the next sign-in."""
    return Passwords(server.settings.model_copy(update={"argon2_iterations": 2, "argon2_memory_kib": 64})).hash(
        PASSWORD
    )


def form_token(client: FlaskClient) -> str:
    return client.get("/login").get_data(as_text=True).partition('name="csrf_token" value="')[2].partition('"')[0]


def count_sessions(server: Server, user_id: str) -> int:
    with server.store.database.reading() as connection:
        return int(connection.execute(select(func.count()).where(sessions.c.user_id == user_id)).scalar_one())


@pytest.mark.parametrize("is_old_hash", [False, True], ids=["as it is", "one to be upgraded"])
@pytest.mark.asvs("6.4.3", "7.4.3")
def test_a_password_that_is_changed_while_it_is_checked_begins_no_session(app: Flask, is_old_hash: bool) -> None:
    server, passwords = app.extensions["idp"], app.extensions["idp.passwords"]
    user = add_user(server.store, old_hash(server) if is_old_hash else passwords.hash(PASSWORD))
    interrupted = app.extensions["idp.passwords"] = Interrupted(passwords, server)
    interrupted.user_id = user.id
    client = app.test_client()
    form = {"username": user.username, "password": PASSWORD, "csrf_token": form_token(client)}
    assert client.post("/login", data=form).status_code == 200, "the form again"
    assert client.get_cookie("idp_session") is None
    assert count_sessions(server, user.id) == 0
    assert server.store.users.find_for_sign_in(user.username)[1] == NEW_HASH


def test_two_sign_ins_that_both_replace_an_old_hash_both_succeed(app: Flask) -> None:
    server, passwords = app.extensions["idp"], app.extensions["idp.passwords"]
    user = add_user(server.store, old_hash(server))
    app.extensions["idp.passwords"] = Together(passwords)
    clients = [app.test_client() for _ in range(2)]
    tokens = [form_token(client) for client in clients]

    def sign_in(index: int) -> int:
        form = {"username": user.username, "password": PASSWORD, "csrf_token": tokens[index]}
        return clients[index].post("/login", data=form).status_code

    assert at_once(2, sign_in) == [303, 303]
    assert count_sessions(server, user.id) == 2
    assert not passwords.needs_rehash(server.store.users.find_for_sign_in(user.username)[1])


def test_an_old_hash_is_replaced_by_parallel_sign_ins_at_several_workers(tmp_path: Path, signing_keys: Path) -> None:
    costly = {"argon2_memory_kib": "16384", "argon2_iterations": "2", "workers": "3"}
    with running_server(tmp_path, keys_from=signing_keys, **costly) as server:
        cheap = Passwords(server.settings.model_copy(update={"argon2_iterations": 1, "argon2_memory_kib": 64}))
        user = add_user(server.store, cheap.hash(PASSWORD))
        pages = [Browser(server, Connection="close").open("/login") for _ in range(2)]
        answers = at_once(2, lambda index: pages[index].submit("login", username=user.username, password=PASSWORD))
        assert [answer.status_code for answer in answers] == [303, 303]
        assert [page.browser.open("/account").id for page in pages] == ["account-page"] * 2
