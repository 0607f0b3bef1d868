"""Rewritten files opened for damage: where their tables say that trampolines and patched code lie, what
stands there, and whether `punster verify` notices what was done to it."""

import re
import struct
import subprocess
import tempfile
from dataclasses import dataclass

from elf_file import PT_LOAD, ElfFile
from rewriting import Failure, punster

MAGIC = b"PUNSTER\x01"
TRAMPOLINES, OVERLAY = 1, 2
HEADER_MAPPED = 8


@dataclass
class Instruction:
    address: int
    size: int
    text: str
    target: int = None  # of a direct branch


class Layout:
    """Where the tables of an output (runtime/loader_abi.h) say that trampolines and patched code lie."""

    def __init__(self, data):
        self.data = bytes(data)
        self.elf = ElfFile(data)
        self.base = next(s.offset for s in self.elf.segments() if s.type == PT_LOAD and
                         self.elf.data[s.offset:s.offset + 8] == MAGIC)
        # `strip` moves the tables, and everything behind them as far.
        self.moved_by = self.base - self.elf.get(self.base + 40, "<Q")
        self.count = self.elf.get(self.base + 20, "<I")
        self.table = self.base + self.elf.get(self.base + 48, "<Q")
        # Addresses here are those of the original, as everywhere.
        self.raised_by = self.elf.get(self.base + 144, "<Q")
        self.header_mapped = bool(self.elf.get(self.base + 12, "<I") & HEADER_MAPPED)
        self.rows = [((row[0] - self.raised_by) % 2**64, *row[1:]) for row in
                     (struct.unpack_from("<QQII", self.elf.data, self.table + 24 * i) for i in range(self.count))]

    def mappings(self):
        return self.rows

    def offset(self, address, kind=TRAMPOLINES):
        if self.header_mapped:  # code is patched in place, and segments move one by one
            return self.elf.offset_of(address + self.raised_by)
        for start, offset, pages, what in self.rows:
            if what == kind and (address - start) % 2**64 < pages * 4096:
                return offset + self.moved_by + (address - start) % 2**64
        return None

    def disassemble(self, address, size):
        """The `size` bytes of trampolines at `address`, with objdump."""
        at = self.offset(address)
        with tempfile.NamedTemporaryFile() as raw:
            raw.write(self.data[at:at + size])
            raw.flush()
            listing = subprocess.run(["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "-w",
                                      f"--adjust-vma={address % 2**64:#x}", raw.name],
                                     capture_output=True, text=True, check=True).stdout
        found = []
        for m in re.finditer(r"^ *([0-9a-f]+):\t((?:[0-9a-f]{2} )+) *\t?(.*)$", listing, re.M):
            target = re.match(r"(?:j\w+|call) +0x([0-9a-f]+)", m.group(3))
            found.append(Instruction(int(m.group(1), 16), len(m.group(2).split()), m.group(3),
                                     int(target.group(1), 16) if target else None))
        return found

    def retargeted(self, branch, target):
        """The file with the rel32 of `branch`, an Instruction in a trampoline, leading to `target`."""
        return self.with_bytes(branch.address + branch.size - 4,
                               struct.pack("<i", signed(target - branch.address - branch.size)))

    def with_bytes(self, address, code, kind=TRAMPOLINES):
        at = self.offset(address, kind)
        return self.data[:at] + code + self.data[at + len(code):]


def signed(distance):
    return (distance + 2**63) % 2**64 - 2**63


def judged(original, data, path, sites_file):
    path.write_bytes(data)
    return punster("verify", "--sites", sites_file, original, path)


def rejected(original, data, work, name, sites_file, why):
    done = judged(original, data, work / name, sites_file)
    if done.status != 1 or not done.stderr:
        raise Failure(f"{name} ({why}): verify says {done.status}\n{done.stdout[-800:]}{done.stderr[-800:]}")


def accepted(original, data, work, name, sites_file, why):
    done = judged(original, data, work / name, sites_file)
    if done.status != 0:
        raise Failure(f"{name} ({why}): verify says {done.status}\n{done.stdout[-800:]}{done.stderr[-800:]}")
