// A binary of a few instructions, written down as bytes, for expressions to be asked about.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "frontend/match/match.h"
#include "protocol/hex.h"

namespace punster {

/// Instructions one behind the other from 0x1000, each given as hexadecimal bytes; file offsets are
/// addresses less 0xc00; everything lies in .text, and from `function` on in `function_name`.
class Listing final : public MatchContext {
 public:
  explicit Listing(const std::vector<std::string>& instructions) {
    Vaddr at{0x1000};
    for (const auto& hex : instructions) {
      const std::string bytes = *parse_hex_bytes(hex);
      insns.emplace_back(at, static_cast<unsigned>(bytes.size()));
      text_ += bytes;
      at = at + Bytes{bytes.size()};
    }
  }

  [[nodiscard]] std::span<const std::uint8_t> bytes(const Insn& insn) const override {
    ++bytes_asked;
    return {reinterpret_cast<const std::uint8_t*>(text_.data()) + (insn.address().value - 0x1000),
            insn.length()};
  }
  [[nodiscard]] std::optional<FileOffset> offset(Vaddr address) const override {
    return FileOffset{address.value - 0xc00};
  }
  [[nodiscard]] std::string_view section(Vaddr) const override { return section_name; }
  [[nodiscard]] std::string_view symbol(Vaddr) const override { return symbol_name; }
  [[nodiscard]] std::optional<Insn> neighbour(const Insn& insn, int steps) const override {
    for (std::size_t i = 0; i < insns.size(); ++i) {
      const auto wanted = static_cast<std::ptrdiff_t>(i) + steps;
      if (insns[i] == insn && wanted >= 0 && wanted < static_cast<std::ptrdiff_t>(insns.size()))
        return insns[static_cast<std::size_t>(wanted)];
    }
    return std::nullopt;
  }

  [[nodiscard]] const Extent* extent(ExtentKind kind, Vaddr address) const override {
    for (const Extent& e : kind == ExtentKind::block ? blocks : functions)
      if (e.lo <= address && address < e.hi) return &e;
    return nullptr;
  }

  [[nodiscard]] std::optional<SourceLine> line(Vaddr address) const override {
    const auto found = lines.find(address.value);
    return found != lines.end() ? std::optional(found->second) : std::nullopt;
  }

  std::vector<Insn> insns;
  std::map<std::uint64_t, SourceLine> lines;
  std::vector<Extent> blocks, functions;
  std::string_view section_name = ".text", symbol_name = "main";
  mutable unsigned bytes_asked = 0;

 private:
  std::string text_;
};

/// Whether `expression` matches the one instruction `hex`, which stands at 0x1000.
inline bool matches(const std::string& hex, std::string_view expression,
                    const MatchOptions& options = {}) {
  const Listing listing({hex});
  return Match::parse(expression, options).value().matches(listing.insns[0], listing);
}

/// The message of the error that parsing gives, or "" when there is none.
inline std::string complaint(std::string_view expression, const MatchOptions& options = {}) {
  const auto match = Match::parse(expression, options);
  return match ? "" : match.error().message;
}

/// "column 5: cannot compare ..." without the copy of the expression.
inline std::string short_complaint(std::string_view expression, const MatchOptions& options = {}) {
  const auto match = Match::parse(expression, options);
  if (match) return "";
  const std::string& message = match.error().message;
  return match.error().where + ": " + message.substr(0, message.find('\n'));
}

}  // namespace punster
