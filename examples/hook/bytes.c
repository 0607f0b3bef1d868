#include <punster/hook.h>
static unsigned long calls, bytes;
void copied(long length) { ++calls; bytes += (unsigned long)length; }
void fini(void) { hook_printf("%lu copies, %lu bytes\n", calls, bytes); }
