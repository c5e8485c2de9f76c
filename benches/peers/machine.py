"""Facts about the machine, so that figures can be compared later."""

import os
import platform
import re
import statistics
import subprocess
import tempfile
import time


def line():
    """The machine in a few words."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as info:
        for row in info:
            if row.startswith("model name"):
                model = row.split(":", 1)[1].strip()
                break
    facts = (model, os.cpu_count(), memory(), platform.release())
    return "%s, %d cores, %s, Linux %s" % facts


def disk(folder):
    """What a sync of one page costs where the data will lie."""
    return "fdatasync of 4 KiB %.0f us" % sync_micros(folder)


def memory():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return "%.0f GiB" % (pages / (1 << 30))


def sync_micros(folder):
    """Median of 200 overwrites of one page, each followed by fdatasync."""
    times = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        handle = file.fileno()
        os.pwrite(handle, b"x" * 4096, 0)
        os.fsync(handle)
        for _ in range(200):
            begun = time.perf_counter()
            os.pwrite(handle, b"y" * 4096, 0)
            os.fdatasync(handle)
            times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6


def load():
    """A warning when others use the machine, else an empty text."""
    busy = os.getloadavg()[0]
    return "warning: the load average is %.1f, figures will suffer\n" % busy if busy > 0.5 else ""


# Programs by the variable that names them, and how each is asked for its version.
PROGRAMS = (
    ("cloakroom", "CLOAKROOM", "--version"),
    ("Redis", "REDIS_SERVER", "--version"),
    ("Valkey", "VALKEY_SERVER", "--version"),
    ("memcached", "MEMCACHED", "-V"),
    ("nginx", "NGINX", "-v"),
)


def versions():
    """The programs that are there, as `NAME VERSION`."""
    found = []
    for name, variable, flag in PROGRAMS:
        program = os.environ.get(variable)
        if program:
            told = subprocess.run([program, flag], capture_output=True, text=True)
            number = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
            found.append("%s %s" % (name, number.group() if number else "of unknown version"))
    return ", ".join(found)
