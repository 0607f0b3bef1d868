#!/usr/bin/env bash
# Prints every system call instruction and every call of a named function as a program reaches it.
# Needs a compiler and build/bin (examples/quickstart.sh, or set PUNSTER_BUILD).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=${PUNSTER_BUILD:-$here/../../build}/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat > fib.c <<'C'
#include <stdio.h>
__attribute__((noinline)) int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(void) { printf("%d\n", fib(5)); return 0; }
C
# Static: the system calls are then instructions of this very file.
cc -O1 -static -o fib fib.c
show() { printf '\n$ %s\n' "$*"; "$@"; }

show punster patch -q -M 'call and target == &fib' -P print -M syscall -P print fib -o fib.traced
printf '\n$ ./fib.traced 2> trace; sort trace | uniq -c\n'
./fib.traced 2> trace
sort trace | uniq -c
