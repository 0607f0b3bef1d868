"""What a generated function's registers hold at each point, so that the next instruction can be one whose
outcome does not depend on where the image lies and that does not fault.

A register is PLAIN (any value; may be read, written, stored), a POINTER into the middle of the scratch
buffer, an INDEX below 256, or IMAGE: an address inside the image. The two sides of a comparison may lie at
different addresses, so an IMAGE register is used only as the base of memory operands and branches, and is
overwritten before its block ends.
"""

PLAIN, POINTER, INDEX, IMAGE = range(4)
SCRATCH = 0x600000000000  # also in driver.c
SCRATCH_MIDDLE = SCRATCH + 0x2000
COUNTER = "r15"  # of loops: nobody else writes it
NAMES = ["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14"]


def sized(name, size):
    """The register's name at 1, 2, 4 or 8 bytes."""
    if size == 8:
        return name
    if name[1:].isdigit():
        return name + {4: "d", 2: "w", 1: "b"}[size]
    if size == 4:
        return "e" + name[1:]
    if size == 2:
        return name[1:]
    return name[1:] + "l" if name[1:] in ("bp", "si", "di", "sp") else name[1] + "l"


class Registers:
    def __init__(self, dice):
        self.dice = dice
        self.kinds = {name: PLAIN for name in NAMES}
        self.written = set()

    def of_kind(self, *kinds, among=NAMES):
        return [r for r in among if self.kinds[r] in kinds]

    def read(self, size=8):
        """A register whose value may be read by anything."""
        return "%" + sized(self.dice.choice(self.of_kind(PLAIN, POINTER, INDEX) or ["rax"]), size)

    def write(self, size=8):
        """A register to be written, wholly or in part; its value is PLAIN from `settle` on."""
        name = self.dice.choice(self.of_kind(PLAIN, POINTER, INDEX))
        self.written.add(name)
        return "%" + sized(name, size)

    def settle(self):
        """Ends a form: what it may have written is PLAIN."""
        self.clobber(*self.written)
        self.written.clear()

    def clobber(self, *names):
        for name in names:
            self.kinds[name] = PLAIN

    def forget(self):
        """After a join of control flow: any value, but no image address (blocks end without any)."""
        self.clobber(*NAMES)

    def free(self):
        """The name of a register that holds no image address, to be filled by the caller."""
        return self.dice.choice(self.of_kind(PLAIN, POINTER, INDEX))

    def release_images(self):
        """Instructions that overwrite every image address; flags stay."""
        lines = []
        for name in self.of_kind(IMAGE):
            self.kinds[name] = PLAIN
            lines.append(self.dice.choice([f"mov ${self.dice.randrange(1 << 31)}, %{sized(name, 4)}",
                                           f"movq $-{self.dice.randrange(1, 128)}, %{name}"]))
        return lines
