"""The Python package: its examples, its installation, its exceptions."""

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

from contract import covers
from protocol import PROGRAM, expect, jumps, same_output
from rewriting import PUNSTER, ROOT, Failure, run, skip
from service import Service

PACKAGE = ROOT / "protocol" / "python"
sys.path.insert(0, str(PACKAGE))
import punster  # noqa: E402


def example(name, needs=()):
    for program in needs:
        if subprocess.run(["sh", "-c", f"command -v {program}"], capture_output=True).returncode:
            skip(f"needs {program}")
    done = run([PACKAGE / "examples" / name / "run.sh"], env={"PUNSTER": str(PUNSTER), "PATH": os.environ["PATH"],
                                                            "PYTHONDONTWRITEBYTECODE": "1"}, timeout=120)
    expect(done.status == 0, done)
    return done.stdout.splitlines()


@covers()
def example_count_calls(work):
    lines = example("count-calls")
    counts = [int(line.split()[0]) for line in lines]
    expect(len(counts) == 10 and counts == sorted(counts, reverse=True) and counts[0] > 10, lines)
    code = (PACKAGE / "examples/count-calls/count_calls.py").read_text().splitlines()
    expect(sum(1 for line in code if line.strip()) <= 20, "it is said to have 20 lines")


@covers()
def example_trace_writes(work):
    lines = example("trace-writes")
    expect(len(lines) == 3 and all("mov" in line or "add" in line for line in lines), lines)


@covers()
def example_patch_folder(work):
    lines = [eval(line, {"true": True, "null": None}) for line in example("patch-folder")]
    expect([r["status"] for r in lines] == ["ok", "ok", "ok", "refused", "ok", "ok"], lines)


@covers()
def example_shell(work):
    lines = example("shell", ("socat", "jq"))
    expect(len(lines) == 2 and "patched" in lines[1], lines)


@covers()
def installs_without_network(work):
    made = run([sys.executable, "-m", "venv", work / "venv"], timeout=120)
    if made.status != 0:
        skip("needs python3-venv")
    source = work / "source"
    subprocess.run(["cp", "-r", PACKAGE, source], check=True)
    # Offline: no index, and a proxy that does not exist.
    done = run([work / "venv/bin/pip", "install", "--no-index", "--disable-pip-version-check", source],
               env={"https_proxy": "http://127.0.0.1:9"}, timeout=120)
    expect(done.status == 0, done)
    done = run([work / "venv/bin/python", "-c", "import punster, sys; print(punster.__file__)\n"
                f"with punster.open({str(PROGRAM)!r}) as b: print(len(punster.template('count')) > 10, b.info['kind'])"], env={"PUNSTER": str(PUNSTER)}, cwd=work)
    expect(done.status == 0 and "venv" in done.stdout and done.stdout.endswith("True pie\n"), done)


@covers()
def a_binary_from_python(work):
    with punster.open(PROGRAM, program=str(PUNSTER)) as b:
        phases = []
        report = b.patch(match=["jmp", 'section == ".text"'], action="empty", output=str(work / "out"),
                         progress=lambda phase, done, total: phases.append(phase))
        expect(report.sites == len(jumps()) == report.patched + report.trapped + report.failed, report)
        expect("solve" in phases, phases)
        expect([s.address for s in b.sites(["jmp", 'section == ".text"'])] == [j.address for j in jumps()], "sites")
        expect([r.address for r in b.results()] == [j.address for j in jumps()], "results")
        expect(b.explain(jumps()[0].address)[0]["result"], "explain")
        expect(b.verify()["proved"], "verify")
        expect(b.plan(match="jmp").statistics["output_bytes"] == 0, "plan")
    same_output(work / "out")


@covers()
def templates_of_the_package(work):
    """Sites that a script describes itself, with the code that `-P count` and `-P print` run."""
    first, *_ = jumps()
    session = punster.Session.start(str(PUNSTER))
    with punster.Binary(session, str(PROGRAM), session.call("binary", filename=str(PROGRAM))):
        slots = session.call("counters", path=str(work / "counts"), capacity=1)
        session.call("trampoline", name="$both", template=punster.template("count", "print"))
        session.call("instructions", address=f"{first.address:#x}", lengths=[first.size])
        session.call("patch", address=f"{first.address:#x}", trampoline="$both",
                     metadata={"$counter": slots["address"], "$asmstr": {"string": "here\n"}, "$asmstrlen": 5})
        expect(session.call("emit", filename=str(work / "out"))["patched"] == 1, "emit")
    done = run([work / "out"])
    expect(done.status == run([PROGRAM]).status and "here\n" in done.stderr, done)
    for action in punster.templates.ACTIONS:
        expect(punster.template(action)[-2:] in (["$instr", "$break"], [".Lasmstr", "$asmstr"]), action)


