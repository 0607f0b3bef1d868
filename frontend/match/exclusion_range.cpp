#include "frontend/match/exclusion_range.h"

#include <algorithm>
#include <charconv>

#include "frontend/match/fault.h"
#include "protocol/hex.h"

namespace punster {
namespace {

/// Both meanings of what stands for an address: a section is a range of its own.
struct Place {
  Vaddr lower, upper;
};

class Reader {
 public:
  Reader(const std::string& text, const NameResolver& names) : text_(text), names_(names) {}

  Result<AddressRange> range() {
    PUNSTER_TRY(const Place first, place());
    if (at_ == text_.size())
      return checked(first.lower, std::max(first.upper, first.lower + Bytes{1}));
    if (text_.compare(at_, 2, "..") != 0) return fault("expected `..` or the end");
    at_ += 2;
    PUNSTER_TRY(const Place second, place());
    if (at_ != text_.size()) return fault("expected the end");
    return checked(first.lower, second.upper);
  }

 private:
  Error fault(const std::string& complaint) const {
    return fault_at("bad_expression", text_, at_, complaint);
  }

  Result<AddressRange> checked(Vaddr lo, Vaddr hi) const {
    if (lo < hi) return AddressRange{lo, hi};
    return fault_at("bad_expression", text_, 0,
                    "the range ends at " + to_hex(hi) + ", before it begins at " + to_hex(lo));
  }

  void skip_blanks() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  // ADDR := VALUE [+ INTEGER]
  Result<Place> place() {
    skip_blanks();
    PUNSTER_TRY(Place place, value());
    skip_blanks();
    if (at_ < text_.size() && text_[at_] == '+') {
      ++at_;
      skip_blanks();
      PUNSTER_TRY(const std::uint64_t offset, number(word()));
      place.lower = place.upper = place.lower + Bytes{offset};
      skip_blanks();
    }
    return place;
  }

  // The next word, without moving on. Two dots end it, one does not.
  [[nodiscard]] std::string word() const {
    std::size_t end = at_;
    while (end < text_.size() && text_[end] != ' ' && text_[end] != '+' &&
           text_.compare(end, 2, "..") != 0)
      ++end;
    return text_.substr(at_, end - at_);
  }

  Result<std::uint64_t> number(const std::string& digits) {
    const auto hex = digits.starts_with("0x") ? parse_hex(digits) : std::nullopt;
    std::uint64_t value = hex.value_or(0);
    if (!hex) {
      const char* last = digits.data() + digits.size();
      const auto [end, failed] = std::from_chars(digits.data(), last, value);
      if (failed != std::errc{} || end != last || digits.empty())
        return fault("expected a number, not `" + digits + "`");
    }
    at_ += digits.size();
    return value;
  }

  Result<Place> value() {
    const std::string name = word();
    if (name.empty()) return fault("expected an address, a symbol or a section");
    if (name[0] >= '0' && name[0] <= '9') {
      PUNSTER_TRY(const std::uint64_t address, number(name));
      return Place{Vaddr{address}, Vaddr{address}};
    }
    const auto address = names_(name);
    if (!address) return fault("no symbol or section `" + name + "` in this file");
    at_ += name.size();
    const bool section = name[0] == '.' && !name.ends_with(".start") && !name.ends_with(".end");
    return Place{*address, section ? names_(name + ".end").value_or(*address) : *address};
  }

  const std::string& text_;
  const NameResolver& names_;
  std::size_t at_ = 0;
};

}  // namespace

Result<AddressRange> parse_exclusion(const std::string& text, const NameResolver& names) {
  return Reader(text, names).range();
}

}  // namespace punster
