#include "backend/session/requests.h"

#include <algorithm>

#include "protocol/hex.h"
#include "protocol/sha256.h"

namespace punster {

Result<void> Requests::define(const TrampolineRequest& request) {
  PUNSTER_TRY(auto compiled, Template::compile(request.code, "/params/template"));
  templates_.insert_or_assign(request.name, std::move(compiled));
  template_texts_.insert_or_assign(request.name, request.code.dump());
  retargeting_.erase(request.name);
  if (request.retarget_calls) retargeting_.insert(request.name);
  settled_ = false;
  return success();
}

Result<void> Requests::add(const InstructionsRequest& request) {
  Vaddr address = request.address;
  instructions_.reserve(std::max(
      instructions_.capacity() *
          (instructions_.size() + request.lengths.size() > instructions_.capacity() ? 2u : 1u),
      instructions_.size() + request.lengths.size()));
  for (const auto length : request.lengths) {
    if (address.value >> 59 != 0)
      return error_at("bad_request", "address beyond the user half of the address space", address);
    instructions_.emplace_back(address, length);
    address = address + Bytes{length};
  }
  settled_ = false;
  return success();
}

Result<void> Requests::add(const PaddingRequest& request) {
  padding_.insert(padding_.end(), request.ranges.begin(), request.ranges.end());
  settled_ = false;
  return success();
}

Result<void> Requests::add(const PatchesRequest& request) {
  const auto batch = static_cast<std::uint32_t>(batches_.size());
  std::uint64_t address = request.address.value;
  for (std::uint32_t row = 0; row < request.deltas.size(); ++row) {
    address += static_cast<std::uint64_t>(request.deltas[row]);
    patches_.push_back({Vaddr{address}, batch, row});
  }
  batches_.push_back(request);
  batches_.back().deltas = decltype(request.deltas)();
  settled_ = false;
  return success();
}

Result<void> Requests::settle() {
  if (settled_) return success();
  PUNSTER_TRY(settle_instructions());
  PUNSTER_TRY(settle_padding());
  PUNSTER_TRY(settle_patches());
  instructions_.shrink_to_fit();
  patches_.shrink_to_fit();
  settled_ = true;
  return success();
}

Result<void> Requests::settle_instructions() {
  if (!std::is_sorted(instructions_.begin(), instructions_.end()))
    std::sort(instructions_.begin(), instructions_.end());
  instructions_.erase(std::unique(instructions_.begin(), instructions_.end()), instructions_.end());
  for (std::size_t i = 1; i < instructions_.size(); ++i)
    if (instructions_[i].address() < instructions_[i - 1].end())
      return error_at("overlap",
                      "the instruction at " + to_hex(instructions_[i].address()) +
                          " begins inside the one at " + to_hex(instructions_[i - 1].address()),
                      instructions_[i].address());
  return success();
}

Result<void> Requests::settle_padding() {
  std::sort(padding_.begin(), padding_.end());
  padding_.erase(std::unique(padding_.begin(), padding_.end()), padding_.end());
  for (std::size_t i = 1; i < padding_.size(); ++i)
    if (padding_[i].lo < padding_[i - 1].hi)
      return error_at("overlap", "padding ranges overlap at " + to_hex(padding_[i].lo),
                      padding_[i].lo);
  std::size_t k = 0;
  for (const auto& range : padding_) {
    while (k < instructions_.size() && instructions_[k].end() <= range.lo) ++k;
    if (k < instructions_.size() && instructions_[k].address() < range.hi)
      return error_at("overlap",
                      "padding at " + to_hex(range.lo) + " overlaps the instruction at " +
                          to_hex(instructions_[k].address()),
                      range.lo);
  }
  return success();
}

Result<void> Requests::settle_patches() {
  batch_templates_.clear();
  batch_retargets_.clear();
  for (const auto& batch : batches_) {
    const Template* found = batch.replace ? nullptr : trampoline(batch.trampoline);
    if (!found && !batch.replace)
      return error("unknown_trampoline", "no trampoline is named \"" + batch.trampoline +
                                             "\"; define it with `trampoline` before `emit`");
    batch_templates_.push_back(found);
    batch_retargets_.push_back(retargeting_.contains(batch.trampoline));
  }
  auto by_address = [](const PatchRequest& a, const PatchRequest& b) {
    return a.address < b.address;
  };
  if (!std::is_sorted(patches_.begin(), patches_.end(), by_address))
    std::stable_sort(patches_.begin(), patches_.end(), by_address);
  std::size_t insn = 0;
  for (std::size_t i = 0; i < patches_.size(); ++i) {
    const Vaddr at = patches_[i].address;
    if (i > 0 && patches_[i - 1].address == at)
      return error_at("duplicate_site", "two patches for the instruction at " + to_hex(at), at);
    while (insn < instructions_.size() && instructions_[insn].address() < at) ++insn;
    if (insn == instructions_.size() || instructions_[insn].address() != at)
      return error_at("unknown_instruction",
                      "no instruction was announced at " + to_hex(at) + "; send it first", at);
  }
  return success();
}

std::optional<std::uint32_t> Requests::find(Vaddr address) const {
  const auto it = std::lower_bound(instructions_.begin(), instructions_.end(), address,
                                   [](const Insn& insn, Vaddr a) { return insn.address() < a; });
  if (it == instructions_.end() || it->address() != address) return std::nullopt;
  return static_cast<std::uint32_t>(it - instructions_.begin());
}

const Template* Requests::template_of(const PatchRequest& patch) const {
  return batch_templates_[patch.batch];
}

const Template* Requests::trampoline(std::string_view name) const {
  const auto it = templates_.find(name);
  return it == templates_.end() ? nullptr : &it->second;
}

std::string Requests::digest() const {
  constexpr std::size_t digest_chunk = 1 << 16;
  std::string text;
  auto number = [&](std::uint64_t value) {
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const std::span<const Insn> insns(instructions_);
  text = sha256_hex({reinterpret_cast<const std::uint8_t*>(insns.data()), insns.size_bytes()});
  for (const auto& range : padding_) number(range.lo.value), number(range.hi.value);
  for (const auto& patch : patches_) {
    if (text.size() > digest_chunk)  // a digest stands for what it was made of
      text = sha256_hex(text);
    number(patch.address.value);
    text += batches_[patch.batch].trampoline + batches_[patch.batch].replace.value_or("");
    if (batches_[patch.batch].trap) text += "trap";
    for (const auto& [name, column] : batches_[patch.batch].columns)
      text += name + column[patch.row].dump();
  }
  for (const auto& [name, code] : template_texts_) text += name + code;
  for (const auto& name : retargeting_) text += name;
  return sha256_hex(text);
}

const Json* PatchMacros::metadata(std::string_view name) const {
  const auto& columns = requests_.batch_of(patch_).columns;
  const auto it = columns.find(std::string(name));
  return it == columns.end() ? nullptr : &it->second[patch_.row];
}

}  // namespace punster
