// The service's log: events with fields, one a line on standard error. For people
// `punster-backend: info: session 3 ended: status 0`, or one JSON object a line, for whoever runs a
// service and wants to ask the log questions.

#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace punster {

enum class LogLevel : std::uint8_t { debug, info, warn, error, off };
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);

struct LogSettings {
  std::string program = "punster";
  LogLevel level = LogLevel::warn;
  bool json = false;
  std::uint64_t session = 0;  // 0: not one of many
};
/// For the whole process, before it starts threads.
void set_log(const LogSettings& settings);
[[nodiscard]] const LogSettings& log_settings();

/// `event` is one of a few stable words, `message` a sentence; `fields` an object with what else is
/// known, which only the JSON form shows. Threads may log at once: lines never mix.
void log_event(LogLevel level, std::string_view event, std::string_view message,
               nlohmann::json fields = nlohmann::json::object());

}  // namespace punster
