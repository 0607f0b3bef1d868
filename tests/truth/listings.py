"""Reads the listings of gas and nasm: what the author of an assembly file meant every byte to be.

A listing tells for every source line its section, its offset and its bytes. What a line is follows from
its text alone: a directive that emits data, one that aligns, or else an instruction. Nothing here
looks at what the bytes decode to.
"""

import re
from dataclasses import dataclass

CODE, DATA, FILL = "code", "data", "fill"

GAS_DATA = set(".byte .short .word .value .hword .2byte .4byte .8byte .long .int .quad .octa .ascii .asciz "
               ".string .string8 .single .double .float .tfloat .zero .skip .space .fill .uleb128 .sleb128 "
               ".incbin .dc .dcb .ds".split())
GAS_FILL = set(".align .balign .balignw .balignl .p2align .p2alignw .p2alignl .nops .org".split())
GAS_SECTION = {".text": ".text", ".data": ".data", ".bss": ".bss"}
NASM_DATA = set("db dw dd dq dt do dy dz resb resw resd resq incbin".split())
LONG_NOP = re.compile(rb"\x66*\x2e?\x0f\x1f\x84\x00{5}")  # alignment by hand
PREFIXES = {0xF0, 0xF2, 0xF3, 0x66, 0x67, 0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65} | set(range(0x40, 0x50))

GAS_LINE = re.compile(r"^\s*\d+ ([0-9a-f]{4,}|\s{4,}) ((?:[0-9A-F?]{2,8} )*)\s*\t(.*)$")
GAS_MORE = re.compile(r"^\s*\d+ +((?:[0-9A-F?]{2,8} )+)\s*$")
NASM_LINE = re.compile(r"^\s*\d+ ([0-9A-F]{8}) (\S+)\s*(?:<\d+>)?\s?(.*)$")
LABEL = re.compile(r"^\s*(?:[\w.$@?]+|\"[^\"]*\")\s*:(?!=)\s*")


@dataclass
class Line:
    """A source line that emitted bytes."""
    section: str
    offset: int
    content: bytes
    kind: str
    text: str
    labels: tuple = ()  # that stand before it; of gas only


def statement_of(text, comments):
    """The line without labels and comments; its first word in lower case is what it does."""
    text = re.sub(r"/\*.*?\*/", " ", text)
    text = re.sub(comments, "", text).strip()
    while (label := LABEL.match(text)):
        text = text[label.end():]
    return text.strip()


class Sections:
    """Which section gas is in, as its directives say."""

    def __init__(self):
        self.now, self.before, self.stack = ".text", ".text", []

    def change(self, name):
        self.before, self.now = self.now, name

    def follow(self, word, rest):
        name = rest.split(",")[0].strip().strip('"')
        if word in GAS_SECTION:
            self.change(word)
        elif word == ".section":
            self.change(name)
        elif word == ".pushsection":
            self.stack.append((self.now, self.before))
            self.change(name)
        elif word == ".popsection" and self.stack:
            self.now, self.before = self.stack.pop()
        elif word == ".previous":
            self.now, self.before = self.before, self.now


def gas_kind(word):
    if not word.startswith("."):
        return CODE
    return DATA if word in GAS_DATA else FILL if word in GAS_FILL else None


def read_gas(path):
    """The lines of a gas listing that emitted bytes, in the order of the file."""
    sections, lines, current, labels = Sections(), [], None, []
    with open(path, errors="replace") as listing:
        for raw in listing:
            raw = raw.rstrip("\n")
            if current is not None and (more := GAS_MORE.match(raw)) and "\t" not in raw:
                current.append(more[1])
                continue
            if current is not None and (line := finish(current)) is not None:
                lines.append(line)
            current = None
            match = GAS_LINE.match(raw)
            if not match:
                continue
            source = match[3].lstrip("> \t")
            labels += re.findall(r"^([\w.$]+):", source)
            statements = statement_of(source, r"(?:^\s*#.*|\s#.*|//.*)$")
            for part in statements.split(";"):  # a section may change behind a semicolon
                word, _, rest = statement_of(part, r"$^").partition(" ")
                word, _, tab = word.partition("\t")
                if word.startswith("."):
                    sections.follow(word.lower(), tab or rest)
            if match[1].strip():
                word = re.split(r"[\s;]", statements, maxsplit=1)[0].lower()
                current = [sections.now, int(match[1], 16), gas_kind(word), statements, tuple(labels), match[2]]
                labels = []
    if current is not None and (line := finish(current)) is not None:
        lines.append(line)
    return lines


def finish(parts):
    section, offset, kind, text, labels, *digits = parts
    content = bytes.fromhex("".join(digits).replace(" ", "").replace("?", "0"))
    if kind == DATA and (set(content) == {0x90} or LONG_NOP.fullmatch(content)):
        kind = FILL
    return Line(section, offset, content, kind, text, labels) if content and kind else None


def nasm_bytes(digits):
    """Bytes as nasm prints them: relocated ones in () or [], `<rep 4h>` behind what is repeated."""
    repeated = re.search(r"<rep ([0-9A-F]+)h>", digits)
    content = bytes.fromhex(re.sub(r"<.*?>|[^0-9A-F]", "", digits))
    return content * int(repeated[1], 16) if repeated else content


def read_nasm(path):
    """The lines of a nasm listing (made with -Lf) that emitted bytes."""
    section, lines, open_line = ".text", [], None
    with open(path, errors="replace") as listing:
        for raw in listing:
            raw = raw.rstrip("\n")
            name = re.match(r"^\s*\d+\s+(?:<\d+>)?\s*\[?section\s+([\w.]+)", raw, re.IGNORECASE)
            if name:
                section = name[1]
                continue
            match = NASM_LINE.match(re.sub(r"<rep ", "<rep_", raw))
            if not match:
                continue
            offset, digits = int(match[1], 16), match[2].replace("<rep_", "<rep ")
            if open_line is not None:
                open_line.content += nasm_bytes(digits)
            else:
                text = statement_of(match[3], r";.*$")
                content = nasm_bytes(digits)
                open_line = Line(section, offset, content, nasm_kind(text, content), text)
            if not digits.endswith("-"):
                if open_line.content:
                    lines.append(open_line)
                open_line = None
    return lines


def nasm_kind(text, content):
    """`align` and smartalign expand to `times`, and to `db` of what they name __?ALIGN_..."""
    words = text.lower().split() or [""]
    if "__?ALIGN_" in text or (words[0] == "times" and set(content) == {0x90}):
        return FILL
    return DATA if words[0] in NASM_DATA or (len(words) > 1 and words[1] in NASM_DATA) else CODE


def read_listing(path):
    return read_nasm(path) if str(path).endswith(".nasm.lst") else read_gas(path)
