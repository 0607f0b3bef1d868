#include "backend/trampoline/expansion.h"

#include <algorithm>
#include <cstring>

#include "backend/trampoline/compile.h"
#include "protocol/hex.h"

namespace punster {
namespace {

using Op = Template::Op;

constexpr unsigned jump_size = 5;

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
  return text;
}

void put(std::uint8_t* out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

}  // namespace

Error TemplateExpansion::bad(const std::string& place, std::string message,
                             const char* kind) const {
  Error e = error_in(kind, std::move(message), place);
  if (site_) e.address = site_->address;
  return e;
}

Result<void> TemplateExpansion::expand(const Template& code) {
  pieces_.reserve(code.elements_.size());
  PUNSTER_TRY(append(code, 0));
  finish();
  return success();
}

// From here on every piece has its offset. What is left is the shape, and the final break.
void TemplateExpansion::finish() {
  const bool displaced = std::any_of(pieces_.begin(), pieces_.end(),
                                     [](const Piece& p) { return p.op == Op::instr; });
  if (!pieces_.empty() && pieces_.back().op == Op::jump_next) {
    const auto n = pieces_.size();
    const bool dead = n >= 2 && pieces_[n - 2].op == Op::instr &&
                      relocation_->fallthrough() == Fallthrough::never;
    if (!dead) shape_.final_break = jump_size;
    if (dead || site_->omit_final_break) {
      size_ -= pieces_.back().size;
      pieces_.pop_back();
    }
  }
  shape_.size = size_;
  const bool omitted = shape_.final_break > 0 && site_->omit_final_break;
  shape_.fits_displaced =
      displaced && (omitted || relocation_->fallthrough() == Fallthrough::never
                        ? size_ >= relocation_->size()
                        : size_ >= relocation_->size() + jump_size);
  const auto last = std::find_if(pieces_.rbegin(), pieces_.rend(),
                                 [](const Piece& p) { return p.op != Op::label; });
  shape_.ends_closed =
      last != pieces_.rend() && last == pieces_.rbegin() &&
      (last->op == Op::jump_next || last->op == Op::jump_taken ||
       (last->op == Op::instr && relocation_->fallthrough() == Fallthrough::never));
}

Result<void> TemplateExpansion::append(const Template& code, unsigned depth) {
  for (std::size_t i = 0; i < code.elements_.size(); ++i)
    PUNSTER_TRY(append(code, code.elements_[i], code.places_[i], depth));
  return success();
}

Result<void> TemplateExpansion::append(const Template& code, const Template::Element& element,
                                       const std::string& place, unsigned depth) {
  // Counted apart from bytes: macros that expand to nothing could otherwise multiply for ever.
  if (++steps_ > Template::max_body) return bad(place, "the body expands into too many elements");
  Piece piece{element.op, 0, element.size, nullptr, element.value, nullptr, &place};
  switch (element.op) {
    case Op::literal:
      piece.data = code.bytes_.data() + element.index;
      piece.size = static_cast<std::uint32_t>(element.value);
      return push(piece);
    case Op::named_int: {
      PUNSTER_TRY(piece.value, named_number(code.names_[element.index], place));
      if (!template_number_fits(piece.value, element.size))
        return bad(place, code.names_[element.index] + " does not fit into " +
                              std::to_string(element.size) + " bytes");
      piece.op = Op::number;
      return push(piece);
    }
    case Op::rel_macro: {
      const auto& name = code.names_[element.index];
      const auto* value = site_ && site_->macros ? site_->macros->metadata(name) : nullptr;
      if (value && value->is_string() && value->get_ref<const std::string&>().starts_with(".L"))
        return append_label_reference(element.size, value->get_ref<const std::string&>(), place);
      PUNSTER_TRY(piece.value, named_number(name, place));
      piece.op = Op::rel_address;
      return push(piece);
    }
    case Op::rel_label:
      return append_label_reference(element.size, code.names_[element.index], place);
    case Op::label: {
      piece.name = &code.names_[element.index];
      for (const auto& p : pieces_)
        if (p.op == Op::label && *p.name == *piece.name)
          return bad(place, "the label " + *piece.name + " is defined twice");
      return push(piece);
    }
    case Op::macro:
      return append_macro(code.names_[element.index], place, depth + 1);
    case Op::rel_address:
    case Op::number:
      return push(piece);
    case Op::instr:
    case Op::bytes:
    case Op::jump_next:
    case Op::jump_taken:
      break;
  }
  if (!site_) return bad(place, "data has no instruction that built-in macros could speak of");
  if (element.op == Op::instr) {
    PUNSTER_TRY(const auto* relocated, relocation());
    piece.size = relocated->size();
    shape_.runs_instruction = true;
    shape_.emulates_call |= relocated->emulates_call();
    shape_.retargets_call |= relocated->retargets_call();
  } else if (element.op == Op::bytes) {
    piece.op = Op::literal;
    piece.data = site_->bytes.data();
    piece.size = site_->length;
    shape_.runs_instruction = true;
  } else if (element.op == Op::jump_taken) {
    PUNSTER_TRY(const auto target, builtin_label(".Ltake", place));
    piece.value = site_->taken.value_or(target).value;
  } else {
    PUNSTER_TRY(const auto target, builtin_label(".Lbreak", place));
    piece.value = site_->next.value_or(target).value;
  }
  return push(piece);
}

Result<void> TemplateExpansion::append_macro(const std::string& name, const std::string& place,
                                             unsigned depth) {
  if (depth > Template::max_expansion)
    return bad(place, "macros are nested too deeply at " + name + " (does one contain itself?)");
  if (site_ && site_->macros) {
    if (const auto* value = site_->macros->metadata(name)) {
      auto compiled = compile_template(*value, "/metadata/" + escaped(name), true);
      if (compiled.has_error()) {
        auto e = std::move(compiled).error();
        e.address = site_->address;
        return e;
      }
      return append(metadata_.emplace_back(std::move(compiled).value()), depth);
    }
    if (const auto* trampoline = site_->macros->trampoline(name)) return append(*trampoline, depth);
  }
  return bad(place, "the macro " + name + " is neither metadata of this site nor a trampoline");
}

Result<void> TemplateExpansion::append_label_reference(unsigned size, const std::string& label,
                                                       const std::string& place) {
  Piece piece{Op::rel_label, 0, size, nullptr, 0, &label, &place};
  if (label == ".Lbreak" || label == ".Ltake" || label == ".Linstr" || label == ".Lconfig") {
    PUNSTER_TRY(const auto target, builtin_label(label, place));
    piece.op = Op::rel_address;
    piece.value = target.value;
  }
  return push(piece);
}

Result<Vaddr> TemplateExpansion::builtin_label(const std::string& label, const std::string& place) {
  if (!site_) return bad(place, label + " has no meaning in data");
  if (label == ".Linstr") return site_->address;
  if (label == ".Lconfig") return site_->config;
  if (label == ".Lbreak") return site_->address + Bytes{site_->length};
  PUNSTER_TRY(const auto* relocated, relocation());
  const auto target = relocated->direct_target();
  if (!target) return bad(place, "the instruction is no direct branch: it has no target to take");
  return *target;
}

Result<std::uint64_t> TemplateExpansion::named_number(const std::string& name,
                                                      const std::string& place) const {
  const auto* value = site_ && site_->macros ? site_->macros->metadata(name) : nullptr;
  if (!value) return bad(place, "the macro " + name + " is not metadata of this site");
  const auto number = template_number(*value);
  if (!number)
    return bad("/metadata/" + escaped(name), name + " must be a number or \"0x..\" here");
  return *number;
}

Result<const Relocation*> TemplateExpansion::relocation() {
  if (!relocation_) {
    if (site_->relocation) {
      relocation_ = site_->relocation;
    } else {
      PUNSTER_TRY(planned_, plan_instruction(*site_));
      relocation_ = &*planned_;
    }
  }
  return relocation_;
}

Result<void> TemplateExpansion::push(Piece piece) {
  piece.offset = size_;
  if (piece.size > Template::max_body - size_)
    return bad(*piece.place, "the body is larger than 65,536 bytes");
  size_ += piece.size;
  pieces_.push_back(piece);
  return success();
}

Result<void> TemplateExpansion::encode(Vaddr at, std::span<std::uint8_t> out) const {
  assert(out.size() == size_);
  for (const auto& piece : pieces_) {
    auto* const to = out.data() + piece.offset;
    const Vaddr end = at + Bytes{piece.offset + piece.size};
    Vaddr target{piece.value};
    switch (piece.op) {
      case Op::literal:
        std::memcpy(to, piece.data, piece.size);
        continue;
      case Op::number:
        put(to, piece.value, piece.size);
        continue;
      case Op::label:
        continue;
      case Op::instr:
        PUNSTER_TRY(
            relocation_->encode(at + Bytes{piece.offset}, out.subspan(piece.offset, piece.size),
                                relocation_->direct_target() ? site_->taken : std::nullopt));
        continue;
      case Op::jump_next:
      case Op::jump_taken:
        *to = 0xe9;
        break;
      case Op::rel_label: {
        const auto defined = std::find_if(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
          return p.op == Op::label && *p.name == *piece.name;
        });
        if (defined == pieces_.end())
          return bad(*piece.place, "the label " + *piece.name + " is not defined");
        target = at + Bytes{defined->offset};
        break;
      }
      default:
        break;
    }
    const auto distance = displacement(end, target);
    const unsigned bytes = piece.size == 1 ? 1 : 4;
    if (!distance || (bytes == 1 && (*distance < -128 || *distance > 127)))
      return bad(*piece.place,
                 "a displacement of " + std::to_string(8 * bytes) + " bits from " + to_hex(end) +
                     " does not reach " + to_hex(target),
                 "out_of_range");
    put(to + piece.size - bytes, static_cast<std::uint32_t>(*distance), bytes);
  }
  return success();
}

}  // namespace punster
