// Bodies laid out from a few instructions at 0x400100; all bodies stand from 0x500000 on.

#pragma once

#include "backend/session/bodies.h"
#include "protocol/hex.h"
#include "small_elf.h"

namespace punster {

inline constexpr std::uint64_t code = 0x400100;

using Instructions = std::vector<std::vector<std::uint8_t>>;

inline const std::vector<std::uint8_t> xor_edi = {0x31, 0xff}, ret = {0xc3},
                                       system_call = {0x0f, 0x05};

class Laid {
 public:
  explicit Laid(const Instructions& instructions) : elf_(0x4000) {
    elf_.segment(0, 0x4000, PF_R | PF_X);
    std::vector<std::uint8_t> bytes, lengths;
    for (const auto& one : instructions) {
      bytes.insert(bytes.end(), one.begin(), one.end());
      lengths.push_back(static_cast<std::uint8_t>(one.size()));
    }
    elf_.bytes(0x100, bytes);
    define("$t", R"(["$instr", "$break"])");
    REQUIRE(requests_.add(InstructionsRequest{Vaddr{code}, lengths}));
  }
  /// Sites at code + offset, with a template of their own or the plain one.
  Laid& sites(const std::vector<std::int64_t>& offsets, const char* body = nullptr) {
    const std::string name = body ? "$" + std::to_string(++templates_) : "$t";
    if (body) define(name, body);
    for (const auto offset : offsets)
      REQUIRE(requests_.add(
          PatchesRequest{Vaddr{code + static_cast<std::uint64_t>(offset)}, {0}, name, {}, {}}));
    return *this;
  }
  Laid& replace(std::int64_t offset, const std::string& bytes) {
    REQUIRE(requests_.add(
        PatchesRequest{Vaddr{code + static_cast<std::uint64_t>(offset)}, {0}, "", {}, bytes}));
    return *this;
  }
  Laid& lay_out(bool chaining = true, std::int64_t base = 0x500000) {
    REQUIRE(requests_.settle());
    view_.emplace(ElfView::open(elf_.written()).value());
    bodies_.emplace(*view_, requests_, BodyOptions{2, chaining, retarget_, bridge_});
    REQUIRE(bodies_->measure());
    bodies_->lay_out(base);
    for (auto refused = bodies_->write(2); !refused.empty(); refused = bodies_->write(2)) {
      bodies_->refuse(std::move(refused));
      bodies_->lay_out(base);
    }
    solution_.decisions.assign(bodies_->sites().size(), {});
    for (auto& decision : solution_.decisions) decision.tactic = Tactic::B2;
    return *this;
  }
  /// From here on templates may be entered by retargeted calls.
  Laid& retarget() {
    retarget_ = true;
    return define("$t", R"(["$instr", "$break"])");
  }
  /// So many copies may stand in a row between two bodies.
  Laid& bridge(unsigned most) {
    bridge_ = most;
    return *this;
  }
  /// The site with that index got this tactic.
  Laid& decide(std::size_t site, Tactic tactic) {
    solution_.decisions[site].tactic = tactic;
    return *this;
  }
  /// The site with that index remains without a jump.
  Laid& without_jump(std::size_t site) { return decide(site, Tactic::none); }
  std::int64_t evict(std::uint32_t insn) {
    const auto body = bodies_->body_of(insn);
    REQUIRE(body);
    solution_.evictions.push_back({insn, 0, *body});
    return *body;
  }
  /// What stands from `address` on, in hexadecimal, up to the first byte that nobody wrote.
  std::string at(std::int64_t address) {
    PageStore store;
    REQUIRE(bodies_->put(solution_, store));
    SharedPages shared;
    store.append_to(shared, 0);
    for (const auto& run : shared.mappings) {
      const auto lo = static_cast<std::int64_t>(run.address.value);
      if (address < lo || address >= lo + run.pages * 4096) continue;
      const auto from = static_cast<std::size_t>(run.first_page * 4096 + (address - lo));
      auto to = from;
      while (shared.pages[to] != 0xcc) ++to;
      return to_hex(std::span(shared.pages).subspan(from, to - from));
    }
    return "";
  }
  std::string bodies() { return at(bodies_->site_room().lo); }
  const Bodies& operator*() const { return *bodies_; }

 private:
  Laid& define(const std::string& name, const char* body) {
    REQUIRE(requests_.define({name, Json::parse(body), retarget_}));
    return *this;
  }

  SmallElf elf_;
  bool retarget_ = false;
  unsigned bridge_ = 0;
  int templates_ = 0;
  Requests requests_;
  std::optional<ElfView> view_;
  std::optional<Bodies> bodies_;
  Solution solution_;
};

/// `e9` and the displacement between two addresses.
inline std::string jump(std::int64_t from, std::int64_t to) {
  const auto distance = static_cast<std::uint32_t>(to - (from + 5));
  std::array<std::uint8_t, 5> bytes{0xe9};
  for (unsigned i = 0; i < 4; ++i) bytes[i + 1] = static_cast<std::uint8_t>(distance >> (8 * i));
  return to_hex(bytes);
}

}  // namespace punster
