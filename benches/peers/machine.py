"""Facts about the machine, so that figures can be compared later."""

import os
import platform
import statistics
import subprocess
import tempfile
import time


def line(folder):
    """The machine in a few words, with what a sync of one page costs where the data will lie."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as info:
        for row in info:
            if row.startswith("model name"):
                model = row.split(":", 1)[1].strip()
                break
    return "%s, %d cores, Linux %s, %s; %s: fdatasync of 4 KiB %.0f us" % (
        model,
        os.cpu_count(),
        platform.release(),
        memory(),
        folder,
        sync_micros(folder),
    )


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


def version(program, *arguments):
    """The first line that a program says about its version."""
    if not program:
        return "not found"
    told = subprocess.run([program, *arguments], capture_output=True, text=True)
    return (told.stdout + told.stderr).strip().split("\n")[0]
