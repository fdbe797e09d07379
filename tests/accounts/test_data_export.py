"""Which mails a person finds in their data, and which go with them: also those that the outbox writes otherwise."""

import secrets

from idp.accounts.data_export import export_data
from idp.accounts.deletion import ask_deletion, delete_due
from idp.accounts.notices import Scene, tell_password_changed
from idp.mail import send_mail
from idp.protocol.identity import User
from idp.server import Server
from idp.store.users import NewUser

NOW = 1_800_000_000
SCENE = Scene(NOW, "192.0.2.1")


def furnished(house: Server, *, is_confirmed: bool = True) -> tuple[User, str]:
    """Somebody with a mail from before the account and one from after it, and their address as the outbox has it."""
    name = f"Ada-{secrets.token_hex(6)}"
    email = f"{name}@Bücher.Example"
    assert house.store.users.add(NewUser(f"u_{name}", name, email, email_verified=is_confirmed), now=NOW)
    user = house.store.users.find(f"u_{name}")
    assert user is not None
    content = {"name": "", "url": "https://id.example", "code": "123456", "minutes": 60}
    send_mail(house, "verify_email", email, language="en", now=NOW, **content)
    tell_password_changed(house, user, SCENE)
    return user, f"{name}@xn--bcher-kva.example"


def templates(house: Server, address: str) -> set[str]:
    return {mail.template for mail in house.store.mail_outbox.list(recipient=address)}


def test_mails_are_found_however_the_address_was_typed(house: Server) -> None:
    user, _ = furnished(house)
    mails = export_data(house, user, now=NOW)["mails"]
    assert {mail["template"] for mail in mails} == {"verify_email", "password_changed"}


def test_mails_go_with_the_account_but_for_the_last_which_is_nobodys(house: Server) -> None:
    user, mailbox = furnished(house)
    ask_deletion(house, user, SCENE)
    delete_due(house, now=NOW + house.settings.deletion_delay)
    (last,) = house.store.mail_outbox.list(recipient=mailbox)
    assert (last.template, last.user_id) == ("account_deletion", None)


def test_what_went_to_an_address_that_was_never_confirmed_may_be_somebody_elses(house: Server) -> None:
    user, mailbox = furnished(house, is_confirmed=False)
    assert [mail["template"] for mail in export_data(house, user, now=NOW)["mails"]] == ["password_changed"]
    ask_deletion(house, user, SCENE)
    delete_due(house, now=NOW + house.settings.deletion_delay)
    assert templates(house, mailbox) == {"verify_email", "account_deletion"}
