#include "oracle.h"

#include <algorithm>
#include <sstream>

namespace punster {
namespace {

/// #UD in 64-bit mode, and nothing is fetched behind it.
bool one_byte_trap(std::uint8_t byte) {
  static const std::set<int> traps = {0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f,
                                      0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0xce};
  return traps.count(byte) != 0;
}

bool harmless_prefix(std::uint8_t byte) {
  return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 ||
         byte == 0x65 || (byte >= 0x40 && byte <= 0x4f);
}
bool rex(std::uint8_t byte) {
  return byte >= 0x40 && byte <= 0x4f;
}

class Oracle {
 public:
  Oracle(const Scene& scene, const Solution& solution) : scene_(scene), solution_(solution) {}

  std::string fault() {
    const bool fine =
        sizes() && neutral_bytes() && stubs() && evictions() && sites() && untouched();
    return fine ? "" : why_.str();
  }

 private:
  template <typename... T>
  bool wrong(const T&... parts) {
    (why_ << std::hex << ... << parts);
    return false;
  }

  bool sizes() {
    if (solution_.decisions.size() != scene_.sites.size()) return wrong("number of decisions");
    if (solution_.code.size() != scene_.regions.size()) return wrong("number of regions");
    for (std::size_t r = 0; r < scene_.regions.size(); ++r)
      if (solution_.code[r].size() != scene_.regions[r].bytes.size())
        return wrong("size of region ", r);
    return true;
  }

  /// Bytes that are neither instruction nor padding keep their value.
  bool neutral_bytes() {
    std::set<std::int64_t> ours;
    for (const auto& insn : scene_.insns)
      for (unsigned j = 0; j < insn.length(); ++j) ours.insert(start(insn) + j);
    for (const auto& range : scene_.paddings)
      for (auto a = range.lo; a < range.hi; a = a + Bytes{1})
        ours.insert(static_cast<std::int64_t>(a.value));
    for (std::size_t r = 0; r < scene_.regions.size(); ++r)
      for (std::size_t j = 0; j < scene_.regions[r].bytes.size(); ++j) {
        const auto a = scene_.regions[r].address + static_cast<std::int64_t>(j);
        if (!ours.count(a) && solution_.code[r][j] != scene_.regions[r].bytes[j])
          return wrong("data changed at ", a);
      }
    return true;
  }

  bool stubs() {
    std::int64_t end = INT64_MIN;
    for (const auto& stub : solution_.stubs) {
      if (stub.at < end) return wrong("stubs overlap or are not sorted at ", stub.at);
      end = stub.at + 5;
      bool inside = false;
      for (const auto& range : scene_.room) inside |= range.lo <= stub.at && end <= range.hi;
      if (!inside) return wrong("stub out of the free space at ", stub.at);
      const std::int64_t rel = stub.to - end;
      if (rel != static_cast<std::int32_t>(rel)) return wrong("stub out of reach at ", stub.at);
      stubs_[stub.at] = stub.to;
    }
    return true;
  }

  bool evictions() {
    for (const auto& eviction : solution_.evictions) {
      if (!moved_.emplace(eviction.insn, eviction.body).second)
        return wrong("evicted twice: ", eviction.insn);
      if (eviction.for_site >= scene_.sites.size()) return wrong("evicted for nobody");
      if (scene_.unmovable.count(eviction.insn)) return wrong("unmovable, evicted");
      std::int64_t target = 0;
      unsigned borrowed = 0;
      Tactic tactic{};
      if (!follow(eviction.insn, eviction.body, target, borrowed, tactic)) return false;
    }
    return true;
  }

  bool sites() {
    for (std::size_t k = 0; k < scene_.sites.size(); ++k) {
      const auto& site = scene_.sites[k];
      const auto& decision = solution_.decisions[k];
      if (moved_.count(site.insn)) return wrong("site ", k, " is evicted as well");
      if (decision.tactic == Tactic::none) continue;
      moved_[site.insn] = site.body();
      if (!scene_.options.allows(decision.tactic))
        return wrong("site ", k, ": ", to_string(decision.tactic), " is turned off");
      if (site.replace()) {
        const auto now = scene_.bytes_of(solution_, site.insn);
        if (decision.tactic != Tactic::I0 || std::string(now.begin(), now.end()) != *site.replace())
          return wrong("site ", k, " is not replaced");
        continue;
      }
      if (decision.tactic == Tactic::B0) {
        if (!scene_.options.traps || !trapped(site.insn)) return wrong("site ", k, ": no trap");
        continue;
      }
      std::int64_t target = 0;
      unsigned borrowed = 0;
      Tactic tactic{};
      if (!follow(site.insn, site.body(), target, borrowed, tactic)) return false;
      if (decision.target() != target) return wrong("site ", k, ": target");
      if (decision.borrowed != borrowed) return wrong("site ", k, ": borrowed");
      if (decision.tactic != tactic)
        return wrong("site ", k, ": ", to_string(decision.tactic), ", but it is ",
                     to_string(tactic));
    }
    return true;
  }

