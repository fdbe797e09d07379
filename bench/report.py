"""Figures as tables for people, and as one JSON object for programs."""

import json
import os
import platform
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench import budgets
from bench.load import Sample
from bench.signatures import BareCost

FEWEST_REQUESTS = 20  # fewer in a round say nothing


@dataclass
class Figures:
    """All that one revision was measured to cost."""

    name: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    starts: list[float] = field(default_factory=list)
    memory_mib: list[float] = field(default_factory=list)

    def cpu_ms(self, operation: str) -> float:
        """The lowest of the rounds: whatever else runs on the machine (cold caches, say) only ever adds."""
        samples = [sample for sample in self.samples[operation] if sample.requests >= FEWEST_REQUESTS]
        return min((sample.cpu_ms for sample in samples), default=float("nan"))

    def row(self, operation: str) -> dict[str, float]:
        samples = self.samples[operation]
        together = Sample(latencies=[latency for sample in samples for latency in sample.latencies])
        return {
            "requests_per_second": sum(s.requests for s in samples) / sum(s.seconds for s in samples),
            "p50_ms": together.percentile_ms(0.50),
            "p95_ms": together.percentile_ms(0.95),
            "cpu_ms": self.cpu_ms(operation),
        }


@dataclass
class Report:
    """This revision, the one it is compared with, and the bare signatures and servers of the same run."""

    figures: list[Figures]
    bare: list[BareCost]
    floor: Figures

    @property
    def sign_ms(self) -> float:
        return min(cost.sign_ms for cost in self.bare)

    @property
    def verify_ms(self) -> float:
        return min(cost.verify_ms for cost in self.bare)

    @property
    def flask_ms(self) -> float:
        return self.floor.cpu_ms("empty Flask application")

    def budget(self, operation: str) -> float:
        return budgets.scaled(operation, sign_ms=self.sign_ms, flask_ms=self.flask_ms)

    def as_dict(self) -> dict[str, Any]:
        return {
            "machine": machine(),
            "rsa_2048": {"sign_ms": self.sign_ms, "verify_ms": self.verify_ms},
            "floor_cpu_ms": {name: self.floor.cpu_ms(name) for name in self.floor.samples},
            "budgets_cpu_ms": {name: self.budget(name) for name in budgets.CPU_MS},
            "budgets_by_signature_cpu_ms": {
                name: budgets.scaled_by_signature(name, self.sign_ms) for name in budgets.CPU_MS
            },
            "revisions": [
                {
                    "name": figures.name,
                    "operations": {name: figures.row(name) for name in figures.samples},
                    "start_seconds": median(figures.starts) if figures.starts else None,
                    "idle_memory_mib": median(figures.memory_mib) if figures.memory_mib else None,
                }
                for figures in self.figures
            ],
        }

    def to_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2) + "\n"

    def to_text(self) -> str:
        floor = ", ".join(f"{name} {self.floor.cpu_ms(name):.3f} ms" for name in self.floor.samples)
        signature = f"sign {self.sign_ms:.3f} ms, verify {self.verify_ms:.3f} ms"
        parts = [f"{machine()}\nCPU of bare RSA-2048: {signature}\nCPU of bare gunicorn: {floor}"]
        parts += [self._table(figures) for figures in self.figures]
        if len(self.figures) == 2:
            parts.append(self._comparison(*self.figures))
        return "\n\n".join(parts) + "\n"

    def _table(self, figures: Figures) -> str:
        lines = [
            f"{figures.name}\n{'operation':<15}{'req/s':>8}{'p50 ms':>9}{'p95 ms':>9}{'CPU ms':>9}{'budget':>9}"
            f"{'of budget':>11}{'over Flask and RSA':>20}"
        ]
        for name in figures.samples:
            row, budget = figures.row(name), self.budget(name)
            beyond = row["cpu_ms"] - budgets.SIGNATURES.get(name, 0) * self.sign_ms - self.flask_ms
            lines.append(
                f"{name:<15}{row['requests_per_second']:>8.0f}{row['p50_ms']:>9.2f}{row['p95_ms']:>9.2f}"
                f"{row['cpu_ms']:>9.3f}{budget:>9.3f}{row['cpu_ms'] / budget:>10.0%} {beyond:>19.3f}"
            )
        if figures.starts:
            lines.append(
                f"2 workers: first healthy answer after {median(figures.starts):.2f} s "
                f"(goal {budgets.START_SECONDS} s), "
                f"{median(figures.memory_mib):.0f} MiB at rest (goal {budgets.IDLE_MIB:.0f} MiB)"
            )
        return "\n".join(lines)

    def _comparison(self, this: Figures, base: Figures) -> str:
        lines = [f"CPU per request, {this.name} against {base.name}"]
        for name in this.samples:
            mine, theirs = this.cpu_ms(name), base.cpu_ms(name)
            lines.append(f"{name:<15}{mine:>9.3f} /{theirs:>7.3f} = {mine / theirs:>5.2f}")
        return "\n".join(lines)


def machine() -> str:
    """The processor and the Python: figures mean nothing without them."""
    return f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
