// A small piece of code to solve: regions of instructions, sites, padding and data, as the tests
// write them down, with a body for each instruction.

#pragma once

#include <map>
#include <memory>
#include <set>

#include "backend/solve/solve.h"

namespace punster {

using Code = std::vector<std::uint8_t>;

class Scene : public EvictedBodies {
 public:
  explicit Scene(std::int64_t address = 0x100000) { region(address); }

  // Each appends to the region that was begun last.
  Scene& region(std::int64_t address);
  Scene& insn(const Code& bytes);
  Scene& site(const Code& bytes);
  /// A site whose bytes become `bytes_now`.
  Scene& replaced(const Code& bytes, const std::string& bytes_now);
  Scene& padding(std::size_t count, std::uint8_t byte = 0xcc);
  Scene& data(const Code& bytes);

  /// Only these tactics.
  Scene& tactics(std::initializer_list<Tactic> list);

  Solution solve();
  std::optional<std::int64_t> body_of(std::uint32_t insn) override;

  /// The final bytes of instruction `i`.
  [[nodiscard]] Code bytes_of(const Solution& solution, std::size_t i) const;
  [[nodiscard]] std::uint8_t byte_at(const Solution& solution, std::int64_t address) const;

  struct Region {
    std::int64_t address;
    Code bytes;
  };
  std::vector<Region> regions;
  std::vector<Insn> insns;
  std::vector<AddressRange> paddings;
  std::vector<SolverSite> sites;
  std::vector<TargetRange> room = {{-0x40000000, 0}, {0x20000000, 0x60000000}};
  std::uint64_t arenas = 100, most_arenas = 1000;
  std::vector<TargetRange> gatherings;
  bool stubs = true;
  std::set<std::uint32_t> unmovable;  ///< instructions without a body when evicted
  std::int64_t first_body = 0x10000000, first_evicted_body = 0x18000000;
  SolverOptions options;

 private:
  std::int64_t append(const Code& bytes);
  std::vector<std::unique_ptr<std::string>> replacements_;
};

}  // namespace punster
