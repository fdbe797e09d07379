"""The cost of bare RSA-2048 on the server's core: what no server can do without. `python -m bench.signatures`.

Prints JSON: CPU-milliseconds of one RS256 signature and one verification, the key object kept. A process of its own, so
that it runs on the core that the servers have.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

ROUNDS, SIGNATURES, VERIFICATIONS = 5, 40, 400
_DATA = b"x" * 600  # about the signing input of an access token


@dataclass(frozen=True)
class BareCost:
    """CPU-milliseconds of one act."""

    sign_ms: float
    verify_ms: float


def measure(core: int | None) -> BareCost:
    """Measure on this core (None: any)."""
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    command = [*pinned, sys.executable, "-m", "bench.signatures"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return BareCost(**json.loads(done.stdout))


def _cpu_ms(act: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        act()
    return 1000 * (time.process_time() - began) / times


def main() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public, scheme, digest = key.public_key(), padding.PKCS1v15(), SHA256()
    signature = key.sign(_DATA, scheme, digest)
    sign = min(_cpu_ms(lambda: key.sign(_DATA, scheme, digest), SIGNATURES) for _ in range(ROUNDS))
    verify = min(_cpu_ms(lambda: public.verify(signature, _DATA, scheme, digest), VERIFICATIONS) for _ in range(ROUNDS))
    print(json.dumps({"sign_ms": sign, "verify_ms": verify}))


if __name__ == "__main__":
    main()
