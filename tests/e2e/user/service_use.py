"""The backend as a service on a Unix socket: many clients, descriptors, --root, stopping."""

import os
import signal
import stat
import subprocess
import threading
from pathlib import Path

from contract import covers, methods_called
from protocol import PROGRAM, describe, expect, jumps, same_output, site_batch
from rewriting import Failure, run, skip
from service import Service
from stream import RpcError


def session_to_emit(client, **output):
    client.call("patches", **site_batch(jumps()), trampoline="$body")
    return client.call("emit", **output)


@covers("option:--listen", "method:emit", "method:shutdown")
def many_clients_at_once(work):
    with Service(work) as service:
        expect(stat.S_IMODE(os.stat(service.path).st_mode) == 0o600, "the socket is its owner's alone")
        clients = [service.connect() for _ in range(8)]
        for client in clients:
            describe(client)
        for number, client in enumerate(reversed(clients)):
            session_to_emit(client, filename=str(work / f"out{number}"))
        for client in clients:
            client.call("shutdown")
        service.wait_for("ended", session=8)
        expect(service.stop() == 0, "status of a stopped service")
        expect(sorted(e["session"] for e in service.log("ended")) == list(range(1, 9)), service.log())
        expect(all(e["status"] == 0 for e in service.log("ended")), service.log())
    same_output(work / "out0")
    expect(len({(work / f"out{k}").read_bytes() for k in range(8)}) == 1, "all sessions wrote the same")
    methods_called.add("shutdown")


@covers("option:--listen")
def the_end_of_requests_is_no_hang_up(work):
    """Half a close: what was asked is finished and answered. A whole one: nobody wants the answers."""
    with Service(work) as service:
        with service.connect() as client:
            describe(client)
            client.post("patches", **site_batch(jumps()), trampoline="$body")
            number = client.post("emit", filename=str(work / "out"))
            client.end_of_requests()
            replies = client.rest()
            expect(replies[-1]["id"] == number and "result" in replies[-1], replies[-1])
        same_output(work / "out")
        client = service.connect()
        describe(client)
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        pid = service.wait_for("accepted", session=2)["pid"]
        os.kill(pid, signal.SIGSTOP)
        client.post("plan")
        client.post("emit", filename=str(work / "never"))
        client.close()
        os.kill(pid, signal.SIGCONT)
        service.wait_for("hung_up")
        service.wait_for("ended", session=2, status=1)
        expect(not (work / "never").exists(), "an output that nobody waited for")


@covers("option:--listen")
def a_descriptor_instead_of_a_name(work):
    with Service(work) as service, service.connect() as client:
        source, target = os.open(PROGRAM, os.O_RDONLY), os.open(work / "out", os.O_RDWR | os.O_CREAT, 0o755)
        client.send_files(source, target)
        client.call("binary", descriptor=0)
        error = client.refused("emit", descriptor=7)
        expect(error.data["kind"] == "no_descriptor" and error.data["where"] == "/params/descriptor", error)
        error = client.refused("emit", descriptor=0)
        expect(error.data["kind"] == "no_descriptor", "a descriptor is used once")
        client.call("emit", descriptor=1)
        os.close(target)
        same_output(work / "out")
        expect(list(service.scratch.iterdir()) == [], "something stayed in the temporary folder")


OTHER = 65534
AS_OTHER = """
import os, sys
sys.path[:0] = sys.argv[1].split(":")
from service import SocketClient
from stream import RpcError
client = SocketClient(sys.argv[2], hello=False)
client.hello = client.call("initialize", protocol_version=1) if sys.argv[3] != "refused" else client.read()
if sys.argv[3] == "refused":
    print(client.hello["error"]["data"]["kind"])
    sys.exit()
def kind(method, **params):
    try:
        return client.call(method, **params) and "fine" or "fine"
    except RpcError as error:
        return error.data["kind"]
print(kind("binary", filename=sys.argv[4]))
os.chdir(sys.argv[5])
source = os.open("mine", os.O_RDONLY)
target = os.open("out", os.O_RDWR | os.O_CREAT, 0o755)
client.send_files(source, target)
print(kind("binary", descriptor=0), kind("emit", filename=sys.argv[5] + "/named"), kind("emit", descriptor=1))
"""


