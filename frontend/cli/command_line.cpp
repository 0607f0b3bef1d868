#include "frontend/cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>

#include "frontend/cli/help_text.h"
#include "frontend/cli/option_parts.h"
#include "frontend/cli/output_guard.h"
#include "frontend/cli/shared_options.h"

namespace punster {

namespace {

/// CLI11's formatter, with the usage line written by us: the synopsis says what may repeat and what
/// excludes what, which cannot be generated.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string) const override {
    return "Usage: " + std::string(help_text(app->get_name()).synopsis) + "\n";
  }
  /// Without the value that a flag has when it is given none: "--flag{value}".
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    const std::string name = CLI::Formatter::make_option_name(option, positional);
    return name.substr(0, name.find('{'));
  }
  std::string make_footer(const CLI::App* app) const override { return app->get_footer(); }
};

CLI::App* add_command(CLI::App& app, const std::string& name) {
  const HelpText& text = help_text(name);
  CLI::App* command = app.add_subcommand(name, text.summary);
  command->footer(text.footer);
  return command;
}

/// `count`, `after count(atomic)`; not `count(rax)@FILE`.
bool keeps_counters(std::string_view action) {
  for (const std::string_view word : {" ", "before ", "replace ", "after ", " "})
    while (action.starts_with(word)) action.remove_prefix(word.size());
  return action.starts_with("count") && action.find('@') == std::string_view::npos;
}

struct Parser {
  CLI::App app{std::string(help_text("punster").summary), "punster"};
  PatchOptions patch;
  RunOptions run;
  BisectOptions bisect;
  SitesOptions sites;
  ExplainOptions explain;
  AnalyzeOptions analyze;
  ShowOptions show;
  VerifyOptions verify;
  CheckOptions check;
  TopOptions top;
  ExportOptions exporting;
  CalibrateOptions calibrate;
  CcOptions cc;
  ServeOptions serve;
  bool serve_stdio = false;
  GroupOptions patch_groups, run_groups, bisect_groups, sites_groups, explain_groups;
  std::vector<std::string> explain_at, show_at;
  CLI::App *patch_command, *run_command, *bisect_command, *sites_command, *explain_command,
      *analyze_command, *show_command, *verify_command, *check_command, *top_command,
      *export_command, *calibrate_command, *cc_command, *serve_command;

  Parser() {
    app.formatter(std::make_shared<HelpFormatter>());
    app.set_version_flag("--version", "punster " PUNSTER_VERSION);
    app.footer(help_text("punster").footer);
    app.require_subcommand(1);
    add_patch();
    add_run();
    add_sites();
    add_explain();
    add_analyze();
    add_show();
    add_verify();
    add_check();
    add_top();
    add_export();
    add_bisect();
    add_calibrate();
    add_cc();
    add_serve();
  }

  void add_patch() {
    CLI::App* command = patch_command = add_command(app, "patch");
    add_file(command, "INPUT", patch.input, "The program or library to rewrite");
    add_file(command, "-o,--output", patch.output,
             "Where the rewritten file goes, or with --with-libraries the folder (required)");
    command->get_option("--output")->option_text("OUTPUT");
    patch_groups.add(command, true);
    patch_groups.action->required();
    add_optional(command, "--stats", patch.stats, "FILE",
                 "Write figures as JSON, whatever happens");
    add_optional(command, "--sites", patch.sites, "FILE", "Write one JSON line per site");
    add_optional(command, "--counters", patch.counters, "FILE",
                 "Where `count` keeps its counters (default: OUTPUT.counts)");
    add_with_libraries(command, patch.with_libraries);
    command->add_flag("--strict", patch.strict, "Exit with 3 when a site could not be patched");
    command->add_flag("--allow-no-sites", patch.allow_no_sites,
                      "When nothing matches, copy the input and exit with 0");
    command->add_flag("-q,--quiet", patch.quiet, "No table at the end");
    add_syntax(command, patch.intel_syntax);
    add_evidence(command, patch.evidence);
    add_jobs(command, patch.jobs);
    add_format(command, patch.format);
    add_backend(command, patch.backend);
  }

