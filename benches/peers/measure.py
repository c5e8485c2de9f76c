"""Running the load testers, and what several runs come to."""

import json
import os
import statistics
import subprocess

from servers import Cloakroom, Failed


class Figures(dict):
    """What was measured, by row and column, run after run, and the ratios that matter."""

    def __init__(self, *rows):
        super().__init__(*rows)
        self.ratios = []

    def add(self, row, **values):
        for column, value in values.items():
            self.setdefault(row, {}).setdefault(column, []).append(value)

    def median(self, row, column):
        return statistics.median(self[row][column])

    def spread(self, row, column):
        values = self[row][column]
        return min(values), max(values)

    def ratio(self, what, value, bound=None, at_least=True):
        """Prints a ratio and keeps it, with the bound that it must keep, if any."""
        kept = None
        verdict = ""
        if bound is not None:
            kept = value >= bound if at_least else value <= bound
            words = "at least" if at_least else "at most"
            verdict = "   %s %g: %s" % (words, bound, "kept" if kept else "MISSED")
        print("%-66s %8.3f%s" % (what, value, verdict))
        self.ratios.append(dict(what=what, value=value, bound=bound, at_least=at_least, kept=kept))


def run(command, cores):
    """What a load tester reports, from its cores."""
    pinned = ["taskset", "-c", cores] + [str(word) for word in command]
    told = subprocess.run(pinned, capture_output=True, text=True)
    if told.returncode != 0:
        raise Failed("%s failed: %s%s" % (command[0], told.stderr[-2000:], told.stdout[-2000:]))
    report = json.loads(told.stdout) if told.stdout.strip() else {}
    if report.get("errors"):
        raise Failed("%s met errors: %s" % (" ".join(pinned), report.get("errors_by_kind")))
    return report


def cloakroom(options, server, workload, **flags):
    """The same over HTTP."""
    return bench(options, "http", server.address, server.pid, workload, **flags)


def bench(options, target, address, pid, workload, **flags):
    """A run of `cloakroom bench` against a process, with these flags of its."""
    return run(bench_command(options, target, address, pid, workload, **flags), options.client_core)


def bench_command(options, target, address, pid, workload, **flags):
    """How `cloakroom bench` is called; a flag that is True stands for itself."""
    command = [Cloakroom.program, "bench", "--json", "--target", target, "--url", address]
    command += ["--workload", workload, "--pid", pid]
    usual = {
        "connections": options.connections,
        "duration": "%dms" % (options.time * 1000),
        "warm_up": "%dms" % (options.warm_up * 1000),
    }
    for name, value in dict(usual, **flags).items():
        command.append("--" + name.replace("_", "-"))
        if value is not True:
            command.append(value)
    return command


def redis(options, server, workload, style="script", pipeline=1, preload=0, duration=None):
    """A run of redis_load against a server."""
    scripts = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")
    command = [os.environ["REDIS_LOAD"], "--address", server.address, "--scripts", scripts]
    command += ["--workload", workload, "--style", style, "--pipeline", pipeline]
    command += ["--pid", server.pid, "--connections", options.connections, "--preload", preload]
    command += ["--duration", options.time if duration is None else duration]
    command += ["--warm-up", options.warm_up]
    return run(command, options.client_core)


def load_values(report):
    """The columns that every load scenario has."""
    return {
        "rate": report["throughput_per_second"],
        "cpu": report["server"]["server_cpu_us_per_request"],
        "p50": report["response_us"]["p50"],
        "p99": report["response_us"]["p99"],
        "client": report["client_cpu_us_per_request"],
    }


def print_load(figures):
    """The table of a load scenario: medians, and least and most of the rate."""
    print("%-34s %10s %21s %9s %9s %9s %9s" % LOAD_COLUMNS)
    for row in figures:
        low, high = figures.spread(row, "rate")
        values = [figures.median(row, c) for c in ("cpu", "p50", "p99", "client")]
        rate = figures.median(row, "rate")
        print(
            "%-34s %10.0f %10.0f-%-10.0f %9.2f %9.0f %9.0f %9.2f"
            % (row, rate, low, high, *values)
        )


LOAD_COLUMNS = ("", "per second", "least-most", "CPU us", "p50 us", "p99 us", "client us")
