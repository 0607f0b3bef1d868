/* Writes to what it is given pointers to. */
#include <punster/hook.h>

void set8(int8_t* to, long value) { *to = (int8_t)value; }
void set16(int16_t* to, long value) { *to = (int16_t)value; }
void set32(int32_t* to, long value) { *to = (int32_t)value; }
void set64(int64_t* to, long value) { *to = value; }
void add64(int64_t* to, long value) { *to += value; }
void both(int64_t* a, int64_t* b) {
  const int64_t old = *a;
  *a = *b;
  *b = old;
}
void toggle(int16_t* flags, long bits) { *flags ^= (int16_t)bits; }
void toggle_all(uint64_t* rflags, long bits) { *rflags ^= (uint64_t)bits; }
void vector(hook_xmm* x) {
  x->words[0] += 1;
  x->words[1] = 0x1122334455667788;
}
void through_state(struct hook_state* s) {
  s->rax = 1;
  s->rdx = 2;
  s->r8 += 0x1000;
  s->flags ^= HOOK_ZF;
}