  void add_run() {
    CLI::App* command = run_command = add_command(app, "run");
    command
        ->add_option("CMD", run.command,
                     "Behind --: the program, as a shell finds it, and its arguments")
        ->required()
        ->option_text("...");
    run_groups.add(command, true);
    run_groups.action->required();
    add_with_libraries(command, run.patch.with_libraries);
    add_optional(command, "--counters", run.patch.counters, "DIR",
                 "Where `count` keeps its counters, a file for each rewritten one");
    add_optional(command, "--cache", run.cache, "DIR",
                 "Where rewritten files are kept (default: $PUNSTER_CACHE, else ~/.cache/punster)");
    command
        ->add_option("--cache-size", run.cache_mebibytes,
                     "Remove what was not used for longest beyond so many MiB (default: 4096)")
        ->option_text("MIB");
    command->add_flag("-v,--verbose", run.verbose, "Say what is rewritten, and what is not");
    add_syntax(command, run.patch.intel_syntax);
    add_evidence(command, run.patch.evidence);
    add_jobs(command, run.patch.jobs);
    add_backend(command, run.patch.backend);
  }

  void add_bisect() {
    CLI::App* command = bisect_command = add_command(app, "bisect");
    add_file(command, "INPUT", bisect.input, "The program or library that misbehaves when patched");
    command
        ->add_option("CHECK", bisect.check,
                     "Behind --: a command that exits with 0 if all is well; {} in it is the file")
        ->required()
        ->option_text("...");
    bisect_groups.add(command, true);
    bisect_groups.action->required();
    command
        ->add_option("--timeout", bisect.timeout,
                     "Seconds after which a run of CHECK counts as misbehaving (default: 60)")
        ->check(CLI::Range(0.01, 86400.0).description(""))
        ->option_text("SECONDS");
    command->add_flag("-v,--verbose", bisect.verbose, "Show what CHECK prints, on standard error");
    add_syntax(command, bisect.intel_syntax);
    add_evidence(command, bisect.evidence);
    add_jobs(command, bisect.jobs);
    add_format(command, bisect.format);
    add_backend(command, bisect.backend);
  }

  void add_sites() {
    CLI::App* command = sites_command = add_command(app, "sites");
    add_file(command, "INPUT", sites.input, "The program or library to look at");
    sites_groups.add(command, false);
    sites_groups.match->required();
    command->add_flag("--allow-no-sites", sites.allow_no_sites, "Exit with 0 when nothing matches");
    add_syntax(command, sites.intel_syntax);
    add_evidence(command, sites.evidence);
    add_jobs(command, sites.jobs);
    add_format(command, sites.format);
  }

  void add_explain() {
    CLI::App* command = explain_command = add_command(app, "explain");
    add_file(command, "INPUT", explain.input, "The program or library; not with --sites", false);
    add_at(command, explain_at);
    add_optional(command, "--sites", explain.sites, "FILE",
                 "Explain from what `patch --sites` wrote");
    explain_groups.add(command, true);
    add_syntax(command, explain.intel_syntax);
    add_evidence(command, explain.evidence);
    add_jobs(command, explain.jobs);
    add_format(command, explain.format);
    add_backend(command, explain.backend);
  }

  void add_analyze() {
    CLI::App* command = analyze_command = add_command(app, "analyze");
    add_file(command, "INPUT", analyze.input, "The program or library to look at");
    add_optional(command, "--instructions", analyze.instructions, "FILE",
                 "Write every instruction as CSV: address, size, evidence");
    command->add_option("--draw", analyze.drawing, "Draw the sections into FILE.svg or FILE.html")
        ->check([](const std::string& name) {
          return name.ends_with(".svg") || name.ends_with(".html")
                     ? std::string()
                     : "'" + name + "' ends neither with .svg nor with .html";
        })
        ->option_text("FILE");
    command
        ->add_option("-n,--rows", analyze.rows,
                     "How many doubtful regions to print (default: 20; 0: all)")
        ->option_text("N");
    add_evidence(command, analyze.evidence);
    add_jobs(command, analyze.jobs);
    add_format(command, analyze.format);
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
    add_evidence(command, verify.evidence);
    add_jobs(command, verify.jobs);
    add_format(command, verify.format);
  }

