// Writes a planned relocation at its final address. Everything hard was decided by plan(); what is
// left is copying and one displacement.

#include <algorithm>
#include <cassert>

#include "backend/relocate/relocation.h"
#include "protocol/hex.h"

namespace punster {
namespace {

// A displaced call pushes the address that the original would have pushed. `....` are holes.
//
// Position-dependent code below 2 GiB knows it:
constexpr std::array<std::uint8_t, 5> push_immediate = {
    0x68, 0, 0, 0, 0,  // push $return_address
};
constexpr unsigned push_immediate_hole = 1;

// Otherwise it has to be computed, in a register, without flags and without a byte below the slot:
constexpr std::array<std::uint8_t, 12> push_relative = {
    0x50,                             // push %rax
    0x48, 0x8d, 0x05, 0,    0, 0, 0,  // lea  return_address(%rip), %rax
    0x48, 0x87, 0x04, 0x24,           // xchg %rax, (%rsp)
};
constexpr unsigned push_relative_hole = 4;
constexpr unsigned push_relative_first = 1;  // push %rax
static_assert(push_relative.size() + 15 <= Relocation::max_size,
              "15 is all that may follow a push");

void put32(std::span<std::uint8_t> out, std::size_t at, std::uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) out[at + i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

unsigned Relocation::length() const {
  return length_;
}

unsigned Relocation::size() const {
  switch (push_) {
    case Push::none:
      return code_size_;
    case Push::immediate:
      return push_immediate.size() + code_size_;
    case Push::relative:
      return push_relative.size() + code_size_;
  }
  return 0;
}

Fallthrough Relocation::fallthrough() const {
  return never_ ? Fallthrough::never : Fallthrough::always;
}

bool Relocation::emulates_call() const {
  return push_ != Push::none;
}
bool Relocation::retargets_call() const {
  return retargeted_;
}

unsigned Relocation::pushed_after() const {
  switch (push_) {
    case Push::none:
      return 0;
    case Push::immediate:
      return push_immediate.size();
    case Push::relative:
      return push_relative_first;
  }
  return 0;
}
bool Relocation::is_endbr() const {
  return endbr_;
}
bool Relocation::is_quiet() const {
  return quiet_;
}
bool Relocation::shows_address() const {
  return shows_address_;
}

std::optional<Vaddr> Relocation::direct_target() const {
  if (!direct_) return std::nullopt;
  return displaced(address_ + Bytes{length_}, distance_);
}

Result<void> Relocation::encode(Vaddr at, std::span<std::uint8_t> out,
                                std::optional<Vaddr> taken) const {
  assert(out.size() >= size());
  assert(!taken || direct_);
  const auto return_address = address_ + Bytes{length_};
  const auto out_of_range = [&](Vaddr to) {
    return error_at("out_of_range",
                    "the instruction displaced to " + to_hex(at) + " is over 2 GiB away from " +
                        to_hex(to) + ", which it refers to",
                    address_);
  };

  std::size_t written = 0;
  switch (push_) {
    case Push::none:
      break;
    case Push::immediate:
      std::copy(push_immediate.begin(), push_immediate.end(), out.begin());
      put32(out, push_immediate_hole, static_cast<std::uint32_t>(return_address.value));
      written = push_immediate.size();
      break;
    case Push::relative: {
      std::copy(push_relative.begin(), push_relative.end(), out.begin());
      const auto by = displacement(at + Bytes{push_relative_hole + 4}, return_address);
      if (!by) return out_of_range(return_address);
      put32(out, push_relative_hole, static_cast<std::uint32_t>(*by));
      written = push_relative.size();
      break;
    }
  }

  std::copy_n(code_.begin(), code_size_, out.begin() + static_cast<std::ptrdiff_t>(written));
  if (hole_ != 0) {
    const auto to = taken.value_or(displaced(return_address, distance_));
    const auto by = displacement(at + Bytes{written + code_size_}, to);
    if (!by) return out_of_range(to);
    put32(out, written + hole_, static_cast<std::uint32_t>(*by));
  }
  return success();
}

}  // namespace punster
