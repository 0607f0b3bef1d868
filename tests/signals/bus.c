// Reading past the end of a mapped file.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf back;
static void on_fault(int number) { siglongjmp(back, number); }

int main(void) {
  signal(SIGBUS, on_fault);
  FILE *file = tmpfile();
  volatile char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fileno(file), 0);
  if (sigsetjmp(back, 1) == 0)
    printf("read %d\n", page[10]);
  else
    puts("caught");
  return 0;
}
