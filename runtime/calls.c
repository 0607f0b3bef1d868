// Routines that a client brought along: run before the program's own code, and after it.
//
// At exit. The kernel or ld.so hands an executable, in rdx, a routine for its C library to call
// last (atexit). Ours takes its place and goes on to it; what the client brought comes after that.
// A program that ends in another way (_exit, a signal) has no end that anybody could be told of.
//
// Thread-local storage. A program without a C library has none, and one with a C library linked
// statically has not set it up when it starts. Code compiled for Linux (E9Patch's patch code, for
// one) reads its thread's number there all the same: it finds zeros, in a page that is ours.

#include <asm/prctl.h>
#include <linux/mman.h>

#include "object.h"
#include "syscall.h"

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

// Whether a client brought compiled code along: routines, or variables.
static int brings_code(const struct Object* self) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i)
    if (m[i].kind == PUNSTER_VARIABLES) return 1;
  return self->header->call_count > 0;
}

static void provide_thread_storage(void) {
  uint64_t base = 0;
  if (is_error(syscall3(__NR_arch_prctl, ARCH_GET_FS, (long)&base, 0)) || base != 0) return;
  const long page =
      sys_mmap(0, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (is_error(page)) return;
  *(uint64_t*)page = (uint64_t)page;  // fs:0 holds its own address, says the ABI
  syscall3(__NR_arch_prctl, ARCH_SET_FS, page, 0);
}

// The registers that entry.S saved below the stack pointer on arrival, by their distance from it.
enum { saved_rdx = -5, saved_rsi = -8, saved_rdi = -9 };

void run_calls_at_start(struct Object* self, const uint64_t* stack) {
  if (brings_code(self)) provide_thread_storage();
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
  // Destructors first: what they do happens before the end, too.
  if (self.state->finish) self.state->finish();
  run_plain(&self, PUNSTER_FINI);
}
