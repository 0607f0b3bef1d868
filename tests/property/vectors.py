"""Instructions on vector and mask registers, as far as the processor has them; see straight_line.py."""

from straight_line import form, memory


def number(b, limit=16):
    return b.dice.randrange(limit)


@form(5, "sse")
def sse(b):
    x, y = number(b), number(b)
    way = b.dice.randrange(6)
    if way == 0:
        b.emit(f"movups {memory(b, 16)}, %xmm{x}")
    elif way == 1:
        b.emit(f"movdqu %xmm{x}, {memory(b, 16)}")
    elif way == 2:
        name = b.dice.choice(["paddd", "pxor", "psubb", "pand", "pcmpeqd", "punpcklbw", "pmullw", "xorps", "andpd", "por"])
        b.emit(f"{name} {memory(b, 16, aligned=True) if b.dice.random() < 0.5 else f'%xmm{y}'}, %xmm{x}")
    elif way == 3:
        b.emit(f"pshufd ${number(b, 256)}, {memory(b, 16, aligned=True)}, %xmm{x}")
    elif way == 4:
        b.emit_one(lambda: f"movq {b.registers.read()}, %xmm{x}", lambda: f"movd %xmm{x}, {b.registers.write(4)}",
                              lambda: f"pmovmskb %xmm{x}, {b.registers.write(4)}", lambda: f"pslldq ${number(b)}, %xmm{x}",
                              lambda: f"movss {memory(b, 4)}, %xmm{x}", lambda: f"movlhps %xmm{y}, %xmm{x}")
    else:
        b.emit_one(lambda: f"cvtsi2sdq {b.registers.read()}, %xmm{x}", lambda: f"addsd {memory(b, 8)}, %xmm{x}",
                              lambda: f"ucomisd {memory(b, 8)}, %xmm{x}", lambda: f"mulps %xmm{y}, %xmm{x}", lambda: f"cvttsd2si %xmm{x}, {b.registers.write()}")


@form(2, "sse4_1")
def sse4(b):
    x = number(b)
    b.emit_one(lambda: f"pinsrq $1, {memory(b, 8)}, %xmm{x}", lambda: f"pextrd $2, %xmm{x}, {memory(b, 4)}", lambda: f"ptest {memory(b, 16, aligned=True)}, %xmm{x}",
                          lambda: f"pblendw ${number(b, 256)}, {memory(b, 16, aligned=True)}, %xmm{x}", lambda: f"crc32q {memory(b, 8)}, {b.registers.write()}")


@form(5, "avx2")
def avx(b):
    x, y, z = number(b), number(b), number(b)
    kind, size = b.dice.choice([("x", 16), ("y", 32)])
    name = b.dice.choice(["vpaddd", "vpxor", "vpsubb", "vpand", "vpcmpeqd", "vpunpcklbw", "vpmullw", "vxorps", "vandpd", "vaddps"])
    b.emit_one(lambda: f"{name} {memory(b, size)}, %{kind}mm{y}, %{kind}mm{x}", lambda: f"{name} %{kind}mm{z}, %{kind}mm{y}, %{kind}mm{x}",
                          lambda: f"vmovdqu {memory(b, size)}, %{kind}mm{x}", lambda: f"vmovups %{kind}mm{x}, {memory(b, size)}",
                          lambda: f"vpshufd ${number(b, 256)}, {memory(b, size)}, %{kind}mm{x}", lambda: f"vpblendvb %{kind}mm{z}, {memory(b, size)}, %{kind}mm{y}, %{kind}mm{x}",
                          lambda: f"vpalignr ${number(b)}, {memory(b, size)}, %{kind}mm{y}, %{kind}mm{x}", lambda: f"vpbroadcastd {memory(b, 4)}, %ymm{x}")


@form(3, "bmi2")
def bmi(b):
    size = b.dice.choice([4, 8])
    operand = memory(b, size)
    b.emit_one(lambda: f"andn {operand}, {b.registers.read(size)}, {b.registers.write(size)}", lambda: f"pdep {operand}, {b.registers.read(size)}, {b.registers.write(size)}",
                          lambda: f"rorx $7, {operand}, {b.registers.write(size)}", lambda: f"shlx {b.registers.read(size)}, {operand}, {b.registers.write(size)}",
                          lambda: f"mulx {operand}, {b.registers.write(size)}, %{'e' if size == 4 else 'r'}bx" if b.registers.kinds["rbx"] != 3 and b.registers.kinds["rdx"] != 3 else "nop")
    b.registers.clobber("rbx") if b.registers.kinds["rbx"] != 3 else None


@form(5, "avx512")
def avx512(b):
    x, y, z, k = number(b, 32), number(b, 32), number(b, 32), 1 + number(b, 7)
    mask = b.dice.choice(["", f"{{%k{k}}}", f"{{%k{k}}}{{z}}"])
    kind, size, lanes = b.dice.choice([("x", 16, 4), ("y", 32, 8), ("z", 64, 16)])
    name = b.dice.choice(["vpaddd", "vpxord", "vpandd", "vpsubd", "vpmulld", "vpternlogd $0x96,"])
    b.emit_one(lambda: f"{name} {memory(b, size)}, %{kind}mm{y}, %{kind}mm{x}{mask}", lambda: f"{name} {memory(b, 4)}{{1to{lanes}}}, %{kind}mm{y}, %{kind}mm{x}{mask}",
                          lambda: f"{name} %{kind}mm{z}, %{kind}mm{y}, %{kind}mm{x}{mask}", lambda: f"vmovdqu64 {memory(b, size)}, %{kind}mm{x}{mask}",
                          lambda: f"vmovdqu8 %{kind}mm{x}, {memory(b, size)}", lambda: f"vpcmpd $1, {memory(b, size)}, %{kind}mm{y}, %k{k}",
                          lambda: f"vpshufd ${number(b, 256)}, {memory(b, size)}, %{kind}mm{x}{mask}", lambda: f"kmovq {memory(b, 8)}, %k{k}",
                          lambda: f"kaddq %k{k}, %k{1 + number(b, 7)}, %k{k}", lambda: f"vpblendmd {memory(b, size)}, %{kind}mm{y}, %{kind}mm{x}{mask}")
