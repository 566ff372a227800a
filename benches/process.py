"""Runs the command line in a process of its own and counts what that takes."""

import dataclasses
import json
import os
import subprocess
import tempfile
import time


@dataclasses.dataclass
class Cost:
    """What a process took by the operating system's count."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def tapeout(binary, *arguments):
    """A command's report, and what it cost."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out:
        start = time.monotonic()
        process = subprocess.Popen([binary, "--json", *map(str, arguments)], stdout=out, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if process.returncode != 0:
        raise SystemExit(f"tapeout {' '.join(map(str, arguments))} ended with exit code {process.returncode}: {text}")
    return json.loads(text), Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
