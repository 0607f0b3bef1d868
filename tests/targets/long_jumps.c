// setjmp and longjmp across several frames, with and without signal masks.
#include <setjmp.h>
#include <stdio.h>

static jmp_buf out;
static int climb(int n) {
  if (n <= 0) longjmp(out, 7);
  return climb(n - 1) + n;
}

int main(void) {
  for (volatile int i = 1; i < 6; i++) {
    int code = setjmp(out);
    if (code == 0) printf("never %d\n", climb(i * 3));
    else printf("round %d code %d\n", i, code);
  }
  sigjmp_buf local;
  volatile int rounds = 0;
  if (sigsetjmp(local, 1) < 5) siglongjmp(local, ++rounds);
  printf("rounds %d\n", rounds);
  return 0;
}
