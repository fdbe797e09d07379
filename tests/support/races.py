"""Races made certain: callers of one method wait for each other, so that all of them are past the checks before it."""

import threading
from typing import Any

import pytest

PATIENCE_SECONDS = 20


def meet_before(monkeypatch: pytest.MonkeyPatch, owner: type, method: str, *, callers: int) -> None:
    """From now on the first `callers` calls of this method in this process begin together; later ones just run."""
    original = getattr(owner, method)
    barrier = threading.Barrier(callers, timeout=PATIENCE_SECONDS)
    left = threading.Semaphore(callers)

    def meeting(*arguments: Any, **options: Any) -> Any:
        if left.acquire(blocking=False):
            barrier.wait()
        return original(*arguments, **options)

    monkeypatch.setattr(owner, method, meeting)
