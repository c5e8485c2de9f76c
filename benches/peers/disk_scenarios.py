"""Scenarios about what lies on disk: restarts, and snapshots under load."""

import os
import shutil
import socket
import threading
import time

import measure
from measure import Figures
from servers import Cloakroom, Failed, Redis, stores

# What the load has to be before a snapshot: half of what the server can take.
SHARE = 0.5


def restart(options):
    """Millions of sessions: from the start of the process to the first answer, from warm files."""
    count = options.sessions
    homes = {"cloakroom": cloakroom_home(options, count)}
    for name, program in stores():
        homes[name] = redis_home(options, name, program, count)
    figures = Figures()
    # The first start of each only warms the page cache.
    for number in options.runs("restart", extra=1):
        for name, home in homes.items():
            took, resident = started(options, name, home)
            if number > 0:
                figures.add(name, seconds=took, resident=resident)
    print("%-12s %9s %19s %14s %14s %16s" % RESTART_COLUMNS)
    for name, home in homes.items():
        took = figures.median(name, "seconds")
        print(
            "%-12s %9.3f %9.3f-%-9.3f %14.0f %14.1f %16.1f"
            % (
                name,
                took,
                *figures.spread(name, "seconds"),
                count / took,
                folder_bytes(home) / count,
                figures.median(name, "resident") / count,
            )
        )
    own = figures.median("cloakroom", "seconds")
    figures.ratio("cloakroom: million sessions a second", count / own / 1e6, 2)
    figures.ratio("cloakroom: bytes of snapshot per session", snapshot_bytes(homes["cloakroom"]) / count, 180, False)
    faster = min(figures.median(name, "seconds") for name, _ in stores())
    figures.ratio("the faster peer / cloakroom", faster / own, 6)
    for home in homes.values():
        if not options.keep:
            shutil.rmtree(home)
    return figures


RESTART_COLUMNS = ("", "seconds", "least-most", "sessions/s", "file bytes each", "resident each")


def cloakroom_home(options, count):
    """A data directory with a snapshot of so many sessions and nothing after it."""
    home = os.path.join(options.dir, "cloakroom-%d" % count)
    if os.path.isdir(home):
        return home
    with Cloakroom(options.dir, options.all_cores) as server:
        data = os.path.join(server.folder, "data")
        server.start("--durability", "os", data=data)
        load = dict(duration="200ms", warm_up="0", preload=count, pipeline=16)
        run_bench(options, server, "get", load)
        ask_admin(data, "snapshot")
        server.stop()
        os.rename(data, home)
    return home


def redis_home(options, name, program, count):
    """A folder with an RDB of so many sessions as redis-sessions lays them out."""
    home = os.path.join(options.dir, "%s-%d" % (name.lower(), count))
    if os.path.isdir(home):
        return home
    with Redis(options.dir, options.all_cores, program) as server:
        server.start()
        measure.redis(options, server, "create", preload=count, duration=0)
        if server.ask("SAVE") != b"+OK":
            raise Failed("%s cannot save" % name)
        os.mkdir(home + ".part")
        shutil.move(os.path.join(server.folder, "dump.rdb"), home + ".part")
        server.process.kill()
        server.process.wait()
    os.rename(home + ".part", home)
    return home


def started(options, name, home):
    """Seconds until a server has loaded what is there, and its resident memory."""
    if name == "cloakroom":
        with Cloakroom(options.dir, options.all_cores) as server:
            return server.start(data=home), server.resident()
    with Redis(options.dir, options.all_cores, dict(stores())[name]) as server:
        return server.start(folder=home), server.resident()


def folder_bytes(home):
    """Bytes of what a start has to read."""
    return snapshot_bytes(home) or os.path.getsize(os.path.join(home, "dump.rdb"))


def snapshot_bytes(home):
    """Bytes of the newest snapshot."""
    found = sorted(n for n in os.listdir(home) if n.endswith(".snap"))
    return os.path.getsize(os.path.join(home, found[-1])) if found else 0