@covers()
def exceptions_are_one_family(work):
    for wanted, cause in ((punster.FileError, lambda: punster.open("/etc/passwd", program=str(PUNSTER))),
                          (punster.ServiceError, lambda: punster.open("/bin/ls", program="/no/such/punster")),
                          (punster.ServiceError, lambda: punster.open("/bin/ls", service="/no/such/socket"))):
        try:
            cause()
            raise Failure(f"{wanted} was expected")
        except wanted as error:
            expect(isinstance(error, punster.PunsterError) and error.kind and str(error), error)
    with punster.open("/usr/bin/bash", program=str(PUNSTER)) as b:
        for wanted, match, action in ((punster.RequestError, "jmp and", "empty"), (punster.RequestError, "jmp", "fly"),
                                      (punster.NoMatch, 'mnemonic == "none"', "empty")):
            try:
                b.patch(match=match, action=action, output=str(work / "never"))
                raise Failure(f"{wanted} was expected")
            except wanted:
                pass
        for cancel in (lambda *_: False, lambda *_: threading.Thread(target=b.cancel).start()):
            try:
                b.patch(match="true", action="empty", output=str(work / "never"), progress=cancel)
                raise Failure("it was cancelled")
            except punster.Cancelled:
                pass
        expect(os.listdir(work) == [], os.listdir(work))
        expect(b.plan(match='symbol == "main"').sites > 0, "the session lives on")


@covers("option:--listen")
def descriptors_from_python(work):
    with Service(work, program=(PUNSTER, "serve")) as service, open(PROGRAM, "rb") as file, \
            open(work / "out", "w+b") as out:
        os.chmod(work / "out", 0o755)
        with punster.open(file.fileno(), service=str(service.path)) as b:
            expect(b.patch(match="jmp", action="empty", output=out.fileno()).sites > 0, "sites")
        out.close()
        same_output(work / "out")


@covers()
def types_are_declared(work):
    if not shutil.which("mypy"):
        skip("needs mypy")
    done = run(["mypy", "--strict", "--cache-dir", work / "cache", PACKAGE / "punster"], timeout=200)
    expect(done.status == 0, done.stdout)


@covers()  # a shell starts the service
def the_campaign_of_the_readme(work):
    """As written, in a virtual environment, with a folder of programs."""
    text = (ROOT / "README.md").read_text()
    script = text.split("## A campaign from a script", 1)[1].split("```sh\n", 1)[1].split("```", 1)[0]
    expect("punster serve" in script, script)
    (work / "programs").mkdir()
    for name in ("true", "date"):
        (work / "programs" / name).write_bytes(open(f"/bin/{name}", "rb").read())
        os.chmod(work / "programs" / name, 0o755)
    (work / "programs" / "notes").write_text("no program")
    (work / "protocol").mkdir()
    subprocess.run(["cp", "-r", PACKAGE, work / "protocol" / "python"], check=True)
    made = run([sys.executable, "-m", "venv", work / "venv"], timeout=120)
    if made.status != 0:
        skip("needs python3-venv")
    # The socket takes a moment; a reader's fingers take longer than that.
    script = script.replace("pip install", "while [ ! -S socket ]; do sleep 0.1; done\npip install", 1)
    done = run(["bash", "-m", "-c", script], cwd=work, timeout=200,
               env={"PATH": f"{work}/venv/bin:{PUNSTER.parent}:{os.environ['PATH']}", "PIP_NO_INDEX": "1"})
    lines = done.stdout.splitlines()
    expect(done.status == 0 and len(lines) == 3 and "not_elf" in lines[1], done)
    for name, line in (("date", lines[0]), ("true", lines[2])):
        patched, sites = line.split(": ")[1].split(" calls")[0].split(" of ")
        expect(line.startswith(f"{name}:") and patched == sites and int(sites) > 10, line)
        expect(run([work / "programs" / f"{name}.counted"]).status == 0, name)
