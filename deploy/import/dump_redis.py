#!/usr/bin/env python3
"""Write the live sessions of an old session service from its Redis as lines for `cloakroom import`.

    dump_redis.py rest-sessions [--namespace rs] OUT.ndjson     rest-sessions, redis-sessions
    dump_redis.py back-session OUT.ndjson                       back-session

Needs Python 3.6 or newer and nothing else. It only reads: SCAN in pages, so that Redis serves its
callers meanwhile. The file holds tokens, as good as passwords while the sessions live.
"""

import argparse
import calendar
import json
import os
import re
import socket
import ssl
import sys
import time
from urllib.parse import parse_qs, unquote, urlsplit

# Seconds of the longest life that cloakroom tells from an endless one.
MOST_TTL = ((1 << 48) - 1) // 1000
# Exit status when all was dumped but some entries could not be understood.
SOME_UNREADABLE = 3


class RedisError(Exception):
    """Redis refused a command, or what came is not its protocol."""


class Unreadable(Exception):
    """An entry that looks like a session and cannot be taken over; its text says why."""


class Redis:
    """A connection that speaks just enough of the Redis protocol (RESP2)."""

    def __init__(self, url, ca_file=None):
        self.socket, credentials, database = connect(url, ca_file)
        self.replies = self.socket.makefile("rb", buffering=1 << 16)
        if credentials:
            self.ask(["AUTH"] + credentials)
        if database:
            self.ask(["SELECT", database])

    def ask(self, command):
        reply = self.ask_all([command])[0]
        if isinstance(reply, RedisError):
            raise reply
        return reply

    def ask_all(self, commands):
        """The replies to commands sent in one go. What Redis refused stands there as an error."""
        self.socket.sendall(b"".join(encoded(command) for command in commands))
        return [self.read_reply() for _ in commands]

    def read_reply(self):
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise RedisError("the connection to Redis was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode("utf-8", "replace"))
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.read_exactly(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read_reply() for _ in range(int(rest))]
        raise RedisError("the server does not speak the Redis protocol")

    def read_exactly(self, length):
        data = self.replies.read(length)
        if len(data) != length:
            raise RedisError("the connection to Redis was closed")
        return data


def connect(url, ca_file):
    """An open socket, the arguments of AUTH if any, and the number of the database."""
    parts = urlsplit(url)
    password = unquote(parts.password) if parts.password else os.environ.get("REDISCLI_AUTH")
    user = [unquote(parts.username)] if parts.username else []
    credentials = user + [password] if password else []
    if parts.scheme == "unix":
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(30)
        link.connect(unquote(parts.path))
        return link, credentials, parse_qs(parts.query).get("db", [""])[0]
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("write redis://HOST:PORT/DB, rediss://... or unix:PATH, not %r" % url)
    host = parts.hostname or "127.0.0.1"
    link = socket.create_connection((host, parts.port or 6379), timeout=30)
    if parts.scheme == "rediss":
        link = ssl.create_default_context(cafile=ca_file).wrap_socket(link, server_hostname=host)
    return link, credentials, parts.path.strip("/")


def encoded(command):
    words = [w if isinstance(w, bytes) else str(w).encode() for w in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def key_pages(redis, pattern, page):
    """Pages of the keys that fit a pattern. A key may come twice, none that stays is left out."""
    cursor = b"0"
    while True:
        cursor, keys = redis.ask(["SCAN", cursor, "MATCH", pattern, "COUNT", page])
        yield keys
        if cursor == b"0":
            return


def glob_literal(text):
    return re.sub(r"([\\*?\[\]^])", r"\\\1", text)


def text_of(value, name):
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Unreadable("%s is not UTF-8" % name)


def number_of(value, name):
    """A whole number as JavaScript would read it from a hash field."""
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("%s is no number" % name)


def seconds(millis):
    """Lines have all times in seconds with up to three decimals."""
    return millis // 1000 if millis % 1000 == 0 else millis / 1000


def line_of(session, data):
    """A line of the dump. `data` is JSON text already: its numbers keep their spelling."""
    text = json.dumps(session, ensure_ascii=False, separators=(",", ":"))
    if data:
        # Outside of texts, where JSON has no line ends, they are mere white space.
        data = data.replace("\r", " ").replace("\n", " ")
        text = '%s,"data":%s}' % (text[:-1], data)
    return text


class RestSessions:
    """Hashes NAMESPACE:APP:TOKEN as redis-sessions keeps them, 3.x and 4.x."""

    FIELDS = ["id", "r", "w", "ttl", "d", "la", "ip", "no_resave"]
    NAME = re.compile(r"([A-Za-z0-9_-]{3,20}):([A-Za-z0-9]{64})\Z")

    def __init__(self, namespace):
        self.prefix = namespace + ":"
        self.pattern = glob_literal(self.prefix) + "*:" + "?" * 64

    def name_of(self, key):
        """App and token; None for the indexes, which fit the pattern by chance."""
        try:
            return self.NAME.match(key.decode()[len(self.prefix) :])
        except UnicodeDecodeError:
            return None

    def read(self, redis, named):
        """What Redis knows of the sessions: their fields, and their scores in the list by activity."""
        hashes = redis.ask_all([["HMGET", key] + self.FIELDS for key, _ in named])
        scores = []
        for (_, name), fields in zip(named, hashes):
            user = fields[0] if isinstance(fields, list) else None
            member = name.group(2).encode() + b":" + (user or b"")
            scores.append(["ZSCORE", "%s%s:_sessions" % (self.prefix, name.group(1)), member])
        return zip(hashes, redis.ask_all(scores))

    def line(self, name, replies, now):
        """The line of a session, None when it has ended."""
        (user, reads, writes, ttl, data, accessed, ip, no_resave), score = replies
        if user is None:
            # Gone since the SCAN, or the counter that a get racing a kill leaves behind.
            return None
        ttl, accessed = number_of(ttl, "ttl"), number_of(accessed, "la")
        # Whole seconds, and alive in the second in which it is idle for all of its ttl.
        if now // 1000 - accessed > ttl:
            return None
        session = {
            "app": name.group(1),
            "token": name.group(2),
            "user": text_of(user, "id"),
            "ip": text_of(ip or b"", "ip"),
            "created": seconds(created_of(name.group(2), accessed)),
            "last": accessed,
            "ttl": min(ttl, MOST_TTL),
            "whole_seconds": True,
            "r": number_of(reads, "r"),
            "w": number_of(writes, "w"),
        }
        # An access one second after the recorded one moves the score only.
        if score is not None and number_of(score, "the score") == accessed + 1:
            session["last"] = accessed + 1
            session["lag"] = True
        if no_resave == b"1":
            session["no_resave"] = True
        return line_of(session, object_text(data))


def object_text(data):
    if not data:
        return ""
    text = text_of(data, "d")
    try:
        is_object = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise Unreadable("d is no JSON object")
    return text


def created_of(token, accessed):
    """The service keeps no such time, but its tokens end in Z and milliseconds in base 36."""
    stamp = int(token[56:], 36) if token[55] == "Z" else 0
    return min(stamp or accessed * 1000, accessed * 1000)


class BackSession:
    """Hashes session:ID as back-session keeps them; their life is that of the key."""

    pattern = "session:*"
    # Go's spelling of a moment.
    DATE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,9}))? ([+-])(\d\d)(\d\d)\b")
    NAME = re.compile(r"session:([A-Za-z0-9_-]{63}=)\Z")

    def name_of(self, key):
        try:
            return self.NAME.match(key.decode())
        except UnicodeDecodeError:
            return None

    def read(self, redis, named):
        """What Redis knows of the sessions: their attributes and how long they have to live."""
        commands = [[command, key] for key, _ in named for command in ("HGETALL", "PTTL")]
        replies = redis.ask_all(commands)
        return zip(replies[::2], replies[1::2])

    def line(self, name, replies, now):
        pairs, left = replies
        fields = [text_of(f, "an attribute") for f in pairs]
        attributes = dict(zip(fields[::2], fields[1::2]))
        user = attributes.pop("user_id", "")
        if not user or left == -2:
            # Expired, deleted, or what a PATCH racing a DELETE leaves behind.
            return None
        created, updated = attributes.pop("create_date", ""), attributes.get("update_date")
        if updated == created:
            attributes.pop("update_date", None)
        moment = self.moment(created) or self.moment(updated or "") or now
        session = {
            "app": "@a01",
            "token": name.group(1),
            "user": user,
            "created": seconds(moment),
            "last": seconds(max(moment, self.moment(updated or "") or moment)),
            "r": 1,
            "w": 1,
        }
        if left >= 0:
            session["until"] = seconds(now + left)
        kept = {k: v for k, v in sorted(attributes.items()) if v}
        return line_of(session, json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else "")

    def moment(self, text):
        """Milliseconds of one of Go's dates, None for any other text."""
        match = self.DATE.match(text)
        if not match:
            return None
        try:
            seconds = calendar.timegm(time.strptime(match.group(1), "%Y-%m-%d %H:%M:%S"))
        except ValueError:
            return None
        offset = int(match.group(4)) * 3600 + int(match.group(5)) * 60
        seconds -= offset if match.group(3) == "+" else -offset
        return seconds * 1000 + int((match.group(2) or "0").ljust(9, "0")) // 1000000


