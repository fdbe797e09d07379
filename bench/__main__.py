"""The command line of the bench; `scripts/bench` is its door."""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import signatures
from bench.connection import BadAnswer
from bench.load import drive
from bench.operations import FLOOR, OPERATIONS, Account, Operation
from bench.report import Figures, Report
from bench.servers import Checkout, Server, ServerFailed, running, running_floor

ROOT = Path(__file__).resolve().parent.parent
SERVER_CORE, DRIVER_CORE = 0, 1
START_ROUNDS = 3
WARM_UP_SECONDS = 0.3


def read_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="Measures what each request costs the server.")
    parser.add_argument("--seconds", type=float, default=1.5, metavar="S", help="load per operation and round (1.5)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds; CPU times: the best (3)")
    parser.add_argument("--connections", type=int, default=4, metavar="N", help="connections of the driver (4)")
    parser.add_argument("--base", metavar="REV", help="measure this git revision too, turn by turn, and print ratios")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file as well")
    parser.add_argument("--no-start", action="store_true", help="do not measure start-up time and memory")
    return check_bounds(parser, parser.parse_args(arguments))


def check_bounds(parser: argparse.ArgumentParser, chosen: argparse.Namespace) -> argparse.Namespace:
    """A bench ends: at most 20 rounds of 10 seconds."""
    if not 0.1 <= chosen.seconds <= 10 or not 1 <= chosen.rounds <= 20 or not 1 <= chosen.connections <= 64:
        parser.error("--seconds goes from 0.1 to 10, --rounds from 1 to 20, --connections from 1 to 64")
    return chosen


@contextmanager
def checkouts(base: str | None) -> Iterator[list[Checkout]]:
    """This tree, and a temporary worktree of the base revision."""
    with ExitStack() as stack:
        found = [Checkout("this tree", ROOT)]
        if base is not None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="idp-bench-base-"))) / "tree"
            git = ["git", "-C", str(ROOT), "worktree"]
            subprocess.run([*git, "add", "--detach", str(folder), base], check=True, capture_output=True, timeout=60)
            stack.callback(subprocess.run, [*git, "remove", "--force", str(folder)], check=False, timeout=60)
            found.append(Checkout(base, folder))
        yield found


def measure(trees: Sequence[Checkout], work: Path, chosen: argparse.Namespace) -> Report:
    """All operations on all trees, turn by turn, so that a busy machine does wrong to each alike."""
    core = SERVER_CORE if (os.cpu_count() or 1) > 1 else None
    figures, floor = [Figures(tree.name) for tree in trees], Figures("floor")
    bare = [signatures.measure(core)]
    if not chosen.no_start:
        measure_starts(trees, figures, work)
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(tree, work / f"load-{index}", workers=1, core=core))
            for index, tree in enumerate(trees)
        ]
        bare_server = stack.enter_context(running_floor(ROOT, work / "floor", core=core))
        if core is not None:
            os.sched_setaffinity(0, {DRIVER_CORE})
        for round_number in range(chosen.rounds):
            is_first = round_number == 0
            measure_round([bare_server], [floor], FLOOR, chosen, is_first=is_first)
            measure_round(servers, figures, OPERATIONS, chosen, is_first=is_first)
            bare.append(signatures.measure(core))
    return Report(figures, bare, floor)


def measure_round(
    servers: Sequence[Server],
    figures: Sequence[Figures],
    operations: Mapping[str, Callable[[Account], Operation]],
    chosen: argparse.Namespace,
    *,
    is_first: bool,
) -> None:
    for name, make in operations.items():
        for server, its_figures in zip(servers, figures, strict=True):
            operation = make(server.account)
            if is_first:
                drive(server, operation, seconds=WARM_UP_SECONDS, connections=chosen.connections)
            sample = drive(server, operation, seconds=chosen.seconds, connections=chosen.connections)
            its_figures.samples.setdefault(name, []).append(sample)


def measure_starts(trees: Sequence[Checkout], figures: Sequence[Figures], work: Path) -> None:
    """Start-up time and memory at rest with two workers, on any core."""
    for number in range(START_ROUNDS):
        for index, (tree, its_figures) in enumerate(zip(trees, figures, strict=True)):
            with running(tree, work / f"start-{number}-{index}", workers=2) as server:
                its_figures.starts.append(server.started_in)
                its_figures.memory_mib.append(server.memory_mib())


def main() -> int:
    chosen = read_arguments()
    try:
        with checkouts(chosen.base) as trees, tempfile.TemporaryDirectory(prefix="idp-bench-") as work:
            report = measure(trees, Path(work), chosen)
    except (BadAnswer, ServerFailed, OSError) as error:
        print(f"scripts/bench: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        print(f"scripts/bench: {error.cmd[0]} failed: {said[-500:]}", file=sys.stderr)
        return 1
    print(report.to_text(), end="")
    if chosen.json is not None:
        chosen.json.write_text(report.to_json(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
