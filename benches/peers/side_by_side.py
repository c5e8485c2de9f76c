"""The command behind run.sh: one scenario, all its servers in turns, one table."""

import argparse
import os
import shutil
import sys
import tempfile

import machine
from disk_scenarios import restart, snapshot
from load_scenarios import create, lookup, mixed
from servers import Failed

SCENARIOS = {
    "create": create,
    "mixed": mixed,
    "lookup": lookup,
    "restart": restart,
    "snapshot": snapshot,
}


def arguments():
    parser = argparse.ArgumentParser(
        prog="benches/peers/run.sh",
        description="cloakroom beside Redis and Valkey with the operations of redis-sessions.",
    )
    parser.add_argument("scenario", choices=list(SCENARIOS) + ["all"])
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (default: 5)")
    parser.add_argument("--time", type=float, default=10, help="seconds of a run (default: 10)")
    parser.add_argument("--warm-up", type=float, default=2, help="seconds before it (default: 2)")
    parser.add_argument("--connections", type=int, default=64, help="(default: 64)")
    parser.add_argument(
        "--depths", default="1,16", help="requests that a connection sends at once (default: 1,16)"
    )
    parser.add_argument(
        "--sessions",
        type=int,
        help="sessions there are (default: 100000; restart and snapshot: 5000000)",
    )
    parser.add_argument("--rate", type=int, help="gets a second of snapshot (default: half of what it can)")
    parser.add_argument("--server-core", default="0", help="core of the server (default: 0)")
    parser.add_argument("--client-core", default="1", help="core of the load tester (default: 1)")
    parser.add_argument(
        "--dir", help="where the servers write; must be on the disk that counts (default: target/peers)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files of restart for the next time")
    options = parser.parse_args()
    options.depths = [int(depth) for depth in options.depths.split(",")]
    options.all_cores = "0-%d" % (os.cpu_count() - 1)
    # The snapshot's own thread may use the core of the load tester, at its lowest priority.
    options.snapshot_cores = "%s,%s" % (options.server_core, options.client_core)
    options.runs = lambda name, extra=0: rounds(name, options.rounds + extra)
    return options


def rounds(name, count):
    for number in range(count):
        print("%s: round %d of %d" % (name, number + 1, count), file=sys.stderr, flush=True)
        yield number


def header(options):
    print(machine.line(options.dir))
    print(machine.load(), end="")
    for program, flag in (
        (os.environ["CLOAKROOM"], "--version"),
        (os.environ["REDIS_SERVER"], "--version"),
        (os.environ.get("VALKEY_SERVER"), "--version"),
        (os.environ["NGINX"], "-v"),
        (os.environ["MEMCACHED"], "-V"),
    ):
        if program:
            print("%s: %s" % (os.path.basename(program), machine.version(program, flag)))
    print(
        "median of %d runs of %g s in turns, %d connections, server on core %s, load on core %s"
        % (
            options.rounds,
            options.time,
            options.connections,
            options.server_core,
            options.client_core,
        )
    )


def main():
    options = arguments()
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the server, one for the load")
    base = options.dir or os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "peers")
    os.makedirs(base, exist_ok=True)
    scratch = None
    if options.keep:
        options.dir = os.path.abspath(base)
    else:
        options.dir = scratch = os.path.abspath(tempfile.mkdtemp(dir=base))
    chosen = list(SCENARIOS) if options.scenario == "all" else [options.scenario]
    try:
        header(options)
        for name in chosen:
            print("\n== %s: %s" % (name, SCENARIOS[name].__doc__), flush=True)
            SCENARIOS[name](options)
    except (Failed, OSError) as problem:
        sys.exit(str(problem))
    finally:
        if scratch:
            shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
