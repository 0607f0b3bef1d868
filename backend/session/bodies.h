// Where trampoline bodies stand: densely, in code order, next to the image.
//
//   image | header table | data, counters | bodies of sites | stubs ... | bodies of evicted instructions
//
// How many instructions will be evicted is only known afterwards, so their room is generous and stands
// where it takes nothing from the stubs: the displacements that lead there (08 to 0D as top bytes) begin few
// instructions.
//
// Sizes do not depend on addresses, so every site's body has its address before the solver runs, and a
// site whose jump has all four bytes to itself goes straight to its body.

#pragma once

#include <unordered_map>
#include <vector>

#include "backend/emit/elf_view.h"
#include "backend/place/page_store.h"
#include "backend/session/requests.h"
#include "backend/solve/solve.h"

namespace punster {

/// A site on its way through the pipeline.
struct SiteBody {
  std::uint32_t insn = 0;     ///< index into Requests::instructions()
  std::uint32_t patch = 0;    ///< index into Requests::patches()
  std::int64_t address = 0;   ///< of the body
  std::uint32_t size = 0;     ///< of the body; 0: replaced in place
  std::string replacement;    ///< in place: exactly the instruction's bytes
};

/// A site that cannot be asked of the solver at all.
struct RefusedSite {
  std::uint32_t patch = 0;
  std::string reason;
};

class Bodies : public EvictedBodies {
 public:
  Bodies(const ElfView& input, const Requests& requests, unsigned jobs)
      : input_(input), requests_(requests), jobs_(jobs) {}

  /// Measures every requested body. Precondition: requests are settled. Parallel over `jobs` threads;
  /// the result does not depend on their number. Errors: "bad_template".
  Result<void> measure();
  /// Gives every body its address: those of sites from `base` on, those of evicted instructions
  /// `evicted_distance` behind. Precondition: measure() succeeded.
  void lay_out(std::int64_t base);
  /// What lay_out() claims.
  [[nodiscard]] TargetRange site_room() const { return site_room_; }
  [[nodiscard]] TargetRange evicted_room() const { return evicted_room_; }
  static constexpr std::int64_t evicted_distance = 0x08000000, evicted_most = 0x06000000;

  /// Writes every site's body. A site whose body cannot be written at its address (data out of reach)
  /// becomes a refused one. Precondition: lay_out().
  void encode_sites();

  std::optional<std::int64_t> body_of(std::uint32_t insn) override;

  /// Puts the bodies of sites with `wanted[k]`, and those of `evictions`, into `store`.
  Result<void> put(const std::vector<bool>& wanted, const std::vector<Eviction>& evictions,
                   PageStore& store) const;

  [[nodiscard]] const std::vector<SiteBody>& sites() const { return sites_; }
  [[nodiscard]] const std::vector<RefusedSite>& refused() const { return refused_; }
  [[nodiscard]] bool emulates_call() const { return emulates_call_; }
  [[nodiscard]] bool patches_endbr() const { return patches_endbr_; }

 private:
  struct Measured {
    unsigned size = 0;
    bool emulates_call = false, endbr = false;
    std::string refusal;
  };
  Result<Measured> measure_one(const PatchRequest& patch, const Insn& insn) const;
  [[nodiscard]] std::span<const std::uint8_t> bytes_of(const Insn& insn) const;
  [[nodiscard]] bool fixed_address() const;
  TemplateSite site_for(const PatchRequest& patch, const Insn& insn, const PatchMacros& macros) const;

  const ElfView& input_;
  const Requests& requests_;
  unsigned jobs_;
  std::vector<SiteBody> sites_;
  std::vector<RefusedSite> refused_;
  bool emulates_call_ = false, patches_endbr_ = false;
  std::vector<std::uint8_t> block_;  // all of site_room_
  TargetRange site_room_, evicted_room_;
  std::int64_t evicted_next_ = 0;
  std::unordered_map<std::uint32_t, std::optional<std::int64_t>> evicted_;
};

}  // namespace punster
