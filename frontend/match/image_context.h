// The binary as match expressions see it, for a real file.

#pragma once

#include <memory>
#include <mutex>

#include "frontend/image/code_map.h"
#include "frontend/image/image.h"
#include "frontend/match/extents.h"
#include "frontend/match/match.h"

namespace punster {

/// Borrows both; they must outlive it.
class ImageContext final : public MatchContext {
 public:
  ImageContext(const Image& image, const CodeMap& code) : image_(image), code_(code) {}

  [[nodiscard]] std::span<const std::uint8_t> bytes(const Insn& insn) const override;
  [[nodiscard]] std::optional<FileOffset> offset(Vaddr address) const override;
  [[nodiscard]] std::string_view section(Vaddr address) const override;
  [[nodiscard]] std::string_view symbol(Vaddr address) const override;
  [[nodiscard]] std::optional<Insn> neighbour(const Insn& insn, int steps) const override;
  [[nodiscard]] std::optional<SourceLine> line(Vaddr address) const override;
  /// Finds all of them when first asked.
  [[nodiscard]] const Extent* extent(ExtentKind kind, Vaddr address) const override;

  /// For MatchOptions. Borrows the image.
  [[nodiscard]] NameResolver names() const { return names(image_); }
  /// The same before the image is analysed.
  [[nodiscard]] static NameResolver names(const Image& image);

 private:
  const Image& image_;
  const CodeMap& code_;
  mutable std::once_flag extents_once_;
  mutable std::unique_ptr<const Extents> extents_;
};

}  // namespace punster
