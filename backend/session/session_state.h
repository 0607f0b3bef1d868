// What a session holds between calls. Included by the files that implement Session, by nobody else.

#pragma once

#include <optional>

#include "backend/emit/emit.h"
#include "backend/session/bodies.h"
#include "backend/session/body_places.h"
#include "backend/session/raising.h"
#include "backend/session/requests.h"
#include "backend/session/session.h"
#include "backend/session/signed_address.h"
#include "backend/session/stub_bodies.h"

namespace punster {

/// Virtual memory areas that one rewritten file may add. Linux allows a process 65,530; the
/// program, its libraries, its threads and other rewritten objects need the rest.
inline constexpr std::uint64_t default_mapping_budget = 20000;

/// What the solver is to spare where it has a choice; see space_for_stubs.cpp.
enum class Objective : std::uint8_t { balanced, speed, mappings, size };

/// Which trampolines have unwind rows. `automatic`: all, where that takes little of the file.
/// `process`: all, and the running program finds them, too.
enum class UnwindRows : std::uint8_t { automatic, bodies, all, process };

struct Session::State {
  ProgressSink progress;
  std::atomic<bool> cancelled{false};

  std::optional<ElfView> input;
  std::optional<Room> room;
  Requests requests;
  SolverOptions solver_options;
  std::uint32_t trap_kind = 0;  // enum PunsterTrapKind
  bool chaining = true;
  RaiseMode raise_mode = RaiseMode::automatic;
  LayoutOptions layout;
  /// Copies in a row between two bodies (bridges.h).
  static constexpr unsigned most_bridge = 12;
  bool stubs = true;
  Objective objective = Objective::balanced;
  unsigned jobs = 1;
  std::uint64_t mapping_budget = default_mapping_budget;
  BuildId build_id = BuildId::keep;
  bool unwind = true;                              // symbols and unwind rows for trampolines
  UnwindRows unwind_rows = UnwindRows::automatic;  // if `unwind`
  std::optional<CountersRequest> counters;
  std::int64_t next_reserved = 0;  // everything of ours above the image is claimed up to here
  std::optional<CounterRegion> counter_region;
  /// Whole pages of a client's.
  struct Reserved {
    std::int64_t address;
    std::vector<std::uint8_t> bytes;
    Contents contents;
    [[nodiscard]] std::int64_t end() const {
      return address + static_cast<std::int64_t>(bytes.size());
    }
  };
  std::vector<Reserved> reserved;
  std::vector<ClientCall> calls;
  // Of the plan under way; system_calls.cpp.
  std::optional<Vaddr> syscall_gate;
  std::vector<std::uint32_t> owned;  // `syscall` instructions that are no sites, and must not stay
  std::vector<TrapRoute> owned_traps;

  // The last plan; empty when something changed since.
  struct Planned {
    std::unique_ptr<Bodies> bodies;
    AddressSpace space;                  // where stubs may stand
    std::unique_ptr<BodyPlaces> places;  // null: nobody wants them
    Solution solution;
    StubBodies stub_bodies;  // in place of stubs that the solution has no more
    EmitPlan emit_plan;
    Bytes raised_by;  // in the output; all else here has the input's addresses
    std::string layout_reason;
    std::map<std::uint32_t, std::vector<Vaddr>> evicted_by_site;  // by index into bodies->sites()

    /// Of bodies->sites()[site], what its jump comes to.
    [[nodiscard]] Vaddr body_of(std::uint32_t site) const {
      return vaddr(stub_bodies.of_site(site).value_or(bodies->sites()[site].address));
    }
  };
  std::optional<Planned> planned;
  Statistics statistics;

  explicit State(ProgressSink sink) : progress(std::move(sink)) {}

  Result<void> need_input() const {
    if (!input) return error("no_binary", "no file is open; send `binary` first");
    return success();
  }

  void say(std::string_view phase, std::uint64_t done, std::uint64_t total) const {
    if (progress) progress(phase, done, total);
  }
  Result<void> go_on() const {
    if (cancelled) return error("cancelled", "cancelled by the client");
    return success();
  }

