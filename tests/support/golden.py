"""Wire payloads as files in `tests/golden`: what a client sees changes only when somebody means it to.

Values that differ from run to run are replaced by their names in angle brackets. `IDP_WRITE_GOLDEN=1` writes the files
anew; the difference is then for a person to read.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "golden"


def check_golden(
    name: str, payload: Any, *, known: Mapping[str, str], at: int = 0, opaque: tuple[str, ...] = ()
) -> None:
    """Compare with `tests/golden/<name>.json`. `known`: text to put a name on; `at`: the second that times count from;
    `opaque`: members of which only the kind matters."""
    found = _normal(payload, known, at, opaque)
    path = FOLDER / f"{name}.json"
    if os.environ.get("IDP_WRITE_GOLDEN") == "1":
        path.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(path.read_text(encoding="utf-8"))


def _normal(value: Any, known: Mapping[str, str], at: int, opaque: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {key: f"<{key}>" if key in opaque else _normal(inner, known, at, opaque) for key, inner in value.items()}
    if isinstance(value, list):
        return [_normal(inner, known, at, opaque) for inner in value]
    if isinstance(value, str):
        for text, name in known.items():
            value = value.replace(text, f"<{name}>")
        return value
    if type(value) is int and at and abs(value - at) < 10_000:
        return f"<now + {value - at}>" if value != at else "<now>"
    return value
