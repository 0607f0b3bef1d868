#include "frontend/match/image_context.h"

#include <algorithm>

#include "frontend/image/imported_function.h"

namespace punster {

std::span<const std::uint8_t> ImageContext::bytes(const Insn& insn) const {
  return image_.bytes_at(insn.address(), Bytes{insn.length()});
}

std::optional<FileOffset> ImageContext::offset(Vaddr address) const {
  return image_.to_offset(address);
}

std::string_view ImageContext::section(Vaddr address) const {
  const Section* section = image_.section_at(address);
  return section ? std::string_view(section->name) : std::string_view();
}

std::string_view ImageContext::symbol(Vaddr address) const {
  const Symbol* symbol = image_.symbol_at(address);
  return symbol ? std::string_view(symbol->name) : std::string_view();
}

std::optional<Insn> ImageContext::neighbour(const Insn& insn, int steps) const {
  const Insn* here = code_.find(insn.address());
  if (!here) return std::nullopt;
  const auto index = here - code_.instructions.data() + steps;
  if (index < 0 || index >= static_cast<std::ptrdiff_t>(code_.instructions.size()))
    return std::nullopt;
  return code_.instructions[static_cast<std::size_t>(index)];
}

const Extent* ImageContext::extent(ExtentKind kind, Vaddr address) const {
  std::call_once(extents_once_, [this] { extents_ = std::make_unique<Extents>(image_, code_); });
  return extents_->find(kind, address);
}

std::optional<SourceLine> ImageContext::line(Vaddr address) const {
  const auto lines = image_.lines();
  return lines.has_value() ? lines.value()->at(address) : std::nullopt;
}

NameResolver ImageContext::names(const Image& image) {
  return [&image](std::string_view name) -> std::optional<Vaddr> {
    // Of several symbols of one name, a function wins, then the lowest address.
    const Symbol* found = nullptr;
    for (const Symbol& symbol : image.symbols())
      if (symbol.name == name && symbol.address.value != 0 &&
          (!found || (symbol.function && !found->function)))
        found = &symbol;
    if (found) return found->address;
    const bool end = name.ends_with(".end");
    std::string_view section_name = name;
    if (end) section_name.remove_suffix(4);
    if (name.ends_with(".start")) section_name.remove_suffix(6);
    for (const Section& section : image.sections())
      if (section.name == section_name) return end ? section.range.hi : section.range.lo;
    return imported_function(image, name);
  };
}

}  // namespace punster
