"""Does a rewritten file start, and is what it does right? The same questions for every tool."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from rewriting import ROOT, Failure, compare_runs, run  # noqa: E402


def start_command(name, path):
    """A short command that runs the file at all, and the environment for it."""
    folder = {"LD_LIBRARY_PATH": str(path.parent)}
    if name == "libc.so.6":
        return ["/bin/true"], folder
    if name == "libcrypto.so.3":
        return ["openssl", "version"], folder
    if ".so" in name:
        return ["/bin/true"], {"LD_PRELOAD": str(path)}
    return [path, "--version"], {}


def starts(name, original, rewritten):
    """'yes', or what happened instead."""
    with tempfile.TemporaryDirectory() as scratch:
        results = []
        for side, source in (("before", original), ("punned", rewritten)):
            folder = Path(scratch, side)
            folder.mkdir()
            shutil.copy2(source, folder / name)
            os.chmod(folder / name, 0o755)
            command, env = start_command(name, folder / name)
            try:
                done = run(command, cwd=scratch, env=env, timeout=60)
            except Failure:
                return "hangs"
            results.append((done.status, done.stdout))
        if results[0] == results[1]:
            return "yes"
        return f"no ({'signal' if results[1][0] < 0 else 'status'} {abs(results[1][0])})"


def right(name, original, rewritten):
    """The real work of tests/e2e/work: 'yes', 'no', or '-' where there is none."""
    script = ROOT / "tests/e2e/work" / f"{name}.sh"
    if not script.exists():
        return "-"
    with tempfile.TemporaryDirectory() as scratch:
        folders = []
        for side, source in (("before", original), ("punned", rewritten)):
            folder = Path(scratch, side)
            folder.mkdir()
            shutil.copy2(source, folder / name)
            os.chmod(folder / name, 0o755)
            folders.append(folder)
        try:
            compare_runs(*folders, lambda d: [script, d / name], timeout=600)
        except Failure:
            return "no"
        return "yes"
