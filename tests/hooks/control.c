/* Says how the program goes on. */
#include <punster/hook.h>

int yes(void) { return 1; }
int no(void) { return 0; }
const void* to(const void* address) { return address; }
const void* nowhere(void) { return NULL; }
int is(long value, long wanted) { return value == wanted; }
