// Payloads run between two arbitrary instructions of somebody else's program. So they change
// nothing that it can see: no general register, no flag, no vector state, nothing in the 128 bytes
// below rsp (the red zone of the System V ABI), no errno. They may run in a signal handler, on a
// small alternate stack, between vfork and exec, or before the first relocation is applied; hence
// no calls, no locks, no thread-local storage.
//
// Below the red zone the kernel may write a signal frame at any moment, therefore rsp moves first
// (by lea, which leaves the flags alone) and only then registers are saved.
//
// Flags cost most: pushf and popf take some 20 cycles. `count` needs no flag, because lea can add
// one. `count(atomic)` cannot avoid them (every locked instruction writes them), so it keeps SF ZF
// AF PF CF by lahf and OF by seto; adding 0x7f to a byte that is 1 overflows, to one that is 0 does
// not, and brings OF back before sahf brings back the rest. `print` gets them back from the kernel:
// the syscall instruction saves rflags in r11, and the return from the system call restores them.
// write(2, text, length), once: a line cut short by a full pipe stays short.
//
// `signal` goes to this thread alone.
//
// `exit` ends all threads (exit_group). Where a filter forbids even that, ud2 stops the program
// instead of letting it run on with wrong registers.

#include "frontend/match/payloads.h"

#include "frontend/match/templates_json.h"
#include "protocol/framing.h"
#include "protocol/hex.h"

namespace punster {
namespace {

/// The file that the Python package reads too (protocol/python/punster/templates.json), parsed. It
/// is part of this program, so what it holds is no input that could be refused.
const Json& templates() {
  static const Json all = parse_json(templates_json).value();
  return all;
}

/// Strings of hexadecimal pairs become bytes, `$status` the number; other holes are the backend's.
void append_element(std::vector<Json>& code, const Json& element, int status) {
  if (element.is_string()) {
    const std::string bytes = parse_hex_bytes(element.get_ref<const std::string&>()).value();
    for (const char byte : bytes) code.emplace_back(static_cast<std::uint8_t>(byte));
  } else if (element.contains("int32") && element["int32"] == "$status") {
    code.push_back({{"int32", status}});
  } else {
    code.push_back(element);
  }
}

const char* template_name(ActionKind kind) {
  switch (kind) {
    case ActionKind::count:
      return "count";
    case ActionKind::count_atomic:
      return "count(atomic)";
    case ActionKind::print:
      return "print";
    case ActionKind::breakpoint:
      return "breakpoint";
    case ActionKind::exit:
      return "exit";
    case ActionKind::signal:
      return "signal";
    default:
      return nullptr;
  }
}

}  // namespace

Payload payload_of(const Action& action) {
  Payload payload;
  const char* name = template_name(action.kind());
  if (!name) return payload;
  for (const Json& line : templates().at(name)) {
    PayloadLine& instruction = payload.emplace_back();
    instruction.assembly = line.at("asm").get<std::string>();
    for (const Json& element : line.at("code"))
      append_element(instruction.code, element, action.exit_status());
  }
  return payload;
}

void append(Json& code, const Payload& payload) {
  for (const auto& line : payload)
    for (const auto& element : line.code) code.push_back(element);
}

}  // namespace punster
