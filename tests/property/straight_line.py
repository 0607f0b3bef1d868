"""Single instructions and short sequences without branches: each @form appends assembly lines to a Block.

A form is one function of the block `b`; its weight says how often it is chosen. Every form leaves rsp where
it was, reads only what is initialised, and leaves flags and registers that depend on its inputs alone.
"""

from registers import IMAGE, INDEX, PLAIN, POINTER, SCRATCH, SCRATCH_MIDDLE, sized

FORMS = []
SUFFIX = {1: "b", 2: "w", 4: "l", 8: "q"}
SHARED_DATA = 48   # 8-byte words at `data`, of which every function reads and writes any
ALIGNED_DATA = 16  # 64-byte words at `wide`


def form(weight, needs=None):
    def note(function):
        FORMS.append((weight, needs, function))
        return function
    return note


def pointer(b):
    """The name of a register that points into scratch memory."""
    held = b.registers.of_kind(POINTER)
    if held and b.dice.random() < 0.85:
        return b.dice.choice(held)
    name = b.registers.free()
    b.emit(f"movabs ${SCRATCH_MIDDLE + b.dice.randrange(-2048, 2048):#x}, %{name}")
    b.registers.kinds[name] = POINTER
    return name


def memory(b, size=8, aligned=False):
    """A memory operand of `size` bytes (at most 64), perhaps with a wish for its encoding in front."""
    kind = b.dice.randrange(10)
    if aligned or kind < 3:
        place = f"wide+{64 * b.dice.randrange(ALIGNED_DATA)}" if aligned or size > 8 else \
            f"data+{b.dice.randrange(8 * SHARED_DATA - size + 1)}"
        return f"{place}({'%eip' if b.low_image and b.dice.random() < 0.1 else '%rip'})"
    if kind == 3 and b.frame and size <= 8:
        return f"{8 * (b.pushed + b.dice.randrange(b.frame))}(%rsp)"
    images = b.registers.of_kind(IMAGE)
    if images and b.images_are_data and size <= 8 and kind < 6:
        return f"{8 * b.dice.randrange(SHARED_DATA)}(%{b.dice.choice(images)})"
    base = pointer(b)
    force = b.dice.choice(["", "", "", "{disp8}", "{disp32}"])
    displacement = b.dice.choice([0, b.dice.randrange(-128, 128), b.dice.randrange(-2048, 2048)])
    if force == "{disp8}":
        displacement = b.dice.randrange(-128, 128)
    segment = b.dice.choice(["", "", "", "", "", "%cs:", "%ds:", "%es:", "%gs:"])
    indexes = b.registers.of_kind(INDEX)
    if indexes and b.dice.random() < 0.4:
        return f"{force}{segment}{displacement}(%{base},%{b.dice.choice(indexes)},{b.dice.choice([1, 2, 4, 8])})"
    return f"{force}{segment}{displacement}(%{base})"


def immediate(b, size):
    narrow = b.dice.random() < 0.4
    bits = 7 if narrow or size == 1 else 15 if size == 2 else 31
    return f"${b.dice.randrange(-(1 << bits), 1 << bits)}"


def any_size(b):
    return b.dice.choice([1, 2, 4, 4, 8, 8, 8])


def wide_size(b):
    return b.dice.choice([2, 4, 4, 8, 8])


@form(14)
def arithmetic(b):
    size = any_size(b)
    name = b.dice.choice(["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp", "mov", "test"]) + SUFFIX[size]
    way = b.dice.randrange(5)
    if way == 0:
        b.emit(f"{name} {b.registers.read(size)}, {b.registers.write(size)}")
    elif way == 1:
        b.emit(f"{name} {immediate(b, size)}, {b.registers.write(size)}")
    elif way == 2:
        b.emit(f"{name} {immediate(b, size)}, {memory(b, size)}")
    elif way == 3:
        b.emit(f"{b.lock(name)}{name} {b.registers.read(size)}, {memory(b, size)}")
    elif not name.startswith("test"):
        operand = memory(b, size)
        b.emit(f"{name} {operand}, {b.registers.write(size)}")


@form(6)
def unary(b):
    size = any_size(b)
    name = b.dice.choice(["inc", "dec", "neg", "not"]) + SUFFIX[size]
    b.emit(f"{name} {b.registers.write(size)}" if b.dice.random() < 0.6 else f"{b.lock(name)}{name} {memory(b, size)}")


@form(5)
def shift(b):
    size = any_size(b)
    name = b.dice.choice(["rol", "ror", "rcl", "rcr", "shl", "shr", "sar"]) + SUFFIX[size]
    amount = b.dice.choice(["$1", f"${b.dice.randrange(64)}", "%cl"])
    b.registers.kinds["rcx"] == IMAGE and b.emit("xor %ecx, %ecx")
    b.registers.clobber("rcx")
    operand = b.registers.write(size) if b.dice.random() < 0.6 else memory(b, size)
    b.emit(f"{name} {amount}, {operand}")


