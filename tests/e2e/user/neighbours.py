"""What a rewritten program takes from those around it: from the processes of its group, from its address space."""

import re

from contract import covers
from rewriting import TARGETS, Failure, patch, run


@covers("environment:PUNSTER_STRICT")
def a_failure_ends_only_this_process(work):
    """Without a file descriptor to be had the program finds no pages of its own."""
    patch(TARGETS / "static_c", work / "program", ["-M", "true", "-P", "empty"], ["--layout", "loader"])
    script = """sleep 100 & neighbour=$!
    (ulimit -n 3; ./program; echo "status $?") 3> /dev/null
    kill -0 $neighbour && echo "the neighbour lives"; kill $neighbour"""
    done = run(["sh", "-c", script], cwd=work, env={"PUNSTER_STRICT": "1"})
    if done.stdout.splitlines()[-2:] != ["status 127", "the neighbour lives"]:
        raise Failure(f"{done.stdout}{done.stderr}")
    line = r"punster: \S*program: [^\n]*: not run, because PUNSTER_STRICT=1 is set\n"
    if not re.fullmatch(line, done.stderr):
        raise Failure(f"more or less than one line:\n{done.stderr}")


HOST = r"""
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
static long megabytes(void) {
  char line[200];
  long size = 0;
  FILE *status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status)) sscanf(line, "VmSize: %ld", &size);
  return fclose(status), size / 1024;
}
int main(int argc, char **argv) {
  const long before = megabytes();
  if (!dlopen(argv[1], RTLD_NOW)) return puts(dlerror()), 1;
  printf("%ld\n", megabytes() - before);
  return 0;
}
"""


@covers("option:--raise")
def a_library_reserves_no_more_addresses_than_it_must(work):
    """What `ulimit -v` counts: up to 4 GiB of a raised library, half of it above one that is not."""
    done = run(["cc", "-x", "c", "-o", work / "host", "-"], input_text=HOST)
    if done.status != 0:
        raise Failure(done.stderr)
    for how, most in (("always", 4100), ("never", 2100)):
        library = work / f"{how}.so"
        patch(TARGETS / "plugin_tls", library, ["-M", "true", "-P", "empty"], ["--raise", how])
        grown = run([work / "host", library])
        if grown.status != 0 or not 0 < int(grown.stdout) <= most:
            raise Failure(f"--raise={how}: {grown.stdout}MiB, at most {most} expected{grown.stderr}")
