"""The two small stores: APIs with their scopes, and the audit trail."""

import json

import pytest

from idp.protocol.scopes import Api
from idp.store import Store
from idp.store.apis import CACHE_SECONDS, ApiStore
from tests.store.samples import NOW, TEXTS, unique


def test_an_api_comes_back_with_its_scopes_and_what_they_mean(store: Store) -> None:
    api = Api(f"https://{unique('api')}.example.com/", TEXTS[4], {"orders:read": TEXTS[1], "orders:write": TEXTS[2]})
    store.apis.save(api, now=NOW)
    assert ApiStore(store.database).all()[api.identifier] == api
    changed = Api(api.identifier, "other", {})
    store.apis.save(changed, now=NOW)
    assert ApiStore(store.database).all()[api.identifier] == changed
    assert store.apis.remove(api.identifier)
    assert not store.apis.remove(api.identifier)
    assert api.identifier not in ApiStore(store.database).all()


@pytest.mark.spec("RFC 8707", "2", "MUST")
def test_api_identifiers_compare_byte_for_byte(store: Store) -> None:
    lower = Api(unique("api"), "one", {})
    upper = Api(lower.identifier.upper(), "two", {})
    for api in (lower, upper):
        store.apis.save(api, now=NOW)
    found = ApiStore(store.database).all()
    assert (found[lower.identifier].name, found[upper.identifier].name) == ("one", "two")


def test_a_change_to_an_api_by_another_process_is_seen_within_a_second(store: Store) -> None:
    clock, api = [50.0], Api(unique("api"), "name", {})
    cached = ApiStore(store.database, lambda: clock[0])
    cached.all()
    store.apis.save(api, now=NOW)
    clock[0] += CACHE_SECONDS
    assert cached.all()[api.identifier] == api


@pytest.mark.asvs("16.2.1")
def test_an_event_comes_back_whole_newest_first_and_by_person(store: Store) -> None:
    user_id = unique("u")
    for number, text in enumerate(TEXTS):
        ids = {"user_id": user_id, "client_id": "client", "request_id": "0123456789abcdef"}
        store.audit_events.append("test", at=NOW + number, address="2001:db8::1", detail={"text": text}, **ids)
        store.audit_events.append("other", at=NOW)
    events = store.audit_events.list(user_id=user_id)
    assert [json.loads(event["detail"])["text"] for event in events] == list(reversed(TEXTS))
    first = {name: value for name, value in events[-1].items() if name not in {"id", "detail"}}
    assert first == {
        "at": NOW,
        "event": "test",
        "user_id": user_id,
        "client_id": "client",
        "address": "2001:db8::1",
        "request_id": "0123456789abcdef",
    }
    assert len(store.audit_events.list(limit=3)) == 3


@pytest.mark.parametrize("text", ["x" * 200_000, "\ud800", "nul\0inside"])
def test_an_event_is_written_whatever_its_detail_holds(store: Store, text: str) -> None:
    user_id = unique("u")
    store.audit_events.append("test", at=NOW, user_id=user_id, detail={"text": text})
    assert json.loads(store.audit_events.list(user_id=user_id)[0]["detail"]) == {"text": text}
