// Where trampoline bodies stand: densely, in code order, next to the image.
//
//   image | header table | data, counters | bodies of sites | stubs ... | bodies of evicted
//   instructions
//
// How many instructions will be evicted is only known afterwards, so their room is generous and
// stands where it takes nothing from the stubs: the displacements that lead there (08 to 0D as top
// bytes) begin few instructions.
//
// Sizes do not depend on addresses, so every site's body has its address before the solver runs,
// and a site whose jump has all four bytes to itself goes straight to its body.
//
// Chaining. A jump back after every displaced instruction is what makes a densely patched program
// slow: it leads to the next site, whose jump leads to the next body. So the bodies are linked as
// the instructions were:
//
//   original        bodies, a jump back each       chained
//   a: test         A: test; jmp b                 A: test
//   b: jz d         B: jz d; jmp c                 B: jz D
//   c: inc          C: inc; jmp d                  C: inc
//   d: ret          D: ret                         D: ret
//
// Measured here per instruction, hot / over 2,000 functions: original 0.24 / 0.37 ns, a jump back
// each 1.34 / 20.3 ns (with the stubs that jumps need), chained 0.24 / 0.49 ns.
//
// Where the instructions between two sites are nobody's sites, copies of them may bridge the gap
// (bridges.h).
//
// Entering a body without its site's jump is right as long as the body does what the site would do.
// The site may remain without any jump, which the solver says only when all addresses are fixed.
// Its payload must not run then, so the body's room gets the displaced instruction alone, and nops.
// Hence only bodies that have the room for that are `enterable`, and no body of a refused site is:
// where writing refuses one, everything is laid out, and solved, again without it. That happens in
// images of nearly 2 GiB only, so the bodies are written while the solver runs: git's take 0.25 s
// of a core that had nothing else to do.
//
// Retargeted calls (tactic C1). Where the template allows it, the body of a call of five to eight
// bytes is made for being called: the site becomes a `call body` that ends where the original call
// ended, so the processor pushes the original return address, and the body ends in a jump to the
// callee. Nobody else may enter such a body.

#pragma once

#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/emit/elf_view.h"
#include "backend/place/page_store.h"
#include "backend/session/bridges.h"
#include "backend/session/requests.h"
#include "backend/solve/solve.h"

namespace punster {

/// A site, or the copy of another instruction, on its way through the pipeline. A million of them
/// is usual.
struct SiteBody {
  std::uint32_t insn = 0;          ///< index into Requests::instructions()
  std::uint32_t patch = 0;         ///< index into Requests::patches(); no_patch: a copy
  std::int64_t address = 0;        ///< of the body
  std::uint32_t size = 0;          ///< of the body as it is laid out; 0: replaced in place
  bool ends_in_break : 1 = false;  ///< a final jump back that can be left out
  bool enterable : 1 = false;      ///< others may fall into this body or jump to it
  bool chained : 1 = false;        ///< has no jump back: falls into the body behind it
  bool emulates_call : 1 = false;  ///< pushes the return address itself
  /// Must be entered by a call that stands where the site's call stood.
  bool retargets_call : 1 = false;
  bool quiet : 1 = false;     ///< nothing but the displaced instruction, and that is quiet
  bool branches : 1 = false;  ///< the displaced instruction is a direct branch
};
static_assert(sizeof(SiteBody) == 24);
inline constexpr std::uint32_t no_patch = UINT32_MAX;

/// A site that cannot be asked of the solver at all.
struct RefusedSite {
  std::uint32_t patch = 0;
  std::string reason;
};

struct BodyOptions {
  unsigned jobs = 1;  ///< threads; without influence on the result
  bool chaining = true;
  bool retarget_calls = false;  ///< where the template allows it
  /// Copies that may stand in a row between two bodies (bridges.h). What jumps cover is copied
  /// beyond that, chaining or not.
  unsigned bridge = 0;
  std::optional<Vaddr> syscall_gate = {};  ///< see Relocation::plan
};

class Bodies : public EvictedBodies {
 public:
  Bodies(const ElfView& input, const Requests& requests, const BodyOptions& options)
      : input_(input), requests_(requests), options_(options) {}

  /// Measures every requested body. Precondition: requests are settled. Parallel over `jobs`
  /// threads; the result does not depend on their number. Errors: "bad_template".
  Result<void> measure();
  /// Gives every body its address: those of sites from `base` on; those of evicted instructions
  /// will stand `evicted_distance` behind. Precondition: measure() succeeded.
  void lay_out(std::int64_t base);
  /// Writes every body at its address. Returns those that cannot be written there (data out of
  /// reach); for them refuse() and everything from lay_out() on has to be done again. The solver
  /// may run at the same time. The result does not depend on `threads`. Precondition: lay_out().
  [[nodiscard]] std::vector<RefusedSite> write(unsigned threads);
  /// Makes them refused sites. Their bodies are not there: nobody may fall into one, so the
  /// neighbours' sizes change.
  void refuse(std::vector<RefusedSite> refused);
  /// What lay_out() claims.
  [[nodiscard]] TargetRange site_room() const { return site_room_; }
  [[nodiscard]] TargetRange evicted_room() const { return evicted_room_; }
  static constexpr std::int64_t evicted_distance = 0x08000000, evicted_most = 0x06000000;

  std::optional<std::int64_t> body_of(std::uint32_t insn) override;

  /// Puts into `store` the bodies of the sites that got a shape, of those that got none the
  /// displaced instruction where others may enter, and the bodies of evicted instructions. Errors:
  /// "out_of_range".
  Result<void> put(const Solution& solution, PageStore& store);

