"""What a check says: how it stands with one thing, in one sentence."""

from dataclasses import dataclass
from typing import Literal

Result = Literal["well", "warning", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`wrong`: something does not work, or is not safe. `warning`: it may be meant so. `unknown`: not looked at.

    `what`: the topic. The sentence says what to do where something is to be done; never a secret in it.
    """

    what: str
    result: Result
    sentence: str


def well(what: str, sentence: str) -> Finding:
    return Finding(what, "well", sentence)


def warning(what: str, sentence: str) -> Finding:
    return Finding(what, "warning", sentence)


def wrong(what: str, sentence: str) -> Finding:
    return Finding(what, "wrong", sentence)


def counted(number: int, thing: str) -> str:
    """`1 key`, `2 keys`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def unknown(what: str, sentence: str) -> Finding:
    return Finding(what, "unknown", sentence)
