// flags: -shared -fPIC -nostartfiles -Wl,-z,pack-relative-relocs
// run: plugin_host {}
// needs-linker: -Wl,-z,pack-relative-relocs
// DT_INIT_ARRAY whose slot is relocated by DT_RELR, where the linker can do that.
#include <stdio.h>

static long one(long n) { return n + 1; }
static long two(long n) { return n + 2; }
static long (*const table[])(long) = {one, two, one, two};
static long base;
__attribute__((constructor)) static void construct(void) { base = 9; puts("constructor"); }

long work(long n) { return table[n & 3](n) + base; }
