#include "scene.h"

#include <catch2/catch.hpp>

namespace punster {
namespace {

Vaddr vaddr(std::int64_t a) {
  return Vaddr{static_cast<std::uint64_t>(a)};
}

}  // namespace

std::int64_t Scene::append(const Code& bytes) {
  Region& region = regions.back();
  const auto at = region.address + static_cast<std::int64_t>(region.bytes.size());
  region.bytes.insert(region.bytes.end(), bytes.begin(), bytes.end());
  return at;
}

Scene& Scene::region(std::int64_t address) {
  regions.push_back({address, {}});
  return *this;
}

Scene& Scene::insn(const Code& bytes) {
  insns.emplace_back(vaddr(append(bytes)), static_cast<unsigned>(bytes.size()));
  return *this;
}

Scene& Scene::site(const Code& bytes) {
  insn(bytes);
  const auto body = first_body + 64 * static_cast<std::int64_t>(sites.size());
  sites.push_back(SolverSite::displaced(static_cast<std::uint32_t>(insns.size() - 1), body));
  return *this;
}

Scene& Scene::replaced(const Code& bytes, const std::string& bytes_now) {
  replacements_.push_back(std::make_unique<std::string>(bytes_now));
  site(bytes);
  sites.back() = SolverSite::replaced(sites.back().insn, *replacements_.back());
  return *this;
}

Scene& Scene::padding(std::size_t count, std::uint8_t byte) {
  const auto at = append(Code(count, byte));
  paddings.push_back({vaddr(at), vaddr(at + static_cast<std::int64_t>(count))});
  return *this;
}

Scene& Scene::data(const Code& bytes) {
  append(bytes);
  return *this;
}

Scene& Scene::tactics(std::initializer_list<Tactic> list) {
  options.tactics = 0;
  for (const auto tactic : list)
    options.tactics |= static_cast<std::uint16_t>(1u << static_cast<int>(tactic));
  return *this;
}

Solution Scene::solve() {
  std::vector<CodeRegion> code;
  for (const auto& region : regions) code.push_back({vaddr(region.address), region.bytes});
  const AddressSpace space{.free = room,
                           .arenas = arenas,
                           .most_arenas = most_arenas,
                           .gatherings = gatherings,
                           .stubs = stubs};
  auto solution = punster::solve({code, insns, paddings, sites, space, this}, options);
  REQUIRE(solution);
  return std::move(solution).value();
}

std::optional<std::int64_t> Scene::body_of(std::uint32_t insn) {
  if (unmovable.count(insn)) return std::nullopt;
  return first_evicted_body + 64 * static_cast<std::int64_t>(insn);
}

std::uint8_t Scene::byte_at(const Solution& solution, std::int64_t address) const {
  for (std::size_t r = 0; r < regions.size(); ++r) {
    const auto at = address - regions[r].address;
    if (at >= 0 && at < static_cast<std::int64_t>(regions[r].bytes.size()))
      return solution.code[r][static_cast<std::size_t>(at)];
  }
  FAIL("no byte of the scene at " << std::hex << address);
  return 0;
}

Code Scene::bytes_of(const Solution& solution, std::size_t i) const {
  Code bytes;
  for (unsigned j = 0; j < insns[i].length(); ++j)
    bytes.push_back(byte_at(solution, static_cast<std::int64_t>(insns[i].address().value) + j));
  return bytes;
}

}  // namespace punster
