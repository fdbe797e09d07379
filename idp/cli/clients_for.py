"""`idp clients add --for KIND`: registers what a recipe says, and prints the finished files.

Everything is checked and every file is made before anything is written; the client, and the API that is made with it,
are stored in one go.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from idp import audit
from idp.audit import Event
from idp.cli.apis import check_free, load_scope
from idp.cli.apis import described as described_api
from idp.cli.client_options import (
    check_whole_client,
    described,
    has_service_scope,
    warn_about_upstreams,
    with_options,
)
from idp.cli.client_secrets import make_secret
from idp.cli.command import Refused
from idp.cli.identifiers import new_client_id, new_client_secret
from idp.cli.opening import opened_store
from idp.cli.output import answer
from idp.cli.recipe_answers import Given, collect
from idp.cli.recipe_files import described_files, shown_files, shown_steps, written_files
from idp.protocol.client import Client
from idp.protocol.scopes import Api
from idp.recipes import RECIPES, Answers, Recipe, Snippet, Unwritable, make_facts, render
from idp.settings import Settings, load_settings
from idp.store import Store

# The options that only a recipe asks for.
RECIPE_OPTIONS = ("url", "scheme", "link", "api_scope")


@dataclass(frozen=True, slots=True)
class Asked:
    """What the operator wants."""

    recipe: Recipe
    given: Given
    client_id: str
    options: Mapping[str, Any]
    now: int


@dataclass(frozen=True, slots=True)
class Registration:
    """What will be stored. `api`: one to store with it; `audience`: the one the files are about; `found`: that one as
    it was there before."""

    client: Client | None
    secret: str | None
    api: Api | None
    audience: Api | None
    found: Api | None = None

    @property
    def new_scopes(self) -> list[str]:
        """Those that the API gets now."""
        had = () if self.found is None else self.found.scopes
        return [] if self.audience is None else [scope for scope in self.audience.scopes if scope not in had]


def add_for(kind: str, name: str | None, client_id: str | None, options: Mapping[str, Any]) -> None:
    """Register an application of this kind and print its files. Refused, and nothing is left behind, for what does not
    fit."""
    if kind not in RECIPES:
        raise Refused(f"--for is one of {', '.join(RECIPES)}.", exit_code=2)
    recipe, settings, now = RECIPES[kind], load_settings(), int(time.time())
    _check_options(recipe, options)
    with opened_store(settings) as store:
        given = collect(recipe, {**options, "name": name})
        asked = Asked(recipe, given, client_id or new_client_id(), options, now)
        registration = (_plan_api if recipe.is_api else _plan_client)(asked, store, settings)
        snippets = _rendered(recipe, registration, settings)
        if registration.client is not None:
            check_whole_client(registration.client)
            warn_about_upstreams(registration.client, settings.upstream)
        with written_files(options["write"], snippets) as paths:
            _save(store, registration, now=now)
        _record(store, registration, now=now)
    _answer(recipe, registration, snippets, paths)


def _check_options(recipe: Recipe, options: Mapping[str, Any]) -> None:
    asked = {each.option.removeprefix("--").replace("-", "_") for each in recipe.questions}
    for option in RECIPE_OPTIONS:
        if options[option] and option not in asked:
            raise Refused(f"--{option.replace('_', '-')} is not for {recipe.kind}.", exit_code=2)
    if options["public"]:
        raise Refused("--public and --for exclude each other: the kind decides it.", exit_code=2)
    if options["introspection"] and not recipe.is_api:
        raise Refused(f"--introspection is for APIs; {recipe.kind} is none.", exit_code=2)
    if recipe.is_api and options["scope"] is not None:
        raise Refused("The scopes of an API are given by --api-scope NAME=MEANING.", exit_code=2)


def _plan_client(asked: Asked, store: Store, settings: Settings) -> Registration:
    """What the recipe says, then what was given on top of it."""
    recipe, given = asked.recipe, asked.given
    assert recipe.settings is not None
    apis = store.apis.all()
    unknown = [identifier for identifier in given.get("--api", ()) if identifier not in apis]
    if unknown:
        raise Refused(f"There is no API {unknown[0]}; add it with: idp clients add --for fastapi --api {unknown[0]}")
    answers = Answers(
        name=given["name"][0],
        urls=given.get("--url", ()),
        scheme=next(iter(given.get("--scheme", ())), None),
        links=given.get("--link", ()),
        apis=tuple(apis[identifier] for identifier in given.get("--api", ())),
    )
    bare = Client(asked.client_id, answers.name, **recipe.settings(answers), made_for=recipe.kind, created_at=asked.now)
    client = with_options(bare, {**asked.options, "for": None, "api": ()}, apis)
    _check_service(client, apis)
    secret, kept = make_secret(client, settings, now=asked.now)
    return Registration(replace(client, secrets=kept), secret, None, next(iter(answers.apis), None))


def _check_service(client: Client, apis: Mapping[str, Api]) -> None:
    """A service without any scope (RFC 6749 §4.4) would be registered well and get no token, ever."""
    if "client_credentials" in client.grant_types and not has_service_scope(client, apis):
        api = next(iter(client.audience), "IDENTIFIER")
        raise Refused(
            "No API of it has a scope that it may have, so every token would be refused. Give the API one: "
            f"idp clients add --for fastapi --api {api} --api-scope NAME=MEANING"
        )


def _plan_api(asked: Asked, store: Store, settings: Settings) -> Registration:
    """The API, new or with more scopes than before; what is there stays, because others use it. With
    --introspection also a client that may introspect."""
    given = asked.given
    identifier, apis = given["--api"][0], store.apis.all()
    found = apis.get(identifier)
    name = next(iter(given["name"]), found.name if found is not None else identifier)
    known = dict(found.scopes) if found is not None else {}
    wanted = known | dict(load_scope(text) for text in given["--api-scope"]) | known
    check_free(store, identifier, wanted)
    api = Api(identifier, name if found is None else found.name, wanted)
    changed = api if api != found else None
    if not asked.options["introspection"]:
        return Registration(None, None, changed, api, found)
    bare = Client(asked.client_id, name, grant_types=(), scope=(), serves=(identifier,))
    bare = replace(bare, made_for=asked.recipe.kind, created_at=asked.now)
    client = with_options(bare, {**asked.options, "for": None, "api": (), "serves": ()}, apis)
    secret, kept = make_secret(client, settings, now=asked.now)
    return Registration(replace(client, secrets=kept), secret, changed, api, found)


def _rendered(recipe: Recipe, registration: Registration, settings: Settings) -> tuple[Snippet, ...]:
    facts = make_facts(
        recipe,
        settings.issuer,
        client=registration.client,
        api=registration.audience,
        secret=registration.secret,
        random_secret=new_client_secret(),
    )
    try:
        return render(recipe, facts)
    except Unwritable as error:
        raise Refused(f"{error} Nothing is registered.") from None


def _save(store: Store, registration: Registration, *, now: int) -> None:
    """The client and its API in one transaction, or neither."""
    client, api = registration.client, registration.api
    if client is not None:
        if not store.clients.add(client, now=now, api=api):
            raise Refused(f"There is a client {client.client_id} already.")
    elif api is not None:
        store.apis.save(api, now=now)


def _record(store: Store, registration: Registration, *, now: int) -> None:
    client, api = registration.client, registration.api
    if api is not None:
        audit.record_by_operator(store, Event.API_SAVED, now=now, api=api.identifier, scopes=list(api.scopes))
    if client is not None:
        audit.record_by_operator(store, Event.CLIENT_ADDED, now=now, client_id=client.client_id)


def _answer(recipe: Recipe, registration: Registration, snippets: tuple[Snippet, ...], paths: list[Path]) -> None:
    client, api, secret = registration.client, registration.audience, registration.secret
    data: dict[str, Any] = {} if client is None else described(client)
    if secret is not None:
        data["client_secret"] = secret
    if recipe.is_api and api is not None:
        data["api"] = described_api(api)
        data["new_scopes"] = registration.new_scopes
    data |= {"files": described_files(snippets), "written": [str(path) for path in paths]}
    data |= {"after": list(recipe.after), "page": f"docs/integrate/{recipe.page}"}
    sentences = []
    if recipe.is_api and api is not None:
        sentences += [_said_of_api(api, registration), f"identifier     {api.identifier}"]
        sentences += [f"scopes         {' '.join(api.scopes) or 'none'}"]
    if client is not None:
        sentences += [f"Client {client.name} is registered.", f"client_id      {client.client_id}"]
    if secret is not None:
        sentences += [f"client_secret  {secret}", "The secret is not shown again."]
    if recipe.is_api and client is not None:
        sentences += ["With them the API asks about a token at the introspection endpoint (RFC 7662)."]
    written = [f"Written: {path}" for path in paths]
    answer(data, *sentences, *(written or shown_files(snippets)), *shown_steps(recipe))


def _said_of_api(api: Api, registration: Registration) -> str:
    if registration.found is None:
        return f"API {api.name} is registered."
    if not registration.new_scopes:
        return f"API {api.name} is there already and stays as it is. To change it: idp apis add {api.identifier}"
    return f"API {api.name} is there already; scopes added: {' '.join(registration.new_scopes)}."
