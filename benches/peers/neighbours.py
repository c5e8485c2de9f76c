"""One client that asks little beside two that ask for all a server has: is it answered in time?"""

import contextlib
import http.client
import json
import os
import subprocess
import tempfile
import time

import measure
from binary_scenarios import print_latencies
from measure import Figures
from servers import PATIENCE, Cloakroom, Failed
from targets import TTL, start_cloakroom

# The requests in flight of the greedy client.
IN_FLIGHT = 10000
# The sessions of the client that lists.
LISTED = 100000
# The quiet client: requests a second, its connections and its sessions.
RATE = 100
QUIET_CONNECTIONS = 10
QUIET_SESSIONS = 1000
# Seconds of its run without the others, which is only there to be compared with.
ALONE = 20
# Seconds that the neighbours go on for the preloads of those who start after them, and the sessions
# of the greedy client that are surely created in one more.
MARGIN = 15
CREATED_A_SECOND = 50000


def neighbours(options):
    """100 gets a second beside 10,000 requests in flight and a loop over lists of 100,000 sessions."""
    figures = Figures()
    first, last, how = priority()
    for _ in options.runs("neighbours"):
        with Cloakroom(options.dir, options.server_core) as server:
            start_cloakroom(server, "everysec", "--threads", "1")
            alone = min(options.time, ALONE)
            figures.add("alone", **quiet(options, server, first, alone))
            with busy(options, server, last) as others:
                figures.add("with neighbours", **quiet(options, server, first, options.time))
                seen = others()
            for row, values in seen.items():
                figures.add(row, **values)
    print("%d gets a second, one server thread, durability everysec; %s" % (RATE, how))
    print_latencies(figures)
    p999 = figures.median("with neighbours", "p99.9") / 1000
    figures.ratio("p99.9 with neighbours, ms", p999, 5, at_least=False)
    return figures


def priority():
    """Words before the quiet client and before the others, that it goes first, and what they do.

    The three share a core; how long the kernel keeps the quiet one waiting there is no matter of
    the server's.
    """
    for words, how in (
        (["chrt", "--fifo", "1"], "the quiet client has real-time priority"),
        (["nice", "-n", "-20"], "the quiet client has niceness -20"),
    ):
        tried = subprocess.run([*words, "true"], capture_output=True)
        # nice goes on without the rights, with a complaint.
        if tried.returncode == 0 and not tried.stderr:
            return words, [], how
    how = "there are no rights to give the quiet client priority; the others have niceness 19"
    return [], ["nice", "-n", "19"], how


def command(options, server, app, workload, **load):
    return measure.bench_command(
        options, "cloakroom", server.tcp, server.pid, workload, app=app, ttl=TTL, **load
    )


def quiet(options, server, first, seconds):
    """Latencies of the quiet client."""
    load = {"connections": QUIET_CONNECTIONS, "preload": QUIET_SESSIONS, "rate": RATE}
    load["duration"] = "%dms" % (seconds * 1000)
    asked = command(options, server, "quiet", "get", **load)
    return latencies(measure.run(first + asked, options.client_core))


def latencies(report):
    times = report["response_us"]
    return {
        "rate": report["throughput_per_second"],
        "p50": times["p50"],
        "p99": times["p99"],
        "p99.9": times["p99.9"],
        "most": times["max"],
    }


@contextlib.contextmanager
def busy(options, server, last):
    """The neighbours, both at work; gives a function that waits for what they have seen."""
    span = options.warm_up + options.time + MARGIN
    depth = max(1, IN_FLIGHT // options.connections)
    # One connection would take long to create what it lists.
    listed = command(options, server, "lists", "get", preload=LISTED, duration="100ms", warm_up="0")
    measure.run(listed, options.client_core)
    with contextlib.ExitStack() as stack:
        seconds = span + MARGIN + options.sessions / CREATED_A_SECOND
        load = {"preload": 1, "duration": seconds, "connections": 1}
        lists = Neighbour(options, server, last, "lists", "list", load)
        stack.callback(lists.stop)
        load = {"preload": options.sessions, "duration": span, "pipeline": depth}
        greedy = Neighbour(options, server, last, "greedy", "get", load)
        stack.callback(greedy.stop)
        greedy.wait_for(server, options.sessions)
        time.sleep(options.warm_up)

        def seen():
            lists.must_be_at_work()
            greedy.must_be_at_work()
            return {"lists": lists.report(), "10,000 in flight": greedy.report()}

        yield seen


class Neighbour:
    """A load tester beside others."""

    def __init__(self, options, server, last, app, workload, load):
        load = dict(load, duration="%dms" % (load["duration"] * 1000), warm_up="0")
        words = command(options, server, app, workload, **load)
        pinned = last + ["taskset", "-c", options.client_core]
        self.app = app
        self.said = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            pinned + [str(word) for word in words], stdout=self.said, stderr=subprocess.PIPE, text=True
        )

    def wait_for(self, server, sessions):
        """Until the server has so many sessions of the app."""
        link = http.client.HTTPConnection(server.address)
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            link.request("GET", "/%s/activity?dt=%d" % (self.app, PATIENCE))
            if json.load(link.getresponse())["activity"] >= sessions:
                return
            self.must_be_at_work()
            time.sleep(0.05)
        raise Failed("%s cannot create its sessions" % self.app)

    def must_be_at_work(self):
        if self.process.poll() is not None:
            said = self.process.stderr.read()[-2000:]
            raise Failed("%s ended before the quiet client did: %s" % (self.app, said))

    def report(self):
        """What it has seen, once it is done."""
        _, complaint = self.process.communicate()
        self.said.seek(0)
        said = self.said.read()
        if self.process.returncode != 0:
            raise Failed("%s failed: %s" % (self.app, complaint[-2000:]))
        report = json.loads(said)
        if report["errors"]:
            raise Failed("%s met errors: %s" % (self.app, report["errors_by_kind"]))
        return latencies(report)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        self.said.close()
