"""What hooks cannot be: one clear line each, and nothing written."""

import subprocess

from contract import covers
from hooking import TARGET, at, compiled, expect
from rewriting import TARGETS, punster, run


def refused(done, status, *words):
    """One line that holds these words; with a caret below the action it is three."""
    text = done.stderr
    expect(done.status == status and done.stdout == "", done)
    expect(text.startswith("punster: ") and all(word in text for word in words), (words, text))
    said = [line for line in text.splitlines() if not line.startswith("    ")]
    expect(len(said) == 1, text)


def cc(work, name, text, *words, options=(), flags=()):
    """`punster cc` refuses this source."""
    source, hook = work / name, work / "hook"
    source.write_text(text)
    done = punster("cc", "-o", hook, *options, source, *(["--", *flags] if flags else []))
    refused(done, 1, *words)
    expect(not hook.exists() and not list(work.glob("hook*")), list(work.iterdir()))


def patched(work, action, status, *words, caret=None):
    done = punster("patch", *at("site_add"), "-P", action, TARGET, "-o", work / "out")
    refused(done, status, *words)
    expect(not list(work.glob("out*")), list(work.iterdir()))
    if caret is not None:
        lines = done.stderr.splitlines()
        expect(lines[-1].index("^") - lines[-2].index(action) == caret, done.stderr)


@covers("subcommand:cc", "exit:1")
def what_nobody_defines(work):
    cc(work, "a.c", '#include <stdio.h>\nvoid f(void) { printf("%d", rand()); }\nextern int rand(void);'.replace(
        'rand()', '1', 1), "`printf`", "hooks have no libc")
    cc(work, "b.c", "int g(void), h(void);\nint f(void) { return g() + h(); }", "`g`, `h`")
    cc(work, "c.cpp", "struct S { virtual ~S(); virtual int v(); };\nint f(S* s) { return s->v(); }\nint g() { throw 1; }"
       .replace("throw 1", "return *new int"), "nobody defines")


@covers("subcommand:cc")
def what_would_need_a_dynamic_linker(work):
    cc(work, "tls.c", "__thread int mine; int f(void) { return ++mine; }", "thread-local", "(mine)")
    cc(work, "ifunc.c", "static int one(void) { return 1; }\nstatic void* choose(void) { return (void*)one; }\n"
       'int chosen(void) __attribute__((ifunc("choose")));\nint f(void) { return chosen(); }', "`chosen`", "IFUNC")
    cc(work, "text.S", '.globl f\n.type f, @function\nf: movabs $f, %rax\nret\n.section .note.GNU-stack,"",@progbits\n',
       "the linker failed")
    cc(work, "big.c", "char many[100 << 20]; int f(int i) { return many[i]; }", "more than 64 MiB")
    cc(work, "wx.S", '.section .wx,"awx",@progbits\n.globl f\nf: ret\n.section .note.GNU-stack,"",@progbits\n',
       "writable and executable")


@covers("subcommand:cc", "option:--vector")
def vector_registers_without_vector(work):
    text = 'void f(void) { __asm__ volatile("pxor %xmm0, %xmm0"); }'
    cc(work, "sse.c", text, "`f`", "--vector")
    cc(work, "x87.c", text.replace("pxor %xmm0, %xmm0", "fldz"), "`f`", "--vector")
    done = punster("cc", "--vector", "-o", work / "hook", work / "sse.c")
    expect(done.status == 0 and (work / "hook").exists(), done)


@covers("subcommand:cc", "exit:2")
def sources_that_are_none(work):
    (work / "a.txt").write_text("")
    refused(punster("cc", work / "a.txt", cwd=work), 2, "a.txt", "is it C or C++?")
    refused(punster("cc", work / "a.c", cwd=work), 1, "a.c: no such file")
    (work / "a.c").write_text("int f(void) { return 1; }")
    refused(punster("cc", "-o", work / "a.c", work / "a.c"), 1, "is the source")
    refused(punster("cc", "-o", work / "no/a", work / "a.c"), 1, "no/a")
    refused(punster("cc", work / "a.c", cwd=work, env={"CC": "/no/compiler"}), 1, "/no/compiler")
    refused(punster("cc", work / "a.c", cwd=work, env={"PATH": str(work)}), 1, "neither gcc nor clang")
    (work / "b.c").write_text("int f(void) { return }")
    done = punster("cc", work / "b.c", cwd=work)
    expect(done.status == 1 and done.stderr.splitlines()[-1].startswith("punster: ") and "gcc" in done.stderr, done)
    (work / "init.cpp").write_text("void init(int, char**, char**) {}")
    refused(punster("cc", work / "init.cpp", cwd=work), 1, "init(int, char**, char**)", 'extern "C"')
    expect(sorted(p.name for p in work.iterdir()) == ["a.c", "a.txt", "b.c", "init.cpp"], list(work.iterdir()))


