"""Starting and stopping the servers under test, each alone on the cores it is given."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# Seconds that a server may take to start: it may load millions of sessions.
PATIENCE = 600


class Failed(Exception):
    """A program under test did not do what it should; the text says which and what it said."""


class Server:
    """A process with a folder of its own, stopped and cleared away at the end of a `with`."""

    def __init__(self, scratch, cores):
        self.folder = tempfile.mkdtemp(dir=scratch)
        self.cores = cores
        self.process = None
        self.address = None

    def spawn(self, command, environment=None):
        log = open(os.path.join(self.folder, "server.log"), "ab")
        pinned = ["taskset", "-c", self.cores] + command
        self.process = subprocess.Popen(
            pinned,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.folder,
            env=environment,
        )
        log.close()

    def log(self):
        with open(os.path.join(self.folder, "server.log"), errors="replace") as log:
            return log.read()

    def wait_until(self, ready):
        """Seconds until `ready` says something that is true, and what it says."""
        begun = time.perf_counter()
        while time.perf_counter() - begun < PATIENCE:
            said = ready()
            if said:
                return time.perf_counter() - begun, said
            if self.process.poll() is not None:
                raise Failed("%s ended: %s" % (self.process.args[3], self.log()[-2000:]))
            time.sleep(0.002)
        raise Failed("%s does not get ready" % self.process.args[3])

    @property
    def pid(self):
        return self.process.pid

    def resident(self):
        with open("/proc/%d/status" % self.pid) as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) * 1024

    def pause(self):
        """Takes no CPU and answers nobody until it is resumed."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.resume()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder)


class Cloakroom(Server):
    """`cloakroom serve` with an HTTP listener of rest-sessions and two of the binary protocol.

    They are at `address`, `tcp` and `unix`.
    """

    program = os.environ.get("CLOAKROOM")

    def start(self, *flags, data=None):
        """Starts it; seconds until it is ready. Without `data` it keeps sessions in memory only."""
        before = len(self.log()) if self.process_log_exists() else 0
        kept = ["--data", data] if data else ["--memory-only"]
        self.unix = "unix:" + os.path.join(self.folder, "binary.sock")
        listen = ["--http", "rest-sessions=127.0.0.1:0"]
        listen += ["--listen", "127.0.0.1:0", "--listen", self.unix]
        # No variable of the caller's may change what is measured.
        bare = {k: v for k, v in os.environ.items() if not k.startswith(("CLOAKROOM_", "RS_"))}
        begun = time.perf_counter()
        self.spawn([self.program, "serve"] + listen + kept + list(flags), bare)
        self.wait_until(lambda: re.search(r"^ready$", self.log()[before:], re.M))
        took = time.perf_counter() - begun
        self.address = self.listener("http.rest-sessions", before)
        self.tcp = self.listener("binary", before)
        return took

    def listener(self, door, before):
        """The address and port that a listener has announced."""
        found = re.search(r"^listening %s ([^u\s]\S+)$" % re.escape(door), self.log()[before:], re.M)
        return found.group(1)

    def process_log_exists(self):
        return os.path.exists(os.path.join(self.folder, "server.log"))


class Echo(Server):
    """`cloakroom bench echo-server`, which sends back what it gets: the floor of any server."""

    def start(self, kind):
        command = [Cloakroom.program, "bench", "echo-server", "--kind", kind]
        self.spawn(command + ["--listen", "127.0.0.1:0"])
        self.wait_until(lambda: re.search(r"^ready$", self.log(), re.M))
        self.address = re.search(r"^listening echo (\S+)$", self.log(), re.M).group(1)


def stores():
    """Redis and, where it is there, Valkey."""
    found = [("Redis", os.environ["REDIS_SERVER"])]
    if os.environ.get("VALKEY_SERVER"):
        found.append(("Valkey", os.environ["VALKEY_SERVER"]))
    return found


class Redis(Server):
    """redis-server or valkey-server without any rewriting of its files in the background."""

    def __init__(self, scratch, cores, program):
        super().__init__(scratch, cores)
        self.program = program

    def start(self, appendfsync=None, folder=None):
        """Starts it; seconds until it has loaded what is in its folder and answers."""
        self.address = "127.0.0.1:%d" % free_port()
        command = [self.program, "--port", self.address.split(":")[1], "--bind", "127.0.0.1"]
        command += ["--save", "", "--dir", folder or self.folder, "--loglevel", "warning"]
        if appendfsync:
            command += ["--appendonly", "yes", "--appendfsync", appendfsync]
            command += ["--auto-aof-rewrite-percentage", "0"]
        begun = time.perf_counter()
        self.spawn(command)
        self.wait_until(self.answers)
        return time.perf_counter() - begun

    def answers(self):
        try:
            return self.ask("PING") == b"+PONG"
        except OSError:
            return False

    def ask(self, *words):
        """The first line of the reply to a command."""
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as link:
            link.sendall((" ".join(words) + "\r\n").encode())
            return link.makefile("rb").readline().strip()


class Memcached(Server):
    """memcached with one thread and room for all sessions."""

    def start(self):
        self.address = "127.0.0.1:%d" % free_port()
        port = self.address.split(":")[1]
        user = ["-u", "root"] if os.geteuid() == 0 else []
        command = [os.environ["MEMCACHED"], "-l", "127.0.0.1", "-p", port, "-U", "0"]
        self.spawn(command + ["-t", "1", "-m", "8192", "-c", "4096"] + user)
        self.wait_until(lambda: connects(self.address))


class Nginx(Server):
    """nginx with one worker that answers every GET with a constant of a given length."""

    def start(self, length):
        self.address = "127.0.0.1:%d" % free_port()
        with open(os.path.join(self.folder, "nginx.conf"), "w") as conf:
            conf.write(NGINX_CONF % {"d": self.folder, "at": self.address, "body": "x" * length})
        self.spawn([os.environ["NGINX"], "-p", self.folder, "-c", self.folder + "/nginx.conf"])
        self.wait_until(self.worker)

    def worker(self):
        """Process id of the worker, which does the work."""
        path = "/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)
        with open(path) as children:
            found = children.read().split()
        return int(found[0]) if found and connects(self.address) else None


NGINX_CONF = """
worker_processes 1; daemon off; pid %(d)s/pid; error_log %(d)s/error.log;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000000; default_type application/json;
    client_body_temp_path %(d)s; proxy_temp_path %(d)s; fastcgi_temp_path %(d)s;
    uwsgi_temp_path %(d)s; scgi_temp_path %(d)s;
    server { listen %(at)s backlog=4096; location / { return 200 '%(body)s'; } }
}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def connects(address):
    host, port = address.split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
