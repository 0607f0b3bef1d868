// The seam where solvers stand: sites, byte state and a description of the address space go in,
// decisions come out. Nothing here knows ELF, JSON or templates.
//
// Inside the solver an address is a *signed* 64-bit link-time address, because a
// position-independent image linked at 0 has room below 0.

#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/instruction.h"
#include "protocol/result.h"

namespace punster {

/// Which page of a ring of `size` file pages the virtual page `number` (address / 4096, signed)
/// shows.
[[nodiscard]] inline std::uint32_t ring_page(std::int64_t number, std::uint32_t size) {
  const std::int64_t rest = number % std::int64_t{size};
  return static_cast<std::uint32_t>(rest < 0 ? rest + size : rest);
}

/// The shape that a site's bytes finally have (README of backend/ describes each).
enum class Tactic : std::uint8_t { none, I0, C1, B1, B2, T1, T2, T3, B0 };
inline constexpr int tactic_count = 9;
[[nodiscard]] const char* to_string(Tactic tactic);
/// "B1", "T3", ...; nothing for other words.
[[nodiscard]] std::optional<Tactic> parse_tactic(std::string_view name);

/// What the search for a site's shape needed. A set, as bits.
enum Means : std::uint8_t {
  means_prefix = 1,       ///< redundant prefixes in front of the jump
  means_joint = 2,        ///< a follower that is itself displaced was placed anew together with it
  means_eviction = 4,     ///< a follower was evicted so that its bytes could be chosen
  means_pad_in_tail = 8,  ///< a landing pad in the dead tail of a patched instruction
  means_pad_in_padding = 16  ///< a landing pad, or the jump's own tail, in alignment padding
};
[[nodiscard]] std::vector<std::string> means_names(std::uint8_t means);

/// A half-open range of signed link-time addresses.
struct TargetRange {
  std::int64_t lo = 0, hi = 0;
};

/// Where jump targets may stand. The solver takes it as given: which sides of the image exist,
/// which layout will carry the pages and how many arenas that layout can open are somebody else's
/// decision.
struct AddressSpace {
  std::vector<TargetRange> free;  ///< ascending, disjoint
  /// Arenas that are opened where that spares evictions. Each is a mapping, and shows one turn of
  /// the ring.
  std::uint64_t arenas = 1000;
  std::uint64_t most_arenas = 10000;  ///< as many where a site would be trapped otherwise
  std::uint32_t ring_pages = 4096;    ///< stubs share so many file pages: see ring_page()
  /// Where stubs gather when arenas are scarce: pages here are opened without opening an arena, and
  /// neighbours are evicted, chains of them, rather than an arena opened. Empty: arenas are opened
  /// wherever puns lead.
  std::vector<TargetRange> gatherings = {};
  std::uint32_t arena_pages = 0;  ///< neighbouring pages that are one arena; 0: ring_pages
  /// Stubs begin at multiples of this, with as many free bytes behind, where the window has such a
  /// place: bodies may then stand there instead (session/stub_bodies.h). A power of two up to 32;
  /// 1: as densely as they can.
  int stub_grain = 1;
  bool stubs = true;  ///< false: none anywhere, a jump has to reach the body itself
};

/// Executable bytes of the original, one contiguous range of addresses.
struct CodeRegion {
  Vaddr address;
  std::span<const std::uint8_t> bytes;
};

/// A site to displace, or (I0) to replace in place. A million of them is usual.
class SolverSite {
 public:
  /// `body`: where its trampoline body will stand.
  static SolverSite displaced(std::uint32_t insn, std::int64_t body) {
    SolverSite site{insn};
    site.body_ = body;
    return site;
  }
  /// `bytes`: exactly the instruction's length.
  static SolverSite replaced(std::uint32_t insn, const std::string& bytes) {
    SolverSite site{insn};
    site.replaced_ = true;
    site.bytes_ = &bytes;
    return site;
  }
  std::uint32_t insn = 0;  ///< index into SolverInput::instructions
  /// C1: a call of five to eight bytes whose body wants the return address pushed. It becomes
  /// prefixes and an E8 that ends where the call ended, and nothing else: no trap, no short jump.
  bool retarget_call = false;
  /// Nothing but a trap may stand here, and its other bytes stay as they are, whoever could use
  /// them: nobody knows for sure that this is code.
  bool trap_only = false;
  /// Meaningless when the site is replaced.
  [[nodiscard]] std::int64_t body() const { return replaced_ ? 0 : body_; }
  /// Null: the site is displaced.
  [[nodiscard]] const std::string* replace() const { return replaced_ ? bytes_ : nullptr; }

