"""Targets of `cloakroom bench`: which server each needs, started, filled and measured."""

import os

import measure
from servers import Cloakroom, Echo, Memcached, Redis, stores

# Durability: what cloakroom is told, and the appendfsync of Redis and Valkey.
KEPT = {"everysec": "everysec", "memory only": None}
# What the load tester asks Redis and Valkey for, and in words.
REDIS_TARGETS = {"redis-script": "one script", "redis-get": "plain GET", "redis": "MULTI"}
# Sessions of the runs that find the faster of Redis and Valkey.
TRIAL_SESSIONS = 100000
# Seconds that sessions live, longer than any scenario takes.
TTL = 86400


def measured(options, target, address, server, workload, **load):
    """The columns of a run: those of every load scenario, and what one core of the server can do."""
    load = dict({"preload": options.sessions, "ttl": TTL}, **load)
    report = measure.bench(options, target, address, server.pid, workload, **load)
    times = report["response_us"]
    values = dict(measure.load_values(report), most=times["max"])
    values["p99.9"] = times["p99.9"]
    # A run too short to cost a tick of the clock has cost at most one.
    values["per core"] = 1e6 / max(values["cpu"], 1e-3)
    return values


def on_cloakroom(options, way, kept, workload="get", **load):
    """A fresh cloakroom over `tcp` or `unix`."""
    with Cloakroom(options.dir, options.server_core) as server:
        start_cloakroom(server, kept)
        return measured(options, "cloakroom", getattr(server, way), server, workload, **load)


def start_cloakroom(server, kept, *flags):
    """Without snapshots, as Redis runs without rewriting its file: nothing but the load counts."""
    if kept == "memory only":
        server.start(*flags)
    else:
        data = os.path.join(server.folder, "data")
        flags += ("--durability", kept, "--snapshot-log-size", "1TB")
        server.start(*flags, data=data)


def on_redis(options, program, kept, target, workload="get", **load):
    """A fresh Redis or Valkey."""
    with Redis(options.dir, options.server_core, program) as server:
        server.start(appendfsync=KEPT[kept])
        return measured(options, target, server.address, server, workload, **load)


def on_echo(options, kind, **load):
    """A fresh echo server, `tokio` or `epoll`."""
    with Echo(options.dir, options.server_core) as server:
        server.start(kind)
        return measured(options, "echo-" + kind, server.address, server, "get", **load)


def on_memcached(options, **load):
    with Memcached(options.dir, options.server_core) as server:
        server.start()
        return measured(options, "memcached", server.address, server, "get", **load)


def faster_store(options, target):
    """Name and program of Redis or Valkey, whichever answers a get of this target for less CPU."""
    found = stores()
    if len(found) == 1:
        return found[0]
    load = {"preload": min(options.sessions, TRIAL_SESSIONS), "pipeline": 16}
    costs = {
        store: on_redis(options, store[1], "everysec", target, **load)["cpu"] for store in found
    }
    shown = ", ".join("%s %.2f us" % (name, cost) for (name, _), cost in costs.items())
    print("%s, CPU of a get 16 deep: %s" % (REDIS_TARGETS[target], shown), flush=True)
    return min(costs, key=costs.get)


class KeptStores:
    """Stores that are filled once for many runs, since that takes long, and paused between them."""

    def __init__(self, options):
        self.options = options
        self.servers = {}

    def measured(self, program, kept, target, **load):
        """A run of gets against a store of this durability."""
        # The two targets that keep sessions do it in the same form.
        layout = "values" if target == "redis-get" else "sessions"
        key = (program, kept, layout)
        server = self.servers.get(key)
        if server:
            server.resume()
            load["preloaded"] = True
        else:
            server = self.servers[key] = Redis(self.options.dir, self.options.server_core, program)
            server.start(appendfsync=KEPT[kept])
        values = measured(self.options, target, server.address, server, "get", **load)
        server.pause()
        return values

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers.values():
            server.__exit__()
