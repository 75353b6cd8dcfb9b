"""Labs that stay: `labkit up` and `labkit exec` as whole processes, beside what they are made of.

`up` is beside the lab alone, built in a process that has imported everything; `exec` beside the
start of Python, and of the program that it runs. They take turns; medians are printed.

Usage: python bench/bench_held.py [--rounds 15] [--scenario scenarios/nodeport-cluster.yaml]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from labkit.lab.lab import Lab

ROOT: Final = Path(__file__).parent.parent
LABKIT: Final = str(Path(sys.executable).parent / "labkit")
LAB: Final = "measured"
Way = Callable[[], float]


def process(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    """Seconds of a whole process."""
    started = time.perf_counter()
    subprocess.run(argv, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def up_way(scenario: str, environment: Mapping[str, str]) -> Way:
    """Seconds of `labkit up`; taking the lab down is not counted."""

    def run() -> float:
        taken = process([LABKIT, "up", "--quiet", "--name", "again", scenario], environment)
        process([LABKIT, "down", "again"], environment)
        return taken

    return run


def lab_way(scenario: str) -> Way:
    """Seconds until a lab is built."""

    def run() -> float:
        started = time.perf_counter()
        with Lab(scenario):
            return time.perf_counter() - started

    return run


def measure(taking_part: Mapping[str, Way], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way, each once a round, after one round that is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in taking_part}
    for counted in range(rounds + 1):
        for name, run in taking_part.items():
            taken = run()
            if counted:
                seconds[name].append(taken)
    return seconds


def report(seconds: Mapping[str, Sequence[float]]) -> None:
    """Print the rows; the ratio is the median of the rounds' ratios to the first row."""
    floor = next(iter(seconds.values()))
    for name, values in seconds.items():
        ratio = statistics.median(own / least for own, least in zip(values, floor, strict=True))
        median = statistics.median(values) * 1000
        spread = f"{min(values) * 1000:.0f}-{max(values) * 1000:.0f}"
        print(f"| {name} | {median:.0f} | {spread} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Print the table that docs/performance.md shows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--scenario", default=str(ROOT / "scenarios/nodeport-cluster.yaml"))
    options = parser.parse_args()
    print("| whole process | ms, median | fastest-slowest | beside the first |")
    print("|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_RUNTIME_DIR": folder}
        process([LABKIT, "up", "--quiet", "--name", LAB, options.scenario], environment)
        try:
            report(
                measure(
                    {
                        "a lab of two nodes, no process": lab_way(options.scenario),
                        "`labkit up` of it": up_way(options.scenario, environment),
                    },
                    options.rounds,
                )
            )
            in_lab = [LABKIT, "exec", LAB, "client", "--", "true"]
            start = [sys.executable, "-c", "pass"]
            report(
                measure(
                    {
                        "`python -c pass`": lambda: process(start, environment),
                        "`labkit exec … true`": lambda: process(in_lab, environment),
                        "`true`": lambda: process(["true"], environment),
                    },
                    options.rounds,
                )
            )
        finally:
            process([LABKIT, "down", "--all"], environment)


if __name__ == "__main__":
    main()
