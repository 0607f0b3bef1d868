// punster top: the counters of a rewritten program, live.

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "frontend/cli/failure.h"
#include "frontend/cli/record_printer.h"
#include "frontend/image/image.h"
#include "protocol/hex.h"
#include "protocol/shared_counters.h"

namespace punster {

namespace {

struct Reading {
  std::uint64_t count = 0, before = 0;  // now, and at the last look
  Vaddr site;
};

std::vector<Reading> read_slots(const SharedCounters& counters,
                                const std::vector<std::uint64_t>& before) {
  std::vector<Reading> readings(counters.capacity());
  for (std::uint64_t i = 0; i < readings.size(); ++i)
    readings[i] = {counters.count(i), before.empty() ? 0 : before[i], counters.site(i)};
  return readings;
}

/// Busiest first; equally busy ones by address.
void sort_by_count(std::vector<Reading>& readings) {
  std::sort(readings.begin(), readings.end(), [](const Reading& a, const Reading& b) {
    return a.count != b.count ? a.count > b.count : a.site < b.site;
  });
}

/// Rows that fit the terminal below the head, or all.
std::size_t rows_to_show(const TopOptions& options, bool live) {
  if (options.rows != 0) return options.rows;
  winsize size{};
  if (live && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 4)
    return size.ws_row - 3u;
  return ~std::size_t{0};
}

class Display {
 public:
  Display(const TopOptions& options, const Image* names, bool live)
      : options_(options), names_(names), live_(live) {
    if (names == nullptr) return;
    if (const auto lines = names->lines(); lines.has_value()) lines_ = lines.value();
  }

  void show(std::vector<Reading> readings, double seconds) const {
    std::uint64_t total = 0, executed = 0;
    for (const Reading& reading : readings) {
      total += reading.count;
      executed += reading.count != 0 ? 1 : 0;
    }
    sort_by_count(readings);
    readings.resize(std::min(readings.size(), rows_to_show(options_, live_)));
    if (live_) std::printf("\033[H\033[J");
    if (options_.format == Format::text)
      std::printf("%s counts, %s sites of %s\n", grouped(total).c_str(),
                  grouped(executed).c_str(), options_.data.c_str());
    std::vector<Column> columns{{"count", -16}, {"share", -9}, {"address", 12}};
    if (live_) columns.insert(columns.begin() + 1, {"per_second", -14});
    columns.push_back({"symbol", lines_ != nullptr ? 30 : 0});
    if (lines_ != nullptr) columns.push_back({"source"});
    RecordPrinter printer(options_.format, columns);
    for (const Reading& reading : readings) {
      const std::string symbol = names_ != nullptr ? names_->describe(reading.site) : "";
      std::vector<Json> cells{reading.count, share(reading.count, total), to_hex(reading.site),
                              symbol.empty() ? Json() : Json(symbol)};
      if (live_) cells.insert(cells.begin() + 1, rate(reading, seconds));
      if (lines_ != nullptr) cells.push_back(source(reading.site));
      printer.record(cells);
    }
    printer.end();
    std::fflush(stdout);
  }

 private:
  using Json = nlohmann::json;
  [[nodiscard]] Json share(std::uint64_t part, std::uint64_t whole) const {
    if (options_.format == Format::text) return percent(part, whole);
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  }
  static Json rate(const Reading& reading, double seconds) {
    if (seconds <= 0) return nullptr;
    return static_cast<std::uint64_t>(static_cast<double>(reading.count - reading.before) / seconds);
  }
  [[nodiscard]] Json source(Vaddr site) const {
    const auto line = lines_->at(site);
    return line ? Json(std::string(line->full_path) + ":" + std::to_string(line->line)) : Json();
  }
  const TopOptions& options_;
  const Image* names_;
  const SourceLines* lines_ = nullptr;  // of names_, if it has any
  bool live_;
};

std::vector<std::uint64_t> counts_of(const std::vector<Reading>& readings) {
  std::vector<std::uint64_t> counts;
  for (const Reading& reading : readings) counts.push_back(reading.count);
  return counts;
}

Result<int> watch(const TopOptions& options) {
  PUNSTER_TRY(const SharedCounters counters, SharedCounters::open(options.data));
  std::optional<Image> names;
  if (options.names) {
    PUNSTER_TRY(names, Image::open(*options.names));
  }
  const bool live =
      !options.once && options.format == Format::text && ::isatty(STDOUT_FILENO) == 1;
  const Display display(options, names ? &*names : nullptr, live);
  std::vector<std::uint64_t> before;
  auto looked = std::chrono::steady_clock::now();
  for (;;) {
    auto readings = read_slots(counters, before);
    const auto now = std::chrono::steady_clock::now();
    const double seconds =
        before.empty() ? 0 : std::chrono::duration<double>(now - looked).count();
    looked = now;
    before = counts_of(readings);
    display.show(std::move(readings), seconds);
    if (!live) return exit_status::done;
    std::this_thread::sleep_for(std::chrono::duration<double>(options.interval));
  }
}

}  // namespace

int run_top(const TopOptions& options) {
  const auto status = watch(options);
  return status.has_error() ? fail(status.error()) : finish_stdout(status.value());
}

}  // namespace punster