@form(2)
def double_shift(b):
    size = wide_size(b)
    name = b.dice.choice(["shld", "shrd"]) + SUFFIX[size]
    operand = memory(b, size) if b.dice.random() < 0.5 else b.registers.write(size)
    b.emit(f"{name} ${b.dice.randrange(8 * size)}, {b.registers.read(size)}, {operand}")


@form(5)
def load_constant(b):
    name = b.registers.free()
    b.registers.clobber(name)
    b.emit(b.dice.choice([f"movabs ${b.dice.randrange(1 << 64):#x}, %{name}", f"movl ${b.dice.randrange(1 << 32)}, %{sized(name, 4)}",
                          f"movb ${b.dice.randrange(256)}, %{sized(name, 1)}", f"movw ${b.dice.randrange(1 << 16)}, %{sized(name, 2)}",
                          f"movq ${b.dice.randrange(-(1 << 31), 1 << 31)}, %{name}"]))


@form(6)
def make_index(b):
    name = b.registers.free()
    if b.dice.random() < 0.5:
        source = memory(b, 1) if b.dice.random() < 0.5 else b.registers.read(1)
        b.emit(f"movzbl {source}, %{sized(name, 4)}")
    else:
        b.emit(f"and ${b.dice.randrange(128)}, %{name}")
    b.registers.kinds[name] = INDEX


@form(5)
def widen(b):
    source_size, size = b.dice.choice([(1, 2), (1, 4), (1, 8), (2, 4), (2, 8)])
    source = memory(b, source_size) if b.dice.random() < 0.5 else b.registers.read(source_size)
    b.emit(f"{b.dice.choice(['movz', 'movs'])}{SUFFIX[source_size]}{SUFFIX[size]} {source}, {b.registers.write(size)}")


@form(5)
def address(b):
    size = wide_size(b)
    base, index = b.registers.read(), b.registers.read()
    scale = b.dice.choice([1, 2, 4, 8])
    operand = b.dice.choice([f"{b.dice.randrange(-200, 200)}({base})", f"({base},{index},{scale})", f"{b.dice.randrange(1 << 20)}(,{index},{scale})",
                             f"{b.dice.randrange(-1 << 31, 1 << 31)}({base},{index})", "8(%rsp)", "-64(%rsp,%rax,4)"])
    if "%rax" in operand and b.registers.kinds["rax"] == IMAGE:
        return
    b.emit(f"lea{SUFFIX[size]} {operand}, {b.registers.write(size)}")


@form(2)
def address_of_32_bits(b):
    b.emit(f"leaq {b.dice.randrange(100)}({b.registers.read(4)},{b.registers.read(4)},2), {b.registers.write()}")


@form(4)
def image_pointer(b):
    if b.registers.of_kind(IMAGE) and not b.images_are_data:
        return
    name = b.registers.free()
    b.emit(f"lea data(%rip), %{name}")
    b.registers.kinds[name] = IMAGE
    b.images_are_data = True


@form(4)
def conditional_value(b):
    condition = b.condition()
    if b.dice.random() < 0.5:
        operand = b.registers.write(1) if b.dice.random() < 0.6 else memory(b, 1)
        b.emit(f"set{condition} {operand}")
    else:
        size = wide_size(b)
        source = b.registers.read(size) if b.dice.random() < 0.5 else memory(b, size)
        b.emit(f"cmov{condition} {source}, {b.registers.write(size)}")


@form(3)
def bits(b):
    size = wide_size(b)
    way = b.dice.randrange(4)
    if way == 0:
        b.emit(f"{b.dice.choice(['bt', 'bts', 'btr', 'btc'])}{SUFFIX[size]} ${b.dice.randrange(8 * size)}, {memory(b, size)}")
    elif way == 1:
        b.emit(f"{b.dice.choice(['bt', 'bts', 'btr', 'btc'])}{SUFFIX[size]} {b.registers.read(size)}, {b.registers.write(size)}")
    elif way == 2:
        operand = memory(b, size)
        b.emit(f"{b.dice.choice(['bsf', 'bsr', 'popcnt', 'tzcnt', 'lzcnt'])}{SUFFIX[size]} {operand}, {b.registers.write(size)}")
    else:
        b.emit(f"bswap {b.registers.write(b.dice.choice([4, 8]))}")


@form(3)
def multiply(b):
    size = wide_size(b)
    way = b.dice.randrange(3)
    operand = memory(b, size) if b.dice.random() < 0.6 else b.registers.read(size)
    if way == 0:
        b.emit(f"imul{SUFFIX[size]} {operand}, {b.registers.write(size)}")
    elif way == 1:
        b.emit(f"imul{SUFFIX[size]} {immediate(b, size)}, {operand}, {b.registers.write(size)}")
    elif IMAGE not in (b.registers.kinds["rax"], b.registers.kinds["rdx"]):
        b.registers.clobber("rax", "rdx")
        b.emit(f"{b.dice.choice(['mul', 'imul'])}{SUFFIX[size]} {operand}")


