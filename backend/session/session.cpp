#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <numeric>

#include "backend/session/code_regions.h"
#include "backend/session/session_state.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::int64_t overlay_join_distance = 16;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::uint64_t peak_rss() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

// The pipeline. Each step may rely on what the barrier above it says.
Result<void> Session::State::rewrite_in_memory() {
  if (planned) return success();
  statistics = {};
  auto clock = std::chrono::steady_clock::now();
  auto lap = [&clock] {
    const double seconds = seconds_since(clock);
    clock = std::chrono::steady_clock::now();
    return seconds;
  };

  // 1. Ingest: sort and check what the client said, measure every body.
  say("ingest", 0, requests.patches().size());
  PUNSTER_TRY(requests.settle());
  Planned plan;
  place_gate();
  plan.bodies = std::make_unique<Bodies>(*input, requests, body_options());
  PUNSTER_TRY(plan.bodies->measure());
  statistics.seconds_ingest = lap();
  // From here on the set of sites and the size of every body are fixed.

  // 2. Lay out: every body gets its address and is written there. Meanwhile, 3. Solve: every site
  // gets its shape, its prefixes and its target.
  while (true) {
    PUNSTER_TRY(auto refused, lay_out_and_solve(plan));
    if (refused.empty()) break;
    plan.bodies->refuse(std::move(refused));
  }
  if (wants_copies(*plan.bodies))
    plan.stub_bodies = StubBodies(*plan.bodies, plan.solution, plan.space.ring_pages);
  statistics.seconds_solve = lap();
  // From here on every body of a site is final, no code byte changes and every stub has its
  // address.

  // 4. Place and share: bodies, stubs and overlays become pages.
  PUNSTER_TRY(go_on());
  PUNSTER_TRY(fill_pages(plan));
  statistics.seconds_share = lap() - statistics.seconds_place;
  // From here on every byte of new memory is final.

  // 5. Check the budget: a file that cannot start is never written.
  statistics.mappings = mapping_count(plan.emit_plan);
  count(plan);
  if (statistics.mappings > mapping_budget)
    return error("over_budget",
                 "the output would need " + std::to_string(statistics.mappings) +
                     " mappings and the budget is " + std::to_string(mapping_budget) +
                     "; patch fewer sites, or raise --max-mappings (a process may have 65,530)");
  planned = std::move(plan);
  return success();
}

Result<std::vector<RefusedSite>> Session::State::lay_out_and_solve(Planned& plan) {
  Bodies& bodies = *plan.bodies;
  bodies.lay_out(next_reserved + static_cast<std::int64_t>(syscall_gate ? gate_size : 0));
  PUNSTER_TRY(plan.space, space_for_stubs(bodies));
  const unsigned others = jobs - 1;
  auto written = std::async(others > 0 ? std::launch::async : std::launch::deferred,
                            [&] { return bodies.write(std::max(others, 1u)); });
  PUNSTER_TRY(plan.solution, solve_and_own(plan));
  return written.get();
}

Result<Solution> Session::State::run_solver(const Planned& plan,
                                            const std::vector<std::uint32_t>& trace) {
  Bodies& bodies = *plan.bodies;
  const auto sites = solver_sites(bodies);
  const auto regions = code();
  const auto padding = with_slack(*input, regions, requests.instructions(), requests.padding());
  SolverInput solver_input{regions, requests.instructions(), padding, sites, plan.space, &bodies};
  SolverOptions options = solver_options;
  options.far_first = objective == Objective::speed;
  options.threads = jobs;
  options.cancelled = &cancelled;
  options.trace = trace;
  options.progress = [this](std::uint64_t done, std::uint64_t total) { say("solve", done, total); };
  PUNSTER_TRY(auto solution, solve(solver_input, options));
  take_out_owned(sites, solution);
  return solution;
}

