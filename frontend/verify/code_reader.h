// Reading instructions out of memory after start, many in a row and mostly from the same piece.

#pragma once

#include <array>

#include "frontend/verify/machine_code.h"
#include "frontend/verify/patched_image.h"

namespace punster {

/// Not thread-safe: every thread has its own.
class CodeReader {
 public:
  explicit CodeReader(const PatchedImage& image) : image_(&image), file_(image.file()) {}

  /// Up to 15 bytes of executable memory from `at` on; empty when it is not mapped or not
  /// executable. Valid until the next call.
  [[nodiscard]] Code at(Vaddr address) {
    if (piece_ == nullptr || !piece_->contains(address)) {
      piece_ = image_->piece_at(address);
      if (piece_ == nullptr) return {};
    }
    if (!piece_->executable) return {};
    const auto skip = address.value - piece_->address.value;
    if (piece_->size.value - skip >= longest_instruction)
      return file_.subspan(piece_->offset.value + skip, longest_instruction);
    return across_the_end(address, skip);
  }

  /// Whether `address` lies in a trampoline mapping.
  [[nodiscard]] bool in_trampoline(Vaddr address) {
    const MemoryPiece* piece =
        piece_ != nullptr && piece_->contains(address) ? piece_ : image_->piece_at(address);
    return piece != nullptr && piece->kind == MemoryKind::trampolines;
  }

  static constexpr unsigned longest_instruction = 15;

 private:
  Code across_the_end(Vaddr address, std::uint64_t skip) {
    // The last bytes of a piece: what follows counts only when it is executable too.
    const auto here = piece_->size.value - skip;
    const MemoryPiece* next = image_->piece_at(address + Bytes{here});
    const bool runs_on = next != nullptr && next->executable;
    const auto have =
        image_->read(address, std::span(buffer_).first(runs_on ? longest_instruction : here));
    return Code(buffer_).first(have);
  }

  const PatchedImage* image_;
  std::span<const std::uint8_t> file_;
  const MemoryPiece* piece_ = nullptr;
  std::array<std::uint8_t, longest_instruction> buffer_{};
};

}  // namespace punster
