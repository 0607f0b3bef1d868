#include "frontend/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <thread>

#include "frontend/cli/help_text.h"
#include "protocol/hex.h"

namespace punster {

namespace {

const std::vector<std::pair<std::string, Format>> formats{
    {"text", Format::text}, {"json", Format::json}, {"csv", Format::csv}};

/// CLI11's formatter, with the usage line written by us: the synopsis says what may repeat and what
/// excludes what, which cannot be generated.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string) const override {
    return "Usage: " + std::string(help_text(app->get_name()).synopsis) + "\n";
  }
  std::string make_footer(const CLI::App* app) const override {
    return app->get_footer();
  }
};

CLI::App* add_command(CLI::App& app, const std::string& name) {
  const HelpText& text = help_text(name);
  CLI::App* command = app.add_subcommand(name, text.summary);
  command->footer(text.footer);
  return command;
}

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
  command->add_option("--jobs,-j", jobs, "Threads (default: one per processor); never changes a result")
      ->check(CLI::Range(1u, 1024u).description(""))
      ->option_text("N");
}

void add_file(CLI::App* command, const std::string& name, std::string& file, const char* text,
              bool required = true) {
  command->add_option(name, file, text)->required(required)->option_text(" ");
}

void add_optional(CLI::App* command, const std::string& name, std::optional<std::string>& value,
                  const std::string& placeholder, const char* text) {
  command->add_option(name, value, text)->option_text(placeholder);
}