Result<void> Session::State::fill_pages(Planned& plan) {
  const auto start = std::chrono::steady_clock::now();
  PageStore store;
  say("place", 0, plan.bodies->sites().size());
  PUNSTER_TRY(plan.bodies->put(plan.solution, store));
  if (syscall_gate)
    store.put(signed_address(*syscall_gate), std::vector<std::uint8_t>(gate_size, 0xcc));
  statistics.seconds_place = seconds_since(start);
  say("share", 0, store.page_count());
  collect_traps(plan);
  plan.emit_plan.counters = counter_region;
  PUNSTER_TRY(auto shared, lay_out_pages(plan, store));
  append_reserved(shared);
  const auto regions = code();
  for (std::size_t r = 0; r < regions.size(); ++r)
    append_overlays(*input, regions[r].address, regions[r].bytes, plan.solution.code[r],
                    overlay_join_distance, shared);
  std::sort(shared.mappings.begin(), shared.mappings.end(),
            [](const PageMapping& a, const PageMapping& b) {
              return signed_address(a.address) < signed_address(b.address);
            });
  statistics.virtual_pages = shared.virtual_pages;
  statistics.physical_pages = shared.pages.size() / 4096;
  plan.emit_plan.pages = std::move(shared.pages);
  plan.emit_plan.mappings = std::move(shared.mappings);
  plan.emit_plan.build_id = build_id;
  plan.emit_plan.calls = calls;
  plan.emit_plan.clear_shstk = plan.bodies->emulates_call();
  plan.emit_plan.clear_ibt = plan.bodies->patches_endbr();
  plan.emit_plan.build_key = build_key();
  if (unwind) plan.places = std::make_unique<BodyPlaces>(*plan.bodies, requests);
  if (unwind && describes_stubs(plan)) plan.places->scatter(plan.solution, plan.stub_bodies);
  plan.emit_plan.bodies = plan.places.get();
  plan.emit_plan.frames_for_process = frames_for_process(plan.emit_plan.layout);
  // The kernel puts a program where it likes: what the runtime maps below it needs no raise.
  if (input->kind() == FileKind::dso || plan.emit_plan.layout == Layout::headers)
    plan.raised_by = raise_for(plan.emit_plan, *room, raise_mode);
  plan.emit_plan.syscall_gate = syscall_gate;
  plan.emit_plan.owns_calls = syscall_gate && owns_calls(plan);
  return success();
}

// A row for a stub takes about 2 bytes of the output. Where every instruction is a site that is a
// tenth of it, so it must be asked for.
bool Session::State::describes_stubs(const Planned& plan) const {
  constexpr std::uint64_t bytes = 3, part = 16;
  if (unwind_rows != UnwindRows::automatic) return unwind_rows != UnwindRows::bodies;
  const auto count = plan.solution.stubs.size() + plan.stub_bodies.places().size() +
                     plan.solution.evictions.size();
  return count * bytes <= (input->file().size() + plan.emit_plan.pages.size()) / part;
}

// glibc believes that an address belongs to a program only if a program header says so. Of a shared
// object it has reserved everything from the lowest to the highest.
std::string Session::State::no_frames_for_process(Layout mapped_by) const {
  if (unwind_rows != UnwindRows::process) return "";
  if (!can_unwind_itself(*input))
    return "the file has no index of unwind rows that could be continued: none for the process";
  if (mapped_by == Layout::loader && input->kind() != FileKind::dso)
    return "the runtime maps trampolines, and a program finds unwind rows only where program "
           "headers do (--layout=headers): none for the process";
  return "";
}

std::vector<CodeRegion> Session::State::code() const {
  return code_regions(*input, layout.mode == LayoutMode::loader ? Tail::in_memory : Tail::in_file);
}

std::size_t Session::State::runs_with_headers(const std::vector<TrapRoute>& traps) const {
  EmitPlan others;  // all program headers but those of trampolines, and the low end
  others.layout = Layout::headers;
  others.traps = traps;
  others.counters = counter_region;
  others.frames_for_process = frames_for_process(others.layout);
  const std::size_t most = room->footprint.most_headers, count = header_count(*input, others) + 1;
  return most > count ? most - count : 0;
}

Result<SharedPages> Session::State::lay_out_pages(Planned& plan, const PageStore& dense) {
  std::vector<std::pair<std::int64_t, std::int64_t>> taken = {
      {signed_address(room->footprint.image.lo), first_body_address(room->footprint)}};
  if (counter_region)
    taken.emplace_back(signed_address(counter_region->address),
                       signed_address(counter_region->address + counter_region->size));
  auto taken_by_stubs = taken;
  taken_by_stubs.emplace_back(first_body_address(room->footprint), plan.bodies->site_room().hi);
  taken_by_stubs.emplace_back(plan.bodies->evicted_room().lo, plan.bodies->evicted_room().hi);
  const NewMemory memory(dense, plan.solution, plan.stub_bodies, plan.space.ring_pages, taken,
                         taken_by_stubs);
  auto obstacle = obstacle_to_headers(memory);
  auto chosen =
      choose_layout(layout, memory, runs_with_headers(plan.emit_plan.traps), std::move(obstacle));
  if (chosen.has_error()) {
    auto failure = std::move(chosen).error();
    if (failure.kind == "layout") failure.message = input->path().string() + ": " + failure.message;
    return failure;
  }
  plan.emit_plan.layout = chosen.value().layout;
  plan.emit_plan.most_headers = room->footprint.most_headers;
  plan.layout_reason = std::move(chosen.value().reason);
  return std::move(chosen.value().pages);
}

