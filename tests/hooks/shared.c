/* Counts in a file, together with all other processes, and per thread in a table. */
#include <punster/hook.h>

static uint64_t* counts;

void init(int argc, char** argv, char** envp) {
  (void)argc, (void)argv;
  counts = hook_share(hook_variable(envp, "HOOK_COUNTS"), 64);
}
void entry(long index) {
  if (counts) __atomic_fetch_add(&counts[index], 1, __ATOMIC_RELAXED);
}
