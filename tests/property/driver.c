// The driver of a generated program: calls every function of the table with generated registers, flags and
// vectors on a stack of its own, and prints what each call left behind, one line per call.
//
// What it prints must be the same wherever the image lies, so a 64-bit value that points into the image is
// printed as its distance from the image's start; scratch memory and stack stand at fixed addresses.
// Freestanding: nothing but the functions under test and this file runs between start and exit.

typedef unsigned long u64;
typedef unsigned char u8;

enum {
  scratch_size = 0x4000,
  stack_size = 0x40000,
  red_zone = 128,
  sys_write = 1,
  sys_mmap = 9,
  sys_exit_group = 231,
};
#define SCRATCH 0x600000000000ul /* also in registers.py */
#define STACK 0x610000000000ul

struct Function {
  void (*entry)(void);
  u64 inputs;
};

extern const struct Function property_functions[] __attribute__((visibility("hidden")));
extern u64 property_data_begin[] __attribute__((visibility("hidden")));
extern u64 property_data_end[] __attribute__((visibility("hidden")));
extern char __ehdr_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));

/// What call.S loads before the call and stores after it; rsp's slot holds the stack's top.
struct Context {
  u64 registers[16];  // rax rcx rdx rbx rsp rbp rsi rdi r8 .. r15
  u64 flags;
  u64 masks[8];
  u64 unused[7];
  u8 vectors[32 * 64];
};
struct Context property_context __attribute__((visibility("hidden"), aligned(64)));
void property_call(void (*function)(void)) __attribute__((visibility("hidden")));

static char line[1024];
static u64 line_used;

static long system_call(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

static void flush(void) {
  for (u64 done = 0; done < line_used;) {
    const long n = system_call(sys_write, 1, (long)(line + done), (long)(line_used - done), 0, 0, 0);
    if (n <= 0) system_call(sys_exit_group, 3, 0, 0, 0, 0, 0);
    done += (u64)n;
  }
  line_used = 0;
}

static void put_text(const char* text) {
  while (*text != 0) line[line_used++] = *text++;
}

static void put_hex(u64 value) {
  int shift = 60;
  while (shift > 0 && (value >> shift) == 0) shift -= 4;
  for (; shift >= 0; shift -= 4) line[line_used++] = "0123456789abcdef"[(value >> shift) & 15];
}

static u64 next_random(u64* state) {
  u64 z = (*state += 0x9e3779b97f4a7c15ul);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ul;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebul;
  return z ^ (z >> 31);
}

static u64 wherever_the_image_lies(u64 value) {
  const u64 base = (u64)__ehdr_start;
  return value - base < (u64)(_end - __ehdr_start) ? value - base + 0x1a6e000000000000ul : value;
}

static u64 hash(const u64* words, u64 count) {
  u64 sum = 0xcbf29ce484222325ul;
  for (u64 i = 0; i < count; ++i) sum = (sum ^ wherever_the_image_lies(words[i])) * 0x100000001b3ul + (sum >> 29);
  return sum;
}

static void prepare(u64 seed) {
  struct Context* c = &property_context;
  u64* words = (u64*)c;
  for (u64 i = 0; i < sizeof *c / 8; ++i) words[i] = next_random(&seed);
  // A quarter of the registers are small: loop counters, shift counts, jrcxz.
  for (int i = 0; i < 16; ++i)
    if ((next_random(&seed) & 3) == 0) c->registers[i] &= 3;
  c->registers[4] = STACK + stack_size - 0x1000;
  c->flags = (c->flags & 0xcd5) | 0x202;
}

static void report(u64 number, u64 input) {
  static const char* const names[] = {" rax=", " rcx=", " rdx=", " rbx=", " rsp=", " rbp=", " rsi=", " rdi=",
                                      " r8=",  " r9=",  " r10=", " r11=", " r12=", " r13=", " r14=", " r15="};
  const struct Context* c = &property_context;
  put_text("function ");
  put_hex(number);
  put_text(" input ");
  put_hex(input);
  for (int i = 0; i < 16; ++i) {
    put_text(names[i]);
    put_hex(wherever_the_image_lies(c->registers[i]));
  }
  put_text(" flags=");
  put_hex(c->flags);
  put_text(" masks=");
  put_hex(hash(c->masks, 8));
  put_text(" vectors=");
  put_hex(hash((const u64*)c->vectors, sizeof c->vectors / 8));
  put_text(" red_zone=");
  put_hex(hash((const u64*)(STACK + stack_size - 0x1000 - red_zone), (red_zone + 64) / 8));
  put_text(" scratch=");
  put_hex(hash((const u64*)SCRATCH, scratch_size / 8));
  put_text(" data=");
  put_hex(hash(property_data_begin, (u64)(property_data_end - property_data_begin)));
  put_text("\n");
  flush();
}

__attribute__((visibility("default"))) void property_run(void) {
  const long anonymous_fixed = 0x2 | 0x20 | 0x100000, read_write = 3;
  if (system_call(sys_mmap, (long)SCRATCH, scratch_size, read_write, anonymous_fixed, -1, 0) != (long)SCRATCH ||
      system_call(sys_mmap, (long)STACK, stack_size, read_write, anonymous_fixed, -1, 0) != (long)STACK)
    system_call(sys_exit_group, 4, 0, 0, 0, 0, 0);
  u64 seed = 1;
  for (u64 i = 0; i < scratch_size / 8; ++i) ((u64*)SCRATCH)[i] = next_random(&seed);
  for (u64 number = 0; property_functions[number].entry != 0; ++number) {
    for (u64 input = 0; input < property_functions[number].inputs; ++input) {
      // Named before the call: a crash is the fault of the function on the last line.
      put_text("function ");
      put_hex(number);
      put_text(" called\n");
      flush();
      prepare(number * 64 + input + 2);
      property_call(property_functions[number].entry);
      report(number, input);
    }
  }
}

__attribute__((visibility("default"), noreturn)) void property_start(void) {
  property_run();
  system_call(sys_exit_group, 0, 0, 0, 0, 0, 0);
  __builtin_unreachable();
}
