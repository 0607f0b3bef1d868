#include "backend/session/bodies.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "backend/session/parallel.h"
#include "backend/session/signed_address.h"

namespace punster {
namespace {

constexpr std::uint8_t nop = 0x90;

bool by_patch(const RefusedSite& a, const RefusedSite& b) {
  return a.patch < b.patch;
}

/// Whether somebody comes to the site's body from the site itself.
bool has_jump(const Decision& decision) {
  return decision.tactic != Tactic::none && decision.tactic != Tactic::I0;
}

}  // namespace

bool Bodies::fixed_address() const {
  return input_.kind() == FileKind::exec || input_.kind() == FileKind::static_exec;
}

std::span<const std::uint8_t> Bodies::bytes_of(const Insn& insn) const {
  return input_.bytes_at(insn.address(), Bytes{insn.length()});
}

std::span<std::uint8_t> Bodies::room_of(const SiteBody& site) {
  return {block_.data() + (site.address - site_room_.lo), site.size};
}

const std::string* Bodies::replacement_of(const SiteBody& site) const {
  const auto found = site.size == 0 ? replacements_.find(site.patch) : replacements_.end();
  return found == replacements_.end() ? nullptr : &found->second;
}

TemplateSite Bodies::template_site(const Insn& insn) const {
  TemplateSite site;
  site.address = insn.address();
  site.bytes = bytes_of(insn);
  site.length = insn.length();
  site.fixed_address = fixed_address();
  site.syscall_gate = options_.syscall_gate;
  return site;
}

// Measuring.

Result<Bodies::Measured> Bodies::measure_one(const PatchRequest& patch, const Insn& insn) const {
  Measured measured;
  const auto bytes = bytes_of(insn);
  if (bytes.size() < insn.length() || !input_.executable(insn.address())) {
    measured.refusal = "no executable bytes of the file stand at this address";
    return measured;
  }
  static constexpr std::uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
  measured.endbr = std::equal(bytes.begin(), bytes.end(), std::begin(endbr64), std::end(endbr64));
  if (const auto& replace = requests_.batch_of(patch).replace) {
    if (replace->size() > insn.length())
      measured.refusal = std::to_string(replace->size()) +
                         " bytes do not fit into an instruction of " +
                         std::to_string(insn.length());
    return measured;
  }
  const PatchMacros macros(requests_, patch);
  TemplateSite site = template_site(insn);
  site.macros = &macros;
  site.retarget_call = options_.retarget_calls && requests_.may_retarget_calls(patch) &&
                       !requests_.batch_of(patch).trap;
  // A template without $instr may stand for what cannot be relocated.
  const auto relocation = plan_instruction(site);
  if (relocation) site.relocation = &relocation.value();
  auto shape = requests_.template_of(patch)->measure(site);
  if (shape) {
    measured.shape = shape.value();
    const bool alone = relocation && requests_.template_of(patch)->is_displaced_only();
    measured.quiet = alone && relocation.value().is_quiet();
    measured.branches = alone && relocation.value().direct_target().has_value();
    if (relocation && shape.value().runs_instruction && !shape.value().retargets_call)
      if (const auto target = relocation.value().direct_target())
        measured.target = requests_.find(*target);
    return measured;
  }
  if (shape.error().kind != "cannot_relocate") return std::move(shape).as_failure();
  measured.refusal = shape.error().message;
  return measured;
}

Result<void> Bodies::measure() {
  sites_.resize(requests_.patches().size());
  std::optional<std::pair<std::size_t, Error>> first_error;
  std::mutex guard;
  for_chunks(sites_.size(), options_.jobs, [&](std::size_t first, std::size_t last) {
    auto failure = measure_range(first, last, guard);
    if (!failure) return;
    const std::lock_guard lock(guard);
    if (!first_error || failure->first < first_error->first) first_error = std::move(failure);
  });
  if (first_error) return first_error->second;
  for (const auto& site : sites_)
    if (const auto& replace = requests_.batch_of(requests_.patches()[site.patch]).replace) {
      std::string& bytes = replacements_[site.patch] = *replace;
      bytes.resize(requests_.instructions()[site.insn].length(), static_cast<char>(nop));
    }
  std::sort(refused_.begin(), refused_.end(), by_patch);
  drop_refused();
  index_bodies();
  build_bridges();
  return success();
}

// Patches and instructions are both ascending: one search for the first, then side by side.
std::optional<std::pair<std::size_t, Error>> Bodies::measure_range(std::size_t first,
                                                                   std::size_t last,
                                                                   std::mutex& guard) {
  const auto& patches = requests_.patches();
  const auto& instructions = requests_.instructions();
  std::uint32_t insn = first < last ? *requests_.find(patches[first].address) : 0;
  bool endbr = false;
  std::vector<std::uint32_t> targets;
  for (std::size_t k = first; k < last; ++k) {
    while (instructions[insn].address() < patches[k].address) ++insn;
    auto one = measure_one(patches[k], instructions[insn]);
    if (!one) return std::pair(k, one.error());
    auto& measured = one.value();
    const auto patch = static_cast<std::uint32_t>(k);
    sites_[k] = {.insn = insn,
                 .patch = patch,
                 .size = measured.shape.size,
                 .ends_in_break = measured.shape.final_break > 0,
                 .enterable = options_.chaining && measured.shape.fits_displaced &&
                              !measured.shape.retargets_call,
                 .emulates_call = measured.shape.emulates_call,
                 .retargets_call = measured.shape.retargets_call,
                 .quiet = measured.quiet,
                 .branches = measured.branches};
    if (!measured.refusal.empty()) {
      const std::lock_guard lock(guard);
      refused_.push_back({patch, std::move(measured.refusal)});
      continue;
    }
    endbr |= measured.endbr;
    if (measured.target && options_.chaining) targets.push_back(*measured.target);
  }
  const std::lock_guard lock(guard);
  patches_endbr_ |= endbr;
  branch_targets_.insert(branch_targets_.end(), targets.begin(), targets.end());
  return std::nullopt;
}

void Bodies::drop_refused() {
  auto refused = refused_.begin();
  std::erase_if(sites_, [&](const SiteBody& site) {
    while (refused != refused_.end() && refused->patch < site.patch) ++refused;
    return refused != refused_.end() && refused->patch == site.patch;
  });
}

// Bridges.

/// The instructions right behind one that its jump covers, should it get three prefixes.
std::uint32_t Bodies::covered_behind(std::uint32_t insn) const {
  const auto& all = requests_.instructions();
  const Vaddr end = all[insn].address() + Bytes{8};
  std::uint32_t count = 0;
  for (auto i = insn + 1; i < all.size() && all[i].address() == all[i - 1].end() &&
                          all[i].address() < end && body_at(i) == nullptr;
       ++i)
    ++count;
  return count;
}

std::vector<BridgeEntry> Bodies::bridge_entries() const {
  std::vector<BridgeEntry> entries;
  const auto add = [&](std::uint32_t i, std::uint32_t covered) {
    if (i < requests_.instructions().size() && body_at(i) == nullptr)
      entries.push_back({i, covered});
  };
  for (const auto target : branch_targets_) add(target, 0);
  for (const auto& site : sites_)
    if (site.ends_in_break) add(site.insn + 1, covered_behind(site.insn));
  return entries;
}

std::optional<SiteBody> Bodies::measure_bridge(std::uint32_t insn) const {
  const Insn& instruction = requests_.instructions()[insn];
  if (bytes_of(instruction).size() < instruction.length()) return std::nullopt;
  TemplateSite site = template_site(instruction);
  const auto relocation = plan_instruction(site);
  if (!relocation || relocation.value().is_endbr() || relocation.value().emulates_call() ||
      relocation.value().shows_address())
    return std::nullopt;
  site.relocation = &relocation.value();
  const auto shape = displaced_only().measure(site);
  if (!shape) return std::nullopt;
  return SiteBody{.insn = insn,
                  .patch = no_patch,
                  .size = shape.value().size,
                  .ends_in_break = shape.value().final_break > 0,
                  .enterable = true,
                  .quiet = relocation.value().is_quiet()};
}

void Bodies::build_bridges() {
  const auto has_body = [this](std::uint32_t i) { return body_at(i) != nullptr; };
  const auto enterable = [this](std::uint32_t i) { return body_at(i)->enterable; };
  std::unordered_map<std::uint32_t, SiteBody> measured;
  const auto flow = [&](std::uint32_t i) {
    const auto copy = measure_bridge(i);
    if (copy) measured.emplace(i, *copy);
    return !copy ? CopyFlow::unfit : copy->ends_in_break ? CopyFlow::goes_on : CopyFlow::leaves;
  };
  const auto chosen = choose_bridges({requests_.instructions(), has_body, enterable, flow},
                                     bridge_entries(), options_.bridge);
  bridges_.reserve(chosen.size());
  for (const auto insn : chosen) bridges_.push_back(measured.at(insn));
}

void Bodies::index_bodies() {
  body_at_.assign(requests_.instructions().size(), 0);
  std::uint32_t number = 0;
  for (const auto& site : sites_) body_at_[site.insn] = ++number;
  for (const auto& bridge : bridges_) body_at_[bridge.insn] = ++number;
}

const SiteBody* Bodies::body_at(std::uint32_t insn) const {
  const std::uint32_t number = body_at_[insn];
  if (number == 0) return nullptr;
  return number <= sites_.size() ? &sites_[number - 1] : &bridges_[number - 1 - sites_.size()];
}

template <typename F>
void Bodies::for_bodies(F&& f) {
  auto bridge = bridges_.begin();
  for (auto& site : sites_) {
    for (; bridge != bridges_.end() && bridge->insn < site.insn; ++bridge) f(*bridge);
    f(site);
  }
  for (; bridge != bridges_.end(); ++bridge) f(*bridge);
}

// Laying out and writing.

void Bodies::lay_out(std::int64_t base) {
  index_bodies();
  chain();
  assign_addresses(base);
  const auto others = static_cast<std::int64_t>(requests_.instructions().size() - sites_.size());
  const std::int64_t from = ((site_room_.hi + 4095) & ~std::int64_t{4095}) + evicted_distance;
  evicted_room_ = {from, from + std::min((others * 16 + 4095) & ~std::int64_t{4095}, evicted_most)};
  evicted_next_ = from;
  evicted_.clear();
}

void Bodies::refuse(std::vector<RefusedSite> refused) {
  // A copy that cannot be written is given up, and all of them with it: data is out of its reach
  // in files of nearly 2 GiB only.
  if (std::erase_if(refused, [](const RefusedSite& r) { return r.patch == no_patch; }) > 0)
    bridges_.clear();
  std::move(refused.begin(), refused.end(), std::back_inserter(refused_));
  std::sort(refused_.begin(), refused_.end(), by_patch);
  drop_refused();
}

void Bodies::chain() {
  for_bodies([this](SiteBody& body) {
    if (body.chained) body.size += jump_back_size;
    body.chained = body.ends_in_break && follower(body) != nullptr;
    if (body.chained) body.size -= jump_back_size;
  });
}

const SiteBody* Bodies::follower(const SiteBody& body) const {
  const auto& instructions = requests_.instructions();
  const std::uint32_t next = body.insn + 1;
  if (next >= instructions.size() || instructions[next].address() != instructions[body.insn].end())
    return nullptr;
  const SiteBody* found = body_at(next);
  return found != nullptr && found->enterable ? found : nullptr;
}

void Bodies::assign_addresses(std::int64_t base) {
  std::int64_t next = base;
  for_bodies([&next](SiteBody& body) {
    body.address = next;
    next += body.size;
  });
  site_room_ = {base, next};
}

std::uint32_t Bodies::done_after(const SiteBody& site) const {
  if (site.retargets_call) return 0;  // the call at the site has pushed it
  if (!site.emulates_call)
    return site.size - (site.ends_in_break && !site.chained ? jump_back_size : 0);
  const auto relocation = plan_instruction(template_site(requests_.instructions()[site.insn]));
  if (!relocation) return site.size;
  const auto behind_push = relocation.value().size() - relocation.value().pushed_after();
  return site.size - std::min(behind_push, site.size);
}

// Evicted instructions, and what becomes pages.

SiteBody Bodies::evicted(const Eviction& eviction) const {
  const auto relocation = plan_instruction(template_site(requests_.instructions()[eviction.insn]));
  assert(relocation && "the solver asked body_of()");
  const bool returns = relocation.value().fallthrough() == Fallthrough::always;
  return {.insn = eviction.insn,
          .patch = no_patch,
          .address = eviction.body,
          .size = relocation.value().size() + (returns ? jump_back_size : 0),
          .ends_in_break = returns,
          .emulates_call = relocation.value().emulates_call()};
}

std::optional<std::int64_t> Bodies::body_of(std::uint32_t insn) {
  if (const SiteBody* bridge = body_at(insn)) return bridge->address;
  const auto [it, fresh] = evicted_.try_emplace(insn);
  if (!fresh) return it->second;
  const Insn& instruction = requests_.instructions()[insn];
  const auto bytes = bytes_of(instruction);
  if (bytes.size() < instruction.length()) return std::nullopt;
  const auto relocation = plan_instruction(template_site(instruction));
  // An endbr64 stays where indirect branches look for it: nobody asked to patch this instruction.
  if (!relocation || relocation.value().is_endbr()) return std::nullopt;
  const unsigned size =
      relocation.value().size() +
      (relocation.value().fallthrough() == Fallthrough::always ? jump_back_size : 0);
  if (evicted_next_ + size > evicted_room_.hi) return std::nullopt;
  std::array<std::uint8_t, Relocation::max_size> unused;
  if (!relocation.value().encode(vaddr(evicted_next_),
                                 std::span(unused).first(relocation.value().size())))
    return std::nullopt;  // data out of reach
  it->second = evicted_next_;
  evicted_next_ += size;
  return it->second;
}

Result<void> Bodies::put(const Solution& solution, PageStore& store) {
  emulates_call_ = false;
  for (std::size_t k = 0; k < sites_.size(); ++k) {
    const bool jumps = has_jump(solution.decisions[k]);
    assert(!jumps || sites_[k].retargets_call == (solution.decisions[k].tactic == Tactic::C1));
    if (!jumps && sites_[k].enterable && sites_[k].size > 0) {
      PUNSTER_TRY(encode_displaced_only(sites_[k], room_of(sites_[k])));
    }
    emulates_call_ |= sites_[k].emulates_call && (jumps || sites_[k].enterable);
  }
  put_bodies(solution, store);
  for (const auto& eviction : solution.evictions) {
    if (body_at(eviction.insn) != nullptr) continue;  // its body is a bridge
    PUNSTER_TRY(put_evicted(eviction, store));
  }
  return success();
}

void Bodies::put_bodies(const Solution& solution, PageStore& store) {
  // Neighbours are put in one piece.
  std::int64_t lo = 0, hi = 0;
  const auto put = [&] {
    if (lo < hi)
      store.put(lo, std::span(block_).subspan(static_cast<std::size_t>(lo - site_room_.lo),
                                              static_cast<std::size_t>(hi - lo)));
  };
  std::size_t site = 0;
  for_bodies([&](const SiteBody& body) {
    const bool jumps = body.patch != no_patch && has_jump(solution.decisions[site++]);
    if (!jumps && !body.enterable) return;
    if (body.address != hi) {
      put();
      lo = body.address;
    }
    hi = body.address + body.size;
  });
  put();
}

Result<void> Bodies::put_evicted(const Eviction& eviction, PageStore& store) {
  TemplateSite site = template_site(requests_.instructions()[eviction.insn]);
  PUNSTER_TRY(const auto relocation, plan_instruction(site));
  site.relocation = &relocation;
  site.next = entry(site.address + Bytes{site.length});
  site.taken = entry_taken(relocation);
  emulates_call_ |= relocation.emulates_call();
  PUNSTER_TRY(const auto shape, displaced_only().measure(site));
  std::vector<std::uint8_t> body(shape.size);
  PUNSTER_TRY(displaced_only().encode(site, vaddr(eviction.body), body));
  store.put(eviction.body, body);
  return success();
}

}  // namespace punster
