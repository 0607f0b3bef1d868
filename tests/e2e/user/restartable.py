"""Restartable sequences: the kernel compares the program counter with their bounds, so nothing of theirs may run elsewhere."""

import re

from contract import covers
from rewriting import Failure, patch, punster, run, verify

# Adds to a counter of the processor that it runs on, without atomic instructions: threads that share processors lose
# nothing, as long as the kernel finds them inside of the sequence when it interrupts them there.
SOURCE = r"""
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <sys/rseq.h>
enum { threads = 6, rounds = 300000, processors = 4096 };
static struct { long count; char apart[56]; } counters[processors];
static int add(struct rseq *area, int processor) {
  asm goto(
      ".pushsection __rseq_cs, \"aw\"\n .balign 32\n 9: .long 0, 0\n .quad first, behind - first, aborted\n .popsection\n"
      "leaq 9b(%%rip), %%rax\n"
      "movq %%rax, %0\n"
      ".globl first, behind, aborted\n"
      "first: cmpl %2, %1\n"
      "jnz %l[again]\n"
      "movq %3, %%rax\n"
      "nop; nop; nop; nop; nop\n"
      "leaq 1(%%rax), %%rax\n"
      "movq %%rax, %3\n"
      "behind: jmp 8f\n"
      ".byte 0x0f, 0xb9, 0x3d\n .long 0x53053053\n"
      "aborted: jmp %l[again]\n"
      "8:\n"
      :: "m"(area->rseq_cs), "m"(area->cpu_id), "r"(processor), "m"(counters[processor].count) : "rax", "cc", "memory" : again);
  return 1;
again:
  return 0;
}
static void *work(void *unused) {
  struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
  for (int i = 0; i < rounds; ++i)
    while (!add(area, *(volatile int *)&area->cpu_id_start)) continue;
  return unused;
}
int main(void) {
  if (!__rseq_size) { puts("no rseq"); return 77; }
  pthread_t all[threads];
  long sum = 0;
  for (int i = 0; i < threads; ++i) pthread_create(&all[i], 0, work, 0);
  for (int i = 0; i < threads; ++i) pthread_join(all[i], 0);
  for (int i = 0; i < processors; ++i) sum += counters[i].count;
  printf("%ld lost\n", (long)threads * rounds - sum);
  return 0;
}
"""


@covers("match:true", "subcommand:sites")
def restartable_sequences_are_left_alone(work):
    (work / "p.c").write_text(SOURCE)
    for name, flags in (("pie", ["-pie", "-fPIE"]), ("fixed", ["-no-pie"]), ("stripped", ["-pie", "-fPIE", "-s"])):
        program = work / name
        built = run(["cc", "-O2", "-fno-inline", "-fno-ipa-cp", "-o", program, work / "p.c", *flags])
        if built.status != 0:
            raise Failure(built.stderr)
        if name != "stripped":
            symbols = run(["nm", program]).stdout
            first, behind, aborted = (int(re.search(rf"^(\w+) T {n}$", symbols, re.M)[1], 16) for n in ("first", "behind", "aborted"))
            inside = punster("sites", "-M", f"addr >= {first:#x} and addr < {behind:#x}", program)
            beside = punster("sites", "-M", f"addr == {aborted:#x} or addr == {behind:#x}", program)
            if inside.status != 1 or beside.status != 0 or len(beside.stdout.splitlines()) < 2:
                raise Failure(f"{inside} {beside}")
        before = run([program])
        if before.status == 77:
            continue
        rewritten = patch(program, work / f"{name}.all", ["-M", "true", "-P", "empty"])
        verify(program, rewritten)
        after = run([rewritten.output])
        if (before.status, before.stdout) != (after.status, after.stdout) or before.stdout != "0 lost\n":
            raise Failure(f"{before} becomes {after}")
