#include "protocol/service/log.h"

#include <fmt/chrono.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "protocol/framing.h"

namespace punster {
namespace {

constexpr std::string_view names[] = {"debug", "info", "warn", "error", "off"};
constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                spdlog::level::warn, spdlog::level::err,
                                                spdlog::level::off};

LogSettings& settings() {
  static LogSettings current;
  return current;
}

std::string now() {
  using namespace std::chrono;
  const auto time = system_clock::now();
  const auto milli = duration_cast<milliseconds>(time.time_since_epoch()).count() % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(time)),
                     milli);
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view name) {
  for (std::size_t i = 0; i < std::size(names); ++i)
    if (names[i] == name) return static_cast<LogLevel>(i);
  return std::nullopt;
}

void set_log(const LogSettings& wanted) {
  settings() = wanted;
  if (!spdlog::get(wanted.program))
    spdlog::set_default_logger(spdlog::stderr_logger_mt(wanted.program));
  spdlog::set_level(levels[static_cast<std::size_t>(wanted.level)]);
  spdlog::set_pattern(wanted.json ? "%v" : "%n: %l: %v");
}

const LogSettings& log_settings() {
  return settings();
}

void log_event(LogLevel level, std::string_view event, std::string_view message,
               nlohmann::json fields) {
  const auto its = levels[static_cast<std::size_t>(level)];
  if (!spdlog::should_log(its)) return;
  if (!settings().json) return spdlog::log(its, "{}", message);
  fields["time"] = now();
  fields["level"] = names[static_cast<std::size_t>(level)];
  fields["program"] = settings().program;
  fields["event"] = event;
  fields["message"] = message;
  if (settings().session != 0 && !fields.contains("session"))
    fields["session"] = settings().session;
  spdlog::log(its, "{}", dump_json(fields));
}

}  // namespace punster
