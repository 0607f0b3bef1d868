// punster show: what became of an instruction. Reads nothing but the rewritten file, through the
// same reader as the prover: its tables say where the patched code will be mapped.

#include <algorithm>
#include <array>
#include <cstdio>

#include "frontend/cli/failure.h"
#include "frontend/cli/record_printer.h"
#include "frontend/decode/details.h"
#include "frontend/verify/jump_path.h"
#include "frontend/verify/patched_image.h"
#include "protocol/hex.h"

namespace punster {

namespace {

using Json = nlohmann::json;

constexpr std::size_t longest_instruction = 15;

/// A body holds a payload, a displaced instruction and a jump back. More is cut off, and said so.
constexpr unsigned most_lines = 64;

/// One instruction as it will stand in memory, or stood there originally.
struct Line {
  const char* part;  // "original", "now", "stub", "trampoline"
  Vaddr address;
  std::string bytes, text;
  unsigned length = 0;
};

struct Shown {
  Vaddr address;
  std::string state;  // "patched", "trapped", "replaced", "untouched"
  std::vector<Line> lines;
  std::optional<Vaddr> runs_into;  // the next instruction, whose trampoline follows without a jump
  bool cut = false;                // the trampoline goes on
};

class Inspection {
 public:
  Inspection(const PatchedImage& image, Syntax syntax) : image_(image), syntax_(syntax) {}

  Result<Shown> at(Vaddr address) const {
    Shown shown;
    shown.address = address;
    const auto original = line("original", address, true);
    if (!original)
      return error_at(
          "not_mapped",
          image_.path().string() + ": " + to_hex(address) + " is no instruction of this file",
          address);
    shown.lines.push_back(*original);
    for (unsigned covered = 0; covered < original->length;) {
      const auto now = line("now", address + Bytes{covered}, false);
      if (!now) break;
      shown.lines.push_back(*now);
      covered += now->length;
    }
    follow(shown);
    return shown;
  }

 private:
  [[nodiscard]] std::optional<Line> line(const char* part, Vaddr address, bool original) const {
    std::array<std::uint8_t, longest_instruction> buffer{};
    const std::size_t size =
        original ? image_.read_unpatched(address, buffer) : image_.read(address, buffer);
    const auto all = std::span<const std::uint8_t>(buffer).first(size);
    if (all.empty()) return std::nullopt;
    const auto decoded = details(all, address);
    // What does not decode is shown as one byte: a trap opcode, or data in a payload.
    const auto length = decoded ? static_cast<unsigned>((decoded->end - address).value) : 1u;
    const auto bytes = all.first(length);
    return Line{part, address, to_hex(bytes), assembly(bytes, address, syntax_), length};
  }

  [[nodiscard]] bool in_trampolines(Vaddr address) const {
    const MemoryPiece* piece = image_.piece_at(address);
    return piece != nullptr && piece->kind == MemoryKind::trampolines;
  }

  /// From the site along its jumps to the body, or through the table of traps.
  void follow(Shown& shown) const {
    const Line original = shown.lines.front();
    const auto trap = image_.trap_target(shown.address);
    if (trap) {
      shown.state = "trapped";
      return add_body(shown, *trap);
    }
    const auto hops = way_to_body(shown.address);
    if (hops.empty() || !in_trampolines(hops.back().target)) {
      shown.state = shown.lines.size() == 2 && shown.lines[1].bytes == original.bytes ? "untouched"
                                                                                      : "replaced";
      return;
    }
    shown.state = "patched";
    for (std::size_t i = 1; i < hops.size(); ++i)
      if (const auto hop = line("stub", hops[i].address, false)) shown.lines.push_back(*hop);
    add_body(shown, hops.back().target);
  }

  [[nodiscard]] FlowInfo flow_at(Vaddr address, bool original) const {
    std::array<std::uint8_t, longest_instruction> buffer{};
    const std::size_t size =
        original ? image_.read_unpatched(address, buffer) : image_.read(address, buffer);
    return decode_flow(std::span<const std::uint8_t>(buffer).first(size), address);
  }

  /// The jumps from `site` to its body. Chained, a displaced jump leads on to its target's body,
  /// and looks like one of them.
  [[nodiscard]] std::vector<JumpHop> way_to_body(Vaddr site) const {
    auto hops = hops_from(image_, site);
    const FlowInfo flow = flow_at(site, true);
    if (flow.kind != FlowKind::jump) return hops;
    const auto beyond = hops_from(image_, flow.target);
    const auto is_beyond = [&](const JumpHop& hop) {
      return std::any_of(beyond.begin(), beyond.end(),
                         [&](const JumpHop& other) { return other.target == hop.target; });
    };
    for (std::size_t i = 1; i < hops.size(); ++i)
      if (is_beyond(hops[i])) hops.resize(i);
    return hops;
  }

