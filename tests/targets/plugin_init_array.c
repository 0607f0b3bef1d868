// flags: -shared -fPIC -nostartfiles
// run: plugin_host {}
// No DT_INIT at all: the hook takes the first slot of DT_INIT_ARRAY and its relocation.
#include <stdio.h>

static long base = 1;
__attribute__((constructor)) static void construct(void) { base += 41; puts("constructor"); }
__attribute__((constructor)) static void also(void) { base *= 2; puts("second constructor"); }

long work(long n) { return base * n; }
