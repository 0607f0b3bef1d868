"""Hook files among programs, libraries, compilers and debuggers."""

import re

from contract import covers
from hooking import HOOKS, PRINTS, TARGET, at, called, compiled, expect, hooked, lines
from rewriting import BUILD, ROOT, TARGETS, punster, run, skip


@covers("action:call")
def one_file_has_one_set_of_variables(work):
    """Named by two actions, at different sites, it is there once."""
    hook = compiled(work, "count")
    seen = hooked(work, [*at("site_add"), "-P", f"entry()@{hook}", *at("site_loop"), "-P", f"entry()@{hook}", "-P",
                         f"entry_of_threads()@{hook}"])
    expect((seen.stdout, lines(seen)) == (PRINTS, ["7 calls"]), seen)


@covers("action:call")
def clang_makes_hooks_too(work):
    if run(["sh", "-c", "command -v clang && command -v clang++"]).status != 0:
        skip("needs clang")
    for name, call, line in (("count", "entry()", "1 calls"), ("overloads", "f(&ebx)", "int* 55667788")):
        hook = work / name
        done = punster("cc", "-o", hook, next(HOOKS.glob(f"{name}.*")), env={"CC": "clang", "CXX": "clang++"})
        expect(done.status == 0, done)
        seen = called(work, hook, "site_add", call)
        expect(seen.stdout == PRINTS and line in lines(seen), (name, seen))


@covers("action:call")
def libraries_call_hooks(work):
    hook = compiled(work, "show")
    library = TARGETS / "plugin_init"
    requests = ["-M", "F.entry and section == '.text'", "-P", f"one(size)@{hook}"]
    before = run([TARGETS / "plugin_host", library])
    seen = hooked(work, requests, library, command=[TARGETS / "plugin_host", work / "out"])
    expect(seen.stdout == before.stdout and seen.status == before.status and seen.stderr, (before, seen))


@covers("subcommand:cc")
def the_example_counts_what_bash_copies(work):
    done = punster("cc", "-o", work / "bytes", ROOT / "examples/hook/bytes.c")
    expect(done.status == 0, done)
    example = run(["bash", ROOT / "examples/hook/run.sh"], env={"PUNSTER_BUILD": str(BUILD)}, cwd=work)
    found = re.fullmatch(r"(\d+) copies, (\d+) bytes\n", example.stderr)
    expect(example.status == 0 and example.stdout == "256\n" and found and int(found[2]) > 500, example)


@covers("action:call")
def registers_are_those_that_gdb_sees(work):
    """At every site of the target, `state` against a debugger that stops there in the original."""
    if run(["sh", "-c", "command -v gdb"]).status != 0:
        skip("needs gdb")
    labels = ["site_jcc", "site_call", "site_ret", "site_index", "site_vector", "site_push"]
    # Those that the target has set by then to what is no address.
    names = ["rax", "rdx", "rbx", "rdi", "r8", "r9"]
    script = ["set startup-with-shell off", *(f"break *(&{label})" for label in labels), "run"]
    for _ in labels:
        script += [f'printf "GDB {" ".join(["%lx"] * len(names))} %lx\\n", {", ".join("$" + n for n in names)}, (long)$rsp & 0xf',
                   "continue"]
    (work / "script").write_text("\n".join(script) + "\n")
    debugged = run(["gdb", "-nx", "-batch", "-x", work / "script", TARGET])
    expected = [line[4:].split() for line in debugged.stdout.splitlines() if line.startswith("GDB ")]
    if len(expected) != len(labels):
        skip(f"gdb cannot debug here: {debugged.stderr[-200:]}")
    hook = compiled(work, "show")
    requests = ["-M", " or ".join(f"addr == &{label}" for label in labels), "-P", f"dump(state)@{hook}"]
    seen = hooked(work, requests, checked=False)
    rows = [dict(zip(line.split()[::2], line.split()[1::2])) for line in lines(seen)]
    expect(len(rows) == len(labels), seen)
    for label, row, values in zip(labels, rows, expected):
        expect([row[name] for name in names] == values[:-1], (label, row, values))
        expect(int(row["rsp"], 16) & 0xf == int(values[-1], 16), (label, "rsp", row, values))