  void add_check() {
    CLI::App* command = check_command = add_command(app, "check");
    command->add_option("FILE", check.files, "Programs and libraries, rewritten or not")
        ->required()
        ->option_text("...");
    const auto add = [&](const char* name, auto& value, const char* placeholder, const char* text) {
      command->add_option(name, value, text)->option_text(placeholder);
    };
    add("--address-space", check.address_space_mebibytes, "MIB",
        "Of the process (default: this process's `ulimit -v`)");
    add("--stack", check.stack_kibibytes, "KIB", "Of a thread that calls dlopen (default: 64)");
    add("--kernel", check.kernel, "VERSION", "Such as 6.1 (default: this machine's)");
    add_format(command, check.format);
  }

  void add_top() {
    CLI::App* command = top_command = add_command(app, "top");
    add_file(command, "DATA", top.data, "A counters file, such as OUTPUT.counts");
    add_optional(command, "--names", top.names, "FILE",
                 "Name the sites by the symbols and source lines of this file");
    command->add_flag("--once", top.once, "Print once and exit (always so without a terminal)");
    command->add_option("-n,--rows", top.rows, "Only the busiest N (default: what fits, or all)")
        ->option_text("N");
    command->add_option("--interval", top.interval, "Seconds between two looks (default: 1)")
        ->check(CLI::Range(0.05, 3600.0).description(""))
        ->option_text("SECONDS");
    add_format(command, top.format);
  }

  void add_export() {
    CLI::App* command = export_command = add_command(app, "export");
    add_file(command, "DATA", exporting.data, "A counters file, such as OUTPUT.counts");
    add_file(command, "INPUT", exporting.input, "The original of the program that counted");
    command
        ->add_option_function<std::string>(
            "--to",
            [this](const std::string& name) {
              exporting.to = static_cast<ExportFormat>(
                  std::ranges::find(export_format_names, name) - export_format_names);
            },
            "What for: drcov, lcov, csv or json (required)")
        ->required()
        ->check(CLI::IsMember(std::vector<std::string>(std::begin(export_format_names),
                                                       std::end(export_format_names)))
                    .description(""))
        ->option_text("FORMAT");
    add_evidence(command, exporting.evidence);
    add_jobs(command, exporting.jobs);
  }

  void add_calibrate() {
    CLI::App* command = calibrate_command = add_command(app, "calibrate");
    command->add_option("--rounds", calibrate.rounds, "Hits per measurement (default: 2000)")
        ->check(CLI::Range(1u, 1000000u).description(""))
        ->option_text("N");
    add_format(command, calibrate.format);
  }

  void add_cc() {
    CLI::App* command = cc_command = add_command(app, "cc");
    command
        ->add_option("FILE", cc.sources,
                     "Sources in C (.c), C++ (.cpp, .cc, .cxx) or assembly (.S)")
        ->required()
        ->option_text("...");
    command
        ->add_option("-o,--output", cc.output,
                     "The hook file (default: the first source's name without its ending, here)")
        ->option_text("HOOK");
    command->add_flag("--vector", cc.vector,
                      "Let it use vector and floating-point registers, which are then saved around "
                      "every call");
  }

  /// The options of a service are those of punster-backend, and are read by the same code.
  void add_serve() {
    CLI::App* command = serve_command = add_command(app, "serve");
    command->footer(std::string(listen_options_help) + "\n" + help_text("serve").footer);
    command->allow_extras();
    command->add_flag("--stdio", serve_stdio,
                      "One session, on standard input and output (default)");
    add_optional(
        command, "--backend", serve.backend, "PATH",
        "The backend program (default: $PUNSTER_BACKEND, else punster-backend beside punster)");
  }