  [[nodiscard]] const std::vector<SiteBody>& sites() const { return sites_; }
  /// Copies of instructions that are no sites (bridges.h), ascending by insn.
  [[nodiscard]] const std::vector<SiteBody>& bridges() const { return bridges_; }
  /// What append_copy() copies: bodies in a row, each with the size that it has there, or nothing.
  [[nodiscard]] std::vector<SiteBody> copy_of(const SiteBody& site, std::size_t most) const;
  /// Appends another copy of the site's body, as it runs at `at`, and of those behind it that it
  /// falls into, up to where they leave; or of the site's alone, with a jump to the body behind it,
  /// where that spares a jump. Appends nothing, and returns false, when the copy is not quiet or
  /// takes more than `most` bytes. Precondition: lay_out(). What the copy is worth, and where it
  /// may stand: stub_bodies.h.
  bool append_copy(const SiteBody& site, std::int64_t at, std::size_t most,
                   std::vector<std::uint8_t>& out) const;
  /// In place: exactly the instruction's bytes. Null for a site with a body.
  [[nodiscard]] const std::string* replacement_of(const SiteBody& site) const;
  [[nodiscard]] const std::vector<RefusedSite>& refused() const { return refused_; }
  /// Whether a body that was put pushes a return address. Precondition: put().
  [[nodiscard]] bool emulates_call() const { return emulates_call_; }
  [[nodiscard]] bool patches_endbr() const { return patches_endbr_; }
  /// From which offset in `site`'s body the displaced instruction has taken effect. Of a call: has
  /// its return address been pushed. The body's size when nothing of the body runs after that.
  [[nodiscard]] std::uint32_t done_after(const SiteBody& site) const;
  /// The body of an evicted instruction that is no bridge.
  [[nodiscard]] SiteBody evicted(const Eviction& eviction) const;

 private:
  static constexpr unsigned jump_back_size = 5;
  struct Measured {
    BodyShape shape;
    bool endbr = false, quiet = false, branches = false;
    std::optional<std::uint32_t> target;  ///< the instruction that its displaced branch leads to
    std::string refusal;
  };
  Result<Measured> measure_one(const PatchRequest& patch, const Insn& insn) const;
  std::optional<std::pair<std::size_t, Error>> measure_range(std::size_t first, std::size_t last,
                                                             std::mutex& guard);
  void drop_refused();
  void build_bridges();
  [[nodiscard]] std::uint32_t covered_behind(std::uint32_t insn) const;
  [[nodiscard]] std::vector<BridgeEntry> bridge_entries() const;
  [[nodiscard]] std::optional<SiteBody> measure_bridge(std::uint32_t insn) const;

  void index_bodies();
  /// The body of the instruction, or null.
  [[nodiscard]] const SiteBody* body_at(std::uint32_t insn) const;
  /// Calls f(body) for sites and bridges, ascending by address.
  template <typename F>
  void for_bodies(F&& f);
  void chain();
  void assign_addresses(std::int64_t base);
  Result<void> encode(const SiteBody& body, std::span<std::uint8_t> out) const;
  Result<void> encode_displaced_only(const SiteBody& body, std::span<std::uint8_t> out) const;
  /// Precondition: `site` is linked to the body, and has its relocation.
  Result<void> encode_displaced_only(const SiteBody& body, const TemplateSite& site,
                                     std::span<std::uint8_t> out) const;
  void put_bodies(const Solution& solution, PageStore& store);
  Result<void> put_evicted(const Eviction& eviction, PageStore& store);

  [[nodiscard]] static const Template& displaced_only();
  [[nodiscard]] std::span<const std::uint8_t> bytes_of(const Insn& insn) const;
  [[nodiscard]] std::span<std::uint8_t> room_of(const SiteBody& site);
  [[nodiscard]] bool fixed_address() const;
  [[nodiscard]] TemplateSite template_site(const Insn& insn) const;
  /// The body that stands for the instruction at `address`, if others may enter it.
  [[nodiscard]] std::optional<Vaddr> entry(Vaddr address) const;
  [[nodiscard]] std::optional<Vaddr> entry_taken(const Relocation& relocation) const;
  /// The body of the instruction that adjoins this one's, if others may enter it.
  [[nodiscard]] const SiteBody* follower(const SiteBody& body) const;
  [[nodiscard]] std::vector<SiteBody> quiet_run(const SiteBody& site) const;
  /// Tells the template where control goes on behind the instruction.
  void link(TemplateSite& site, const SiteBody& body, const Relocation* relocation) const;

  const ElfView& input_;
  const Requests& requests_;
  BodyOptions options_;
  std::vector<SiteBody> sites_;         // ascending by patch and by insn
  std::vector<SiteBody> bridges_;       // ascending by insn
  std::vector<std::uint32_t> body_at_;  // by insn: 0, or 1 + index into sites_, or bridges_ behind
  std::vector<std::uint32_t> branch_targets_;  // instructions that displaced branches lead to
  std::vector<RefusedSite> refused_;           // ascending by patch; with sites_ all patches
  std::map<std::uint32_t, std::string> replacements_;  // by patch
  bool emulates_call_ = false, patches_endbr_ = false;
  std::vector<std::uint8_t> block_;  // all of site_room_
  TargetRange site_room_, evicted_room_;
  std::int64_t evicted_next_ = 0;
  std::unordered_map<std::uint32_t, std::optional<std::int64_t>> evicted_;
};

}  // namespace punster
