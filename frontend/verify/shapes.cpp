#include "frontend/verify/shapes.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "protocol/hex.h"

namespace punster {
namespace {

std::string bytes_at(CodeReader& memory, Vaddr address, std::size_t length) {
  const Code code = memory.at(address);
  return to_hex(code.first(std::min(length, code.size())));
}

/// What is wrong with bytes that are neither jump nor trap, as far as it can be told.
std::string explain_no_jump(Code code) {
  const auto jump = std::find_if(code.begin(), code.end(), [](std::uint8_t byte) {
    return byte != 0x66 && byte != 0xf2 && byte != 0xf3 && byte != 0x67 && byte != 0xf0;
  });
  if (jump != code.begin() && jump != code.end() &&
      (*jump == 0xe9 || *jump == 0xeb || *jump == 0xe8))
    return "a jump behind the prefix " + to_hex(code.first(1)) +
           ", which processors do not agree on or which carries meaning";
  return "neither a jump nor a trap";
}

}  // namespace

bool is_trap(Code code, unsigned length, std::uint32_t kind) {
  constexpr std::array<std::uint8_t, 14> undefined = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f,
                                                      0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0xce};
  const auto stands = [&](std::initializer_list<std::uint8_t> wanted) {
    return code.size() >= wanted.size() && std::equal(wanted.begin(), wanted.end(), code.begin());
  };
  switch (kind) {
    case punster_trap_int3:
      return stands({0xcc});
    case punster_trap_int_03:
      return length == 1 ? stands({0xcc}) : stands({0xcd, 0x03});
    case punster_trap_hlt:
      return stands({0xf4});
    default:
      return stands({0x0f, 0x0b}) || (!code.empty() && std::find(undefined.begin(), undefined.end(),
                                                                 code[0]) != undefined.end());
  }
}

ShapeReader::Reading ShapeReader::read(Insn insn, const std::string* replaced) {
  Reading reading{{insn, Shape::unknown, {}}, {}};
  ChangedStart& start = reading.start;
  const Vaddr at = insn.address();
  if (replaced != nullptr && is_replacement(insn, *replaced)) {
    start.shape = Shape::replaced;
    return reading;
  }
  const Code code = patched_.at(at);
  const auto route = model_.patched->trap_target(at);
  const auto* const tables = model_.patched->header();
  if (is_trap(code, insn.length(), tables == nullptr ? 0 : tables->trap_kind)) {
    start.shape = Shape::trap;
    if (route)
      start.entry = *route;
    else
      reading.fault =
          Fault{"trap_not_listed", "the trap " + bytes_at(patched_, at, insn.length()) + " at " +
                                       to_hex(at) + " is not in the trap table"};
  } else if (route) {
    reading.fault =
        Fault{"trap_without_site", "the trap table lists " + to_hex(at) + ", where " +
                                       bytes_at(patched_, at, insn.length()) + " stands"};
  } else if (const auto hop = parse_hop(at, code)) {
    reading.fault = follow(start, *hop);
  } else {
    reading.fault = Fault{
        "not_a_jump", "at " + to_hex(at) + " " + bytes_at(original_, at, insn.length()) +
                          " became " + bytes_at(patched_, at, 6) + ": " + explain_no_jump(code)};
  }
  if (reading.fault) start.shape = Shape::unknown;
  return reading;
}

std::optional<Fault> ShapeReader::follow(ChangedStart& start, const JumpHop& first) {
  const Vaddr site = start.insn.address();
  if (first.call) {
    const auto original = decode(original_.at(site), site);
    if (!original || (original->flow != Flow::call && original->flow != Flow::call_through))
      return Fault{"call_at_no_call", "a call stands at " + to_hex(site) + ", where " +
                                          bytes_at(original_, site, start.insn.length()) +
                                          " was none"};
    if (first.length != start.insn.length())
      return Fault{"wrong_call_return", "the call at " + to_hex(site) + " ends at " +
                                            to_hex(site + Bytes{first.length}) + " instead of " +
                                            to_hex(start.insn.end()) +
                                            ", so it returns to the wrong place"};
  }
  JumpHop hop = first;
  for (int hops = 1;; ++hops) {
    jump_bytes_.push_back({hop.address, hop.address + Bytes{hop.length}});
    if (patched_.in_trampoline(hop.target)) break;
    const auto pad = hops < most_hops && !first.call ? jump_at(patched_, hop.target) : std::nullopt;
    if (!pad) {
      const bool mapped = !patched_.at(hop.target).empty();
      return Fault{mapped ? "into_original_code" : "unmapped_target",
                   "the jump at " + to_hex(hop.address) + " (" +
                       bytes_at(patched_, hop.address, hop.length) + ") leads to " +
                       to_hex(hop.target) +
                       (mapped ? ", which is neither a landing pad nor a trampoline: " +
                                     bytes_at(patched_, hop.target, 6)
                               : ", which is not mapped executable")};
    }
    hop = *pad;
  }
  start.shape = first.call ? Shape::call : Shape::jump;
  start.entry = hop.target;
  return std::nullopt;
}

bool ShapeReader::is_replacement(Insn insn, const std::string& bytes) {
  if (bytes.size() > insn.length()) return false;
  const Code code = patched_.at(insn.address());
  const auto* wanted = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (code.size() < insn.length() || !std::equal(wanted, wanted + bytes.size(), code.begin()))
    return false;
  for (std::size_t done = bytes.size(); done < insn.length();) {
    const auto nop = decode(code.first(insn.length()).subspan(done), insn.address() + Bytes{done});
    if (!nop || !nop->idle) return false;
    done += nop->length;
  }
  return true;
}

}  // namespace punster
