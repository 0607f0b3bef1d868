#include <algorithm>

#include "backend/raise/carriers.h"

namespace punster {
namespace {

// Debian's libraries have pointers at most a few hundred bytes outside.
constexpr std::uint64_t near = 16ull << 20;

}  // namespace

Error cannot_raise(const ElfView& input, const std::string& why) {
  return error("cannot_raise", input.path().string() + ": cannot be raised: " + why);
}

WordList::WordList(const ElfView& input) : input_(input) {
  for (const auto& p : input.segments())
    if (p.p_type == PT_LOAD) {
      lo_ = std::min<std::uint64_t>(lo_, p.p_vaddr);
      hi_ = std::max<std::uint64_t>(hi_, p.p_vaddr + p.p_memsz);
    }
}

bool WordList::near_image(std::uint64_t address) const {
  return address + near - lo_ <= hi_ - lo_ + 2 * near;  // wraps below 0, as it should
}

bool WordList::in_memory(std::uint64_t address, std::uint64_t size) const {
  const auto segments = input_.segments();
  return std::any_of(segments.begin(), segments.end(), [&](const Elf64_Phdr& p) {
    return p.p_type == PT_LOAD && address >= p.p_vaddr && size <= p.p_memsz &&
           address - p.p_vaddr <= p.p_memsz - size;
  });
}

bool WordList::has(FileOffset word) const {
  return std::find(words_.begin(), words_.end(), word) != words_.end();
}

Result<std::vector<FileOffset>> WordList::sorted() && {
  std::sort(words_.begin(), words_.end());
  constexpr std::uint64_t size = sizeof(std::uint64_t);
  for (std::size_t i = 0; i < words_.size(); ++i) {
    if (words_[i].value > input_.file().size() || input_.file().size() - words_[i].value < size)
      return cannot_raise(input_,
                          "the address at file offset " + to_hex(words_[i]) + " is cut off");
    if (i > 0 && words_[i].value - words_[i - 1].value < size)
      return cannot_raise(input_, "two tables hold an address at file offset " + to_hex(words_[i]));
  }
  return std::move(words_);
}

}  // namespace punster