@form(1)
def divide(b):
    if IMAGE in (b.registers.kinds["rax"], b.registers.kinds["rdx"], b.registers.kinds["rcx"]):
        return
    b.emit("xor %edx, %edx", f"mov ${b.dice.randrange(1, 1 << 31)}, %ecx", b.dice.choice(["div %rcx", "div %ecx"]))
    b.registers.clobber("rax", "rdx", "rcx")


@form(4)
def accumulator(b):
    if IMAGE in (b.registers.kinds["rax"], b.registers.kinds["rdx"]):
        return
    b.registers.clobber("rax", "rdx")
    b.emit(b.dice.choice(["cbw", "cwde", "cdqe", "cwd", "cdq", "cqo", "lahf", "sahf", f"movabs {SCRATCH + b.dice.randrange(4096):#x}, %rax",
                          f"movabs %eax, {SCRATCH + b.dice.randrange(4096):#x}", f"movabs %al, {SCRATCH + b.dice.randrange(4096):#x}",
                          f"add {immediate(b, 4)}, %eax", f"test {immediate(b, 1)}, %al"]))


@form(4)
def exchange(b):
    size = any_size(b)
    way = b.dice.randrange(4)
    if way == 0:
        b.emit(f"xchg{SUFFIX[size]} {b.registers.write(size)}, {b.registers.write(size)}")
    elif way == 1:
        operand = memory(b, size)
        b.emit(f"xchg{SUFFIX[size]} {b.registers.write(size)}, {operand}")
    elif way == 2:
        operand = memory(b, size)
        b.emit(f"{b.dice.choice(['', 'lock '])}xadd{SUFFIX[size]} {b.registers.write(size)}, {operand}")
    elif b.registers.kinds["rax"] != IMAGE:
        b.emit(f"{b.dice.choice(['', 'lock '])}cmpxchg{SUFFIX[size]} {b.registers.read(size)}, {memory(b, size)}")
        b.registers.clobber("rax")


@form(4)
def flag(b):
    b.emit(b.dice.choice(["clc", "stc", "cmc", "cld", "std", "nop", "pause", "lfence", "rep nop"]))


@form(5)
def filler(b):
    """No-operations of every length from 1 to 15."""
    length = b.dice.randrange(1, 16)
    bodies = {1: "90", 2: "66 90", 3: "0f 1f 00", 4: "0f 1f 40 00", 5: "0f 1f 44 00 00", 6: "66 0f 1f 44 00 00",
              7: "0f 1f 80 00 00 00 00", 8: "0f 1f 84 00 00 00 00 00"}
    base = min(length, b.dice.choice([3, 4, 5, 7, 8, 8])) if length > 2 else length
    prefixes = [b.dice.choice(["66", "2e", "3e", "26", "36", "64", "65"]) for _ in range(length - base)]
    b.emit_bytes(prefixes + bodies[base].split())


@form(3)
def redundant_prefixes(b):
    """Long instructions: segment prefixes that mean nothing before arithmetic on registers."""
    size = b.dice.choice([4, 8])
    line = f"add{SUFFIX[size]} ${b.dice.randrange(1 << 20, 1 << 30)}, "
    line += b.registers.write(size) if b.dice.random() < 0.5 else f"{b.dice.randrange(1000, 2000)}(%{pointer(b)})"
    room = 15 - 12 if "(" in line else 15 - 7
    b.emit_bytes([b.dice.choice(["2e", "3e", "26", "36"]) for _ in range(b.dice.randrange(1, room + 1))])
    b.emit(line)


@form(3)
def single_byte(b):
    """Push and pop pairs of one byte each, the hardest sites."""
    names = [b.dice.choice(["rax", "rcx", "rdx", "rbx", "rbp", "rsi", "rdi"]) for _ in range(b.dice.randrange(1, 5))]
    if any(b.registers.kinds[n] == IMAGE for n in names):
        return
    b.emit(*(f"push %{n}" for n in names))
    b.registers.clobber(*names)
    b.dice.shuffle(names)
    b.emit(*(f"pop %{n}" for n in names))


