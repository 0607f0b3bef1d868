/* Prints its arguments. */
#include <punster/hook.h>

void one(long a) { hook_printf("%ld\n", a); }
void pointer(const void* a) { hook_printf("%p\n", a); }
void text(const char* a) { hook_printf("%s\n", a ? a : "nothing"); }
void hex(const unsigned char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) hook_printf("%02x", bytes[i]);
  hook_printf("\n");
}
void eight(long a, long b, long c, long d, long e, long f, long g, long h) {
  hook_printf("%ld %ld %ld %ld %ld %ld %ld %ld\n", a, b, c, d, e, f, g, h);
}
void dump(const struct hook_state* s) {
  hook_printf("rax %lx rcx %lx rdx %lx rbx %lx rbp %lx rsi %lx rdi %lx r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx "
              "r14 %lx r15 %lx rsp %lx rip %p flags %hx\n",
              s->rax, s->rcx, s->rdx, s->rbx, s->rbp, s->rsi, s->rdi, s->r8, s->r9, s->r10, s->r11, s->r12, s->r13,
              s->r14, s->r15, s->rsp, s->rip, (unsigned short)s->flags);
}