def snapshot(options):
    """Reads on a schedule, half of what the server can take, without and with snapshots."""
    count = options.sessions
    figures = Figures()
    rate = None
    for _ in options.runs("snapshot"):
        with Cloakroom(options.dir, options.server_core) as server:
            data = os.path.join(server.folder, "data")
            server.start("--durability", "os", "--snapshot-log-size", "1TB", data=data)
            if rate is None:
                rate = options.rate or half_load(options, server)
        for taken in (False, True):
            figures.add("with" if taken else "without", **read_during(options, count, rate, taken))
    print("%d sessions, %d gets a second" % (count, rate))
    print("%-8s %9s %9s %9s %9s %15s %12s" % SNAPSHOT_COLUMNS)
    for row in ("without", "with"):
        columns = ("p50", "p99", "p99.9", "max", "resident", "snapshots")
        values = [figures.median(row, column) for column in columns]
        print("%-8s %9.0f %9.0f %9.0f %9.0f %15.0f %12.0f" % (row, *values))
    quiet, busy = (figures.median(row, "p99.9") for row in ("without", "with"))
    figures.ratio("p99.9 with / without", busy / quiet)
    figures.ratio("p99.9 with, us", busy, max(2 * quiet, quiet + 1000), at_least=False)
    grown = {row: figures.median(row, "grown") for row in ("without", "with")}
    figures.ratio("resident memory, most / before: without snapshots", grown["without"])
    figures.ratio("resident memory, most / before: with snapshots", grown["with"])
    memory = grown["with"] / grown["without"]
    figures.ratio("resident memory: with / without", memory, 1.02, at_least=False)
    return figures


SNAPSHOT_COLUMNS = ("", "p50 us", "p99 us", "p99.9 us", "max us", "most resident", "snapshots")


def half_load(options, server):
    report = run_bench(options, server, "get", {"preload": 100000})
    return int(report["throughput_per_second"] * SHARE)


def read_during(options, count, rate, taken):
    """Latencies of reads on a schedule, while snapshots follow each other or none is taken."""
    with Cloakroom(options.dir, options.snapshot_cores) as server:
        data = os.path.join(server.folder, "data")
        server.start("--threads", "1", "--durability", "os", "--snapshot-log-size", "1TB", data=data)
        watch = Watch(server, data, taken, preloaded(server, count))
        try:
            report = run_bench(options, server, "get", {"preload": count, "rate": rate})
        finally:
            watch.stop()
    if not watch.before:
        raise Failed("the run was over before the server's memory had settled: give it more --time")
    times = report["response_us"]
    return {
        "p50": times["p50"],
        "p99": times["p99"],
        "p99.9": times["p99.9"],
        "max": times["max"],
        "resident": watch.most,
        "grown": watch.most / watch.before,
        "snapshots": watch.taken,
    }


def preloaded(server, count):
    """Whether the load tester has made its sessions: the server's memory no longer grows."""
    seen = []

    def settled():
        seen.append(server.resident())
        recent = seen[-20:]
        steady = max(recent) - min(recent) < recent[-1] / 200
        return len(recent) == 20 and recent[-1] > count * 100 and steady

    return settled


class Watch:
    """Looks at a server's memory and, when told so, orders one snapshot after the other."""

    def __init__(self, server, data, order, begin):
        self.server, self.data, self.order, self.begin = server, data, order, begin
        self.before = self.most = self.taken = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.look)]
        self.threads[0].start()

    def look(self):
        while not self.over.is_set():
            if self.before:
                self.most = max(self.most, self.server.resident())
            elif self.begin():
                self.before = self.most = self.server.resident()
                if self.order:
                    self.threads.append(threading.Thread(target=self.take))
                    self.threads[-1].start()
            time.sleep(0.05)

    def take(self):
        while not self.over.is_set():
            ask_admin(self.data, "snapshot")
            self.taken += 1

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def run_bench(options, server, workload, load):
    return measure.cloakroom(options, server, workload, **load)


def ask_admin(data, request):
    """Asks the running server through its admin socket and waits for the answer."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(600)
        link.connect(os.path.join(data, "admin.sock"))
        link.sendall(request.encode() + b"\n")
        for line in link.makefile("r"):
            word, _, text = line.rstrip("\n").partition(" ")
            if word == "done":
                return text
            if word == "failed":
                raise Failed("%s: %s" % (request, text))
    raise Failed("%s: no answer" % request)
