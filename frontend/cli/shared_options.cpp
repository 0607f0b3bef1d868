#include "frontend/cli/shared_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <thread>

#include "protocol/hex.h"
#include "protocol/messages.h"

namespace punster {

namespace {

const std::vector<std::pair<std::string, Format>> formats{
    {"text", Format::text}, {"json", Format::json}, {"csv", Format::csv}};

/// How new memory gets into the process.
void add_layout(CLI::App* command, BackendOptions& backend) {
  command
      ->add_option(
          "--layout", backend.layout,
          "Who maps trampolines: headers (program headers: nothing runs at start), loader (a "
          "runtime inside the file), or auto (default: headers where they suffice)")
      ->check(CLI::IsMember({"auto", "headers", "loader"}).description(""))
      ->option_text("WHO");
  command
      ->add_option("--max-headers", backend.max_headers,
                   "Program headers that the file may have in all (default: 73 in programs, which "
                   "Linux before 6.17 cannot exceed; in libraries 60 for trampolines)")
      ->check(CLI::Range(1u, most_program_headers).description(""))
      ->option_text("N");
  command->add_flag("--share-pages", backend.share_pages,
                    "Let program headers show the same pages of the file: a smaller file, which "
                    "eu-elflint objects to");
}

/// What the solver may do, for those who want to know what each of its ideas is worth.
void add_ideas(CLI::App* command, BackendOptions& backend) {
  command
      ->add_option(
          "--optimize", backend.optimize,
          "What to spare where there is a choice: balanced (default), speed (of the program: fewer "
          "instructions displaced that nobody asked for, and fewer jumps to trampolines), "
          "mappings, or size (of the file)")
      ->check(CLI::IsMember({"balanced", "speed", "mappings", "size"}).description(""))
      ->option_text("WHAT");
  command
      ->add_option("--solver", backend.solver,
                   "joint (default): neighbours decided together; greedy: each site by itself, "
                   "highest first")
      ->check(CLI::IsMember({"joint", "greedy"}).description(""))
      ->option_text("joint|greedy");
  command
      ->add_option("--lookahead", backend.lookahead,
                   "Place up to so many followers anew, or evict them, together with a site: 0 to "
                   "5 (default: 5)")
      ->check(CLI::Range(0u, 5u).description(""))
      ->option_text("N");
  command->add_flag_callback(
      "--no-landing-pads", [&backend] { backend.landing_pads = false; },
      "No short jumps to dead bytes nearby (tactic T3)");
  command->add_flag_callback(
      "--no-stubs", [&backend] { backend.stubs = false; },
      "Only jumps that reach their trampoline itself, none to a second jump on the way");
}

AddressRange address_range(const std::string& option, const std::string& text) {
  const auto dash = text.find('-');
  const auto lo = parse_hex(text.substr(0, dash));
  const auto hi = dash == std::string::npos ? std::nullopt : parse_hex(text.substr(dash + 1));
  if (!lo || !hi || *lo >= *hi)
    throw CLI::ValidationError(option, "'" + text + "' is not a range such as 0x1000-0x1040");
  return {Vaddr{*lo}, Vaddr{*hi}};
}

}  // namespace

void add_format(CLI::App* command, Format& format) {
  command->add_option("--format", format, "How to print: text (default), json or csv")
      ->transform(CLI::CheckedTransformer(formats).description(""))
      ->option_text("text|json|csv");
}

void add_syntax(CLI::App* command, bool& intel) {
  command
      ->add_option_function<std::string>(
          "--syntax", [&intel](const std::string& name) { intel = name == "intel"; },
          "Assembly language of asm texts: att (default) or intel")
      ->check(CLI::IsMember({"att", "intel"}).description(""))
      ->option_text("att|intel");
}

void add_jobs(CLI::App* command, unsigned& jobs) {
  jobs = std::max(1u, std::thread::hardware_concurrency());
  command
      ->add_option("--jobs,-j", jobs,
                   "Threads (default: one per processor); never changes a result")
      ->check(CLI::Range(1u, 1024u).description(""))
      ->option_text("N");
}

void add_file(CLI::App* command, const std::string& name, std::string& file, const char* text,
              bool required) {
  command->add_option(name, file, text)->required(required)->option_text(" ");
}

void add_optional(CLI::App* command, const std::string& name, std::optional<std::string>& value,
                  const std::string& placeholder, const char* text) {
  command->add_option(name, value, text)->option_text(placeholder);
}

void add_with_libraries(CLI::App* command, std::optional<std::string>& names) {
  command
      ->add_flag("--with-libraries{.*}", names,
                 "Also the libraries that ld.so finds for it by name: all, or those whose name "
                 "matches")
      ->option_text("[=REGEX]");
}

void add_evidence(CLI::App* command, EvidenceOptions& evidence) {
  for (const auto& [name, ranges, help] :
       {std::tuple{"--code", &evidence.code, "These bytes are instructions; repeatable"},
        std::tuple{"--data", &evidence.data, "No instruction may stand here; repeatable"}})
    command
        ->add_option_function<std::vector<std::string>>(
            name,
            [name = std::string(name), ranges = ranges](const std::vector<std::string>& texts) {
              for (const std::string& text : texts) ranges->push_back(address_range(name, text));
            },
            help)
        ->allow_extra_args(false)
        ->option_text("LO-HI");
  command
      ->add_option("--addresses", evidence.addresses,
                   "Instructions start at the addresses in this file, CSV or JSON; repeatable")
      ->allow_extra_args(false)
      ->option_text("FILE");
  command
      ->add_option(
          "-E,--exclude", evidence.excluded,
          "Leave this range alone: 0x1000..0x1040, .plt .. .text, main .. main+16; repeatable")
      ->type_size(1)
      ->allow_extra_args(false)
      ->option_text("RANGE");
  add_optional(command, "--debug-file", evidence.debug_file, "FILE",
               "Use the symbols of this separate debug file too");
  command
      ->add_option_function<std::string>(
          "--doubt",
          [&evidence](const std::string& what) {
            using Doubt = EvidenceOptions::Doubt;
            evidence.doubt = what == "patch"  ? Doubt::patch
                             : what == "trap" ? Doubt::trap
                                              : Doubt::skip;
          },
          "Bytes that may be data: skip (default: never changed), trap (at your risk: sites become "
          "traps, two bytes each), or patch (at your risk: as if they were code)")
      ->check(CLI::IsMember({"skip", "trap", "patch"}).description(""))
      ->option_text("skip|trap|patch");
}

void add_backend(CLI::App* command, BackendOptions& backend) {
  command
      ->add_option("--tactics", backend.tactics,
                   "Only these, of C1,B1,B2,T1,T2,T3,B0 (default: all that the solver knows)")
      ->delimiter(',')
      ->check(CLI::IsMember({"C1", "B1", "B2", "T1", "T2", "T3", "B0"}).description(""))
      ->allow_extra_args(false)
      ->option_text("LIST");
  command->add_flag_callback(
      "--no-traps", [&backend] { backend.traps = false; },
      "Leave a site unpatched rather than trap it (tactic B0)");
  command
      ->add_option("--trap-with", backend.trap_with,
                   "What traps: ud2 (default), int3, int-03 or hlt; `punster calibrate` says what "
                   "each costs")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(trap_names), std::end(trap_names)))
                  .description(""))
      ->option_text("TRAP");
  command->add_flag_callback(
      "--no-chaining", [&backend] { backend.chaining = false; },
      "Let every trampoline jump back, even where the next instruction is a site");
  command->add_flag_callback(
      "--no-unwind", [&backend] { backend.unwind = false; },
      "No symbols and no unwind rows for trampolines (for debuggers, profilers)");
  command
      ->add_option("--unwind-rows", backend.unwind_rows,
                   "Which trampolines debuggers can unwind from: bodies, all (stubs as well), or "
                   "auto (default): all where that takes little of the file; process: all, and "
                   "the program itself can, when a signal's handler throws, is cancelled, or asks "
                   "for a backtrace")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(unwind_row_names),
                                                     std::end(unwind_row_names)))
                  .description(""))
      ->option_text("WHICH");
  command
      ->add_option(
          "--raise", backend.raise,
          "Shared objects get room for trampolines below themselves: auto (default), never, or "
          "always: fail where that cannot be")
      ->check(CLI::IsMember({"auto", "never", "always"}).description(""))
      ->option_text("MODE");
  add_layout(command, backend);
  command
      ->add_option("--max-mappings", backend.max_mappings,
                   "Refuse to write a file that adds more memory mappings than this")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 31).description(""))
      ->option_text("N");
  command
      ->add_option("--build-id", backend.build_id,
                   "keep (default), or new: so that profilers tell output from input")
      ->check(CLI::IsMember({"keep", "new"}).description(""))
      ->option_text("keep|new");
  add_ideas(command, backend);
  add_optional(
      command, "--backend", backend.backend, "PATH",
      "The backend program (default: $PUNSTER_BACKEND, else punster-backend beside punster)");
}

}  // namespace punster
