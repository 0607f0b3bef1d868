// The command line of a service, the same for both programs.

#include <pwd.h>

#include <algorithm>
#include <charconv>

#include "protocol/service/listener.h"

namespace punster {
namespace {

constexpr std::uint64_t mib = std::uint64_t{1} << 20;

Result<std::uint64_t> number(const std::string& option, const std::string& text,
                             std::uint64_t least, std::uint64_t most) {
  std::uint64_t value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < least || value > most)
    return error("usage", option + " takes a number from " + std::to_string(least) + " to " +
                              std::to_string(most) + ", not '" + text + "'");
  return value;
}

/// A number, or the name of a user of this system.
Result<uid_t> user(const std::string& text) {
  if (const passwd* known = ::getpwnam(text.c_str())) return known->pw_uid;
  PUNSTER_TRY(const auto value, number("--allow-uid", text, 0, 0xfffffffe));
  return static_cast<uid_t>(value);
}

Result<void> take(const std::string& option, const std::string& value, ListenOptions& options) {
  constexpr std::uint64_t any = std::uint64_t{1} << 31;
  if (option == "--listen") {
    if (!value.starts_with("unix:") || value.size() == 5)
      return error("usage", "--listen takes unix:PATH, not '" + value + "'");
    options.path = value.substr(5);
  } else if (option == "--root") {
    options.root = value;
  } else if (option == "--log") {
    options.log_level = parse_log_level(value);
    if (!options.log_level) return error("usage", "unknown log level '" + value + "'");
  } else if (option == "--log-format") {
    if (value != "text" && value != "json")
      return error("usage", "--log-format takes text or json, not '" + value + "'");
    options.log_json = value == "json";
  } else if (option == "--record") {
    options.record = value;
  } else if (option == "--allow-uid") {
    PUNSTER_TRY(const auto uid, user(value));
    options.allowed.push_back(uid);
  } else if (option == "--max-sessions") {
    PUNSTER_TRY(options.most_sessions, number(option, value, 1, any));
  } else if (option == "--memory") {
    PUNSTER_TRY(const auto size, number(option, value, 16, any));
    options.limits.memory = size * mib;
  } else if (option == "--output-size") {
    PUNSTER_TRY(const auto size, number(option, value, 1, any));
    options.limits.output_size = size * mib;
  } else if (option == "--cpu-seconds") {
    PUNSTER_TRY(options.limits.cpu_seconds, number(option, value, 1, any));
  } else if (option == "--idle-seconds") {
    PUNSTER_TRY(options.limits.idle_seconds, number(option, value, 0, any));
  } else if (option == "--open-files") {
    PUNSTER_TRY(options.limits.open_files, number(option, value, 16, any));
  } else {
    PUNSTER_TRY(const auto seconds, number(option, value, 0, any));
    options.grace = std::chrono::seconds(seconds);
  }
  return success();
}

constexpr std::string_view known[] = {
    "--listen", "--root",        "--record",      "--allow-uid",    "--max-sessions",
    "--memory", "--output-size", "--cpu-seconds", "--idle-seconds", "--open-files",
    "--grace",  "--log",         "--log-format"};

}  // namespace

const char listen_options_help[] =
    R"(  --listen unix:PATH   serve many clients on a Unix socket, a process for each; only this
                       user may connect. SIGTERM stops: sessions have time to finish
  --root DIR           clients name files below DIR only
  --allow-uid USER     lets another user connect, who sends files as open descriptors (SCM_RIGHTS);
                       may be given again
  --max-sessions N     at once (default: 512); others are told `busy`
  --memory MIB         of a session (default: 4096)
  --cpu-seconds N      of a session (default: 3600)
  --idle-seconds N     in which a session hears nothing and has nothing to do, then it is ended;
                       0: never (default: 3600)
  --open-files N       of a session (default: 64)
  --output-size MIB    of a file that a session writes (default: 4096)
  --grace SECONDS      that sessions have after SIGTERM (default: 30)
  --record FILE        write a transcript of what is said (with --listen: FILE.1, FILE.2, ...)
  --log LEVEL          off, error, warn, info or debug (default: warn; info with --listen); the log
                       goes to standard error
  --log-format FORM    text, or json: an object per line (default: text; json with --listen)
)";

Result<bool> take_listen_option(const std::vector<std::string>& arguments, std::size_t& i,
                                ListenOptions& options) {
  const std::string& argument = arguments[i];
  const auto equals = argument.find('=');
  const std::string name = argument.substr(0, equals);
  if (std::find(std::begin(known), std::end(known), name) == std::end(known)) return false;
  if (equals != std::string::npos) {
    PUNSTER_TRY(take(name, argument.substr(equals + 1), options));
    return true;
  }
  if (i + 1 == arguments.size()) return error("usage", "a value is missing behind " + name);
  PUNSTER_TRY(take(name, arguments[++i], options));
  return true;
}

}  // namespace punster