  [[nodiscard]] BodyOptions body_options() const {
    return {.jobs = jobs,
            .chaining = chaining,
            .retarget_calls = solver_options.allows(Tactic::C1),
            .bridge = chaining ? most_bridge : 0,
            .syscall_gate = syscall_gate};
  }
  Result<void> rewrite_in_memory();
  /// Returns what cannot be written where it was laid out.
  Result<std::vector<RefusedSite>> lay_out_and_solve(Planned& plan);
  Result<Solution> run_solver(const Planned& plan, const std::vector<std::uint32_t>& trace);
  Result<AddressSpace> space_for_stubs(const Bodies& bodies) const;
  /// Whether arenas are, or are to be, so few that the solver is told where stubs gather.
  [[nodiscard]] bool few_arenas(const Bodies& bodies) const;
  void gather(AddressSpace& space) const;
  /// Whether stubs can stand far below the image as well as above it.
  [[nodiscard]] bool room_on_both_sides() const;
  /// File pages that stubs share. Precondition: space_for_stubs() found room.
  [[nodiscard]] std::uint32_t ring_pages(const Bodies& bodies) const;
  /// Whether small bodies are to stand in the place of their stubs (stub_bodies.h).
  [[nodiscard]] bool wants_copies(const Bodies& bodies) const;
  /// Executable bytes that may be patched.
  [[nodiscard]] std::vector<CodeRegion> code() const;
  Result<void> fill_pages(Planned& plan);
  /// Claims whole pages for a client's bytes, at `address` or where we like. Their address.
  Result<Vaddr> take_pages(std::optional<Vaddr> address, std::span<const std::uint8_t> bytes,
                           std::uint64_t length, Contents contents);
  Result<void> check_free(std::int64_t lo, std::int64_t hi) const;
  /// `init`, `fini`, `preinit` and `postinit` of E9Patch's reserve message.
  Result<void> take_routines(const Json& raw);
  /// What clients reserved, as mappings of their own.
  void append_reserved(SharedPages& shared) const;
  /// Chooses the layout, given bodies and data.
  Result<SharedPages> lay_out_pages(Planned& plan, const PageStore& dense);
  /// How many runs of trampolines can have program headers in an output with these traps.
  [[nodiscard]] std::size_t runs_with_headers(const std::vector<TrapRoute>& traps) const;
  /// Why program headers cannot map this, or "". May find out that the input can be raised.
  std::string obstacle_to_headers(const NewMemory& memory);
  /// Why the running program finds no unwind rows although it was asked for; empty: it does, or was
  /// not.
  [[nodiscard]] std::string no_frames_for_process(Layout mapped_by) const;
  [[nodiscard]] bool frames_for_process(Layout mapped_by) const {
    return unwind && unwind_rows == UnwindRows::process && no_frames_for_process(mapped_by).empty();
  }
  /// Whether stubs are described, too. Precondition: the pages are laid out.
  [[nodiscard]] bool describes_stubs(const Planned& plan) const;
  void count(const Planned& plan);
  void collect_traps(Planned& plan) const;
  /// Solves; where that leaves traps, once more with the system calls that are no sites.
  Result<Solution> solve_and_own(const Planned& plan);
  /// Those of `bodies`, and what is owned besides. Ascending.
  [[nodiscard]] std::vector<SolverSite> solver_sites(Bodies& bodies) const;
  /// What was decided for owned instructions becomes evictions, and owned_traps.
  void take_out_owned(const std::vector<SolverSite>& sites, Solution& solution);
  void add_owned_traps(std::vector<TrapRoute>& traps) const;
  /// Room for the gate of system calls when the file has any and sites may be trapped.
  void place_gate();
  [[nodiscard]] bool is_syscall(const Insn& insn) const;
  /// Whether no `syscall` of the file stays where it was.
  [[nodiscard]] bool owns_calls(const Planned& plan) const;
  std::uint64_t mapping_count(const EmitPlan& plan) const;
  std::vector<std::uint8_t> build_key() const;
};

/// Where bodies begin: the lowest free address above the image and what emit puts there.
[[nodiscard]] std::int64_t first_body_address(const Footprint& room);

}  // namespace punster
