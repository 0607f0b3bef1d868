// flags: -shared -fPIC -Wl,-init,at_load -Wl,-fini,at_unload
// run: plugin_host {}
// DT_INIT, DT_FINI and constructors of a shared object: the hook must call them all.
#include <stdio.h>

static long base;
void at_load(void) { base += 10; puts("DT_INIT"); }
void at_unload(void) { puts("DT_FINI"); }
__attribute__((constructor)) static void construct(void) { base *= 7; puts("constructor"); }
__attribute__((destructor)) static void destruct(void) { puts("destructor"); }

long work(long n) { return base + n; }
