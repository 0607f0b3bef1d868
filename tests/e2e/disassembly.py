"""objdump's view of a program: the second opinion on what is where."""

import functools
import re
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Instruction:
    address: int
    bytes: bytes
    text: str      # AT&T, blanks squeezed, objdump's <symbol> kept
    function: str
    section: str

    @property
    def size(self):
        return len(self.bytes)

    @property
    def mnemonic(self):
        words = self.text.split()
        prefixes = ("bnd", "notrack", "lock", "rep", "repz", "repnz", "data16", "addr32", "cs", "ds", "rex.W", "fs")
        return next((w.split(",")[0] for w in words if w not in prefixes), "")


@functools.lru_cache(None)
def instructions(program):
    listing = subprocess.run(["objdump", "-dw", "--insn-width=16", program], capture_output=True, text=True,
                             check=True).stdout
    found, function, section = [], "", ""
    for line in listing.splitlines():
        if m := re.match(r"Disassembly of section (\S+):", line):
            section = m.group(1)
        elif m := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function = m.group(1)
        elif m := re.match(r" *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$", line):
            found.append(Instruction(int(m.group(1), 16), bytes.fromhex(m.group(2)),
                                     " ".join(m.group(3).split()), function, section))
    return found


@functools.lru_cache(None)
def symbol_address(program, name):
    for line in subprocess.run(["nm", program], capture_output=True, text=True, check=True).stdout.splitlines():
        fields = line.split()
        if fields[-1] == name and len(fields) == 3:
            return int(fields[0], 16)
    raise KeyError(name)