  bool untouched() {
    for (std::uint32_t i = 0; i < scene_.insns.size(); ++i) {
      if (moved_.count(i)) continue;
      for (unsigned j = 0; j < scene_.insns[i].length(); ++j)
        if (now(start(scene_.insns[i]) + j) != before(start(scene_.insns[i]) + j))
          return wrong("untouched instruction ", i, " changed");
    }
    return true;
  }

  bool trapped(std::uint32_t insn) const {
    const auto bytes = scene_.bytes_of(solution_, insn);
    return bytes.size() == 1 ? one_byte_trap(bytes[0]) : bytes[0] == 0x0f && bytes[1] == 0x0b;
  }

  /// Runs from the first byte of instruction `insn` until a body is reached, which must be `body`.
  bool follow(std::uint32_t insn, std::int64_t body, std::int64_t& target, unsigned& borrowed,
              Tactic& tactic) {
    const std::int64_t s = start(scene_.insns[insn]);
    const unsigned length = scene_.insns[insn].length();
    const auto site = std::find_if(scene_.sites.begin(), scene_.sites.end(),
                                   [&](const SolverSite& each) { return each.insn == insn; });
    const bool call = site != scene_.sites.end() && site->retarget_call;
    std::int64_t p = s, used_until = 0;
    if (call) {
      p = s + length - 5;
      used_until = s + length;
      tactic = Tactic::C1;
      for (auto a = s; a < p; ++a)
        if (!harmless_prefix(now(a)) || (rex(now(a)) && a + 1 != p))
          return wrong("no prefix at ", a);
    } else if (known(p, 2) && now(p) == 0xeb) {
      used_until = p + 2;
      p = p + 2 + static_cast<std::int8_t>(now(p + 1));
      tactic = Tactic::T3;
    } else {
      while (known(p, 2) && harmless_prefix(now(p))) {
        if (rex(now(p)) && now(p + 1) != 0xe9) return wrong("REX away from its opcode at ", p);
        ++p;
      }
      used_until = p + 5;
      tactic = p > s ? Tactic::T1 : length >= 5 ? Tactic::B1 : Tactic::B2;
      if (p >= s + length) return wrong("the jump of ", s, " begins behind it");
    }
    if (!known(p, 5) || now(p) != (call ? 0xe8 : 0xe9)) return wrong("no jump at ", p, " for ", s);
    std::uint32_t rel = 0;
    for (int j = 0; j < 4; ++j) rel |= std::uint32_t{now(p + 1 + j)} << (8 * j);
    target = p + 5 + static_cast<std::int32_t>(rel);
    const auto stub = stubs_.find(target);
    if (target != body && (stub == stubs_.end() || stub->second != body))
      return wrong("the jump of ", s, " leads to ", target, ", not to its body ", body);
    borrowed = used_until > s + length ? static_cast<unsigned>(used_until - s - length) : 0;
    if (tactic != Tactic::T3 && !call)
      for (const auto& eviction : solution_.evictions) {
        const auto at = start(scene_.insns[eviction.insn]);
        if (at > s && at < used_until && now(at) != 0xeb) tactic = Tactic::T2;
      }
    return true;
  }

  static std::int64_t start(const Insn& insn) {
    return static_cast<std::int64_t>(insn.address().value);
  }
  /// Whether [a, a + count) lies in one region.
  [[nodiscard]] bool known(std::int64_t a, std::int64_t count) const {
    for (const auto& region : scene_.regions)
      if (region.address <= a &&
          a + count <= region.address + static_cast<std::int64_t>(region.bytes.size()))
        return true;
    return false;
  }
  [[nodiscard]] std::uint8_t now(std::int64_t a) const { return scene_.byte_at(solution_, a); }
  [[nodiscard]] std::uint8_t before(std::int64_t a) const {
    for (const auto& region : scene_.regions)
      if (a >= region.address &&
          a < region.address + static_cast<std::int64_t>(region.bytes.size()))
        return region.bytes[static_cast<std::size_t>(a - region.address)];
    return 0;
  }

  const Scene& scene_;
  const Solution& solution_;
  std::map<std::int64_t, std::int64_t> stubs_;
  std::map<std::uint32_t, std::int64_t> moved_;  // instruction to body
  std::ostringstream why_;
};

}  // namespace

std::string fault_in(const Scene& scene, const Solution& solution) {
  return Oracle(scene, solution).fault();
}

}  // namespace punster
