"""Secrets at rest open only with the right secret key and purpose; derived values never collide."""

import pytest

from idp.jose.encryption import DecryptionFailed, SecretBox

BOX = SecretBox("one secret key of the server, long enough")


@pytest.mark.parametrize("text", ["", "client secret", "ünïcödé \0 \n", "x" * 10_000])
@pytest.mark.asvs("11.3.2")
def test_what_is_encrypted_comes_back(text: str) -> None:
    sealed = BOX.encrypt(text, purpose="client secret")
    assert BOX.decrypt(sealed, purpose="client secret") == text
    assert not text or text not in sealed


@pytest.mark.asvs("11.3.4")
def test_the_same_text_never_looks_the_same_twice() -> None:
    assert len({BOX.encrypt("a", purpose="p") for _ in range(50)}) == 50


@pytest.mark.asvs("11.3.3")
def test_every_changed_character_is_noticed() -> None:
    sealed = BOX.encrypt("secret", purpose="p")
    for place, character in enumerate(sealed):
        changed = sealed[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        with pytest.raises(DecryptionFailed):
            BOX.decrypt(changed, purpose="p")


@pytest.mark.parametrize("sealed", ["", "1.", "1.AAAA", "2.AAAA", "1." + "A" * 38, "1.é", "1.!!!!", "1.A"])
def test_nonsense_is_refused(sealed: str) -> None:
    with pytest.raises(DecryptionFailed):
        BOX.decrypt(sealed, purpose="p")


def test_another_purpose_or_another_secret_key_opens_nothing() -> None:
    sealed = BOX.encrypt("secret", purpose="p")
    with pytest.raises(DecryptionFailed):
        BOX.decrypt(sealed, purpose="q")
    with pytest.raises(DecryptionFailed):
        SecretBox("another").decrypt(sealed, purpose="p")


def test_after_a_change_of_the_secret_key_the_old_texts_open_and_new_ones_use_the_new_key() -> None:
    old, new = SecretBox("old"), SecretBox("new", ["older", "old"])
    assert new.decrypt(old.encrypt("secret", purpose="p"), purpose="p") == "secret"
    assert SecretBox("new").decrypt(new.encrypt("secret", purpose="p"), purpose="p") == "secret"


def test_a_derived_value_is_always_the_same_and_safe_in_a_url() -> None:
    value = BOX.derive("refresh", "family", "1")
    assert value == SecretBox("one secret key of the server, long enough").derive("refresh", "family", "1")
    assert len(value) == 43
    assert value.replace("-", "").replace("_", "").isalnum()
    assert (
        BOX.derive("refresh", "family", "1", length=16)
        == value[:21] + BOX.derive("refresh", "family", "1", length=16)[21:]
    )


def test_derived_values_differ_by_every_input() -> None:
    values = [
        BOX.derive("p", "ab", "c"),
        BOX.derive("p", "a", "bc"),
        BOX.derive("p", "abc"),
        BOX.derive("p", "abc", ""),
        BOX.derive("p"),
        BOX.derive("q", "abc"),
        SecretBox("another").derive("p", "abc"),
    ]
    assert len(set(values)) == len(values)


def test_derived_values_come_under_each_secret_key_the_current_one_first() -> None:
    box = SecretBox("new", ["old", "older"])
    assert list(box.derive_all("p", "a")) == [SecretBox(key).derive("p", "a") for key in ("new", "old", "older")]


def test_weak_uses_are_refused() -> None:
    for length in (0, 15, 33):
        with pytest.raises(ValueError, match="16 to 32"):
            BOX.derive("p", length=length)
    for key, previous in (("", []), ("a", [""])):
        with pytest.raises(ValueError, match="empty"):
            SecretBox(key, previous)


def test_a_box_does_not_show_its_keys() -> None:
    assert "secret key" not in repr(BOX)