std::string Session::State::obstacle_to_headers(const NewMemory& memory) {
  if (layout.mode == LayoutMode::loader) return "";
  if (!calls.empty() || !reserved.empty())
    return "a client's routines and data are the runtime's business";
  if (auto why = why_not_in_place(*input); !why.empty()) return why;
  const auto lowest = memory.lowest_page();
  if (!lowest || *lowest >= 0 || room->raisable) return "";
  // Only now is it worth looking: with the runtime nobody needs to know.
  if (raise_mode == RaiseMode::never)
    return "there are trampolines below the image, and --raise=never keeps it there";
  auto found = raisable(*input);
  if (found.has_error())
    return "there are trampolines below the image, but " + found.error().message;
  room->raisable = std::move(found).value();
  return "";
}

void Session::State::collect_traps(Planned& plan) const {
  const auto& sites = plan.bodies->sites();
  for (std::size_t k = 0; k < sites.size(); ++k)
    if (plan.solution.decisions[k].tactic == Tactic::B0)
      plan.emit_plan.traps.push_back(
          {requests.instructions()[sites[k].insn].address(), vaddr(sites[k].address)});
  add_owned_traps(plan.emit_plan.traps);
  plan.emit_plan.trap_kind = trap_kind;
  std::uint32_t site = 0;
  for (const auto& eviction : plan.solution.evictions) {
    site = eviction.for_site;
    plan.evicted_by_site[site].push_back(requests.instructions()[eviction.insn].address());
  }
}

// Every run is a virtual memory area of its own; an overlay also cuts the original code in two.
// Runs that are neighbours in memory and in the file merge.
std::uint64_t Session::State::mapping_count(const EmitPlan& plan) const {
  std::uint64_t areas = 6;  // header table, tables, runtime, state and the cut at each end
  for (std::size_t i = 0; i < plan.mappings.size(); ++i) {
    const auto& run = plan.mappings[i];
    if (run.overlay) {
      areas += 2;
      continue;
    }
    const bool merges = i > 0 && !plan.mappings[i - 1].overlay &&
                        plan.mappings[i - 1].contents == run.contents &&
                        plan.mappings[i - 1].continued_by(run);
    areas += merges ? 0 : 1;
  }
  // In a shared object what lies between two runs is a reservation of ld.so, an area as well.
  if (input->kind() == FileKind::dso) areas *= 2;
  return areas;
}

void Session::State::count(const Planned& plan) {
  auto& s = statistics;
  s.sites = requests.patches().size();
  s.failed = plan.bodies->refused().size();
  std::array<std::uint64_t, tactic_count> tactics{};
  std::array<std::uint64_t, 256> means{};  // by their bits
  for (const auto& decision : plan.solution.decisions) {
    if (decision.tactic == Tactic::none) {
      ++s.failed;
      continue;
    }
    ++(decision.tactic == Tactic::B0 ? s.trapped : s.patched);
    ++tactics[static_cast<std::size_t>(decision.tactic)];
    ++means[decision.means];
  }
  for (std::size_t tactic = 0; tactic < tactics.size(); ++tactic)
    if (tactics[tactic] > 0) s.by_tactic[to_string(static_cast<Tactic>(tactic))] = tactics[tactic];
  for (std::size_t set = 0; set < means.size(); ++set)
    if (means[set] > 0)
      for (const auto& name : means_names(static_cast<std::uint8_t>(set)))
        s.by_means[name] += means[set];
  s.layout = plan.emit_plan.layout == Layout::headers ? "headers" : "loader";
  s.layout_reason = plan.layout_reason;
  s.raised_by = plan.raised_by.value;
  s.not_raised = room->not_raised;
  s.shadow_stack_cleared = plan.emit_plan.clear_shstk;
  s.branch_tracking_cleared = plan.emit_plan.clear_ibt;
  s.peak_rss_bytes = peak_rss();
}

Session::Session(ProgressSink progress) : state_(std::make_unique<State>(std::move(progress))) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;