class Tally:
    """What was met so far, shown on standard error while it runs."""

    def __init__(self):
        self.written = self.ended = self.unreadable = 0
        self.shown = time.monotonic()

    def text(self):
        return "%d sessions written, %d ended, %d unreadable" % (
            self.written,
            self.ended,
            self.unreadable,
        )

    def show(self):
        if sys.stderr.isatty() and time.monotonic() - self.shown > 0.5:
            self.shown = time.monotonic()
            print("\r" + self.text(), end="", file=sys.stderr, flush=True)


def dump(redis, layout, out, page, pause):
    tally = Tally()
    for keys in key_pages(redis, layout.pattern, page):
        named = [(key, name) for key, name in ((k, layout.name_of(k)) for k in keys) if name]
        if named:
            dump_page(redis, layout, named, out, tally)
            tally.show()
        time.sleep(pause)
    if sys.stderr.isatty():
        print("\r", end="", file=sys.stderr)
    return tally


def dump_page(redis, layout, named, out, tally):
    # Redis's own clock: it is the one that its deadlines are counted by.
    second, micros = redis.ask(["TIME"])
    now = int(second) * 1000 + int(micros) // 1000
    for (_, name), replies in zip(named, layout.read(redis, named)):
        try:
            for reply in replies:
                if isinstance(reply, RedisError):
                    raise Unreadable(str(reply))
            line = layout.line(name, replies, now)
        except Unreadable as problem:
            tally.unreadable += 1
            # A token is a password: the first characters are enough to find it.
            print("%s...: %s" % (name.group()[:-50], problem), file=sys.stderr)
            continue
        if line is None:
            tally.ended += 1
        else:
            tally.written += 1
            out.write(line + "\n")