  Command finish_serve() {
    const auto words = serve_command->remaining();
    for (std::size_t i = 0; i < words.size(); ++i) {
      const auto taken = take_listen_option(words, i, serve.listen);
      if (taken.has_error()) throw CLI::ValidationError("serve", taken.error().message);
      if (!taken.value()) throw CLI::ExtrasError({words[i]});
    }
    if (serve_stdio && !serve.listen.path.empty())
      throw CLI::ValidationError("--stdio", "excludes --listen");
    return serve;
  }

  static std::vector<ActionGroup> checked_groups(const GroupOptions& options,
                                                 const CLI::App* command) {
    auto groups = options.groups(command);
    if (groups.back().actions.empty())
      throw CLI::ValidationError("-M", "the last -M has no -P behind it");
    return groups;
  }

  /// What is said about the bytes of one file is wrong about every other.
  static void check_whole_program(const PatchOptions& options) {
    const EvidenceOptions& evidence = options.evidence;
    if (options.with_libraries && (!evidence.code.empty() || !evidence.data.empty() ||
                                   !evidence.addresses.empty() || evidence.debug_file))
      throw CLI::ValidationError("--with-libraries",
                                 "excludes --code, --data, --addresses and --debug-file, which are "
                                 "about one file");
  }

  Command finish_patch(int argc, const char* const* argv) {
    patch.groups = checked_groups(patch_groups, patch_command);
    patch.argv.assign(argv, argv + argc);
    check_whole_program(patch);
    return patch;
  }

  Command finish_run() {
    run.patch.groups = checked_groups(run_groups, run_command);
    run.patch.quiet = !run.verbose;
    check_whole_program(run.patch);
    for (const auto& group : run.patch.groups)
      for (const auto& action : group.actions)
        if (keeps_counters(action) && !run.patch.counters)
          throw CLI::ValidationError("-P " + action, "needs --counters, a folder for the counters");
    if (run.patch.counters) run.patch.counters = absolute_path(*run.patch.counters);
    return run;
  }

  Command finish_explain() {
    take_trailing_input(explain_at, explain.input);
    explain.at = addresses(explain_at);
    explain.groups = explain_groups.groups(explain_command);
    if (explain.sites && (!explain.input.empty() || !explain.groups.empty()))
      throw CLI::ValidationError("--sites", "excludes INPUT, -M and -P: it says what was patched");
    if (!explain.sites && explain.input.empty()) throw CLI::RequiredError("INPUT or --sites");
    if (!explain.sites && explain.groups.empty()) throw CLI::RequiredError("-M");
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
    // What stands behind -- is for the compiler.
    const auto dashes = std::find(argv, argv + argc, std::string_view("--"));
    if (argc > 1 && argv[1] == std::string_view("cc") && dashes != argv + argc) {
      cc.flags.assign(dashes + 1, argv + argc);
      argc = static_cast<int>(dashes - argv);
    }
    app.parse(argc, argv);
    if (*patch_command) return finish_patch(argc, argv);
    if (*run_command) return finish_run();
    if (*bisect_command) {
      bisect.groups = checked_groups(bisect_groups, bisect_command);
      return bisect;
    }
    if (*sites_command) {
      sites.matches = sites_groups.matches;
      return sites;
    }
    if (*explain_command) return finish_explain();
    if (*analyze_command) return analyze;
    if (*show_command) return finish_show();
    if (*verify_command) return verify;
    if (*check_command) return check;
    if (*export_command) return exporting;
    if (*calibrate_command) return calibrate;
    if (*cc_command) {
      if (cc.output.empty()) cc.output = std::filesystem::path(cc.sources.front()).stem().string();
      return cc;
    }
    if (*serve_command) return finish_serve();
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
