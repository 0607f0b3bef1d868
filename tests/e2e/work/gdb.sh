#!/bin/bash
# program: /usr/bin/gdb
# A backtrace of a crash, breakpoints, expressions and types of a small program.
cat > crash.c <<'C'
#include <stdio.h>
struct point { int x, y; const char* name; };
static int dive(struct point* p, int depth) {
  if (depth == 0) return *(volatile int*)0;
  return dive(p, depth - 1) + p->x;
}
int main(void) {
  struct point p = {3, 4, "origin"};
  printf("before\n");
  return dive(&p, 5);
}
C
gcc -g -O0 crash.c -o crash || exit 1
quiet() { sed -E 's/process [0-9]+/process N/g; s/Thread 0x[0-9a-f]+ \(LWP [0-9]+\)/Thread T/g; s/0x7f[0-9a-f]+/0xSTACK/g'; }
g() { "$1" -nx -q -batch -iex 'set debuginfod enabled off' "${@:2}" 2>&1 | quiet; echo "status ${PIPESTATUS[0]}"; }
g "$1" -ex 'break main' -ex run -ex 'ptype struct point' -ex next -ex 'p p' -ex 'p sizeof(p) * 3' -ex continue -ex bt -ex 'frame 2' -ex 'info locals' -ex 'p *p' -ex 'x/3i $pc' -ex kill ./crash
g "$1" -ex 'disassemble dive' -ex 'info line main' -ex 'list dive' ./crash
g "$1" -ex 'python print(sum(i * i for i in range(10)))' -ex 'print 22.0 / 7'
g "$1" -ex 'info functions main' /bin/true
g "$1" ./no-such-program
