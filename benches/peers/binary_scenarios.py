"""Scenarios of the binary protocol: the same sessions in the same order for every target."""

from measure import Figures
from results import cost_row
from targets import KEPT, REDIS_TARGETS, KeptStores, faster_store
from targets import on_cloakroom, on_echo, on_memcached, on_redis

# Sessions of the small end of `growth`.
FEW = 1000
# What the load of `open-loop` is of the most that cloakroom can take.
SHARE = 0.5


def binary_get(options):
    """Gets by the binary protocol beside echo servers, Redis, Valkey and memcached."""
    figures = Figures()
    peers = {target: faster_store(options, target) for target in REDIS_TARGETS}
    with KeptStores(options) as kept_stores:
        for _ in options.runs("binary-get"):
            for depth in options.depths:
                for row, values in gets(options, kept_stores, peers, depth):
                    figures.add(row, **values)
    print_cost(figures)
    for depth in options.depths:
        for kept in KEPT:
            bounds_of_get(figures, peers, kept, depth)
    return figures


def gets(options, kept_stores, peers, depth):
    """One run of every target: its row and its columns."""
    load = {"pipeline": depth}
    for kept in KEPT:
        for way, name in WAYS.items():
            yield cost_row(name, kept, depth), on_cloakroom(options, way, kept, **load)
        for target, (store, program) in peers.items():
            row = cost_row(peer_name(store, target), kept, depth)
            yield row, kept_stores.measured(program, kept, target, **load)
    for kind in ("tokio", "epoll"):
        yield cost_row("echo-" + kind, "memory only", depth), on_echo(options, kind, **load)
    yield cost_row("memcached", "memory only", depth), on_memcached(options, **load)


TCP, UNIX = "cloakroom, TCP", "cloakroom, unix socket"
WAYS = {"tcp": TCP, "unix": UNIX}


def peer_name(store, target):
    return "%s, %s" % (store, REDIS_TARGETS[target])


def bounds_of_get(figures, peers, kept, depth):
    """What a get may cost. Only what a server does that keeps what it says has bounds."""

    def cpu(name, kept=kept):
        return figures.median(cost_row(name, kept, depth), "cpu")

    def ratio(what, value, bound=None, at_least=True):
        bound = bound if kept == "everysec" else None
        figures.ratio("%s, %d deep: %s" % (kept, depth, what), value, bound, at_least)

    own = cpu(TCP)
    echo = own / cpu("echo-tokio", "memory only")
    ratio("CPU, cloakroom / echo-tokio", echo, 1.2 if depth == 1 else None, False)
    unix = cpu(UNIX) / own
    ratio("CPU, cloakroom unix / TCP", unix, 0.6 if depth == 1 else None, False)
    ratio("cloakroom: million gets/s per core", 1 / own, {16: 1.0, 64: 1.6}.get(depth))
    rate = figures.median(cost_row(TCP, kept, depth), "rate") / 1e6
    ratio("cloakroom: million gets/s seen", rate)
    for target, (store, _) in peers.items():
        name = peer_name(store, target)
        bound = {"redis-script": 20, "redis-get": 1.2}.get(target) if depth == 16 else None
        ratio("CPU, %s / cloakroom" % name, cpu(name) / own, bound)
    ratio("CPU, memcached / cloakroom", cpu("memcached", "memory only") / own)


def growth(options):
    """Gets among few sessions and among many: what does it cost that there are more?"""
    figures = Figures()
    many = options.sessions
    sizes = (min(FEW, many), many)
    for _ in options.runs("growth"):
        for depth in options.depths:
            for kept in KEPT:
                for count in sizes:
                    load = {"pipeline": depth, "preload": count}
                    row = cost_row("%d sessions" % count, kept, depth)
                    figures.add(row, **on_cloakroom(options, "tcp", kept, **load))
    print_cost(figures)
    for depth in options.depths:
        for kept in KEPT:
            rows = [cost_row("%d sessions" % count, kept, depth) for count in sizes]
            few, most = (figures.median(row, "cpu") for row in rows)
            bound = {1: 1.2, 64: 2.5}.get(depth)
            what = "%s, %d deep: CPU with %d sessions / with %d" % (kept, depth, sizes[1], sizes[0])
            figures.ratio(what, most / few, bound, at_least=False)
    return figures


def binary_mixed(options):
    """90 get, 5 set, 3 create, 2 kill by the binary protocol, beside redis-sessions."""
    figures = Figures()
    peers = {target: faster_store(options, target) for target in ("redis-script", "redis")}
    for _ in options.runs("binary-mixed"):
        for depth in options.depths:
            for kept in KEPT:
                load = {"workload": "mixed", "pipeline": depth}
                own = on_cloakroom(options, "tcp", kept, **load)
                figures.add(cost_row(TCP, kept, depth), **own)
                for target, (store, program) in peers.items():
                    row = cost_row(peer_name(store, target), kept, depth)
                    figures.add(row, **on_redis(options, program, kept, target, **load))
    print_cost(figures)
    for depth in options.depths:
        for kept in KEPT:
            own = figures.median(cost_row(TCP, kept, depth), "cpu")
            for target, (store, _) in peers.items():
                name = peer_name(store, target)
                peer = figures.median(cost_row(name, kept, depth), "cpu")
                has_bound = target == "redis-script" and depth == 16 and kept == "everysec"
                what = "%s, %d deep: CPU, %s / cloakroom" % (kept, depth, name)
                figures.ratio(what, peer / own, 10 if has_bound else None)
    return figures


def open_loop(options):
    """Gets on a schedule, half of what cloakroom can take with one in flight per connection."""
    figures = Figures()
    rate = options.rate or int(SHARE * on_cloakroom(options, "tcp", "everysec")["rate"])
    for _ in options.runs("open-loop"):
        for kept in KEPT:
            figures.add("cloakroom, " + kept, **on_cloakroom(options, "tcp", kept, rate=rate))
        figures.add("echo-tokio", **on_echo(options, "tokio", rate=rate))
    print("%d gets a second" % rate)
    print_latencies(figures)
    echo = figures.median("echo-tokio", "p99.9")
    for kept in KEPT:
        own = figures.median("cloakroom, " + kept, "p99.9")
        what = "%s: p99.9, cloakroom less echo-tokio, us" % kept
        figures.ratio(what, own - echo, 1000, at_least=False)
    return figures


def print_cost(figures):
    """Medians: what a request costs, what one core can do, what was seen, and its least and most."""
    print("%-46s %8s %11s %11s %21s %8s %8s %9s" % COST_COLUMNS)
    for row in figures:
        values = [figures.median(row, c) for c in ("cpu", "per core", "rate")]
        values += figures.spread(row, "rate")
        values += [figures.median(row, c) for c in ("p50", "p99", "client")]
        print("%-46s %8.2f %11.0f %11.0f %10.0f-%-10.0f %8.0f %8.0f %9.2f" % (row, *values))


COST_COLUMNS = ("", "CPU us", "per core/s", "seen/s", "least-most", "p50 us", "p99 us", "client us")


def print_latencies(figures):
    print("%-46s %11s %9s %9s %9s %9s" % ("", "seen/s", "p50 us", "p99 us", "p99.9 us", "max us"))
    for row in figures:
        values = [figures.median(row, c) for c in ("rate", "p50", "p99", "p99.9", "most")]
        print("%-46s %11.2f %9.0f %9.0f %9.0f %9.0f" % (row, *values))
