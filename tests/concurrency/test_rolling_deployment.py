"""Two versions of the code at work at the same time: what the newer one writes, this one goes on reading."""

from idp.authorization.interaction import KIND
from tests.support.accounts import PASSWORD
from tests.support.idp_server import TimedServer
from tests.support.relying_party import Browser, Page, RelyingParty


def test_a_sign_in_that_began_on_a_newer_instance_can_be_finished_here(timed: TimedServer) -> None:
    client, user, browser = RelyingParty(timed, timed.add_client(first_party=True)), timed.add_user(), Browser(timed)
    params, verifier = client.request()
    page = Page(browser, browser.follow(browser.get("/authorize", params=params)))
    interaction_id = page.fields("login")[1]["interaction"]
    value = timed.store.ephemeral.get(KIND, interaction_id, now=timed.now)
    assert value is not None
    value["progress"]["invented_later"] = True
    assert timed.store.ephemeral.replace(KIND, interaction_id, value | {"invented_later": 1}, now=timed.now)
    end = browser.follow(page.submit("login", username=user.username, password=PASSWORD))
    assert client.redeem(client.callback(end, params, verifier)).status_code == 200
