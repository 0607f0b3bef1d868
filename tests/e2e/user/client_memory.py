"""Memory that a client reserves at addresses of its choice, and routines in it that run at start and exit."""

from contract import covers
from protocol import PROGRAM, describe, expect, jumps, same_output, site_batch
from rewriting import TARGETS, run
from stream import Client

AT = 0x70000000


def writing(message):
    code = bytes.fromhex(f"b801000000 bf02000000 488d35ef0f0000 ba{len(message):02x}000000 0f05 c3")
    return list(code)


def reserve_messages(client, **routines):
    """A page of code at AT that writes the page behind it."""
    message = b"from the client\n"
    reply = client.call("reserve", address=hex(AT), bytes=writing(message), protection="r-x", **routines)
    expect(int(reply["address"], 16) == AT, reply)
    client.call("reserve", address=hex(AT + 0x1000), bytes=message.hex(), protection="r--")


@covers("method:reserve", "method:emit")
def routines_run_at_start_and_exit(work):
    for program in ("jump_table", "fixed_address", "static_c"):
        original = run([TARGETS / program])
        for routines, times in (({"init": hex(AT)}, 1), ({"fini": hex(AT)}, 1), ({"init": hex(AT), "fini": hex(AT)}, 2),
                                ({"preinit": [0xc3], "postinit": [0xc3]}, 0)):
            with Client() as client:
                client.call("binary", filename=str(TARGETS / program))
                reserve_messages(client, **routines)
                client.call("emit", filename=str(work / "out"))
            done = run([work / "out"])
            expect((done.status, done.stdout) == (original.status, original.stdout), done)
            expect(done.stderr == "from the client\n" * times, (program, routines, done))


@covers("method:reserve")
def the_end_comes_after_destructors(work):
    (work / "last.c").write_text("""#include <unistd.h>
        __attribute__((destructor)) static void last(void) { write(2, "destructor\\n", 11); }
        int main(void) { return 0; }""")
    expect(run(["cc", "-o", work / "last", work / "last.c"]).status == 0, "cc")
    with Client() as client:
        client.call("binary", filename=str(work / "last"))
        reserve_messages(client, fini=hex(AT))
        client.call("emit", filename=str(work / "out"))
    expect(run([work / "out"]).stderr == "destructor\nfrom the client\n", run([work / "out"]))


@covers("method:reserve")
def variables_are_writable_and_nothing_else_is(work):
    # mov $1, %eax; add %eax, 0x1000(AT); then the sites go on. The variable counts the calls.
    with Client() as client:
        describe(client, code=[0x9c, 0x50, 0xb8, {"int32": 1}, 0x01, 0x05, {"rel32": hex(AT)}, 0x58, 0x9d, "$instr", "$break"])
        client.call("reserve", address=hex(AT), length=4096, protection="rw-")
        client.call("patches", **site_batch(jumps()), trampoline="$body")
        client.call("emit", filename=str(work / "out"))
    same_output(work / "out")


@covers("method:reserve")
def places_that_are_taken(work):
    with Client() as client:
        client.call("binary", filename=str(PROGRAM))
        for address, kind in ((0x1000, "overlap"), (0x10000, "no_room")):
            error = client.refused("reserve", address=hex(address), length=4096, protection="rw")
            expect(error.data == {"kind": kind, "where": "/params/address"}, error)
        client.call("reserve", address=hex(AT), length=4096, protection="r")
        error = client.refused("reserve", address=hex(AT + 0x10), length=16, protection="r")
        expect(error.data["kind"] == "overlap", error)
        error = client.refused("reserve", address=hex(AT), length=16, protection="rwx")
        expect(error.data["where"] == "/params/protection", error)
        client.call("emit", filename=str(work / "out"))
    same_output(work / "out")
