"""One side dies in mid-stream: the other says so and cleans up."""

import os
import signal
import subprocess
import time
from pathlib import Path

import rewriting
from contract import covers
from refusal import nothing_left_in_shared_memory, shared_memory
from rewriting import PUNSTER, Failure

PROGRAM = "/usr/bin/git"
DELAYS = (0.0, 0.05, 0.15, 0.3, 0.5, 0.8)


def members(session):
    """The live processes of a session: pid and name."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text()
        except OSError:
            continue
        name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        if int(rest[3]) == session and rest[0] != "Z":
            found.append((int(entry.name), name))
    return found


class Job:
    def __init__(self, work):
        self.folder = work / "out"
        self.folder.mkdir(exist_ok=True)
        self.stats = work / "stats"
        self.shm = shared_memory()
        self.arguments = ["patch", "-M", "true", "-P", "empty", PROGRAM, "-o", str(self.folder / "git"),
                          "--stats", str(self.stats)]
        self.process = subprocess.Popen([PUNSTER, *self.arguments], start_new_session=True, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def backend(self):
        """Waits for the backend to appear."""
        while self.process.poll() is None:
            for pid, name in members(self.process.pid):
                if pid != self.process.pid and name.startswith("punster-backen"):
                    return pid
            time.sleep(0.002)
        return None

    def finish(self):
        out, err = self.process.communicate(timeout=60)
        rewriting.calls.append((self.arguments, self.process.returncode))
        return self.process.returncode, out, err

    def nothing_left(self):
        for _ in range(100):
            if not members(self.process.pid):
                break
            time.sleep(0.05)
        else:
            raise Failure(f"still running: {members(self.process.pid)}")
        left = os.listdir(self.folder)
        if left:
            raise Failure(f"left behind: {left}")
        nothing_left_in_shared_memory(self.shm)


def at_several_moments(work, strike, check):
    """Runs a job per delay; `strike(job, backend)` kills something. At least one must hit."""
    hits = 0
    for delay in DELAYS:
        job = Job(work)
        backend = job.backend()
        time.sleep(delay)
        if backend is None or job.process.poll() is not None:
            job.finish()
        else:
            strike(job, backend)
            status, out, err = job.finish()
            if status == 0:  # it was done already
                pass
            else:
                check(status, out, err)
                hits += 1
                job.nothing_left()
        for name in os.listdir(job.folder):
            if name != "git":
                raise Failure(f"left behind: {name}")
            os.unlink(job.folder / name)
    if hits == 0:
        raise Failure("no job was hit in mid-stream")
    print(f"{hits} of {len(DELAYS)} jobs hit")


@covers("exit:1")
def backend_killed_in_mid_stream(work):
    def check(status, out, err):
        if status != 1 or out or len(err.splitlines()) != 1 or "backend" not in err:
            raise Failure(f"status {status}\n{out}{err}")
    at_several_moments(work, lambda job, backend: os.kill(backend, signal.SIGKILL), check)


@covers("subcommand:patch")
def frontend_killed_in_mid_stream(work):
    def check(status, out, err):
        if status != -signal.SIGKILL:
            raise Failure(f"status {status}\n{out}{err}")
    at_several_moments(work, lambda job, backend: job.process.kill(), check)


@covers("exit:130", "status:interrupted")
def interrupted_by_ctrl_c(work):
    def check(status, out, err):
        if status != 130 or out:
            raise Failure(f"status {status}\n{out}{err}")
    at_several_moments(work, lambda job, backend: os.killpg(job.process.pid, signal.SIGINT), check)


@covers("exit:130")
def interrupted_by_a_polite_kill(work):
    def check(status, out, err):
        if status not in (130, 143, -signal.SIGTERM) or out:
            raise Failure(f"status {status}\n{out}{err}")
    at_several_moments(work, lambda job, backend: job.process.terminate(), check)
