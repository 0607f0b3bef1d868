// One template at one site: macros looked up, sizes known, offsets assigned.

#pragma once

#include <deque>

#include "backend/trampoline/template.h"

namespace punster {

/// A template flattened for a site. Refers to the template, the site and what its scope answered.
class TemplateExpansion {
 public:
  /// `site` null: data without a site, where the built-in macros and labels are errors.
  explicit TemplateExpansion(const TemplateSite* site) : site_(site) {}

  Result<void> expand(const Template& code);
  [[nodiscard]] BodyShape shape() const { return shape_; }
  Result<void> encode(Vaddr at, std::span<std::uint8_t> out) const;

 private:
  struct Piece {
    Template::Op op{};
    std::uint32_t offset = 0, size = 0;
    const std::uint8_t* data = nullptr;  // literal
    std::uint64_t value = 0;             // number, rel_address
    const std::string* name = nullptr;   // rel_label, label
    const std::string* place = nullptr;
  };
  Result<void> append(const Template& code, unsigned depth);
  Result<void> append(const Template& code, const Template::Element& element,
                      const std::string& place, unsigned depth);
  Result<void> append_macro(const std::string& name, const std::string& place, unsigned depth);
  Result<void> append_label_reference(unsigned size, const std::string& label,
                                      const std::string& place);
  Result<void> push(Piece piece);
  Result<std::uint64_t> named_number(const std::string& name, const std::string& place) const;
  Result<const Relocation*> relocation();
  Result<Vaddr> builtin_label(const std::string& label, const std::string& place);
  void finish();
  [[nodiscard]] Error bad(const std::string& place, std::string message,
                          const char* kind = "bad_template") const;

  const TemplateSite* site_;
  std::vector<Piece> pieces_;
  std::deque<Template> metadata_;  // compiled metadata, alive as long as pieces refer to it
  std::optional<Relocation> planned_;
  const Relocation* relocation_ = nullptr;
  unsigned size_ = 0;
  unsigned steps_ = 0;
  BodyShape shape_;
};

}  // namespace punster
