"""Running the load testers, and what several runs come to."""

import json
import os
import statistics
import subprocess

from servers import Cloakroom, Failed


class Figures(dict):
    """What was measured, by row and column, run after run."""

    def add(self, row, **values):
        for column, value in values.items():
            self.setdefault(row, {}).setdefault(column, []).append(value)

    def median(self, row, column):
        return statistics.median(self[row][column])

    def spread(self, row, column):
        values = self[row][column]
        return min(values), max(values)

    def has(self, row):
        return row in self


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
    """A run of `cloakroom bench` against a server, with these flags of its."""
    command = [Cloakroom.program, "bench", "--json", "--url", "http://" + server.address]
    command += ["--workload", workload, "--pid", server.pid]
    usual = {
        "connections": options.connections,
        "duration": "%dms" % (options.time * 1000),
        "warm_up": "%dms" % (options.warm_up * 1000),
    }
    for name, value in dict(usual, **flags).items():
        command += ["--" + name.replace("_", "-"), value]
    return run(command, options.client_core)


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


def print_ratio(what, value, bound=None, at_least=True):
    """A ratio, with the bound that it must keep, if any."""
    verdict = ""
    if bound is not None:
        kept = value >= bound if at_least else value <= bound
        words = "at least" if at_least else "at most"
        verdict = "   %s %g: %s" % (words, bound, "kept" if kept else "MISSED")
    print("%-66s %8.3f%s" % (what, value, verdict))
