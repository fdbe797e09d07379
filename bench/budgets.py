"""What each operation may cost: CPU-milliseconds of the server per request, all processes together.

The figures hold for a core on which one RSA-2048 signature costs REFERENCE_SIGN_MS; a run scales them by the cost that
it measures itself. A code exchange and a refresh sign two tokens, so 1.36 ms of theirs is the two signatures.
"""

REFERENCE_SIGN_MS = 0.68

CPU_MS = {
    "discovery": 0.35,
    "jwks": 0.35,
    "authorize": 1.0,
    "code exchange": 2.7,
    "refresh": 2.6,
    "userinfo": 0.7,
    "introspect": 0.7,
}

SIGNATURES = {"code exchange": 2, "refresh": 2}

START_SECONDS = 1.5
IDLE_MIB = 150.0


def scaled(operation: str, sign_ms: float) -> float:
    """The budget of an operation on a core where a signature costs `sign_ms`, in CPU-milliseconds."""
    return CPU_MS[operation] * sign_ms / REFERENCE_SIGN_MS
