"""From the listings of objects to the truth about a linked file.

The linker's map says where each section of each object went. There the listing's lines are laid over the
file's bytes. Lines of instructions are cut into instructions by objdump (several may stand on one line,
and a prefix on a line of its own); each distinct line is asked about once.
"""

import os
import re
import struct
import subprocess
import tempfile
from pathlib import Path

from listings import CODE, DATA, FILL, PREFIXES, Line, read_listing

CONTRIBUTION = re.compile(r"^ (\.\S+)\s+0x([0-9a-f]+)\s+0x([0-9a-f]+)\s+(\S.*)$")
ENDS_FLOW = re.compile(r"^(?:(?:bnd|notrack|rep[a-z]*)\s+)*(?:jmp|ret|ud2|hlt|iret|int3)")
SPELLED = (b"\xf3\x0f\x1e\xfa", b"\xf3\xc3")  # endbr64 and rep ret, as perlasm writes them
UNKNOWN, MIDDLE, START, DATA_BYTE, EITHER = range(5)


def contributions(map_path):
    """(section, address, size, object) of everything that went into executable sections."""
    text = Path(map_path).read_text(errors="replace")
    text = re.sub(r"^( \.\S+)\n +0x", r"\1 0x", text[text.find("Linker script and memory map"):], flags=re.M)
    for line in text.splitlines():
        if (match := CONTRIBUTION.match(line)) and int(match[3], 16):
            yield match[1], int(match[2], 16), int(match[3], 16), match[4]


class Listings:
    """The listings below a folder, by the objects they belong to."""

    def __init__(self, root):
        self.root, self.by_name, self.read = Path(root), {}, {}
        for folder, _, names in os.walk(root):
            for name in names:
                if name.endswith(".lst"):
                    member = name.removesuffix(".lst").removesuffix(".nasm")
                    self.by_name.setdefault(member, []).append(Path(folder) / name)

    def of(self, name):
        """Candidates for an object of the map, the likeliest first."""
        archive = re.match(r"(.*)/[^/]*\((.*)\)$", name) or re.match(r"()[^/]*\((.*)\)$", name)
        folder, member = (archive[1], archive[2]) if archive else os.path.split(name)
        near = (self.root / folder).resolve()
        return sorted(self.by_name.get(member, []), key=lambda p: p.parent.resolve() != near)

    def sections(self, path):
        """(lines of each section, labels that jumps and tables name) of one listing."""
        if path not in self.read:
            sections, targets = {}, set()
            for line in read_listing(path):
                sections.setdefault(line.section, []).append(line)
                if line.kind == DATA:
                    targets.update(re.findall(r"[A-Za-z_.$][\w.$]*", " ".join(line.text.split()[1:])))
                elif line.text.startswith("j"):
                    targets.add(line.text.split()[-1])
            self.read[path] = sections, targets
        return self.read[path]


