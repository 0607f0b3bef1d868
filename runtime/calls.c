// Routines that a client brought along: run before the program's own code, and after it.
//
// At exit. The kernel or ld.so hands an executable, in rdx, a routine for its C library to call last
// (atexit). Ours takes its place and goes on to it. A program that ends in another way (_exit, a signal)
// has no end that anybody could be told of.

#include "object.h"

void punster_finish(void);

static const struct PunsterCall* calls_of(const struct Object* self) {
  return (const struct PunsterCall*)((const char*)self->header + self->header->calls_offset);
}

static uint64_t address_of(const struct Object* self, const struct PunsterCall* call) {
  return call->address + self->bias;
}

static int any_calls(const struct Object* self, uint32_t when) {
  const struct PunsterCall* calls = calls_of(self);
  for (uint32_t i = 0; i < self->header->call_count; ++i)
    if (calls[i].when == when) return 1;
  return 0;
}

static void run_plain(const struct Object* self, uint32_t when) {
  const struct PunsterCall* calls = calls_of(self);
  for (uint32_t i = 0; i < self->header->call_count; ++i)
    if (calls[i].when == when) ((void (*)(void))address_of(self, &calls[i]))();
}

// The registers that entry.S saved below the stack pointer on arrival, by their distance from it.
enum { saved_rdx = -5, saved_rsi = -8, saved_rdi = -9 };

void run_calls_at_start(struct Object* self, const uint64_t* stack) {
  if (self->header->call_count == 0) return;
  const int program = self->stack != 0;
  const uint64_t argc = program ? stack[0] : stack[saved_rdi];
  const uint64_t argv = program ? (uint64_t)(stack + 1) : stack[saved_rsi];
  const uint64_t envp = program ? (uint64_t)(stack + 2 + argc) : stack[saved_rdx];
  const uint64_t dynamic =
      self->header->dynamic_address ? self->header->dynamic_address + self->bias : 0;
  run_plain(self, PUNSTER_BEFORE_INIT);
  const struct PunsterCall* calls = calls_of(self);
  for (uint32_t i = 0; i < self->header->call_count; ++i)
    if (calls[i].when == PUNSTER_INIT)
      ((void (*)(int, uint64_t, uint64_t, uint64_t))address_of(self, &calls[i]))((int)argc, argv,
                                                                                envp, dynamic);
  run_plain(self, PUNSTER_AFTER_INIT);
  if (program && any_calls(self, PUNSTER_FINI)) {
    uint64_t* const rdx = (uint64_t*)stack + saved_rdx;
    self->state->finish = (void (*)(void)) * rdx;
    *rdx = (uint64_t)&punster_finish;
  }
}

__attribute__((visibility("hidden"))) void punster_finish(void) {
  struct Object self = {0};
  if (!find_object(&self)) return;
  run_plain(&self, PUNSTER_FINI);
  if (self.state->finish) self.state->finish();
}
