// A call trampoline's program for E9Patch's tool: counts, and appends the count to a file at the end.

static unsigned long calls;

void hook(void) { ++calls; }

static long system_call(long number, long a, const void* b, long c, long d) {
  register long fourth __asm__("r10") = d;
  __asm__ volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c), "r"(fourth) : "rcx", "r11", "memory");
  return number;
}

// The name is E9Patch's for what runs at exit(). The streams may be closed by then.
void fini(void) {
  char line[24];
  unsigned at = sizeof line;
  line[--at] = '\n';
  do line[--at] = (char)('0' + calls % 10);
  while ((calls /= 10) != 0);
  const int here = -100, append = 02101;
  const long file = system_call(257, here, "calls", append, 0644);
  system_call(1, file, line + at, sizeof line - at, 0);
}