def section_bytes(path, wanted):
    """(address, content) of every section whose name `wanted` accepts."""
    file = Path(path).read_bytes()
    table, = struct.unpack_from("<Q", file, 0x28)
    size, count, names = struct.unpack_from("<HHH", file, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", file, table + i * size) for i in range(count)]
    strings = headers[names][4]
    for name, kind, flags, address, offset, length in headers:
        text = file[strings + name:file.index(b"\0", strings + name)].decode()
        if kind == 1 and flags & 4 and wanted(text):
            yield text, address, file[offset:offset + length]


def cut(pieces):
    """For each distinct piece of code the lengths of its instructions; nothing where it does not decode."""
    pieces = sorted(pieces)
    blob, starts = bytearray(), []
    for piece in pieces:
        starts.append(len(blob))
        blob += piece + b"\x90" * 16
    with tempfile.NamedTemporaryFile() as file:
        file.write(blob)
        file.flush()
        listing = subprocess.run(["objdump", "-D", "-b", "binary", "-mi386:x86-64", "-Mno-aliases",
                                  "--insn-width=16", file.name], stdout=subprocess.PIPE, text=True, check=True)
    found = {}
    for line in listing.stdout.splitlines():
        parts = line.split("\t")
        if len(parts) >= 2 and parts[0].strip().endswith(":"):
            at = int(parts[0].strip()[:-1], 16)
            found[at] = (len(parts[1].split()), "(bad)" in line)
    lengths = {}
    for piece, start in zip(pieces, starts):
        at, result = start, []
        while at < start + len(piece) and at in found and not found[at][1]:
            result.append(found[at][0])
            at += found[at][0]
        lengths[piece] = result if at == start + len(piece) else None
    return lengths


def runs_into_code(lines):
    """For each line, whether it is data that ends, without a label between, where an instruction begins."""
    result, after = [], None
    for line in reversed(lines):
        adjacent = after is not None and line.offset + len(line.content) == after.offset and not after.labels
        result.append(line.kind == DATA and adjacent and (after.kind == CODE or result[-1]))
        after = line
    return result[::-1]


def joined(lines, targets):
    """Runs of lines as [kind, offset, content]. A prefix joins the instruction behind it. Data right behind an
    instruction that goes on, at a label of `targets`, or running into an instruction, is executed: `.byte` and
    `.long` spell what assemblers once did not know. It is EITHER, which becomes code if it decodes."""
    runs, flows, prefix = [], False, None
    for line, after, running in zip(lines, [*lines[1:], None], runs_into_code(lines)):
        content, offset, kind = line.content, line.offset, line.kind
        if prefix:
            if prefix.offset + len(prefix.content) == offset and kind == CODE:
                content, offset = prefix.content + content, prefix.offset
            else:
                runs.append([prefix.kind, prefix.offset, bytearray(prefix.content)])
            prefix = None
        before_code = kind == CODE or (after is not None and after.kind == CODE)
        if kind != FILL and set(content) <= PREFIXES and len(content) < 5 and before_code:
            prefix = Line(line.section, offset, content, kind, line.text)
            continue
        adjacent = runs and runs[-1][1] + len(runs[-1][2]) == offset
        flows = (flows and adjacent) or running or not targets.isdisjoint(line.labels)
        if kind == DATA and flows:
            if adjacent and runs[-1][0] == EITHER:
                runs[-1][2] += content
            else:
                runs.append([EITHER, offset, bytearray(content)])
            continue
        if content in SPELLED:
            kind = CODE
        runs.append([kind, offset, bytearray(content)])
        if kind != FILL:
            flows = kind == CODE and not ENDS_FLOW.match(line.text.split(";")[-1].strip())
    return runs


class Truth:
    """What every byte of one section is: see the constants above."""

    def __init__(self, name, address, content):
        self.name, self.address, self.content = name, address, content
        self.kind = bytearray(len(content))

    def mark(self, at, length, kind):
        self.kind[at:at + length] = bytes([kind]) * length

    def lay(self, base, runs, lengths):
        for kind, offset, content in runs:
            at = base + offset
            cuts = lengths.get(bytes(content)) if kind in (CODE, EITHER) else None
            if cuts is None:
                self.mark(at, len(content), DATA_BYTE if kind == DATA else EITHER)
                continue
            for length in cuts:
                self.mark(at, length, MIDDLE)
                self.kind[at] = START
                at += length


def agreement(lines, content):
    """The share of bytes that listing and file have in common; relocations differ."""
    same = total = 0
    for line in lines:
        there = content[line.offset:line.offset + len(line.content)]
        total += len(line.content)
        same += sum(a == b for a, b in zip(line.content, there))
    return same / total if total else 0


def truth_of(linked, map_path, root):
    """The truth about the executable sections of `linked`, built below `root`."""
    listings = Listings(root)
    truths = [Truth(*s) for s in section_bytes(linked, lambda name: name.startswith(".text"))]
    placed, pieces = [], set()
    for section, address, size, name in contributions(map_path):
        for truth in truths:
            base = address - truth.address
            if not 0 <= base < len(truth.content):
                continue
            content = truth.content[base:base + size]
            lines = named = best = None
            for path in listings.of(name):
                sections, targets = listings.sections(path)
                candidate = sections.get(section, [])
                share = agreement(candidate, content)
                if share > 0.6 and (best is None or share > best):
                    lines, named, best = candidate, targets, share
            if lines:
                runs = joined(lines, named)
                placed.append((truth, base, runs))
                pieces.update(bytes(r[2]) for r in runs if r[0] in (CODE, EITHER))
    lengths = cut(pieces)
    for truth, base, runs in placed:
        truth.lay(base, runs, lengths)
    return truths
