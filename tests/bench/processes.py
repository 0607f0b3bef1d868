"""Runs a command and measures it whole: wall time, and the peak memory of all its processes together."""

import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Measured:
    status: int
    seconds: float
    peak_bytes: int
    stdout: str
    stderr: str


def session_peaks(session, peaks):
    """Notes VmHWM of every process of the session."""
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            stat = Path(entry.path, "stat").read_text()
            if int(stat[stat.rindex(")") + 2:].split()[3]) != session:
                continue
            for line in Path(entry.path, "status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peaks[entry.name] = max(peaks.get(entry.name, 0), int(line.split()[1]) * 1024)
        except (OSError, ValueError):
            continue


def measured(command, cwd=None, env=None, timeout=3600, watch_memory=True):
    """With `watch_memory` /proc is read every 20 ms, which takes a few percent of the time: measure the
    two in runs of their own where that matters."""
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], cwd=cwd, env=env, start_new_session=True, text=True,
                               errors="backslashreplace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
    peaks, done = {}, threading.Event()

    def watch():
        while not done.wait(0.02):
            session_peaks(process.pid, peaks)
    watcher = threading.Thread(target=watch, daemon=True)
    if watch_memory:
        watcher.start()
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, err = process.communicate()
        err += f"\nkilled after {timeout} s"
    seconds = time.monotonic() - start
    done.set()
    return Measured(process.returncode, seconds, sum(peaks.values()), out, err)