 private:
  explicit SolverSite(std::uint32_t index) : insn(index) {}
  bool replaced_ = false;
  union {
    std::int64_t body_ = 0;
    const std::string* bytes_;
  };
};
static_assert(sizeof(SolverSite) == 16);

/// Where evicted instructions run. Called only by the solver's thread.
class EvictedBodies {
 public:
  virtual ~EvictedBodies() = default;
  /// The address where the displaced copy of instruction `insn` (an index) will stand, or nothing
  /// when it cannot be relocated. The same answer every time it is asked.
  virtual std::optional<std::int64_t> body_of(std::uint32_t insn) = 0;
};

/// The instruction that stands at a trapped site.
struct TrapCode {
  std::array<std::uint8_t, 2> code{0x0f, 0x0b};  ///< ud2
  std::uint8_t size = 2;                         ///< bytes of it in use
  std::uint8_t alone = 0x06;                     ///< where the site has one byte; undefined, too
  std::string_view name = "ud2";
};

struct SolverOptions {
  std::uint16_t tactics = 0xffff;  ///< bit per Tactic
  bool traps = true;
  TrapCode trap;
  bool pads = true;   ///< false: as if T3 were not among the tactics
  bool joint = true;  ///< false: each site by itself, whatever that does to its neighbours
  /// Followers that may be placed anew, or evicted, together with a site. 5: more of them where
  /// stubs gather.
  unsigned lookahead = 5;
  unsigned threads = 1;    ///< more than one: plans are made in another; the result is the same
  bool far_first = false;  ///< rather open an arena than evict a neighbour
  std::atomic<bool>* cancelled = nullptr;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress;
  std::vector<std::uint32_t> trace;  ///< instruction indices whose alternatives are recorded
  [[nodiscard]] bool allows(Tactic t) const {
    return (tactics >> static_cast<int>(t) & 1) != 0 && (pads || t != Tactic::T3);
  }
};

struct SolverInput {
  std::vector<CodeRegion> code;           ///< ascending, disjoint
  std::span<const Insn> instructions;     ///< ascending, disjoint, all inside `code`
  std::span<const AddressRange> padding;  ///< ascending, disjoint, disjoint from instructions
  std::span<const SolverSite> sites;      ///< ascending
  AddressSpace space;
  EvictedBodies* evicted = nullptr;
};

class Decision {
 public:
  Tactic tactic = Tactic::none;
  std::uint8_t means : 5 = 0;
  std::uint8_t borrowed : 3 = 0;  ///< bytes behind the instruction that its jump relies on
  /// Where the site's jump leads first: a stub, or the body itself. 0: it has none.
  [[nodiscard]] std::int64_t target() const {
    return std::int64_t{target_high} * (std::int64_t{1} << 32) + target_low;
  }
  void set_target(std::int64_t target) {
    target_high = static_cast<std::int16_t>(target >> 32);
    target_low = static_cast<std::uint32_t>(target);
  }

 private:
  std::int16_t target_high = 0;  // addresses have 48 bits
  std::uint32_t target_low = 0;
};
static_assert(sizeof(Decision) == 8);

inline constexpr int stub_size = 5;

/// A jump of stub_size bytes at `at` to `to`.
struct Stub {
  std::int64_t at = 0, to = 0;
};

struct Eviction {
  std::uint32_t insn = 0;      ///< the displaced neighbour, an index
  std::uint32_t for_site = 0;  ///< index into SolverInput::sites
  std::int64_t body = 0;
};

/// One step of the search for a traced instruction.
struct TraceNote {
  std::uint32_t insn = 0;
  std::string tactic, outcome;
};

struct Solution {
  std::vector<std::vector<std::uint8_t>> code;  ///< the patched bytes of each region of the input
  std::vector<Decision> decisions;              ///< one per site
  std::vector<Stub> stubs;                      ///< ascending by `at`
  std::vector<Eviction> evictions;              ///< ascending by instruction
  std::vector<TraceNote> trace;
};

/// Decides every site. Deterministic; never fails for lack of room (a site's tactic is then
/// `none`). Errors: "cancelled".
Result<Solution> solve(const SolverInput& input, const SolverOptions& options);

}  // namespace punster