Result<BinaryReply> Session::open(const BinaryRequest& request) {
  if (state_->input)
    return error("bad_request", "this session has its file already; one session is one file");
  PUNSTER_TRY(auto view, ElfView::open(request.filename));
  PUNSTER_TRY(auto room, room_for(view, state_->raise_mode, state_->layout));
  const bool is_shared_object = view.kind() == FileKind::dso;
  if ((request.mode == "dso") != is_shared_object && !request.mode.empty())
    return error_in("wrong_mode",
                    request.filename + ": is " + (is_shared_object ? "" : "not ") +
                        "a shared object; leave \"mode\" out",
                    "/params/mode");
  BinaryReply reply{to_string(view.kind()), ""};
  state_->next_reserved = first_body_address(room.footprint);
  state_->input = std::move(view);
  state_->room = std::move(room);
  state_->planned.reset();
  return reply;
}

Result<void> Session::define_trampoline(const TrampolineRequest& request) {
  state_->planned.reset();
  return state_->requests.define(request);
}

namespace {

/// The solver keeps a state for each byte of code, and for no other: a client's mistake ends here.
Result<void> need_code(const ElfView& input, Vaddr lo, std::uint64_t size) {
  if (size == 0 || (input.executable(lo) && input.bytes_at(lo, Bytes{size}).size() == size))
    return success();
  return error_at("not_code",
                  "no executable bytes of the file stand at all of " + to_hex(lo) + " to " +
                      to_hex(Vaddr{lo.value + size}),
                  lo);
}

}  // namespace

Result<void> Session::add_instructions(const InstructionsRequest& request) {
  PUNSTER_TRY(state_->need_input());
  PUNSTER_TRY(
      need_code(*state_->input, request.address,
                std::accumulate(request.lengths.begin(), request.lengths.end(), std::uint64_t{0})));
  state_->planned.reset();
  return state_->requests.add(request);
}

Result<void> Session::add_padding(const PaddingRequest& request) {
  PUNSTER_TRY(state_->need_input());
  for (const auto& range : request.ranges)
    PUNSTER_TRY(need_code(*state_->input, range.lo, range.size().value));
  state_->planned.reset();
  return state_->requests.add(request);
}

Result<void> Session::add_patches(const PatchesRequest& request) {
  PUNSTER_TRY(state_->need_input());
  state_->planned.reset();
  return state_->requests.add(request);
}

Result<CountersReply> Session::use_counters(const CountersRequest& request) {
  PUNSTER_TRY(state_->need_input());
  if (state_->counter_region) return error("bad_request", "this session has its counters already");
  if (request.capacity == 0 || request.capacity > (std::uint64_t{1} << 27))
    return error_in("bad_request", "the capacity is between 1 and 134,217,728 slots",
                    "/params/capacity");
  const Vaddr at{static_cast<std::uint64_t>(state_->next_reserved)};
  // The file is mapped from its start: a page of header (PunsterCounters), then the slots.
  const Bytes size{page_size.value + ((request.capacity * 8 + 4095) & ~std::uint64_t{4095})};
  state_->counter_region = CounterRegion{at, size, request.path};
  state_->next_reserved += static_cast<std::int64_t>(size.value);
  state_->planned.reset();
  return CountersReply{at + page_size};
}

Result<Statistics> Session::plan() {
  PUNSTER_TRY(state_->need_input());
  state_->cancelled = false;
  PUNSTER_TRY(state_->rewrite_in_memory());
  return state_->statistics;
}

Result<Statistics> Session::emit(const EmitRequest& request) {
  PUNSTER_TRY(state_->need_input());
  if (request.format != "binary")
    return error_in("unsupported",
                    "format \"" + request.format + "\" is not written; there is \"binary\"",
                    "/params/format");
  state_->cancelled = false;
  PUNSTER_TRY(state_->rewrite_in_memory());
  PUNSTER_TRY(state_->go_on());
  const auto start = std::chrono::steady_clock::now();
  state_->say("emit", 0, state_->planned->emit_plan.pages.size());
  const auto& plan = *state_->planned;
  PUNSTER_TRY(const auto result, emit_raised(*state_->input, plan.emit_plan, *state_->room,
                                             plan.raised_by, request.filename));
  auto& s = state_->statistics;
  s.seconds_emit = seconds_since(start);
  s.output_bytes = result.file_size.value;
  s.mappings = result.mappings;
  s.unwind = {result.unwind.functions,   result.unwind.left_out, result.unwind.scattered,
              result.unwind.for_process, result.unwind.symbols,  result.unwind.bytes,
              result.unwind.note};
  if (s.unwind.note.empty() && state_->unwind)
    s.unwind.note = state_->no_frames_for_process(plan.emit_plan.layout);
  s.peak_rss_bytes = peak_rss();
  return s;
}

Statistics Session::statistics() const {
  return state_->statistics;
}

void Session::cancel() {
  state_->cancelled = true;
}

}  // namespace punster
