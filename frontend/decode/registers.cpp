#include "frontend/decode/registers.h"

#include <array>
#include <cassert>
#include <map>

namespace punster {
namespace {

constexpr std::array<const char*, 8> legacy_stem = {"a", "c", "d", "b", "sp", "bp", "si", "di"};
constexpr std::array<const char*, 6> segments = {"es", "cs", "ss", "ds", "fs", "gs"};
constexpr std::array singles = {"rip",    "rflags",    "mxcsr", "x87control", "x87status",
                                "x87tag", "gdtr",      "ldtr",  "idtr",       "tr",
                                "bndcfg", "bndstatus", "pkru",  "xcr0",       "uif"};

// How many registers of a kind there are, and their first lane: the sets' whole layout.
struct Family {
  unsigned count, first_lane, lanes_each;
};
constexpr Family gpr{16, 0, 4}, vector{32, 64, 4}, mask{8, 192, 1}, x87{8, 200, 1},
    segment{6, 208, 1}, control{16, 214, 1}, debug{16, 230, 1}, bound{4, 246, 1}, tile{8, 250, 1},
    single{singles.size(), 258, 1};
static_assert(single.first_lane + single.count <= 5 * 64);

Family family(RegisterKind kind) {
  switch (kind) {
    case RegisterKind::low8:
    case RegisterKind::high8:
    case RegisterKind::gpr16:
    case RegisterKind::gpr32:
    case RegisterKind::gpr64:
      return gpr;
    case RegisterKind::xmm:
    case RegisterKind::ymm:
    case RegisterKind::zmm:
      return vector;
    case RegisterKind::mask:
      return mask;
    case RegisterKind::x87:
    case RegisterKind::mmx:
      return x87;
    case RegisterKind::segment:
      return segment;
    case RegisterKind::control:
      return control;
    case RegisterKind::debug:
      return debug;
    case RegisterKind::bound:
      return bound;
    case RegisterKind::tile:
      return tile;
    case RegisterKind::single:
      return single;
    case RegisterKind::none:
      break;
  }
  return {0, 0, 0};
}

std::string numbered(const char* stem, unsigned number, const char* suffix = "") {
  std::string name = stem;
  name += std::to_string(number);
  name += suffix;
  return name;
}

// "eax" from the stem "a" and the prefix "e"; "r8d" from 8 on.
std::string general_name(const char* prefix, unsigned number, const char* new_suffix) {
  if (number >= 8) return numbered("r", number, new_suffix);
  std::string name = prefix;
  name += legacy_stem[number];
  if (number < 4) name += 'x';
  return name;
}

const std::map<std::string, Register, std::less<>>& by_name() {
  static const auto names = [] {
    std::map<std::string, Register, std::less<>> all;
    for (auto kind = RegisterKind::low8; kind <= RegisterKind::single;
         kind = static_cast<RegisterKind>(static_cast<unsigned>(kind) + 1)) {
      const unsigned count = kind == RegisterKind::high8 ? 4 : family(kind).count;
      for (unsigned n = 0; n < count; ++n) {
        const Register r{kind, static_cast<std::uint8_t>(n)};
        all.emplace(to_string(r), r);
      }
    }
    all["eip"] = all["ip"] = all["rip"];
    all["eflags"] = all["flags"] = all["rflags"];
    all["st"] = all["st0"];
    return all;
  }();
  return names;
}

}  // namespace

std::string to_string(Register r) {
  const unsigned n = r.number;
  switch (r.kind) {
    case RegisterKind::none:
      return "nil";
    case RegisterKind::low8:
      return n >= 8 ? numbered("r", n, "b") : std::string(legacy_stem[n]).append("l");
    case RegisterKind::high8:
      return std::string(legacy_stem[n]) + "h";
    case RegisterKind::gpr16:
      return general_name("", n, "w");
    case RegisterKind::gpr32:
      return general_name("e", n, "d");
    case RegisterKind::gpr64:
      return general_name("r", n, "");
    case RegisterKind::xmm:
      return numbered("xmm", n);
    case RegisterKind::ymm:
      return numbered("ymm", n);
    case RegisterKind::zmm:
      return numbered("zmm", n);
    case RegisterKind::mask:
      return numbered("k", n);
    case RegisterKind::x87:
      return numbered("st", n);
    case RegisterKind::mmx:
      return numbered("mm", n);
    case RegisterKind::segment:
      return segments[n];
    case RegisterKind::control:
      return numbered("cr", n);
    case RegisterKind::debug:
      return numbered("dr", n);
    case RegisterKind::bound:
      return numbered("bnd", n);
    case RegisterKind::tile:
      return numbered("tmm", n);
    case RegisterKind::single:
      return singles[n];
  }
  return "nil";
}

std::optional<Register> register_named(std::string_view name) {
  const auto found = by_name().find(name);
  if (found == by_name().end()) return std::nullopt;
  return found->second;
}

RegisterSet::Place RegisterSet::place(Register r) {
  // Which lanes of its family's storage a register covers.
  std::uint64_t covered = 0b0001;
  switch (r.kind) {
    case RegisterKind::none:
      return {};
    case RegisterKind::high8:
      covered = 0b0010;
      break;
    case RegisterKind::gpr16:
    case RegisterKind::ymm:
      covered = 0b0011;
      break;
    case RegisterKind::gpr32:
    case RegisterKind::zmm:
      covered = 0b0111;
      break;
    case RegisterKind::gpr64:
      covered = 0b1111;
      break;
    default:
      break;
  }
  const Family f = family(r.kind);
  assert(r.number < f.count);
  const unsigned lane = f.first_lane + r.number * f.lanes_each;
  return {lane / 64, covered << (lane % 64)};
}

void RegisterSet::merge(const RegisterSet& other) {
  for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
}

void RegisterSet::insert_written(Register r, bool clears_upper_vector) {
  if (r.kind == RegisterKind::gpr32) r.kind = RegisterKind::gpr64;
  if (clears_upper_vector && (r.kind == RegisterKind::xmm || r.kind == RegisterKind::ymm))
    r.kind = RegisterKind::zmm;
  insert(r);
}

}  // namespace punster
