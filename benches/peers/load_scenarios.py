"""Scenarios that put one server after the other under the same load."""

import collections
import http.client
import json
import os

import measure
from measure import Figures, load_values, print_load
from servers import Cloakroom, Memcached, Nginx, Redis, stores


def on_cloakroom(options, workload, flags, **load):
    """Starts a fresh cloakroom, with a fresh directory unless it is to be in memory only."""
    with Cloakroom(options.dir, options.server_core) as server:
        data = None if flags is None else os.path.join(server.folder, "data")
        server.start(*(flags or []), data=data)
        return load_values(measure.cloakroom(options, server, workload, **load))


def on_redis(options, program, appendfsync, workload, **load):
    with Redis(options.dir, options.server_core, program) as server:
        server.start(appendfsync=appendfsync)
        return load_values(measure.redis(options, server, workload, **load))


def create(options):
    """Creates of 64 connections, one at a time each: what does it cost to have them on disk?"""
    figures = Figures()
    for _ in options.runs("create"):
        for durability in ("always", "os"):
            flags = ["--durability", durability]
            figures.add("cloakroom " + durability, **on_cloakroom(options, "create", flags))
        for name, program in stores():
            for fsync in ("always", "no"):
                row = "%s appendfsync %s, one script" % (name, fsync)
                figures.add(row, **on_redis(options, program, fsync, "create"))
    print_load(figures)
    always = figures.median("cloakroom always", "rate")
    figures.ratio("cloakroom: always / os", always / figures.median("cloakroom os", "rate"), 0.7)
    for name, _ in stores():
        peer = figures.median(name + " appendfsync always, one script", "rate")
        bound = 2 if name == "Redis" else None
        figures.ratio("cloakroom always / %s appendfsync always" % name, always / peer, bound)
    return figures


def mixed(options):
    """90 get, 5 set, 3 create, 2 kill: what does everysec cost in CPU beside memory only?"""
    figures = Figures()
    kept = {"memory only": None, "everysec": ["--durability", "everysec"]}
    preload = {"preload": options.sessions}
    for _ in options.runs("mixed"):
        for depth in options.depths:
            load = dict(preload, pipeline=depth)
            for name, flags in kept.items():
                row = "cloakroom %s, %d deep" % (name, depth)
                figures.add(row, **on_cloakroom(options, "mixed", flags, **load))
            for name, program in stores():
                for kind, fsync in (("no file", None), ("everysec", "everysec")):
                    row = "%s %s, script, %d deep" % (name, kind, depth)
                    figures.add(row, **on_redis(options, program, fsync, "mixed", **load))
                row = "%s everysec, MULTI, %d deep" % (name, depth)
                load["style"] = "multi"
                figures.add(row, **on_redis(options, program, "everysec", "mixed", **load))
                del load["style"]
    print_load(figures)
    for depth in options.depths:
        memory = figures.median("cloakroom memory only, %d deep" % depth, "cpu")
        own = figures.median("cloakroom everysec, %d deep" % depth, "cpu")
        bound = {1: 1.15, 16: 1.25}.get(depth)
        what = "CPU of cloakroom, %d deep: everysec / memory only" % depth
        figures.ratio(what, own / memory, bound, at_least=False)
        for name, _ in stores():
            for style in ("script", "MULTI"):
                peer = figures.median("%s everysec, %s, %d deep" % (name, style, depth), "cpu")
                figures.ratio("CPU, %d deep: %s everysec %s / cloakroom" % (depth, name, style), peer / own)
    return figures


def lookup(options):
    """Reads of one session: the floors of HTTP and of a cache, and what a session look-up costs."""
    figures = Figures()
    length = reply_bytes(options)
    load = {"preload": options.sessions}
    for _ in options.runs("lookup"):
        for depth in options.depths:
            deep = dict(load, pipeline=depth)
            row = "cloakroom memory only, %d deep" % depth
            figures.add(row, **on_cloakroom(options, "get", None, **deep))
            figures.add("nginx, a constant, %d deep" % depth, **on_nginx(options, length, depth))
            figures.add("memcached get, %d deep" % depth, **on_memcached(options, deep))
            for name, program in stores():
                row = "%s get, script, %d deep" % (name, depth)
                figures.add(row, **on_redis(options, program, None, "get", **deep))
                row = "%s get, MULTI, %d deep" % (name, depth)
                figures.add(row, **on_redis(options, program, None, "get", style="multi", **deep))
    print_load(figures)
    for depth in options.depths:
        own = figures.median("cloakroom memory only, %d deep" % depth, "cpu")
        for row in figures:
            if row.endswith(", %d deep" % depth) and not row.startswith("cloakroom"):
                figures.ratio("CPU: %s / cloakroom" % row, figures.median(row, "cpu") / own)
    return figures


def reply_bytes(options):
    """Bytes of the body of a get with a session like those of the load."""
    with Cloakroom(options.dir, options.server_core) as server:
        server.start()
        link = http.client.HTTPConnection(server.address)
        data = json.dumps({"d": "x" * 52}, separators=(",", ":"))
        target = "/bench/create/user000000123456?ip=10.100.100.10"
        link.request("PUT", target, data, {"Content-Type": "application/json"})
        token = json.load(link.getresponse())["token"]
        link.request("GET", "/bench/get/" + token)
        return len(link.getresponse().read())


def on_nginx(options, length, depth):
    with Nginx(options.dir, options.server_core) as server:
        server.start(length)
        path = "/bench/get/" + "A" * 64
        worker = Process(server.address, server.worker())
        return load_values(measure.cloakroom(options, worker, "url", pipeline=depth, path=path))


# What a load tester has to know of a server.
Process = collections.namedtuple("Process", "address pid")


def on_memcached(options, load):
    with Memcached(options.dir, options.server_core) as server:
        server.start()
        return load_values(measure.redis(options, server, "get", style="memcached", **load))
