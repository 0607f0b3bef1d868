// What happens when a rewritten object starts: its own file is found, the trampolines are mapped,
// and only when everything that patched code needs is there, the patched code. Any failure leaves
// the original program, with one line that says so; PUNSTER_STRICT=1 ends the process instead.

#include "object.h"
#include "syscall.h"

extern const volatile struct PunsterConfig punster_config __attribute__((visibility("hidden")));
void punster_return(void);

// For backend/emit, which makes the state segment.
__attribute__((used)) const uint64_t punster_state_bytes = sizeof(struct State);

int find_object(struct Object* self) {
  self->bias = (uint64_t)&punster_config - punster_config.config_address;
  self->header = (const struct PunsterHeader*)(punster_config.header_address + self->bias);
  self->state = (struct State*)(punster_config.state_address + self->bias);
  return self->header->magic == PUNSTER_MAGIC && self->header->abi_version == PUNSTER_ABI_VERSION &&
         punster_config.state_bytes >= sizeof(struct State);
}

// Whether there is anything to map from our own file: program headers may have done it all.
static int maps_pages(const struct Object* self) {
  const struct PunsterMapping* m = mappings_of(self);
  for (uint32_t i = 0; i < self->header->mapping_count; ++i)
    if (is_ours_to_map(m[i].kind)) return 1;
  return 0;
}

static const char* patch(struct Object* self) {
  const char* reason = 0;
  const long fd = maps_pages(self) ? open_own_file(self, &reason) : -1;
  if (reason) return reason;
  reason = map_trampolines(self, fd);
  if (!reason) {
    // From here on every trampoline page is mapped.
    reason = map_counters(self);
    if (!reason) {
      reason = install_trap_handler(self);
      if (!reason) {
        // From here on everything is there that patched code needs.
        reason = map_overlays(self, fd);
        if (reason)
          remove_trap_handler(self);
        else
          own_imports(self);
      }
      if (reason) unmap_counters(self);
    }
    if (reason) unmap_trampolines(self);
  }
  if (fd >= 0) sys_close(fd);
  return reason;
}

// PUNSTER_DEBUG=1: what was done, in one line.
static void tell(struct Object* self) {
  const char* const asked = environment(self, "PUNSTER_DEBUG");
  if (!asked || !equal(asked, "1")) return;
  const struct PunsterMapping* m = mappings_of(self);
  uint64_t count[8] = {0};  // by kind
  for (uint32_t i = 0; i < self->header->mapping_count; ++i) ++count[m[i].kind % 8];
  char text[256], *at = text;
  const char* const end = text + sizeof text;
  at = append_decimal(append(at, end, "("), end, count[PUNSTER_TRAMPOLINES] + count[PUNSTER_ARENA]);
  at = append_decimal(append(at, end, " mappings of trampolines, "), end, count[PUNSTER_OVERLAY]);
  at = append_decimal(append(at, end, " of code, "), end, self->header->trap_count);
  at = append_hex(append(at, end, " traps, bias 0x"), end, self->bias);
  append(at, end, self->originals ? ", pages copied from memory)" : ", pages of the file)");
  say(self, "runs patched", text, "PUNSTER_DEBUG=1 is set");
}

// Called by entry.S. `stack` is the stack pointer on arrival; `as_library`: DT_INIT called us.
// Returns where to go on.
__attribute__((used, visibility("hidden"))) uint64_t punster_start(const uint64_t* stack,
                                                                   int as_library) {
  struct Object self = {0};
  if (!find_object(&self)) {
    // Not even the way to the original entry point is known.
    static const char text[] =
        "punster: the tables of a rewritten file are damaged: rewrite it again\n";
    syscall3(__NR_write, 2, (long)text, sizeof text - 1);
    for (;;) syscall3(__NR_exit_group, 127, 0, 0);
  }
  if (!as_library) self.stack = stack;
  const char* const reason = patch(&self);
  if (!reason) {
    tell(&self);
    run_calls_at_start(&self, stack);
  }
  if (reason) {
    // The detail may stand where the environment is read to.
    char detail[32];
    append(detail, detail + sizeof detail, self.detail ? self.detail : "");
    const char* const strict = environment(&self, "PUNSTER_STRICT");
    const int fatal = strict && equal(strict, "1");
    say(&self, reason, self.detail ? detail : 0,
        fatal ? "not run, because PUNSTER_STRICT=1 is set"
              : "running unpatched (PUNSTER_STRICT=1 makes this fatal)");
    if (fatal)
      for (;;) syscall3(__NR_exit_group, 127, 0, 0);
  }
  const uint64_t original = self.header->original_entry;
  return original ? original + self.bias : (uint64_t)&punster_return;
}
