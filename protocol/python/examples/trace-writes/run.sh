#!/bin/sh
# What does main() of a small program write, and when?
set -e
cd "$(dirname "$0")"
export PYTHONPATH="../..:$PYTHONPATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/sum.c" <<'END'
#include <stdio.h>
volatile int total;
int main(void) {
  for (int i = 1; i <= 3; ++i) total += i;
  printf("%d\n", total);
}
END
cc -O1 -o "$work/sum" "$work/sum.c"
python3 trace_writes.py "$work/sum" main
