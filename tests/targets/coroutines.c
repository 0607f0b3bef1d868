// Coroutines on 4 KiB stacks with guards: nothing may be written far below rsp.
#include <stdio.h>
#include <sys/mman.h>
#include <ucontext.h>

static ucontext_t main_context, contexts[3];
static void body(int id) {
  for (int i = 0; i < 3; i++) {
    unsigned mix = 1;
    for (int k = 0; k < 10 + id; k++) mix = mix * 33 + (unsigned)k;
    dprintf(1, "coroutine %d step %d %u\n", id, i, mix);
    swapcontext(&contexts[id], &main_context);
  }
}

int main(void) {
  for (int i = 0; i < 3; i++) {
    char* area = mmap(NULL, 3 * 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(area + 8192, 8192, PROT_READ | PROT_WRITE);
    getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = area + 8192;
    contexts[i].uc_stack.ss_size = 8192;
    contexts[i].uc_link = &main_context;
    makecontext(&contexts[i], (void (*)(void))body, 1, i);
  }
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < 3; i++) swapcontext(&main_context, &contexts[i]);
  return 0;
}
