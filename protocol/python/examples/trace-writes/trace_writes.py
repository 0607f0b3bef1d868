"""trace_writes.py PROGRAM SYMBOL [ARGUMENT...]: prints every instruction of SYMBOL that writes memory, each time
it is executed, while PROGRAM runs."""

import subprocess
import sys
import tempfile

import punster

program, symbol, *arguments = sys.argv[1:]
writes = ["defined(dst[0]) and dst[0].type == mem", f'symbol == "{symbol}"']
with tempfile.TemporaryDirectory() as work, punster.open(program) as b:
    sites = list(b.sites(writes))
    print(f"{len(sites)} instructions of {symbol} write memory", file=sys.stderr)
    report = b.patch(match=writes, action="print", output=f"{work}/traced", traps=False)
    for result in b.results():
        if result.result != "patched":
            print(f"{result.address:#x} is not traced: {result.reason}", file=sys.stderr)
    done = subprocess.run([report.output, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
print(done.stderr, end="")
