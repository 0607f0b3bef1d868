// The bytes of the bodies, once each has its address.

#include <algorithm>
#include <mutex>

#include "backend/session/bodies.h"
#include "backend/session/parallel.h"
#include "backend/session/signed_address.h"

namespace punster {
namespace {

constexpr std::uint8_t nop = 0x90;

}  // namespace

std::vector<RefusedSite> Bodies::write(unsigned threads) {
  block_.assign(static_cast<std::size_t>(site_room_.hi - site_room_.lo), 0xcc);
  std::vector<RefusedSite> refused;
  std::mutex guard;
  for_chunks(sites_.size() + bridges_.size(), threads, [&](std::size_t first, std::size_t last) {
    for (std::size_t k = first; k < last; ++k) {
      const SiteBody& body = k < sites_.size() ? sites_[k] : bridges_[k - sites_.size()];
      if (body.size == 0) continue;
      const auto written = encode(body, room_of(body));
      if (written) continue;
      const std::lock_guard lock(guard);
      refused.push_back({body.patch, written.error().message});
    }
  });
  return refused;
}

const Template& Bodies::displaced_only() {
  static const Template code = Template::compile(nlohmann::json{"$instr", "$break"}, "").value();
  return code;
}

Result<void> Bodies::encode(const SiteBody& body, std::span<std::uint8_t> out) const {
  TemplateSite site = template_site(requests_.instructions()[body.insn]);
  site.retarget_call = body.retargets_call;
  // A template without $instr may stand for what cannot be relocated.
  const auto relocation = plan_instruction(site);
  link(site, body, relocation ? &relocation.value() : nullptr);
  if (body.patch == no_patch) return displaced_only().encode(site, vaddr(body.address), out);
  const PatchRequest& patch = requests_.patches()[body.patch];
  const PatchMacros macros(requests_, patch);
  const Template& code = *requests_.template_of(patch);
  site.macros = &macros;
  // Should the site remain without a jump, this must be possible, too.
  if (body.enterable && !code.is_displaced_only()) {
    if (body.retargets_call || !relocation) {
      PUNSTER_TRY(encode_displaced_only(body, out));  // as a call that pushes by itself
    } else {
      PUNSTER_TRY(encode_displaced_only(body, site, out));
    }
  }
  return code.encode(site, vaddr(body.address), out);
}

Result<void> Bodies::encode_displaced_only(const SiteBody& body,
                                           std::span<std::uint8_t> out) const {
  TemplateSite site = template_site(requests_.instructions()[body.insn]);
  PUNSTER_TRY(const auto relocation, plan_instruction(site));
  link(site, body, &relocation);
  return encode_displaced_only(body, site, out);
}

Result<void> Bodies::encode_displaced_only(const SiteBody& body, const TemplateSite& site,
                                           std::span<std::uint8_t> out) const {
  const Relocation& relocation = *site.relocation;
  std::fill(out.begin(), out.end(), nop);
  const auto displaced = out.first(relocation.size());
  PUNSTER_TRY(relocation.encode(vaddr(body.address), displaced, site.taken));
  if (body.chained || relocation.fallthrough() == Fallthrough::never) return success();
  static const Template way_back = Template::compile(nlohmann::json{"$break"}, "").value();
  return way_back.encode(site, vaddr(body.address + body.size - jump_back_size),
                         out.last(jump_back_size));
}

void Bodies::link(TemplateSite& site, const SiteBody& body, const Relocation* relocation) const {
  site.relocation = relocation;
  site.omit_final_break = body.chained;
  if (const SiteBody* next = follower(body)) site.next = vaddr(next->address);
  if (relocation) site.taken = entry_taken(*relocation);
}

// Copies.

/// The site's body and those that it falls into, up to one that leaves; empty when control comes to
/// another site's body, or to one that is not quiet.
std::vector<SiteBody> Bodies::quiet_run(const SiteBody& site) const {
  std::vector<SiteBody> run{site};
  while (run.back().chained) {
    const SiteBody& next = *follower(run.back());
    if (next.patch != no_patch || !next.quiet) return {};
    run.push_back(next);
  }
  return run;
}

namespace {

std::size_t size_of(const std::vector<SiteBody>& run) {
  std::size_t size = 0;
  for (const auto& body : run) size += body.size;
  return size;
}

}  // namespace

std::vector<SiteBody> Bodies::copy_of(const SiteBody& site, std::size_t most) const {
  if (!site.quiet || site.size == 0) return {};
  auto run = quiet_run(site);
  if (!run.empty() && size_of(run) <= most) return run;
  if (!site.branches) return {};
  run.assign(1, site);
  if (site.chained) run[0].size += jump_back_size;
  run[0].chained = false;
  if (run[0].size > most) return {};
  return run;
}

bool Bodies::append_copy(const SiteBody& site, std::int64_t at, std::size_t most,
                         std::vector<std::uint8_t>& out) const {
  auto run = copy_of(site, most);
  if (run.empty()) return false;
  const std::size_t before = out.size();
  out.resize(before + size_of(run));
  auto room = std::span(out).subspan(before);
  for (auto& body : run) {
    body.address = at;
    if (!encode(body, room.first(body.size))) {
      out.resize(before);
      return false;
    }
    at += body.size;
    room = room.subspan(body.size);
  }
  return true;
}

std::optional<Vaddr> Bodies::entry_taken(const Relocation& relocation) const {
  const auto target = relocation.direct_target();
  return target ? entry(*target) : std::nullopt;
}

std::optional<Vaddr> Bodies::entry(Vaddr address) const {
  const auto insn = requests_.find(address);
  const SiteBody* body = insn ? body_at(*insn) : nullptr;
  return body != nullptr && body->enterable ? std::optional(vaddr(body->address)) : std::nullopt;
}

}  // namespace punster
