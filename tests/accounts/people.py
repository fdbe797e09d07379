"""People of the house, as the modules of `accounts` are handed them."""

from idp.protocol.identity import User
from idp.server import Server
from tests.store.samples import add_user


def somebody(house: Server) -> User:
    found = house.store.users.find(add_user(house.store).id)
    assert found is not None
    return found
