"""Branches, loops and calls: each @shape appends a piece of structured control flow to a Block.

Everything is forward except counted loops. At a join all registers are forgotten, and no image address lives
across one (`Block.join`).
"""

from registers import COUNTER, sized

SHAPES = []
CALL_REGISTERS = ("rax", "r11")  # functions overwrite them first: they may hold their address


def shape(weight):
    def note(function):
        SHAPES.append((weight, function))
        return function
    return note


def near(b):
    return b.dice.choice(["", "", "{disp32} "])


@shape(6)
def skip(b):
    """A conditional jump over a block."""
    over = b.label()
    hint = b.dice.choice(["", "", "", ",pt", ",pn", "bnd"])
    b.join()
    b.emit(f"{near(b)}{'bnd ' if hint == 'bnd' else ''}j{b.condition()}{hint if hint != 'bnd' else ''} {over}")
    b.body(1, 8)
    b.join()
    b.place(over)


@shape(4)
def either(b):
    otherwise, end = b.label(), b.label()
    b.join()
    b.emit(f"{near(b)}j{b.condition()} {otherwise}")
    b.body(1, 6)
    b.join()
    b.emit(f"{near(b)}{b.dice.choice(['', '', 'bnd '])}jmp {end}")
    b.place(otherwise)
    b.body(1, 6)
    b.join()
    b.place(end)


@shape(2)
def jump_over(b):
    """Dead code behind a jump: only its bytes matter."""
    over = b.label()
    b.join()
    b.emit(f"{near(b)}jmp {over}")
    b.body(1, 4)
    b.join()
    b.place(over)


@shape(3)
def counter_skip(b):
    """jrcxz, jecxz and the loop family, forwards (their displacements have one byte)."""
    over = b.label()
    b.join()
    if b.dice.random() < 0.6:
        b.emit(b.dice.choice(["mov $1, %ecx", "xor %ecx, %ecx", "mov $2, %ecx", "and $1, %ecx"]))
    b.emit(f"{b.dice.choice(['jrcxz', 'jecxz', 'loop', 'loope', 'loopne', 'loopl'])} {over}")
    b.body(1, 3, calm=True)
    b.join()
    b.place(over)


@shape(2)
def counted_loop(b):
    if b.loops >= 2 or b.pushed > 4:
        return
    head = b.label()
    b.join()
    b.emit(f"push %{COUNTER}", f"mov ${b.dice.randrange(1, 4)}, %{sized(COUNTER, 4)}")
    b.pushed += 1
    b.loops += 1
    b.place(head)
    b.body(1, 6)
    b.join()
    b.emit(f"dec %{COUNTER}", f"{near(b)}{b.dice.choice(['jnz', 'jg'])} {head}")
    b.loops -= 1
    b.pushed -= 1
    b.emit(f"pop %{COUNTER}")


@shape(1)
def loop_instruction(b):
    """A loop of one byte's reach around instructions that leave rcx alone."""
    head = b.label()
    b.join()
    b.emit(f"mov ${b.dice.randrange(1, 5)}, %ecx")
    b.place(head)
    for _ in range(b.dice.randrange(1, 4)):
        b.emit(b.dice.choice(["add %rdx, %rax", "inc %ebx", "xor %rax, %r9", "adc $3, %dl", "lea 7(%rsi), %rsi", "mov %rax, data+8(%rip)", "nop"]))
    b.emit(f"{b.dice.choice(['loop', 'loopne', 'loope'])} {head}")


@shape(1)
def indirect_jump(b):
    """Through a register, the stack or memory to a label ahead."""
    over = b.label()
    b.join()
    register = b.registers.free()
    way = b.dice.randrange(4)
    if way == 0:
        b.emit(f"lea {over}(%rip), %{register}", f"{b.dice.choice(['', 'notrack ', 'bnd '])}jmp *%{register}")
    elif way == 1:
        b.emit(f"jmp *{b.pointer_to(over)}(%rip)")
    elif way == 2:
        b.emit(f"lea {b.pointer_to(over)}-16(%rip), %{register}", f"jmp *16(%{register})")
    else:
        b.emit(f"lea {over}(%rip), %{register}", f"push %{register}", "ret")
    b.body(1, 3)
    b.join()
    b.place(over)
    b.emit(f"mov $1, %{sized(register, 4)}")


