"""punster check: what kernel and ld.so would refuse, foretold, and then tried."""

import json
import resource
import struct

from contract import covers
from rewriting import TARGETS, Failure, patch, punster, run

ALL = ["-M", "true", "-P", "empty"]
MIB = 1 << 20

# Loads a library on a thread whose stack is that small.
LOADER = """
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
static void *load(void *name) {
  void *library = dlopen(name, RTLD_NOW);
  if (!library) { puts(dlerror()); return (void *)1; }
  return 0;
}
int main(int argc, char **argv) {
  pthread_attr_t attributes;
  pthread_t thread;
  void *failed;
  pthread_attr_init(&attributes);
  if (pthread_attr_setstacksize(&attributes, atol(argv[2]) << 10) || pthread_create(&thread, &attributes, load, argv[1])) return 2;
  pthread_join(thread, &failed);
  return failed != 0;
}
"""


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def check(*words, **options):
    done = punster("check", *words, "--format", "json", **options)
    expect(done.stdout, done)
    rows = {row["check"]: row for row in json.loads(done.stdout)}
    refused = {name for name, row in rows.items() if row["verdict"] == "refused"}
    expect((done.status == 1) == bool(refused), done)
    return rows, refused


def with_word(path, output, at, form, value):
    data = bytearray(path.read_bytes())
    struct.pack_into(form, data, at, value)
    output.write_bytes(data)
    output.chmod(0o755)
    return output


def compiled(work, name, source, *flags):
    (work / f"{name}.c").write_text(source)
    done = run(["cc", "-O1", "-o", work / name, work / f"{name}.c", *flags])
    expect(done.status == 0, done.stderr)
    return work / name


@covers("subcommand:check", "option:--address-space", "exit:1")
def address_space_is_foretold_to_a_few_percent(work):
    """Below nine tenths of what is foretold the program does not start, above all of it it does."""
    by_headers = patch("/usr/bin/ls", work / "ls.headers", ALL, ["--layout=headers", "--share-pages"])
    by_loader = patch("/usr/bin/ls", work / "ls.loader", ALL, ["--layout=loader"])
    for program in (by_headers.output, by_loader.output, TARGETS / "fixed_address"):
        rows, refused = check(program)
        expect(not refused, rows)
        foretold = int(rows["address space"]["value"].split()[0].replace(",", ""))
        for share, works in ((0.9, False), (1.1, True)):
            given = int(foretold * share) + (8 if works else 0)
            started = run([program, "--version"], limits=[(resource.RLIMIT_AS, given * MIB)], env={"PUNSTER_STRICT": "1"})
            _, refused = check("--address-space", given, program)
            expect((refused == set()) == works, (program, given, refused))
            if foretold > 100:  # less is a matter of single pages
                expect((started.status == 0) == works, (program, given, started))


@covers("option:--kernel", "exit:2")
def more_program_headers_than_a_page_holds_are_foretold(work):
    few = patch("/usr/bin/ls", work / "few", ALL, ["--layout=headers", "--share-pages"]).output
    padded = bytearray(few.read_bytes())
    rows, refused = check("--kernel", "6.1", few)
    expect(not refused and rows["program headers"]["limit"] == "73", rows)
    phoff, count = struct.unpack_from("<Q", padded, 32)[0], struct.unpack_from("<H", padded, 56)[0]
    at = len(padded) + -len(padded) % 4096
    table = padded[phoff:phoff + 56 * count] + bytes(56 * (74 - count))  # PT_NULLs
    padded += bytes(at - len(padded)) + table
    struct.pack_into("<Q", padded, 32, at)
    struct.pack_into("<H", padded, 56, 74)
    (work / "many").write_bytes(padded)
    (work / "many").chmod(0o755)
    expect(check("--kernel", "6.1", work / "many")[1] == {"program headers"}, "74 headers, old kernel")
    rows, refused = check("--kernel", "6.17", work / "many")
    expect(not refused and rows["program headers"]["verdict"] == "warning", rows)
    wrong = punster("check", "--kernel", "new", few)
    expect(wrong.status == 2 and "is not a version" in wrong.stderr, wrong)


@covers("option:--stack")
def small_stacks_load_every_library_that_is_written(work):
    loader = compiled(work, "loader", LOADER)
    loaded = patch("/usr/lib/x86_64-linux-gnu/libz.so.1", work / "libz.so", ALL).output
    headers = patch("/usr/lib/x86_64-linux-gnu/libz.so.1", work / "libz.headers.so", ["-M", "jmp", "-P", "empty"],
                    ["--layout=headers", "--share-pages"]).output
    for library in (loaded, headers):
        rows, refused = check(library)
        expect(not refused and rows["stack of dlopen"]["limit"] == "64 KiB", rows)
        done = run([loader, library, 64], env={"PUNSTER_STRICT": "1"})
        expect(done.status == 0, (library, done))
    # 209 program headers are too many for 16 KiB.
    sections = "".join(f'__attribute__((section(".z{i}"))) int v{i} = {i};\n' for i in range(200))
    places = [f"-Wl,--section-start=.z{i}={0x1000000 + i * 0x4000:#x}" for i in range(200)]
    many = compiled(work, "many.so", sections, "-shared", "-fPIC", *places)
    for stack, works in ((16, False), (64, True)):
        expect((run([loader, many, stack]).status == 0) == works, stack)
        expect((check("--stack", stack, many)[1] == set()) == works, stack)


@covers("subcommand:check", "exit:1")
def what_is_missing_or_broken_is_foretold(work):
    loader = compiled(work, "loader", LOADER)
    library = TARGETS / "plugin_tls"
    content = library.read_bytes()
    first = struct.unpack_from("<Q", content, 32)[0]
    expect(struct.unpack_from("<I", content, first)[0] == 1, "the first program header is no PT_LOAD")
    tilted = with_word(library, work / "tilted", first + 16, "<Q", 0x800)
    expect(check(tilted)[1] == {"file"}, "an address that does not agree with its offset")
    expect(run([loader, library, 64]).status == 0 and run([loader, tilted, 64]).status != 0, "it loads")
    small = with_word(library, work / "small", first + 48, "<Q", 0x800)
    rows, refused = check(small)
    expect(not refused and "before glibc 2.35" in rows["segments"]["reason"], rows)
    hello = TARGETS / "hello"
    data = hello.read_bytes()
    phoff, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    loads = [phoff + 56 * i for i in range(count) if struct.unpack_from("<I", data, phoff + 56 * i)[0] == 1]
    cut = with_word(hello, work / "cut", loads[1] + 32, "<Q", 1 << 40)
    expect(check(cut)[1] == {"file"}, "a segment beyond the end of the file")
    # No such interpreter.
    (work / "interpreter").write_bytes(data.replace(b"/lib64/ld-linux-x86-64.so.2", b"/lib64/ld-linux-x86-64.so.9"))
    (work / "interpreter").chmod(0o755)
    expect(check(work / "interpreter")[1] == {"interpreter"}, "a missing interpreter")
    (work / "plain").write_bytes(data)
    expect(check(work / "plain")[1] == {"permission"}, "a file that is not executable")
    compiled(work, "libgone.so", "int gone(void) { return 1; }", "-shared", "-fPIC")
    needy = compiled(work, "needy", "int gone(void); int main(void) { return gone(); }", work / "libgone.so")
    expect(not check(needy)[1], "all is there")
    (work / "libgone.so").unlink()
    rows, refused = check(needy)
    expect(refused == {"libraries"} and "libgone.so" in rows["libraries"]["reason"], rows)
    expect(punster("check", work / "absent").status == 1, "no such file")