@form(4)
def push_and_pop(b):
    """One push, something in between, one pop."""
    way = b.dice.randrange(5)
    source = b.dice.choice(["%rsp", "$-7", "$100000", "flags"]) if way == 0 else memory(b) if way == 1 else b.registers.read()
    if b.pushed > 4:
        return
    b.emit("pushf" if source == "flags" else f"push{'q' if source[0] != '%' else ''} {source}")
    b.pushed += 1
    for _ in range(b.dice.randrange(3)):
        b.straight_line()
    kept = b.registers.read()
    b.pushed -= 1
    place = b.dice.randrange(4)
    if place == 0:
        operand = memory(b)
        # pop computes an address with rsp as it is afterwards.
        b.emit(f"popq {operand}")
    elif place == 1:
        b.emit("xchg (%rsp), " + kept, "lea 8(%rsp), %rsp") if kept[1:] not in b.registers.of_kind(IMAGE) else b.emit("lea 8(%rsp), %rsp")
        b.registers.clobber(kept[1:])
    elif place == 2:
        b.emit("add $8, %rsp")
    else:
        b.emit(f"pop {b.registers.write()}")


@form(3)
def red_zone(b):
    """Stores below rsp, loads what it stored: nothing may come between on this stack."""
    offset = b.dice.randrange(1, 14) * -8
    target = b.registers.free()
    size = any_size(b)
    b.emit(f"mov {b.registers.read()}, {offset}(%rsp)")
    b.emit(*b.dice.choice([[], ["nop"], [f"lea 8({b.registers.read()}), %{target}"], ["xor %eax, %eax"] if b.registers.kinds["rax"] != IMAGE else []]))
    b.registers.clobber(target, *(["rax"] if b.registers.kinds["rax"] != IMAGE else []))
    b.emit(f"mov{SUFFIX[size]} {offset}(%rsp), %{sized(target, size)}")


@form(3)
def stack_operands(b):
    if not b.frame or b.pushed > 4:
        return
    name = b.registers.free()
    b.registers.clobber(name)
    slot = 8 * (b.pushed + b.dice.randrange(b.frame))
    b.emit(*b.dice.choice([["push %rsp", f"pop %{name}"], [f"pushq {slot}(%rsp)", f"popq {slot}(%rsp)"], [f"pushq {slot}(%rsp)", f"pop %{name}"],
                           [f"mov %rsp, {slot}(%rsp)"], [f"mov %rsp, %{name}", "lea 16(%rsp), %rsp", f"mov %{name}, %rsp"],
                           [f"enter ${8 * b.dice.randrange(1, 4)}, $0", "leave"] if b.registers.kinds["rbp"] != IMAGE else ["nop"]]))


@form(2)
def rsp_as_a_register(b):
    """rsp holds no stack for a while: nothing of ours may use it then."""
    if not b.rsp_may_be_anything:
        return
    names = b.registers.of_kind(PLAIN)
    if len(names) < 2:
        return
    kept, other = b.dice.sample(names, 2)
    b.emit(f"mov %rsp, %{kept}", b.dice.choice([f"mov %{other}, %rsp", "mov $16, %esp", "xor %esp, %esp"]),
           b.dice.choice([f"add %rsp, %{other}", f"lea (%rsp,%{other}), %{other}", "dec %rsp", f"cmp %rsp, %{other}"]), f"mov %{kept}, %rsp")


@form(4)
def string(b):
    """String operations on scratch memory, forwards and backwards."""
    used = ["rsi", "rdi", "rcx", "rax"]
    if any(b.registers.kinds[n] == IMAGE for n in used):
        return
    for name in ("rsi", "rdi"):
        b.emit(f"movabs ${SCRATCH_MIDDLE + b.dice.randrange(-2048, 2048):#x}, %{name}")
    b.emit(f"mov ${b.dice.randrange(40)}, %ecx")
    if b.dice.random() < 0.3:
        b.emit(b.dice.choice(["cld", "std"]))
    suffix = b.dice.choice("bwlq")
    name = b.dice.choice(["movs", "stos", "lods", "cmps", "scas"])
    prefix = b.dice.choice(["", "rep ", "rep "] if name in ("movs", "stos", "lods") else ["", "repe ", "repne "])
    b.registers.clobber(*used)
    b.emit(f"{prefix}{name}{suffix}")


@form(1)
def translate(b):
    if IMAGE in (b.registers.kinds["rbx"], b.registers.kinds["rax"]):
        return
    b.emit(f"movabs ${SCRATCH_MIDDLE:#x}, %rbx", "xlatb")
    b.registers.clobber("rax")
    b.registers.kinds["rbx"] = POINTER


@form(1)
def system_call(b):
    """A call that does not exist; rcx is overwritten, since it holds the run-time address behind."""
    used = ["rax", "rcx", "r11"]
    if any(b.registers.kinds[n] == IMAGE for n in used):
        return
    b.emit("mov $100000, %eax", "syscall", "xor %ecx, %ecx")
    b.registers.clobber(*used)


@form(2)
def x87(b):
    b.emit("fldl " + memory(b), b.dice.choice(["fchs", "fabs", "fadd %st, %st", "fmull wide(%rip)"]))
    b.emit("fstpl " + memory(b))
