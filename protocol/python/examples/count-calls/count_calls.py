"""count_calls.py PROGRAM [ARGUMENT...]: runs PROGRAM and prints its ten busiest call instructions."""

import struct
import subprocess
import sys
import tempfile

import punster

program, *arguments = sys.argv[1:]
with tempfile.TemporaryDirectory() as work, punster.open(program) as b:
    report = b.patch(match="call", action="count", output=f"{work}/counted")
    subprocess.run([report.output, *arguments], stdout=subprocess.DEVNULL, check=True)
    calls = {site.address: site for site in b.sites("call")}
    with open(report.counters, "rb") as file:
        data = file.read()
counts = struct.unpack_from(f"<{len(calls)}Q", data, 4096)  # a page of header, then the slots
for count, address in sorted(zip(counts, sorted(calls)), reverse=True)[:10]:
    print(f"{count:10} {address:#x} {calls[address].symbol or '':24} {calls[address].asm}")