class Output:
    """The file that lines go to, readable by nobody else and under its name only when complete."""

    def __init__(self, path):
        self.path = None if path == "-" else path

    def __enter__(self):
        handle = 1
        if self.path:
            handle = os.open(self.path + ".part", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.file = open(handle, "w", encoding="utf-8", newline="\n", closefd=bool(self.path))
        return self.file

    def __exit__(self, error, *_):
        self.file.flush()
        if not self.path:
            return
        if error is None:
            os.fsync(self.file.fileno())
        self.file.close()
        if error is None:
            os.replace(self.path + ".part", self.path)
        else:
            os.unlink(self.path + ".part")


def arguments():
    parser = argparse.ArgumentParser(
        description="Write the live sessions of an old session service as lines for `cloakroom import`."
    )
    parser.add_argument("service", choices=["rest-sessions", "back-session"])
    parser.add_argument("out", metavar="OUT", help="file to write, - for standard output")
    parser.add_argument(
        "--redis",
        metavar="URL",
        default="redis://127.0.0.1:6379/0",
        help="redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], rediss://... for TLS, or unix:PATH[?db=DB]; "
        "the password may also come from REDISCLI_AUTH (default: %(default)s)",
    )
    parser.add_argument(
        "--namespace", default="rs", help="RS_NAMESPACE of rest-sessions (default: %(default)s)"
    )
    parser.add_argument("--ca", metavar="FILE", help="certificates that a rediss:// server is checked with")
    parser.add_argument(
        "--page", type=int, default=500, metavar="N", help="keys that one step looks at (default: %(default)s)"
    )
    parser.add_argument(
        "--pause", type=float, default=0, metavar="MS", help="milliseconds between two steps (default: 0)"
    )
    return parser.parse_args()


def main():
    args = arguments()
    layout = RestSessions(args.namespace) if args.service == "rest-sessions" else BackSession()
    try:
        redis = Redis(args.redis, args.ca)
        with Output(args.out) as out:
            tally = dump(redis, layout, out, args.page, args.pause / 1000)
    except (OSError, RedisError, ValueError) as problem:
        sys.exit("the dump failed: %s" % problem)
    print(tally.text(), file=sys.stderr)
    if tally.written == 0 and args.service == "rest-sessions":
        print(
            "no sessions in the namespace %r: redis-cli --scan --pattern '*:SESSIONS' shows "
            "which there are" % args.namespace,
            file=sys.stderr,
        )
    sys.exit(SOME_UNREADABLE if tally.unreadable else 0)


if __name__ == "__main__":
    main()
