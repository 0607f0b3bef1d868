// Who claims each byte of the code sections, while the code map is being made.

#pragma once

#include <vector>

#include "frontend/decode/decoder.h"
#include "frontend/image/image.h"

namespace punster {

/// Why an instruction is held to be one, best first.
enum class Evidence : std::uint8_t {
  stated,         // said from outside: --code, --addresses
  descent,        // direct flow from entry point, symbols, unwind entries, landing pads
  jump_table,     // an entry of a recognised jump table
  unwind,         // inside a function's unwind range, decodes up to the next known instruction
  relocation,     // a pointer that the dynamic linker relocates leads here
  address_taken,  // proven code computes this address
  call_return,    // stands after a call of code without unwind entries
  gap,            // nothing refers to it, but it reads as code and leads into code
};
[[nodiscard]] const char* to_string(Evidence evidence);

/// One code section with a byte of state per byte. Positions are offsets from `range.lo`.
class Region {
 public:
  Region(AddressRange range, std::span<const std::uint8_t> bytes)
      : range_(range), bytes_(bytes), state_(bytes.size()), notes_(bytes.size()) {}

  [[nodiscard]] AddressRange range() const { return range_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::span<const std::uint8_t> bytes_from(std::size_t at) const {
    return bytes_.subspan(at);
  }
  [[nodiscard]] Vaddr address(std::size_t at) const { return range_.lo + Bytes{at}; }
  [[nodiscard]] std::size_t position(Vaddr a) const { return (a - range_.lo).value; }
  [[nodiscard]] FlowInfo decode(std::size_t at) const {
    return decode_flow(bytes_.subspan(at), address(at));
  }

  [[nodiscard]] bool is_start(std::size_t at) const { return (state_[at] & length_mask) != 0; }
  [[nodiscard]] bool is_inside(std::size_t at) const { return (state_[at] & inside) != 0; }
  /// Neither start nor inside of an instruction.
  [[nodiscard]] bool is_free(std::size_t at) const {
    return (state_[at] & (length_mask | inside)) == 0;
  }
  [[nodiscard]] unsigned length(std::size_t at) const { return state_[at] & length_mask; }
  [[nodiscard]] Evidence evidence(std::size_t at) const {
    return static_cast<Evidence>(notes_[at] & evidence_mask);
  }
  /// The start of the instruction that `at` is inside of.
  [[nodiscard]] std::size_t start_around(std::size_t at) const {
    while (is_inside(at))
      --at;
    return at;
  }
  /// The start of the claimed instruction that ends at `at`; nothing when there is none.
  [[nodiscard]] std::optional<std::size_t> before(std::size_t at) const {
    if (at == 0 || is_free(at - 1))
      return std::nullopt;
    return start_around(at - 1);
  }
  [[nodiscard]] bool is_int3(std::size_t at) const { return bytes_[at] == 0xcc; }
  /// Whether `at` stands right behind a claimed int3 of the same function. A debugger, or the
  /// program's own handler of SIGTRAP, goes on there. Few do, so that what follows a run of int3 is
  /// judged on its own; but it is not padding, and the run itself is reached.
  [[nodiscard]] bool follows_int3(std::size_t at) const {
    return at > 0 && is_int3(at - 1) && length(at - 1) == 1 && !is_boundary(at);
  }
  [[nodiscard]] bool goes_on_with_int3(std::size_t at) const {
    return is_int3(at) && follows_int3(at);
  }
  /// Whether [at, at + length) is free of claims and, except for `at` itself, of trial claims.
  [[nodiscard]] bool has_room(std::size_t at, unsigned length) const;
  /// Precondition: has_room.
  void claim(std::size_t at, unsigned length, Evidence evidence);

  // A function may not run past a boundary by returning from a call.
  [[nodiscard]] bool is_boundary(std::size_t at) const { return state_[at] & boundary; }
  void set_boundary(std::size_t at) { state_[at] |= boundary; }
  // Overlapping decodes of equal evidence: the bytes become doubt.
  [[nodiscard]] bool is_disputed(std::size_t at) const { return state_[at] & disputed; }
  void dispute(std::size_t at, std::size_t length);
  // Read by proven code, or named as an object.
  [[nodiscard]] bool is_data(std::size_t at) const { return state_[at] & data; }
  void set_data(std::size_t at) { state_[at] |= data; }
  // Inside an unwind range.
  [[nodiscard]] bool is_covered(std::size_t at) const { return notes_[at] & covered; }
  void set_covered(std::size_t at) { notes_[at] |= covered; }
  // Scratch marks of a trial in progress.
  [[nodiscard]] bool is_trial_start(std::size_t at) const { return notes_[at] & trial_start; }
  [[nodiscard]] bool is_trial_inside(std::size_t at) const { return notes_[at] & trial_inside; }
  void set_trial(std::size_t at, unsigned length);
  // A trial showed that no instruction starts here.
  [[nodiscard]] bool is_refuted(std::size_t at) const { return notes_[at] & refuted; }
  void refute(std::size_t at) { notes_[at] |= refuted; }
  void clear_trial(std::size_t at, unsigned length);
  // Said to be data from outside: no path may enter.
  [[nodiscard]] bool is_sealed(std::size_t at) const { return notes_[at] & sealed; }
  void seal(std::size_t at) {
    notes_[at] |= sealed;
    set_data(at);
  }

 private:
  enum : std::uint8_t { length_mask = 0x0f, boundary = 0x10, inside = 0x20, disputed = 0x40,
                      data = 0x80 };
  enum : std::uint8_t {
    evidence_mask = 0x07,
    sealed = 0x08,
    covered = 0x10,
    trial_start = 0x20,
    trial_inside = 0x40,
    refuted = 0x80
  };
  AddressRange range_;
  std::span<const std::uint8_t> bytes_;
  std::vector<std::uint8_t> state_, notes_;
};

/// A position in a region.
struct Spot {
  Region* region = nullptr;
  std::size_t at = 0;
  explicit operator bool() const { return region != nullptr; }
};

/// All regions. Invariant: claimed instructions never overlap.
class Claims {
 public:
  explicit Claims(const Image& image);
  [[nodiscard]] std::vector<Region>& regions() { return regions_; }
  [[nodiscard]] const std::vector<Region>& regions() const { return regions_; }
  /// Where `address` stands; an empty Spot outside all code sections.
  [[nodiscard]] Spot find(Vaddr address);

 private:
  std::vector<Region> regions_;
  std::size_t last_ = 0;
};

}  // namespace punster
