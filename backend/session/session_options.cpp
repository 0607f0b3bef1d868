// What a client may choose, and the key that tells outputs of different choices apart.

#include <algorithm>

#include "backend/session/session_state.h"
#include "protocol/hex.h"
#include "protocol/sha256.h"
#include "runtime/loader_abi.h"

namespace punster {
namespace {

constexpr std::string_view objective_names[] = {"balanced", "speed", "mappings", "size"};

std::optional<Objective> parse_objective(std::string_view name) {
  const auto found = std::find(std::begin(objective_names), std::end(objective_names), name);
  if (found == std::end(objective_names)) return std::nullopt;
  return static_cast<Objective>(found - std::begin(objective_names));
}

std::optional<UnwindRows> parse_unwind_rows(std::string_view name) {
  const auto found = std::find(std::begin(unwind_row_names), std::end(unwind_row_names), name);
  if (found == std::end(unwind_row_names)) return std::nullopt;
  return static_cast<UnwindRows>(found - std::begin(unwind_row_names));
}

Result<std::uint16_t> tactics_of(const std::vector<std::string>& names) {
  std::uint16_t tactics = 1 << static_cast<int>(Tactic::I0);
  for (const auto& name : names) {
    const auto tactic = parse_tactic(name);
    if (!tactic)
      return error_in("bad_request", "unknown tactic \"" + name + "\"", "/params/tactics");
    tactics |= static_cast<std::uint16_t>(1u << static_cast<int>(*tactic));
  }
  return tactics;
}

Result<LayoutOptions> layout_of(const OptionsRequest& request, LayoutOptions layout) {
  if (request.layout) {
    const auto mode = parse_layout_mode(*request.layout);
    if (!mode)
      return error_in("bad_request", "layout is \"auto\", \"headers\" or \"loader\"",
                      "/params/layout");
    layout.mode = *mode;
  }
  if (request.max_headers) layout.most_headers = *request.max_headers;
  if (request.share_pages) layout.share_pages = *request.share_pages;
  return layout;
}

Result<std::uint32_t> trap_kind_of(const std::string& name) {
  static_assert(std::size(trap_names) == punster_trap_kinds);
  const auto found = std::find(std::begin(trap_names), std::end(trap_names), name);
  if (found == std::end(trap_names))
    return error_in("bad_request", "unknown trap \"" + name + "\"", "/params/trap_with");
  return static_cast<std::uint32_t>(found - std::begin(trap_names));
}

TrapCode trap_code_of(std::uint32_t kind) {
  static constexpr TrapCode codes[] = {
#define PUNSTER_TRAP_CODE(name, first, second, bytes, alone, signal) \
  TrapCode{{first, second}, bytes, alone, {}},
      PUNSTER_TRAP_FORMS(PUNSTER_TRAP_CODE)
#undef PUNSTER_TRAP_CODE
  };
  TrapCode code = codes[kind];
  code.name = trap_names[kind];
  return code;
}

std::vector<std::uint8_t> bytes_of_hex(const std::string& hex) {
  const auto text = parse_hex_bytes(hex).value();
  return {text.begin(), text.end()};
}

}  // namespace

// The values were checked when the request was read (protocol/messages.cpp); who calls a Session
// directly gets an error for those that have no meaning here.
Result<void> Session::set_options(const OptionsRequest& request) {
  State& state = *state_;
  SolverOptions solver = state.solver_options;
  if (!request.tactics.empty()) {
    PUNSTER_TRY(solver.tactics, tactics_of(request.tactics));
  }
  if (request.traps) solver.traps = *request.traps;
  std::uint32_t trap_kind = state.trap_kind;
  if (request.trap_with) {
    PUNSTER_TRY(trap_kind, trap_kind_of(*request.trap_with));
    solver.trap = trap_code_of(trap_kind);
  }
  if (request.solver && *request.solver != "joint" && *request.solver != "greedy")
    return error_in("bad_request", "unknown solver \"" + *request.solver + "\"", "/params/solver");
  if (request.solver) solver.joint = *request.solver == "joint";
  if (request.landing_pads) solver.pads = *request.landing_pads;
  if (request.lookahead) solver.lookahead = *request.lookahead;
  if (request.build_id && *request.build_id != "keep" && *request.build_id != "new")
    return error_in("bad_request", "build_id is \"keep\" or \"new\"", "/params/build_id");
  const auto objective = parse_objective(request.optimize.value_or("balanced"));
  if (!objective)
    return error_in("bad_request", "unknown objective \"" + *request.optimize + "\"",
                    "/params/optimize");
  const auto rows = parse_unwind_rows(request.unwind_rows.value_or("auto"));
  if (!rows)
    return error_in("bad_request", "unknown unwind rows \"" + *request.unwind_rows + "\"",
                    "/params/unwind_rows");
  RaiseMode raise_mode = state.raise_mode;
  if (request.raise) {
    const auto mode = parse_raise_mode(*request.raise);
    if (!mode)
      return error_in("bad_request", "raise is \"auto\", \"never\" or \"always\"", "/params/raise");
    raise_mode = *mode;
  }
  PUNSTER_TRY(const auto layout, layout_of(request, state.layout));
  if (state.input && (raise_mode != state.raise_mode || layout != state.layout)) {
    PUNSTER_TRY(auto room, room_for(*state.input, raise_mode, layout));
    if (first_body_address(room.footprint) != first_body_address(state.room->footprint)) {
      if (state.next_reserved != first_body_address(state.room->footprint))
        return error_in("bad_request", "max_headers must be given before anything is reserved",
                        "/params/max_headers");
      state.next_reserved = first_body_address(room.footprint);
    }
    state.room = std::move(room);
  }
  state.raise_mode = raise_mode;
  state.layout = layout;
  if (request.optimize) state.objective = *objective;
  state.solver_options = solver;
  state.trap_kind = trap_kind;
  if (request.chaining) state.chaining = *request.chaining;
  if (request.stubs) state.stubs = *request.stubs;
  if (request.max_mappings) state.mapping_budget = *request.max_mappings;
  if (request.unwind) state.unwind = *request.unwind;
  if (request.unwind_rows) state.unwind_rows = *rows;
  if (request.jobs) state.jobs = std::clamp(*request.jobs, 1u, 64u);
  if (request.build_id)
    state.build_id = *request.build_id == "new" ? BuildId::fresh : BuildId::keep;
  state.planned.reset();
  return success();
}

std::vector<std::uint8_t> Session::State::build_key() const {
  std::string text = sha256_hex(input->file()) + requests.digest() + PUNSTER_VERSION;
  const auto choice = [&](std::uint64_t value) {
    text.append(1, ' ').append(std::to_string(value));
  };
  choice(solver_options.tactics);
  choice(mapping_budget);
  choice(solver_options.lookahead);
  choice(static_cast<std::uint64_t>(objective));
  choice(trap_kind);
  choice(static_cast<std::uint64_t>(unwind_rows));
  choice(static_cast<std::uint64_t>(raise_mode));
  choice(static_cast<std::uint64_t>(layout.mode));
  choice(layout.most_headers);
  for (const bool value : {solver_options.traps, solver_options.joint, solver_options.pads, stubs,
                           chaining, unwind, layout.share_pages})
    choice(value);
  if (counter_region) text += counter_region->path;
  for (const auto& data : reserved) {
    choice(static_cast<std::uint64_t>(data.address));
    choice(static_cast<std::uint64_t>(data.contents));
    text += sha256_hex(data.bytes);
  }
  for (const auto& call : calls) {
    choice(call.address.value);
    choice(static_cast<std::uint64_t>(call.time));
  }
  return bytes_of_hex(sha256_hex(text));
}

}  // namespace punster