@covers("action:call", "exit:2")
def files_that_are_no_hooks(work):
    patched(work, "f()@/no/file", 2, "/no/file", caret=4)
    patched(work, f"f()@{TARGET}", 2, "not what `punster cc` makes", caret=4)
    (work / "text").write_text("hello")
    patched(work, f"f()@{work}/text", 2, "not an ELF file")
    hook = compiled(work, "count")
    stripped = work / "stripped"
    subprocess.run(["strip", "-o", stripped, hook], check=True)
    patched(work, f"entry()@{stripped}", 2, "was it stripped?")
    (work / "short").write_bytes(hook.read_bytes()[:3000])
    patched(work, f"entry()@{work}/short", 2, "short")
    (work / "other.c").write_text("int f(void) { return 1; }")
    run(["gcc", "-nostdlib", "-static-pie", "-Wl,-e,0", work / "other.c", "-o", work / "other"])
    patched(work, f"f()@{work}/other", 2, "was not made by `punster cc`")
    run(["gcc", "-shared", "-Wl,--no-as-needed", work / "other.c", "-o", work / "libother.so"])
    patched(work, f"f()@{work}/libother.so", 2, "needs the library libc.so")


@covers("action:call", "exit:2")
def functions_that_are_not_there(work):
    hook = compiled(work, "count")
    patched(work, f"entrance()@{hook}", 2, "has no function `entrance`", "there are", "entry", caret=0)
    patched(work, f"if entrance()@{hook} break", 2, "no function `entrance`", caret=3)
    patched(work, f"calls()@{hook}", 2, "is a variable, not a function", caret=0)
    patched(work, f"entry(raxx)@{hook}", 2, "unknown argument `raxx`, did you mean `rax`?", caret=6)
    patched(work, f"entry(rax, &nothing)@{hook}", 2, "`&nothing`", caret=12)
    patched(work, f"entry(writes)@{hook}", 2, "expected a number or text", caret=6)
    patched(work, f"after nop", 2, "stands in place of the instruction")
    patched(work, f"if entry()@{hook} jump", 2, "expected `break` or `goto`")


@covers("action:call", "exit:2")
def overloads_that_do_not_fit(work):
    hook = compiled(work, "overloads")
    patched(work, f"only_long_pointer(&eax)@{hook}", 2, "at 0x", "only_long_pointer(int*)", "only_long_pointer(long*)")
    patched(work, f"f(1, 2)@{hook}", 2, "there is no f(long, long)")


@covers("action:call", "exit:1")
def a_fini_that_would_not_run(work):
    hook = compiled(work, "count")
    done = punster("patch", "-M", "ret", "-P", f"entry()@{hook}", TARGETS / "plugin_init", "-o", work / "out")
    refused(done, 1, "a shared object has no end")
    expect(not list(work.glob("out*")), list(work.iterdir()))


@covers("action:call")
def damaged_hook_files_end_in_one_line(work):
    """Bytes of the headers and of the rest, turned around."""
    good = bytearray(compiled(work, "overloads").read_bytes())
    places = list(range(0, 400, 7)) + list(range(400, len(good), 301))
    for place in places:
        bad = bytearray(good)
        bad[place] ^= 0xff
        (work / "bad").write_bytes(bad)
        done = punster("patch", "-q", *at("site_add"), "-P", f"plain(1)@{work}/bad", TARGET, "-o", work / "out")
        said = [line for line in done.stderr.splitlines() if not line.startswith("    ")]
        expect(done.status in (0, 1, 2) and len(said) == (done.status != 0), (place, done))
        expect((work / "out").exists() == (done.status == 0), (place, done))
        if done.status == 0:
            (work / "out").unlink()
