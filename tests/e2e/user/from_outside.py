"""What other tools see of a rewritten program: profilers, editors of ELF files, debuggers of the dead."""

import re
import shutil

from contract import covers
from rewriting import TARGETS, Failure, patch, run, skip

SOURCE = """
#include <stdio.h>
volatile int *nowhere;
__attribute__((noinline)) unsigned long hot(unsigned long n) {
  unsigned long s = 0;
  for (unsigned long i = 0; i < n; ++i) { if (i % 3 == 0) s += i; else s ^= i << 1; if (s & 64) s >>= 1; }
  return s;
}
__attribute__((noinline)) void inner(int n) { if (n > 1) *nowhere = n; printf("inner\\n"); }
__attribute__((noinline)) void outer(int n) { inner(n + 1); printf("outer\\n"); }
int main(int argc, char **argv) {
  unsigned long t = 0;
  for (int k = 0; k < 30; ++k) t += hot(3000000 + t % 7);
  printf("%lu\\n", t);
  if (argc > 1) outer(argc);
}
"""


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def program(work, *options):
    (work / "p.c").write_text(SOURCE)
    done = run(["cc", "-O1", "-g", "-fno-omit-frame-pointer", "-o", work / "original", work / "p.c"])
    expect(done.status == 0, done.stderr)
    patch(work / "original", work / "rewritten", ["-M", "true", "-P", "empty"], options)
    return work / "original", work / "rewritten"


def tool(name, package):
    if not shutil.which(name):
        skip(f"no {name} (apt-get install {package})")
    return name


@covers("option:--build-id")
def perf_names_the_function_whose_trampolines_run(work):
    perf = tool("perf", "linux-perf")
    # Of two files with one build-id, perf may take the wrong one's symbols.
    _, rewritten = program(work, "--build-id", "new")
    home = {"HOME": str(work)}
    done = run([perf, "record", "-e", "cpu-clock", "-o", work / "data", rewritten], env=home)
    if done.status != 0:
        skip(f"perf may not record here: {done.stderr.strip()[-200:]}")
    report = run([perf, "report", "-i", work / "data", "--stdio", "--sort", "symbol"], env=home).stdout
    share = re.search(r"^\s*([\d.]+)%\s+\[\.\] hot\.trampolines\s", report, re.M)
    expect(share and float(share[1]) > 80, report)


@covers("exit:0")
def patchelf_and_readelf_read_it_as_the_original(work):
    patchelf = tool("patchelf", "patchelf")
    original, rewritten = program(work)
    for what in ("--print-interpreter", "--print-needed", "--print-rpath", "--print-soname"):
        before, after = run([patchelf, what, original]), run([patchelf, what, rewritten])
        expect((before.status, before.stdout) == (after.status, after.stdout), (what, before, after))
    read = run(["readelf", "-aW", rewritten])
    expect(read.status == 0 and not read.stderr, read.stderr)
    for table in ("--dynamic", "--relocs", "--version-info", "--dyn-syms"):
        before, after = (run(["readelf", "-W", table, f]).stdout for f in (original, rewritten))
        expect(before == after, f"{table}:\n{before}\n{after}")


@covers("exit:0")
def a_core_dump_shows_the_callers(work):
    gdb = tool("gdb", "gdb")
    frames = {}
    for file in program(work):
        core = f"{file}.core"
        run([gdb, "-nx", "-batch", "-ex", "run x > /dev/null", "-ex", f"generate-core-file {core}", file])
        shown = run([gdb, "-nx", "-batch", "-ex", "bt", file, core]).stdout
        found = re.findall(r"^#\d+\s+(?:0x\w+ in )?(\S+) \(", shown, re.M)
        frames[file.name] = found[1:]  # behind the one that is shown on loading
        expect("SIGSEGV" in shown, shown)
    expect(frames["original"] == ["inner", "outer", "main"], frames)
    # gdb writes the symbol inner.trampolines its own way.
    expect(frames["rewritten"] == ["inner[trampolines]", "outer", "main"], frames)


# Sentences of eu-elflint about layouts whose trampolines share pages of the file. It assigns sections to segments by
# their place in the file, where several then meet: nothing that anybody could mend but by not sharing.
SHARED = {
    "headers": [],
    "shared headers": [r"section \[\d+\] '\.punster\.\w+' not fully contained in segment of program header entry \d+",
                       r"loadable segment \[\d+\] is executable but contains no executable sections"],
    # Sections without contents, as of one page there are many sections; their offsets are for profilers.
    "loader": [r"section \[ *\d+\] '\.punster\.(bodies|stubs)' has unexpected type 8 for an executable section",
               r"section \[ *\d+\] '\.punster\.(bodies|stubs)' has type NOBITS but is read from the file in segment of "
               r"program header entry \d+ and file contents is non-zero"],
}
LAYOUTS = {"headers": ["--layout", "headers"], "shared headers": ["--layout", "headers", "--share-pages"],
           "loader": ["--layout", "loader"]}


@covers("option:--layout", "option:--share-pages")
def eu_elflint_objects_to_shared_pages_only(work):
    lint = tool("eu-elflint", "elfutils")
    for target in ("hello", "fixed_address", "static_c", "plugin_tls", "exceptions"):
        known = run([lint, "--gnu-ld", TARGETS / target]).stdout.splitlines()
        for layout, flags in LAYOUTS.items():
            output = work / f"{target} {layout}"
            patch(TARGETS / target, output, ["-M", "true", "-P", "empty"], flags)
            found = run([lint, "--gnu-ld", output]).stdout.splitlines()
            wrong = [line for line in found if line not in ("No errors", *known)
                     and not any(re.fullmatch(sentence, line) for sentence in SHARED[layout])]
            expect(not wrong, f"{target}, {layout}: {wrong}")
