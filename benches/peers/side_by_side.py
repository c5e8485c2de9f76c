"""The command behind run.sh: scenarios, all their servers in turns, a table each."""

import argparse
import os
import shutil
import sys
import tempfile

import chart
import machine
import markdown
import results
from binary_scenarios import binary_get, binary_mixed, growth, open_loop
from disk_scenarios import restart, snapshot
from load_scenarios import create, lookup, mixed
from neighbours import neighbours
from servers import Failed

# What every scenario does and what its options are when nobody says otherwise.
OVER_HTTP = dict(time=10, warm_up=2, connections=64, depths=[1, 16], sessions=100000)
ON_DISK = dict(OVER_HTTP, sessions=5000000)
BINARY = dict(time=3, warm_up=1, connections=50, depths=[1, 16, 64], sessions=1000000)
SCENARIOS = {
    "create": (create, OVER_HTTP),
    "mixed": (mixed, OVER_HTTP),
    "lookup": (lookup, OVER_HTTP),
    "restart": (restart, ON_DISK),
    "snapshot": (snapshot, ON_DISK),
    "binary-get": (binary_get, BINARY),
    "binary-mixed": (binary_mixed, dict(BINARY, depths=[16])),
    "growth": (growth, dict(BINARY, depths=[1, 64], sessions=10000000)),
    "open-loop": (open_loop, dict(BINARY, time=10, depths=[1])),
    "neighbours": (neighbours, dict(BINARY, time=100, depths=[1])),
}
# Names for several at once; `report` runs none and draws what is in the file of --json.
GROUPS = {
    "binary": ["binary-get", "binary-mixed", "growth", "open-loop", "neighbours"],
    "all": list(SCENARIOS),
    "report": [],
}


def arguments():
    parser = argparse.ArgumentParser(
        prog="benches/peers/run.sh",
        description="cloakroom beside Redis and Valkey with the operations of redis-sessions.",
        epilog="Where no default is given, README.md has it for every scenario.",
    )
    parser.add_argument("scenario", choices=list(SCENARIOS) + list(GROUPS))
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (default: 5)")
    parser.add_argument("--time", type=float, help="seconds of a run")
    parser.add_argument("--warm-up", type=float, help="seconds before it")
    parser.add_argument("--connections", type=int)
    parser.add_argument(
        "--depths", type=depths, help="requests that a connection sends at once, as 1,16"
    )
    parser.add_argument("--sessions", type=int, help="sessions there are")
    parser.add_argument(
        "--rate", type=int, help="gets a second of snapshot and open-loop (default: half the most)"
    )
    parser.add_argument("--server-core", default="0", help="core of the server (default: 0)")
    parser.add_argument("--client-core", default="1", help="core of the load tester (default: 1)")
    parser.add_argument(
        "--dir", help="where the servers write; must be on the disk that counts (default: target/peers)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files of restart for the next time")
    parser.add_argument("--json", metavar="FILE", help="put the results there, beside what it has")
    parser.add_argument("--chart", metavar="FILE", help="draw what a GET costs, as SVG")
    parser.add_argument("--markdown", metavar="FILE", help="write tables of costs and ratios")
    options = parser.parse_args()
    options.all_cores = "0-%d" % (os.cpu_count() - 1)
    # The snapshot's own thread may use the core of the load tester, at its lowest priority.
    options.snapshot_cores = "%s,%s" % (options.server_core, options.client_core)
    options.runs = lambda name, extra=0: rounds(name, options.rounds + extra)
    return options


def depths(text):
    return [int(depth) for depth in text.split(",")]


def rounds(name, count):
    for number in range(count):
        print("%s: round %d of %d" % (name, number + 1, count), file=sys.stderr, flush=True)
        yield number


def options_of(name, given):
    """The options of one scenario: as given, else its own."""
    usual = SCENARIOS[name][1]
    chosen = {k: v for k, v in vars(given).items() if v is not None or k not in usual}
    return argparse.Namespace(**dict(usual, **chosen))


def run(name, given, about):
    """Runs a scenario; what it found, for the file of results."""
    scenario, options = SCENARIOS[name][0], options_of(name, given)
    how = "median of %d runs of %g s in turns, %d connections, server on core %s, load on core %s" % (
        options.rounds,
        options.time,
        options.connections,
        options.server_core,
        options.client_core,
    )
    print("\n== %s: %s\n%s" % (name, scenario.__doc__, how), flush=True)
    figures = scenario(options)
    about = dict(about, how=how, depths=options.depths, sessions=options.sessions)
    return results.entry(scenario.__doc__, about, figures)


def header(folder):
    """Prints what the figures depend on, and gives it back for the file of results."""
    about = {"machine": machine.line(), "disk": machine.disk(folder), "versions": machine.versions()}
    print(machine.load(), end="")
    for line in about.values():
        print(line)
    return about


def run_all(options, found):
    """Runs the scenarios in a folder of their own; adds to `found` and to the file of results."""
    base = options.dir or os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "peers")
    os.makedirs(base, exist_ok=True)
    scratch = None if options.keep else tempfile.mkdtemp(dir=base)
    options.dir = os.path.abspath(scratch or base)
    try:
        about = header(options.dir)
        for name in GROUPS.get(options.scenario, [options.scenario]):
            found[name] = run(name, options, about)
            if options.json:
                results.write(options.json, found)
    finally:
        if scratch:
            shutil.rmtree(scratch)


def main():
    options = arguments()
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    try:
        found = results.read(options.json)
        if options.scenario != "report":
            run_all(options, found)
        for draw, file in ((chart.draw, options.chart), (markdown.text, options.markdown)):
            if file:
                with open(file, "w") as out:
                    out.write(draw(found))
    except (Failed, OSError) as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
