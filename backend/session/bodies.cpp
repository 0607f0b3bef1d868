#include "backend/session/bodies.h"

#include <algorithm>
#include <mutex>

#include "backend/session/parallel.h"

namespace punster {
namespace {

constexpr std::uint8_t nop = 0x90;
constexpr unsigned jump_back_size = 5;

}  // namespace

bool Bodies::fixed_address() const {
  return input_.kind() == FileKind::exec || input_.kind() == FileKind::static_exec;
}

std::span<const std::uint8_t> Bodies::bytes_of(const Insn& insn) const {
  return input_.bytes_at(insn.address(), Bytes{insn.length()});
}

TemplateSite Bodies::site_for(const PatchRequest& patch, const Insn& insn,
                              const PatchMacros& macros) const {
  TemplateSite site;
  site.address = patch.address;
  site.bytes = bytes_of(insn);
  site.length = insn.length();
  site.fixed_address = fixed_address();
  site.macros = &macros;
  return site;
}

Result<Bodies::Measured> Bodies::measure_one(const PatchRequest& patch, const Insn& insn) const {
  Measured measured;
  if (bytes_of(insn).size() < insn.length() || !input_.executable(insn.address())) {
    measured.refusal = "no executable bytes of the file stand at this address";
    return measured;
  }
  static constexpr std::uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  const auto bytes = bytes_of(insn);
  measured.endbr = std::equal(bytes.begin(), bytes.end(), std::begin(endbr64), std::end(endbr64));
  if (const auto& replace = requests_.batch_of(patch).replace) {
    if (replace->size() > insn.length())
      measured.refusal = std::to_string(replace->size()) +
                         " bytes do not fit into an instruction of " +
                         std::to_string(insn.length());
    return measured;
  }
  const PatchMacros macros(requests_, patch);
  auto shape = requests_.template_of(patch)->measure(site_for(patch, insn, macros));
  if (!shape) {
    if (shape.error().kind != "cannot_relocate") return std::move(shape).as_failure();
    measured.refusal = shape.error().message;
    return measured;
  }
  measured.size = shape.value().size;
  measured.emulates_call = shape.value().emulates_call;
  return measured;
}

Result<void> Bodies::measure() {
  const auto& patches = requests_.patches();
  std::vector<Measured> measured(patches.size());
  std::vector<std::uint32_t> insns(patches.size());
  std::optional<std::pair<std::size_t, Error>> first_error;
  std::mutex guard;
  for_chunks(patches.size(), jobs_, [&](std::size_t first, std::size_t last) {
    for (std::size_t k = first; k < last; ++k) {
      insns[k] = *requests_.find(patches[k].address);
      auto one = measure_one(patches[k], requests_.instructions()[insns[k]]);
      if (one) {
        measured[k] = std::move(one).value();
        continue;
      }
      const std::lock_guard lock(guard);
      if (!first_error || k < first_error->first) first_error.emplace(k, one.error());
      return;
    }
  });
  if (first_error) return first_error->second;
  sites_.reserve(patches.size());
  for (std::uint32_t k = 0; k < patches.size(); ++k) {
    if (!measured[k].refusal.empty()) {
      refused_.push_back({k, std::move(measured[k].refusal)});
      continue;
    }
    SiteBody site{insns[k], k, 0, measured[k].size, {}};
    if (const auto& replace = requests_.batch_of(patches[k]).replace) {
      site.replacement = *replace;
      site.replacement.resize(requests_.instructions()[insns[k]].length(), static_cast<char>(nop));
    }
    emulates_call_ |= measured[k].emulates_call;
    patches_endbr_ |= measured[k].endbr;
    sites_.push_back(std::move(site));
  }
  return success();
}

void Bodies::lay_out(std::int64_t base) {
  std::int64_t next = base;
  for (auto& site : sites_) {
    site.address = next;
    next += site.size;
  }
  site_room_ = {base, next};
  const auto others = static_cast<std::int64_t>(requests_.instructions().size() - sites_.size());
  const std::int64_t from = ((next + 4095) & ~std::int64_t{4095}) + evicted_distance;
  evicted_room_ = {from, from + std::min((others * 16 + 4095) & ~std::int64_t{4095}, evicted_most)};
  evicted_next_ = from;
}

void Bodies::encode_sites() {
  block_.assign(static_cast<std::size_t>(site_room_.hi - site_room_.lo), 0xcc);
  std::vector<std::string> refusals(sites_.size());
  for_chunks(sites_.size(), jobs_, [&](std::size_t first, std::size_t last) {
    for (std::size_t k = first; k < last; ++k) {
      const SiteBody& site = sites_[k];
      if (site.size == 0) continue;
      const PatchRequest& patch = requests_.patches()[site.patch];
      const PatchMacros macros(requests_, patch);
      const auto written = requests_.template_of(patch)->encode(
          site_for(patch, requests_.instructions()[site.insn], macros),
          Vaddr{static_cast<std::uint64_t>(site.address)},
          {block_.data() + (site.address - site_room_.lo), site.size});
      if (!written) refusals[k] = written.error().message;
    }
  });
  std::vector<SiteBody> kept;
  kept.reserve(sites_.size());
  for (std::size_t k = 0; k < sites_.size(); ++k) {
    if (refusals[k].empty())
      kept.push_back(std::move(sites_[k]));
    else
      refused_.push_back({sites_[k].patch, std::move(refusals[k])});
  }
  sites_ = std::move(kept);
  std::sort(refused_.begin(), refused_.end(),
            [](const RefusedSite& a, const RefusedSite& b) { return a.patch < b.patch; });
}

std::optional<std::int64_t> Bodies::body_of(std::uint32_t insn) {
  const auto [it, fresh] = evicted_.try_emplace(insn);
  if (!fresh) return it->second;
  const Insn& instruction = requests_.instructions()[insn];
  const auto bytes = bytes_of(instruction);
  if (bytes.size() < instruction.length()) return std::nullopt;
  const auto relocation = Relocation::plan(bytes, instruction.address(), fixed_address());
  // An endbr64 stays where indirect branches look for it: nobody asked to patch this instruction.
  if (!relocation || relocation.value().is_endbr()) return std::nullopt;
  emulates_call_ |= relocation.value().emulates_call();
  const unsigned size =
      relocation.value().size() +
      (relocation.value().fallthrough() == Fallthrough::always ? jump_back_size : 0);
  if (evicted_next_ + size > evicted_room_.hi) return std::nullopt;
  std::array<std::uint8_t, Relocation::max_size> unused;
  if (!relocation.value().encode(Vaddr{static_cast<std::uint64_t>(evicted_next_)},
                                 std::span(unused).first(relocation.value().size())))
    return std::nullopt;  // data out of reach
  it->second = evicted_next_;
  evicted_next_ += size;
  return it->second;
}

Result<void> Bodies::put(const std::vector<bool>& wanted, const std::vector<Eviction>& evictions,
                         PageStore& store) const {
  for (std::size_t k = 0; k < sites_.size();) {
    // Neighbours are put in one piece.
    std::size_t last = k;
    while (last < sites_.size() && wanted[last] &&
           (last == k || sites_[last].address == sites_[last - 1].address + sites_[last - 1].size))
      ++last;
    if (last == k) {
      ++k;
      continue;
    }
    const std::int64_t lo = sites_[k].address,
                       hi = sites_[last - 1].address + sites_[last - 1].size;
    if (lo < hi)
      store.put(lo, std::span(block_).subspan(static_cast<std::size_t>(lo - site_room_.lo),
                                              static_cast<std::size_t>(hi - lo)));
    k = last;
  }
  static const Template displaced_only =
      Template::compile(nlohmann::json{"$instr", "$break"}, "").value();
  for (const auto& eviction : evictions) {
    const Insn& insn = requests_.instructions()[eviction.insn];
    TemplateSite site;
    site.address = insn.address();
    site.bytes = bytes_of(insn);
    site.length = insn.length();
    site.fixed_address = fixed_address();
    PUNSTER_TRY(const auto shape, displaced_only.measure(site));
    std::vector<std::uint8_t> body(shape.size);
    PUNSTER_TRY(
        displaced_only.encode(site, Vaddr{static_cast<std::uint64_t>(eviction.body)}, body));
    store.put(eviction.body, body);
  }
  return success();
}

}  // namespace punster