/// What the solver may do, for those who want to know what each of its ideas is worth.
void add_ideas(CLI::App* command, BackendOptions& backend) {
  command
      ->add_option(
          "--optimize", backend.optimize,
          "What to spare where there is a choice: balanced (default), speed (of the program: fewer "
          "instructions displaced that nobody asked for), mappings, or size (of the file)")
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

void add_backend(CLI::App* command, BackendOptions& backend) {
  command
      ->add_option("--tactics", backend.tactics,
                   "Only these, of C1,B1,B2,T1,T2,T3,B0 (default: all that the solver knows)")
      ->delimiter(',')
      ->check(CLI::IsMember({"C1", "B1", "B2", "T1", "T2", "T3", "B0"}).description(""))
      ->allow_extra_args(false)
      ->option_text("LIST");
  command->add_flag_callback("--no-traps", [&backend] { backend.traps = false; },
                             "Leave a site unpatched rather than trap it (tactic B0)");
  command->add_flag_callback("--no-chaining", [&backend] { backend.chaining = false; },
                             "Let every trampoline jump back, even where the next instruction is a site");
  command->add_flag_callback(
      "--no-unwind", [&backend] { backend.unwind = false; },
      "No symbols and no unwind rows for trampolines (for debuggers, profilers)");
  command
      ->add_option(
          "--raise", backend.raise,
          "Shared objects get room for trampolines below themselves: auto (default), never, or "
          "always: fail where that cannot be")
      ->check(CLI::IsMember({"auto", "never", "always"}).description(""))
      ->option_text("MODE");
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
  add_optional(command, "--backend", backend.backend, "PATH",
               "The backend program (default: $PUNSTER_BACKEND, else punster-backend beside punster)");
}

/// -M and -P, whose order among each other matters. One value per occurrence.
struct GroupOptions {
  CLI::Option *match = nullptr, *action = nullptr;
  std::vector<std::string> matches, actions;

  void add(CLI::App* command, bool with_actions) {
    match = command->add_option("-M,--match", matches, "Expression that selects instructions")
                ->type_size(1)
                ->allow_extra_args(false)
                ->option_text("EXPR");
    if (with_actions)
      action = command->add_option("-P,--patch", actions, "What to do at them")
                   ->type_size(1)
                   ->allow_extra_args(false)
                   ->option_text("ACTION");
  }
  [[nodiscard]] std::vector<ActionGroup> groups(const CLI::App* command) const {
    std::vector<GroupWord> words;
    std::size_t match_index = 0, action_index = 0;
    for (const CLI::Option* option : command->parse_order()) {
      if (option == match) words.push_back({false, matches.at(match_index++)});
      if (option == action) words.push_back({true, actions.at(action_index++)});
    }
    return group_words(words);
  }
};

/// `--at` takes every word up to the next option, so that one of them may be the input file.
void take_trailing_input(std::vector<std::string>& at, std::string& input) {
  if (!input.empty() || at.size() < 2 || parse_hex(at.back())) return;
  input = std::move(at.back());
  at.pop_back();
}

std::vector<Vaddr> addresses(const std::vector<std::string>& texts) {
  std::vector<Vaddr> result;
  for (const std::string& text : texts) {
    const auto address = parse_hex(text);
    if (!address)
      throw CLI::ValidationError("--at", "'" + text + "' is not an address such as 0x113b");
    result.emplace_back(*address);
  }
  return result;
}

CLI::Option* add_at(CLI::App* command, std::vector<std::string>& at) {
  return command->add_option("--at", at, "Link-time addresses, such as 0x113b")
      ->required()
      ->option_text("ADDRESS...");
}

struct Parser {
  CLI::App app{std::string(help_text("punster").summary), "punster"};
  PatchOptions patch;
  SitesOptions sites;
  ExplainOptions explain;
  ShowOptions show;
  VerifyOptions verify;
  TopOptions top;
  GroupOptions patch_groups, sites_groups, explain_groups;
  std::vector<std::string> explain_at, show_at;
  CLI::App *patch_command, *sites_command, *explain_command, *show_command, *verify_command,
      *top_command;

  Parser() {
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_version_flag("--version", "punster " PUNSTER_VERSION);
    app.footer(help_text("punster").footer);
    app.require_subcommand(1);
    add_patch();
    add_sites();
    add_explain();
    add_show();
    add_verify();
    add_top();
  }

  void add_patch() {
    CLI::App* command = patch_command = add_command(app, "patch");
    add_file(command, "INPUT", patch.input, "The program or library to rewrite");
    add_file(command, "-o,--output", patch.output, "Where the rewritten file goes (required)");
    command->get_option("--output")->option_text("OUTPUT");
    patch_groups.add(command, true);
    patch_groups.action->required();
    add_optional(command, "--stats", patch.stats, "FILE", "Write figures as JSON, whatever happens");
    add_optional(command, "--sites", patch.sites, "FILE", "Write one JSON line per site");
    add_optional(command, "--counters", patch.counters, "FILE",
                 "Where `count` keeps its counters (default: OUTPUT.counts)");
    command->add_flag("--strict", patch.strict, "Exit with 3 when a site could not be patched");
    command->add_flag("--allow-no-sites", patch.allow_no_sites,
                      "When nothing matches, copy the input and exit with 0");
    command->add_flag("-q,--quiet", patch.quiet, "No table at the end");
    add_syntax(command, patch.intel_syntax);
    add_jobs(command, patch.jobs);
    add_format(command, patch.format);
    add_backend(command, patch.backend);
  }

  void add_sites() {
    CLI::App* command = sites_command = add_command(app, "sites");
    add_file(command, "INPUT", sites.input, "The program or library to look at");
    sites_groups.add(command, false);
    sites_groups.match->required();
    command->add_flag("--allow-no-sites", sites.allow_no_sites, "Exit with 0 when nothing matches");
    add_syntax(command, sites.intel_syntax);
    add_jobs(command, sites.jobs);
    add_format(command, sites.format);
  }

  void add_explain() {
    CLI::App* command = explain_command = add_command(app, "explain");
    add_file(command, "INPUT", explain.input, "The program or library; not with --sites", false);
    add_at(command, explain_at);
    add_optional(command, "--sites", explain.sites, "FILE", "Explain from what `patch --sites` wrote");
    explain_groups.add(command, true);
    add_syntax(command, explain.intel_syntax);
    add_jobs(command, explain.jobs);
    add_format(command, explain.format);
    add_backend(command, explain.backend);
  }

  void add_show() {
    CLI::App* command = show_command = add_command(app, "show");
    add_file(command, "PATCHED", show.patched, "A file that `punster patch` wrote", false);
    add_at(command, show_at);
    add_syntax(command, show.intel_syntax);
    add_format(command, show.format);
  }

  void add_verify() {
    CLI::App* command = verify_command = add_command(app, "verify");
    add_file(command, "ORIGINAL", verify.original, "The file before");
    add_file(command, "PATCHED", verify.patched, "The file after");
    add_optional(command, "--sites", verify.sites, "FILE",
                 "Prove these sites, as `patch --sites` wrote them");
    add_jobs(command, verify.jobs);
    add_format(command, verify.format);
  }

  void add_top() {
    CLI::App* command = top_command = add_command(app, "top");
    add_file(command, "DATA", top.data, "A counters file, such as OUTPUT.counts");
    add_optional(command, "--names", top.names, "FILE", "Name the sites by the symbols of this file");
    command->add_flag("--once", top.once, "Print once and exit (always so without a terminal)");
    command->add_option("-n,--rows", top.rows, "Only the busiest N (default: what fits, or all)")
        ->option_text("N");
    command->add_option("--interval", top.interval, "Seconds between two looks (default: 1)")
        ->check(CLI::Range(0.05, 3600.0).description(""))
        ->option_text("SECONDS");
    add_format(command, top.format);
  }

  Command finish_patch(int argc, const char* const* argv) {
    patch.groups = patch_groups.groups(patch_command);
    if (patch.groups.back().actions.empty())
      throw CLI::ValidationError("-M", "the last -M has no -P behind it");
    patch.argv.assign(argv, argv + argc);
    return patch;
  }

  Command finish_explain() {
    take_trailing_input(explain_at, explain.input);
    explain.at = addresses(explain_at);
    explain.groups = explain_groups.groups(explain_command);
    if (explain.sites && (!explain.input.empty() || !explain.groups.empty()))
      throw CLI::ValidationError("--sites", "excludes INPUT, -M and -P: it says what was patched");
    if (!explain.sites && explain.input.empty())
      throw CLI::RequiredError("INPUT or --sites");
    if (!explain.sites && explain.groups.empty())
      throw CLI::RequiredError("-M");
    // Without -P, what is explained are plain trampolines.
    if (!explain.groups.empty() && explain.groups.back().actions.empty())
      explain.groups.back().actions.emplace_back("empty");
    return explain;
  }

  Command finish_show() {
    take_trailing_input(show_at, show.patched);
    if (show.patched.empty()) throw CLI::RequiredError("PATCHED");
    show.at = addresses(show_at);
    return show;
  }

  Command parse(int argc, const char* const* argv) {
    app.parse(argc, argv);
    if (*patch_command) return finish_patch(argc, argv);
    if (*sites_command) {
      sites.matches = sites_groups.matches;
      return sites;
    }
    if (*explain_command) return finish_explain();
    if (*show_command) return finish_show();
    if (*verify_command) return verify;
    return top;
  }
};

}  // namespace

Command parse_command_line(int argc, const char* const* argv) {
  Parser parser;
  try {
    return parser.parse(argc, argv);
  } catch (const CLI::Success& wish) {  // --help, --version
    const int status = parser.app.exit(wish, std::cout, std::cerr);
    std::cout.flush();
    return NothingToRun{std::cout.good() ? status : exit_status::failed};
  } catch (const CLI::ParseError& fault) {
    const auto chosen = parser.app.get_subcommands();
    const std::string name = chosen.empty() ? "punster" : "punster " + chosen.front()->get_name();
    std::string what = fault.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    std::fprintf(stderr, "%s: %s (see %s --help)\n", name.c_str(), what.c_str(), name.c_str());
    return NothingToRun{exit_status::usage};
  }
}

}  // namespace punster