@shape(2)
def jump_table(b):
    """Four targets, offsets relative to the table, as compilers do it."""
    table, end = b.label(), b.label()
    targets = [b.label() for _ in range(4)]
    b.join()
    index, base = b.dice.sample(b.registers.of_kind(0, 1, 2), 2)
    b.emit(f"and $3, %{sized(index, 4)}", f"lea {table}(%rip), %{base}", f"movslq (%{base},%{index},4), %{index}",
           f"add %{base}, %{index}", f"{b.dice.choice(['', 'notrack '])}jmp *%{index}")
    b.constant(f"{table}:", *(f".long {t} - {table}" for t in targets))
    for target in targets:
        b.place(target)
        b.emit(f"mov ${b.dice.randrange(1 << 31)}, %{sized(index, 4)}", f"mov $-1, %{base}")
        b.registers.forget()
        b.body(1, 2)
        b.join()
        b.emit(f"{near(b)}jmp {end}")
    b.place(end)


@shape(5)
def call(b):
    """Of a smaller function, in every way there is."""
    callee = b.callee()
    if callee is None or b.pushed > 4:
        return
    b.join()
    argument = ["push $5"] if callee.pops else []
    way = b.dice.randrange(8)
    if way == 1 and not argument:
        register = b.dice.choice(CALL_REGISTERS)
        b.emit(f"lea {callee.name}(%rip), %{register}", f"push %{register}", "call *(%rsp)", "lea 8(%rsp), %rsp")
    elif way == 2 and not argument:
        b.emit(f"pushq {b.pointer_to(callee.name)}(%rip)", "nop", "call *(%rsp)", "add $8, %rsp")
    elif way == 3:
        register = b.dice.choice(CALL_REGISTERS)
        b.emit(*argument, f"lea {callee.name}(%rip), %{register}", f"{b.dice.choice(['', 'notrack ', 'bnd '])}call *%{register}")
    elif way == 4:
        register = b.dice.choice(CALL_REGISTERS)
        distance = b.dice.choice([8, 800])
        b.emit(*argument, f"lea {b.pointer_to(callee.name)}-{distance}(%rip), %{register}", f"call *{distance}(%{register})")
    elif way == 5:
        b.emit(*argument, f"call *{b.pointer_to(callee.name)}(%rip)")
    elif way == 6:
        prefixes = b.dice.choice(["0x2e", "0x48", "0xf2", "0x67", "0x66, 0x66, 0x48", "0x3e, 0x40"])
        b.emit(*argument, f".byte {prefixes}", f"call {callee.name}")
    else:
        b.emit(*argument, f"call {callee.name}")
    b.registers.forget()


@shape(2)
def own_address(b):
    """A call to the instruction behind it: what it pushed must be the original address of that."""
    here = b.label()
    b.join()
    x, y = b.dice.sample(b.registers.of_kind(0, 1, 2), 2)
    b.emit(f"call {here}")
    b.place(here)
    b.emit(f"pop %{x}", f"lea {here}(%rip), %{y}", f"sub %{y}, %{x}", f"mov %{x}, %{y}")


@shape(1)
def transaction(b):
    if "rtm" not in b.features:
        return
    fallback = b.label()
    b.join()
    b.emit(f"xbegin {fallback}", "xabort $7")
    b.place(fallback)
    b.emit("mov $3, %eax")


@shape(1)
def lock_skip(b):
    """A jump past a lock prefix, as the C library once did it."""
    inside = b.label()
    b.join()
    b.emit(f"mov ${0x600000000000:#x}, %rsi", f"j{b.condition()} {inside}+1")
    b.place(inside)
    b.emit("lock incl 64(%rsi)")


@shape(1)
def data_between(b):
    """Bytes among the code that nobody executes, read as data."""
    blob, over = b.label(), b.label()
    b.join()
    b.emit(f"mov {blob}(%rip), {b.registers.write()}", f"jmp {over}")
    b.registers.settle()
    b.place(blob)
    b.emit_bytes([f"{b.dice.randrange(256):02x}" for _ in range(b.dice.randrange(8, 40))])
    b.place(over)

