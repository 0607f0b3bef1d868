// One function for each type, a global object, a C function among them.
#include <punster/hook.h>

namespace {
struct Announced {
  Announced() { hook_printf("constructed\n"); }
  ~Announced() { hook_printf("destroyed\n"); }
  int value = 3;
} announced;
const char* const names[] = {"long", "int", "short", "char"};  // addresses: relocated at start
}  // namespace

void f(int64_t value) {
  hook_printf("%s %lx\n", names[0], value);
}
void f(int32_t value) {
  hook_printf("%s %x\n", names[1], value);
}
void f(int16_t value) {
  hook_printf("%s %hx\n", names[2], (unsigned short)value);
}
void f(int8_t value) {
  hook_printf("%s %hhx\n", names[3], (unsigned char)value);
}
void f(int64_t* value) {
  hook_printf("%s* %lx\n", names[0], *value);
}
void f(int32_t* value) {
  hook_printf("%s* %x\n", names[1], *value);
}
void f(const char* text) {
  hook_printf("text %s\n", text);
}
void f(decltype(nullptr)) {
  hook_printf("nothing\n");
}

void only_long_pointer(int64_t* value) {
  hook_printf("%lx\n", *value);
}
extern "C" void plain(long value) {
  hook_printf("plain %ld\n", value + announced.value);
}
