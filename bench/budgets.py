"""What each operation may cost: CPU-milliseconds of the server per request, all processes together.

The figures hold for a core on which an RSA-2048 signature costs REFERENCE_SIGN_MS and an empty Flask answer
REFERENCE_FLASK_MS. Processors differ in the two by different factors (some have instructions for big numbers), so a
run scales the two signatures of a code exchange or a refresh by the signatures that it measures, and the rest by the
empty Flask answer.
"""

REFERENCE_SIGN_MS = 0.68
REFERENCE_FLASK_MS = 0.50

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


def scaled(operation: str, *, sign_ms: float, flask_ms: float) -> float:
    """The budget of an operation on this core, in CPU-milliseconds."""
    signatures = SIGNATURES.get(operation, 0)
    rest = CPU_MS[operation] - signatures * REFERENCE_SIGN_MS
    return signatures * sign_ms + rest * flask_ms / REFERENCE_FLASK_MS


def scaled_by_signature(operation: str, sign_ms: float) -> float:
    """The stricter reading: everything scaled by the cost of a signature."""
    return CPU_MS[operation] * sign_ms / REFERENCE_SIGN_MS
