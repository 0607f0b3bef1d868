"""Where a generated program lies: kind of file, linker, base address, and what else fills its address space."""

import shutil
from dataclasses import dataclass, field

from rewriting import Failure, run

from pathlib import Path

HERE = Path(__file__).resolve().parent
KINDS = ("fixed", "pie", "shared")
MIB = 1 << 20
INTERPRETER = "/lib64/ld-linux-x86-64.so.2"


@dataclass
class Layout:
    kind: str
    linker: str = "ld"
    base: int = 0
    fillers: list = field(default_factory=list)  # (address, bytes): zeroed segments that nobody touches
    stripped: bool = False
    headers_in_code: bool = False  # one segment, readable and executable, as linkers once made it

    @property
    def below_4_gib(self):
        return self.kind == "fixed" and self.base < 1 << 32

    @property
    def rsp_may_be_anything(self):
        """A SIGILL handler needs a stack, so programs that misuse rsp are rewritten without traps."""
        return self.stripped

    def __str__(self):
        return (f"{self.kind}, {self.linker}, base {self.base:#x}, {len(self.fillers)} fillers"
                f"{', stripped' if self.stripped else ''}{', headers in code' if self.headers_in_code else ''}")


def crowded(dice, base):
    """Fillers on both sides of the image that leave few and small holes. Image and fillers span 640 MiB:
    Punster refuses files with much more than that."""
    below = dice.choice([0, 128 * MIB, 320 * MIB]) if base > 600 * MIB else 0
    fillers = []
    for low, high in ((base - below, base - MIB), (base + 2 * MIB, base + 640 * MIB - below)):
        at = low
        while at < high and len(fillers) < 24:
            size = min(dice.choice([4, 16, 64, 128]) * MIB, high - at) & ~0xfff
            fillers.append((at, size))
            at += size + dice.choice([0x1000, 0x3000, 0x10000, 0x100000])
    return fillers


def choose(dice, kind=None):
    kind = kind or dice.choice(["fixed", "fixed", *KINDS])
    linkers = [name for name in ("ld", "ld", "ld.lld", "ld.gold") if shutil.which(name)]
    layout = Layout(kind, linker=dice.choice(linkers), stripped=dice.random() < 0.2, headers_in_code=dice.random() < 0.3)
    if kind == "fixed":
        layout.base = dice.choice([0x400000, 0x400000, 0x10000, 0x200000, 0x3fff0000, 0x7ff00000, 0x80000000, 0x100000000,
                                   0x550000000000])
        if dice.random() < 0.35:
            layout.linker = "ld"
            layout.base = dice.choice([0x400000, 0x40000000, 0x7fe00000, 0x90000000])
            layout.fillers = crowded(dice, layout.base)
    return layout


class Tools:
    """What every case shares, built once: the driver's objects and the program that loads shared objects."""

    def __init__(self, work, features):
        width = 64 if "avx512" in features else 32 if "avx2" in features else 16
        self.objects = [work / "driver.o", work / "call.o"]
        self.host = work / "host"
        checked(["cc", "-O1", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-fcf-protection=none", "-mgeneral-regs-only", "-c",
                 HERE / "driver.c", "-o", self.objects[0]])
        checked(["as", "--defsym", f"VECTOR_BYTES={width}", HERE / "call.S", "-o", self.objects[1]])
        # A section of its own, without sites: the driver's loops would take traps by the million.
        for file in self.objects:
            checked(["objcopy", "--rename-section", ".text=.driver", file])
        checked(["cc", "-O1", HERE / "host.c", "-o", self.host])


def checked(command):
    done = run(command)
    if done.status != 0:
        raise Failure(f"{' '.join(map(str, command))}: {done.stderr[-2000:]}")


def build(tools, source, layout, output):
    """Assembles `source` and links it as `layout` says."""
    objects = [source.with_suffix(".o")]
    checked(["as", "--no-warn", source, "-o", objects[0]])
    flags = {"fixed": ["-static"], "pie": ["-pie", "-dynamic-linker", INTERPRETER], "shared": ["-shared"]}[layout.kind]
    if layout.base:
        flags.append(f"--image-base={layout.base:#x}" if layout.linker == "ld.lld" else f"-Ttext-segment={layout.base:#x}"
                     if layout.linker == "ld" else f"-Ttext={layout.base + 0x1000:#x}")
    if layout.fillers:
        lines = []
        for number, (address, size) in enumerate(layout.fillers):
            lines += [f".section .filler{number}, \"aw\", @nobits", f".zero {size:#x}"]
            flags.append(f"--section-start=.filler{number}={address:#x}")
        fillers = source.with_name("fillers.s")
        fillers.write_text("\n".join([*lines, '.section .note.GNU-stack, "", @progbits', ""]))
        objects.append(fillers.with_suffix(".o"))
        checked(["as", fillers, "-o", objects[-1]])
    if layout.stripped:
        flags.append("-s")
    if layout.linker != "ld.gold":
        flags += ["-z", "noexecstack"]
    if layout.headers_in_code and layout.linker == "ld" and not layout.fillers:
        flags += ["-z", "noseparate-code"]
    checked([layout.linker, *flags, "-e", "_start", *tools.objects, *objects, "-o", output])
