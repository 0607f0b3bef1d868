// A payload has no end mark, and it may carry data that it jumps over. So it is walked as a graph,
// in address order: `pending` holds every address that some path has reached and that was not
// looked at yet, with the distance that rsp has moved by then. When only one address is pending,
// all paths meet there; if rsp is back where it was, it may be the displaced instruction. Forward
// branches only: then taking the lowest pending address first visits every instruction once, after
// all that lead to it.

#include "frontend/verify/payload.h"

#include <cstring>
#include <map>

#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::uint64_t longest_body = 128 * 1024;
constexpr int most_instructions = 32 * 1024;

}  // namespace

PayloadEnd end_of_payload(CodeReader& memory, Vaddr start, const PayloadLimits& limits,
                          const std::function<bool(Vaddr)>& is_displaced) {
  const std::uint64_t room =
      limits.next_body ? limits.next_body->value - start.value : longest_body + 1;
  std::map<std::uint64_t, std::int64_t> pending{{0, 0}};  // distance from start -> rsp moved by
  for (int count = 0; !pending.empty() && count < most_instructions; ++count) {
    const std::uint64_t distance = pending.begin()->first;
    const std::int64_t moved = pending.begin()->second;
    const Vaddr at = start + Bytes{distance};
    if (distance >= room)
      return {false, {}, "it runs into the next body, at " + to_hex(*limits.next_body)};
    if (moved == 0 && pending.size() == 1 && is_displaced(at)) return {true, at, {}};

    const Code code = memory.at(at);
    const auto decoded = decode(code, at);
    if (!decoded) return {false, {}, "no instruction at " + to_hex(at)};
    const auto change = stack_change(code, at);
    if (!change) return {false, {}, "rsp cannot be followed at " + to_hex(at)};
    if (moved + *change > 0) return {false, {}, "rsp is above where it was at " + to_hex(at)};
    if (limits.return_address && writes_slot(code, -moved))
      return {false, {}, "the return address is overwritten at " + to_hex(at)};
    pending.erase(pending.begin());

    std::string fault;
    const auto reach = [&](Vaddr to) {
      const std::uint64_t far = to.value - start.value;
      if (far <= distance || far > longest_body) {
        fault = "the jump at " + to_hex(at) + " leaves it for " + to_hex(to);
        return;
      }
      const auto [known, fresh] = pending.emplace(far, moved + *change);
      if (!fresh && known->second != moved + *change)
        fault = "rsp differs between the paths that meet at " + to_hex(to);
    };
    const Vaddr behind = at + Bytes{decoded->length};
    switch (decoded->flow) {
      case Flow::next:
      case Flow::call:
      case Flow::call_through:
        reach(behind);
        break;
      case Flow::branch:
        reach(behind);
        if (fault.empty()) reach(decoded->target);
        break;
      case Flow::jump:
        reach(decoded->target);
        break;
      case Flow::far_call:
      case Flow::leaves:
        // A payload that ends the program (exit) has ud2 behind its last system call: what stands
        // behind must still be the displaced instruction.
        if (decoded->length == 2 && code.size() >= 2 && code[0] == 0x0f && code[1] == 0x0b) {
          reach(behind);
          break;
        }
        fault = "the instruction at " + to_hex(at) + " does not go on";
        break;
    }
    if (!fault.empty()) return {false, {}, fault};
  }
  return {false, {}, "no path ends within " + std::to_string(longest_body) + " bytes"};
}

bool ends_program(CodeReader& memory, Vaddr at, std::int64_t status) {
  constexpr std::uint8_t mov_eax = 0xb8, mov_edi = 0xbf;
  constexpr std::int32_t exit_group = 231;
  std::optional<std::int32_t> eax, edi;
  for (;;) {
    const Code code = memory.at(at);
    if (code.size() < 2) return false;
    if (code[0] == 0x0f && code[1] == 0x05)  // syscall
      return eax == exit_group && edi == static_cast<std::int32_t>(status);
    if (code.size() < 5 || (code[0] != mov_eax && code[0] != mov_edi)) return false;
    std::optional<std::int32_t>& written = code[0] == mov_eax ? eax : edi;
    if (written) return false;
    std::memcpy(&written.emplace(), code.data() + 1, sizeof(std::int32_t));
    at = at + Bytes{5};
  }
}

}  // namespace punster