def as_other(service, mode, *arguments):
    places = f"{Path(__file__).parents[1]}:{Path(__file__).parent}"
    done = subprocess.run(["/usr/bin/python3", "-c", AS_OTHER, places, str(service.path), mode, *map(str, arguments)],
                          user=OTHER, group=OTHER, extra_groups=[], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    return (done.stdout + done.stderr).split()


@covers("option:--allow-uid")
def other_users(work):
    """Nobody else may connect; who is allowed sends descriptors, and may not have a file opened."""
    if os.geteuid() != 0:
        skip("needs to be root, to be somebody else")
    os.chmod(work, 0o755)
    with Service(work) as service:
        expect("PermissionError:" in as_other(service, "refused"), "the socket's mode")
        os.chmod(service.path, 0o666)
        expect(as_other(service, "refused") == ["not_allowed"], "the credentials")
        expect(service.wait_for("refused")["uid"] == OTHER, "the log")
    theirs = work / "theirs"
    theirs.mkdir(mode=0o700)
    (theirs / "mine").write_bytes(PROGRAM.read_bytes())
    for path in (theirs, theirs / "mine"):
        os.chown(path, OTHER, OTHER)
    os.chmod(theirs / "mine", 0o500)
    with Service(work, "--allow-uid", OTHER) as service:
        answers = as_other(service, "allowed", "/etc/shadow", theirs)
        expect(answers == ["not_allowed", "fine", "not_allowed", "fine"], answers)
        service.connect().close()
    same_output(theirs / "out")
    expect(os.stat(theirs / "out").st_uid == OTHER and not (theirs / "named").exists(), "whose output it is")


def rooted(work):
    root, outside = work / "root", work / "outside"
    root.mkdir(), outside.mkdir()
    (root / "in").write_bytes(PROGRAM.read_bytes())
    (outside / "in").write_bytes(PROGRAM.read_bytes())
    os.chmod(root / "in", 0o755)
    return root, outside


@covers("option:--root")
def names_stay_below_the_root(work):
    root, outside = rooted(work)
    (root / "link").symlink_to(outside / "in")
    (root / "folder").symlink_to(outside)
    (root / "inner").symlink_to("in")
    (root / "leads_out").symlink_to(outside / "written")
    with Service(work, "--root", root) as service:
        with service.connect() as client:
            for name in (str(outside / "in"), "../outside/in", "link", "folder/in", "/etc/passwd", "nothing",
                         "/proc/self/exe", f"{root}/../outside/in"):
                error = client.refused("binary", filename=name)
                expect(error.data["kind"] in ("not_allowed", "unreadable"), (name, error))
            client.call("binary", filename="inner")
            for name in (str(outside / "out"), "../out", "folder/out", "", "..", "nowhere/out"):
                error = client.refused("emit", filename=name)
                expect(error.data["kind"] in ("not_allowed", "unwritable", "bad_request"), (name, error))
            client.call("emit", filename=str(root / "out"))
            client.call("emit", filename="leads_out")
        expect(sorted(os.listdir(outside)) == ["in"], "something was written outside of the root")
        expect(not (root / "leads_out").is_symlink(), "a link is replaced, not followed")
        expect(sorted(os.listdir(root)) == ["folder", "in", "inner", "leads_out", "link", "out"], os.listdir(root))
    same_output(root / "out")


@covers("option:--root")
def a_race_of_symbolic_links_is_lost(work):
    """A folder turns into a link to the outside and back while sessions write into it."""
    root, outside = rooted(work)
    (root / "real").mkdir()
    (root / "trap").symlink_to(outside)
    going = True

    def swap():
        names = ["real", "trap"]
        while going:
            for name in names:
                try:
                    os.rename(root / name, root / "spot")
                    os.rename(root / "spot", root / name)
                except OSError:
                    pass

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        with Service(work, "--root", root) as service, service.connect() as client:
            client.call("binary", filename="in")
            outcomes = set()
            for _ in range(300):
                try:
                    client.call("emit", filename="spot/out")
                    outcomes.add("written")
                except RpcError as error:
                    outcomes.add(error.data["kind"])
    finally:
        going = False
        swapper.join()
    expect(sorted(os.listdir(outside)) == ["in"], "written outside of the root")
    expect(outcomes <= {"written", "not_allowed", "unwritable"} and len(outcomes) > 1, outcomes)
    expect(set(os.listdir(root / "real")) <= {"out"}, "a draft was left behind")


@covers("option:--grace")
def sessions_finish_when_the_service_stops(work):
    with Service(work, "--grace", 30) as service:
        client = service.connect()
        describe(client)
        service.process.send_signal(signal.SIGTERM)
        service.wait_for("stopping")
        try:
            service.connect()
            raise Failure("a stopping service took a connection")
        except (ConnectionError, FileNotFoundError):
            pass
        session_to_emit(client, filename=str(work / "out"))
        client.close()
        expect(service.process.wait(30) == 0, "status")
    same_output(work / "out")
    with Service(work, "--grace", 0) as service:
        client = service.connect()
        expect(service.stop() == 0, "status")
        expect(service.log("ended")[-1]["status"] == 130, service.log())


@covers("option:--max-sessions")
def more_sessions_than_there_may_be(work):
    with Service(work, "--max-sessions", 2) as service:
        clients = [service.connect() for _ in range(2)]
        with service.connect(hello=False) as third:
            reply = third.rest()
            expect([r["error"]["data"]["kind"] for r in reply] == ["busy"], reply)
        clients[0].close()
        service.wait_for("ended", session=1)
        service.connect().close()
        clients[1].call("stats")
        clients[1].close()


@covers("option:--listen", "exit:1", "exit:2")
def places_where_nobody_can_listen(work):
    from rewriting import BACKEND, calls
    (work / "file").write_text("mine")
    with Service(work) as service:
        for where, status in ((work / "file", 1), (service.path, 1), (work / "no" / "folder", 1), ("x" * 200, 1)):
            done = run([BACKEND, "--listen", f"unix:{where}"], timeout=20)
            calls.append((["--listen"], done.status))
            expect(done.status == status and done.stderr.startswith("punster-backend: "), done)
        for options in (["--listen", "tcp:1"], ["--listen"], ["--memory", "lots"], ["--allow-uid", "no such user"]):
            done = run([BACKEND, *options], timeout=20)
            calls.append((options, done.status))
            expect(done.status == 2 and "--help" in done.stderr, done)
        service.connect().close()
    expect((work / "file").read_text() == "mine", "a file that is no socket was removed")
    # What a killed service left is no obstacle.
    with Service(work) as service:
        service.process.kill()
        service.process.wait()
        expect(service.path.exists(), "left behind")
    with Service(work) as service:
        service.connect().close()


@covers("method:dialect", "option:--listen")
def the_dialect_over_a_socket(work):
    from disassembly import instructions
    from stream import dialect
    listing = [i for i in instructions(PROGRAM) if i.section == ".text"]
    methods_called.add("dialect")
    with Service(work) as service:
        for output, spoil, expected in ((work / "out", "", []), (work / "never", "{]\n", ["parse_error"])):
            with service.connect(hello=False) as client:
                client.send(spoil + dialect(PROGRAM, listing, set(jumps()), output))
                client.end_of_requests()
                kinds = [r["error"]["data"]["kind"] for r in client.rest()]
                expect(kinds == expected and output.exists() == (not expected), kinds)
    same_output(work / "out")