  [[nodiscard]] std::optional<Vaddr> body_of(Vaddr site) const {
    if (const auto trap = image_.trap_target(site)) return trap;
    const auto hops = way_to_body(site);
    return hops.empty() ? std::nullopt : std::optional(hops.back().target);
  }

  /// In order of addresses, to where it leaves for good or the next instruction's body begins.
  void add_body(Shown& shown, Vaddr address) const {
    const Vaddr behind = shown.address + Bytes{shown.lines.front().length};
    const auto next_body = body_of(behind);
    Vaddr within = address;  // what short jumps, which never leave a body, lead to
    for (unsigned count = 0; count < most_lines; ++count) {
      if (count > 0 && address == next_body) {
        shown.runs_into = behind;
        return;
      }
      const auto next = line("trampoline", address, false);
      if (!next || !in_trampolines(address)) return;
      shown.lines.push_back(*next);
      address = address + Bytes{next->length};
      const FlowInfo flow = flow_at(next->address, false);
      if (flow.direct() && flow.length < 5) within = std::max(within, flow.target);
      const bool leaves = flow.kind == FlowKind::jump || flow.kind == FlowKind::indirect_jump ||
                          flow.kind == FlowKind::ret;
      if (leaves && within < address) return;
    }
    shown.cut = true;
  }

  const PatchedImage& image_;
  Syntax syntax_;
};

std::string spaced(const std::string& hex) {
  std::string result;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    if (i != 0) result += ' ';
    result += hex.substr(i, 2);
  }
  return result;
}

void print_text(const Shown& shown) {
  std::printf("%s: %s\n", to_hex(shown.address).c_str(), shown.state.c_str());
  for (const Line& line : shown.lines)
    std::printf("  %-10s  %12s  %-30s  %s\n", line.part, to_hex(line.address).c_str(),
                spaced(line.bytes).c_str(), line.text.c_str());
  if (shown.runs_into)
    std::printf("  then the trampoline of %s\n", to_hex(*shown.runs_into).c_str());
  if (shown.cut) std::printf("  ... the trampoline goes on\n");
}

Json as_json(const Shown& shown) {
  Json json{{"address", to_hex(shown.address)}, {"state", shown.state}, {"cut", shown.cut}};
  json["runs_into"] = shown.runs_into ? Json(to_hex(*shown.runs_into)) : Json(nullptr);
  json["lines"] = Json::array();
  for (const Line& line : shown.lines)
    json["lines"].push_back({{"part", line.part},
                             {"address", to_hex(line.address)},
                             {"bytes", line.bytes},
                             {"asm", line.text}});
  return json;
}

void print_all(const std::vector<Shown>& all, Format format) {
  if (format == Format::text)
    for (const Shown& shown : all) print_text(shown);
  if (format == Format::json) {
    Json list = Json::array();
    for (const Shown& shown : all) list.push_back(as_json(shown));
    print_json(list);
  }
  if (format != Format::csv) return;
  RecordPrinter printer(format, {{"site"}, {"state"}, {"part"}, {"address"}, {"bytes"}, {"asm"}});
  for (const Shown& shown : all)
    for (const Line& line : shown.lines)
      printer.record({to_hex(shown.address), shown.state, line.part, to_hex(line.address),
                      line.bytes, line.text});
  printer.end();
}

Result<std::vector<Shown>> inspect(const ShowOptions& options) {
  PUNSTER_TRY(const PatchedImage image, PatchedImage::open(options.patched));
  if (image.header() == nullptr)
    return error("not_rewritten",
                 options.patched + ": was not written by punster (show what `punster patch` made)");
  const Inspection inspection(image, options.intel_syntax ? Syntax::intel : Syntax::att);
  std::vector<Shown> all;
  for (const Vaddr address : options.at) {
    PUNSTER_TRY(auto shown, inspection.at(address));
    all.push_back(std::move(shown));
  }
  return all;
}

}  // namespace

int run_show(const ShowOptions& options) {
  const auto all = inspect(options);
  if (all.has_error()) return fail(all.error());
  print_all(all.value(), options.format);
  return finish_stdout(exit_status::done);
}

}  // namespace punster
