"""Puts forms and shapes together: blocks, functions, and the assembly source of a whole program."""

from dataclasses import dataclass, field

import vectors  # noqa: F401  (registers its forms)
from control_flow import CALL_REGISTERS, SHAPES
from registers import Registers, sized
from straight_line import ALIGNED_DATA, FORMS, SHARED_DATA

CONDITIONS = ["o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g"]


@dataclass
class Function:
    name: str
    pops: bool = False  # takes one word on the stack and ends with `ret $8`
    lines: list = field(default_factory=list)


class Block:
    """The function under construction. `pushed`: words on the stack above its frame."""

    def __init__(self, dice, features, name, callees, low_image, rsp_may_be_anything):
        self.dice, self.features, self.name, self.callees = dice, features, name, callees
        self.low_image, self.rsp_may_be_anything = low_image, rsp_may_be_anything
        self.registers = Registers(dice)
        self.lines, self.constants, self.pointers = [], [], []
        self.labels = self.pushed = self.frame = self.loops = self.depth = 0
        self.images_are_data = True
        self.forms = [(w, f) for w, needs, f in FORMS if needs is None or needs in features]

    def emit(self, *lines):
        for line in lines:
            for wish in ("{disp8}", "{disp32}"):
                if wish in line:
                    line = f"{wish} {line.replace(wish, '').strip()}"
            self.lines.append("        " + line)

    def emit_one(self, *makers):
        """Makes one of these lines; the others' operands are never made, so their registers stay as they are."""
        self.emit(self.dice.choice(makers)())

    def emit_bytes(self, octets):
        self.emit(".byte " + ", ".join("0x" + o for o in octets))

    def lock(self, name):
        lockable = ("add", "or", "adc", "sbb", "and", "sub", "xor", "inc", "dec", "neg", "not")
        return "lock " if name[:-1] in lockable and self.dice.random() < 0.15 else ""

    def label(self):
        self.labels += 1
        return f".L{self.name}_{self.labels}"

    def place(self, label):
        if self.dice.random() < 0.1:
            self.lines.append(f"        .p2align {self.dice.choice([2, 3, 4])}")
        self.lines.append(f"{label}:")

    def condition(self):
        return self.dice.choice(CONDITIONS)

    def pointer_to(self, label):
        name = f".Lpointer_{self.name}_{len(self.pointers)}"
        self.pointers += [f"{name}: .quad {label}"]
        return name

    def constant(self, *lines):
        self.constants += ["        .balign 4", *lines]

    def callee(self):
        return self.dice.choice(self.callees) if self.callees else None

    def join(self):
        self.emit(*self.registers.release_images())
        self.registers.forget()

    def straight_line(self):
        weights, forms = [w for w, _ in self.forms], [f for _, f in self.forms]
        self.dice.choices(forms, weights)[0](self)
        self.registers.settle()

    def body(self, least, most, calm=False):
        """`calm`: short enough for a jump of one byte's reach, and without control flow."""
        self.depth += 1
        for _ in range(self.dice.randint(least, most)):
            if not calm and self.depth < 4 and self.dice.random() < 0.22:
                self.dice.choices([s for _, s in SHAPES], [w for w, _ in SHAPES])[0](self)
            else:
                self.straight_line()
        self.depth -= 1


def function(dice, features, name, callees, length, low_image, rsp_may_be_anything):
    b = Block(dice, features, name, callees, low_image, rsp_may_be_anything)
    made = Function(name, pops=bool(callees is not None) and name.startswith("helper") and dice.random() < 0.2)
    b.emit(*(f"mov ${dice.randrange(1 << 31)}, %{sized(r, 4)}" for r in CALL_REGISTERS))
    if dice.random() < 0.6:
        b.frame = dice.randrange(1, 6)
        b.emit(*(f"push {b.registers.read()}" for _ in range(b.frame)))
    b.body(length, length)
    b.join()
    if b.frame:
        b.emit(dice.choice([f"add ${8 * b.frame}, %rsp", f"lea {8 * b.frame}(%rsp), %rsp"]))
    plain = [c for c in callees if not c.pops]
    if made.pops:
        b.emit("ret $8")
    elif plain and dice.random() < 0.15:
        b.emit(f"{dice.choice(['', '{disp32} ', 'bnd '])}jmp {dice.choice(plain).name}")
    else:
        b.emit(dice.choice(["ret", "ret", "ret", "rep ret", "bnd ret"]))
    made.lines = ["        .p2align 4" if dice.random() < 0.7 else "        .p2align 0", f"        .type {name}, @function",
                  f"{name}:", "        .cfi_startproc", *b.lines, "        .cfi_endproc", f"        .size {name}, . - {name}"]
    return made, b.constants, b.pointers


def initialiser(dice):
    """Most shared objects have one, and Punster's loader hooks it; one without needs a spare dynamic entry."""
    if dice.random() < 0.1:
        return []
    return ["        .section .init_array, \"aw\"", "        .quad initialise", "        .text", "initialise: ret"]


def source(dice, features, functions, low_image, rsp_may_be_anything):
    """Assembly of a program with `functions` entries in its table, and helpers that they call."""
    text, constants, pointers, helpers, entries = [], [], [], [], []
    for number in range(functions + functions // 3):
        is_helper = number < functions // 3
        name = f"{'helper' if is_helper else 'function'}_{number}"
        callees = [h for h in helpers[-6:]] if not is_helper else [h for h in helpers[-1:] if number % 3]
        made, own_constants, own_pointers = function(dice, features, name, callees, dice.randrange(4, 12) if is_helper else dice.randrange(8, 40),
                                                     low_image, rsp_may_be_anything)
        (helpers if is_helper else entries).append(made)
        text += made.lines
        constants += own_constants
        pointers += own_pointers
    words = [f"        .quad {dice.randrange(1 << 64):#x}" for _ in range(8 * ALIGNED_DATA)]
    shared = [f"        .quad {dice.randrange(1 << 64):#x}" for _ in range(SHARED_DATA)]
    table = [f"        .quad {e.name}, {dice.randrange(2, 5)}" for e in entries]
    return "\n".join(["        .text", *text, "        .section .rodata, \"a\"", *constants,
                      "        .data", "        .hidden property_functions, property_data_begin, property_data_end",
                      "        .globl property_functions, property_data_begin, property_data_end", "        .balign 64",
                      "property_data_begin:", "wide:", *words, "data:", *shared, "property_data_end:",
                      "        .section .data.rel.ro, \"aw\"", "        .balign 8", *pointers,
                      "property_functions:", *table, "        .quad 0, 0", *initialiser(dice),
                      "        .section .note.GNU-stack, \"\", @progbits", ""])
