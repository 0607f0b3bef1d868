"""Memory areas of a rewritten file while it runs, as /proc/PID/maps lists them: what stands against the limit of
65,530, ld.so's PROT_NONE fillers included. A small library is compiled and preloaded that copies the list when the
program exits.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from outcome import Failure, run, start_command

SOURCE = Path(__file__).resolve().parent / "running.c"


@dataclass
class Areas:
    all: int
    fillers: int  # without any access
    pages: int


def listed(text):
    areas = Areas(0, 0, 0)
    for line in text.splitlines():
        span, access = line.split()[:2]
        low, high = (int(end, 16) for end in span.split("-"))
        areas.all += 1
        areas.fillers += access == "---p"
        areas.pages += (high - low) >> 12
    return areas


def preloaded(scratch):
    """The library; None where nothing compiles C."""
    library = Path(scratch, "areas.so")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not library.exists() and compiler:
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE], check=True)
    return library if library.exists() else None


def areas_of(name, path, library, scratch):
    """The Areas of a short run of the file under its own name; None when it does not come to an end by itself."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        copy, out = Path(folder, name), Path(folder, "areas")
        shutil.copy2(path, copy)
        os.chmod(copy, 0o755)
        command, env = start_command(name, copy)
        env["LD_PRELOAD"] = ":".join(filter(None, [str(library), env.get("LD_PRELOAD")]))
        try:
            done = run(command, cwd=folder, env={**env, "PUNSTER_AREAS": str(out)}, timeout=60)
        except Failure:
            return None
        return listed(out.read_text()) if done.status == 0 and out.exists() else None


def added(name, original, rewritten, scratch):
    """{"areas", "fillers", "pages"} that rewriting adds to the running program; None when it does not run."""
    library = preloaded(scratch)
    if library is None:
        return None
    before, after = (areas_of(name, path, library, scratch) for path in (original, rewritten))
    if before is None or after is None:
        return None
    return {"areas": after.all - before.all, "fillers": after.fillers - before.fillers, "pages": after.pages - before.pages}
