// Whether the output is a raised image, by how much, and the one place where addresses are
// translated.
//
// Everything up to the last step works with the addresses of the input: what stands below a shared
// object has negative ones, as with programs. Only emit() must be told addresses that a file can
// hold. So it is handed a raised input (backend/raise) and a plan in which the same constant is
// added to everything; nothing before it, and nothing in the protocol, ever sees a raised address.

#pragma once

#include "backend/session/layouts.h"

namespace punster {

enum class RaiseMode : std::uint8_t { automatic, never, always };
[[nodiscard]] std::optional<RaiseMode> parse_raise_mode(std::string_view name);

/// What raising this input takes.
struct Raisable {
  std::vector<FileOffset> words;  ///< that hold addresses
  Bytes unit;                     ///< what the constant is a multiple of
};

struct Room {
  Footprint footprint;
  std::optional<Raisable> raisable;  ///< nothing: it stays where it is
  std::string not_raised;            ///< why; empty where nobody would have wanted it
};

/// Shared objects gain by being raised; programs only where program headers map their trampolines,
/// for these can name no address below 0. Otherwise programs have room on both sides as they are.
/// Errors: footprint()'s, and in mode `always` "cannot_raise".
Result<Room> room_for(const ElfView& input, RaiseMode mode, const LayoutOptions& layout);

/// What raising this input takes. Errors: "cannot_raise", "malformed".
Result<Raisable> raisable(const ElfView& input);

/// The constant for this plan: the least that gives everything in it an address, so that no more
/// memory is reserved than is needed; 0 when nothing stands below the image. In mode `always` at
/// least 2 GiB.
[[nodiscard]] Bytes raise_for(const EmitPlan& plan, const Room& room, RaiseMode mode);

/// Writes `output`, raised by `by`. `plan` has the addresses of the input. Precondition: `by` is
/// that of raise_for(), and 0 unless the room is raisable. Errors: emit()'s, and "unsupported" when
/// a site's bytes are an address in a table.
Result<EmitResult> emit_raised(const ElfView& input, const EmitPlan& plan, const Room& room,
                               Bytes by, const std::filesystem::path& output);

}  // namespace punster
