// punster export: what was counted, in the formats that coverage viewers read.
//
// A counter counts how often its instruction ran; with -M BB.entry that is how often its block ran.
// From there on all is a matter of names: the block of an instruction, its function, its source
// line. Formats: drcov version 2 (blocks that ran, as DynamoRIO's client writes them and
// Lighthouse, Dragondance and bncov read them), lcov (lines, for genhtml), CSV and JSON (every
// counter).

#include <algorithm>
#include <cstdio>
#include <map>

#include "frontend/cli/failure.h"
#include "frontend/cli/output_guard.h"
#include "frontend/cli/progress_bar.h"
#include "frontend/cli/record_printer.h"
#include "frontend/cli/selection.h"
#include "protocol/hex.h"
#include "protocol/shared_counters.h"

namespace punster {
namespace {

struct CountedBlock {
  Vaddr site, lo;
  std::uint64_t size = 0;  // bytes from lo
  std::uint64_t count = 0;
};

/// Of a site that belongs to no block, the instruction alone. Error "not_counters": an address that
/// is no instruction of this file.
Result<std::vector<CountedBlock>> counted_blocks(const ExportOptions& options,
                                                 const SharedCounters& counters,
                                                 const Subject& subject) {
  const ImageContext context(subject.image, subject.code);
  std::vector<CountedBlock> blocks;
  for (std::uint64_t k = 0; k < counters.capacity(); ++k) {
    const Vaddr site = counters.site(k);
    const Insn* insn = subject.code.find(site);
    if (insn == nullptr)
      return error("not_counters", options.data + ": counts " + to_hex(site) + ", where " +
                                       options.input +
                                       " has no instruction (is it the original of "
                                       "what ran?)");
    const Extent* block = context.extent(ExtentKind::block, site);
    const Vaddr lo = block != nullptr ? block->lo : site;
    const Vaddr hi = block != nullptr ? block->hi : insn->end();
    blocks.push_back({site, lo, (hi - lo).value, counters.count(k)});
  }
  std::ranges::sort(blocks, {}, &CountedBlock::site);
  return blocks;
}

void append(std::string& text, std::uint64_t value, unsigned bytes) {
  for (unsigned k = 0; k < bytes; ++k) text += static_cast<char>(value >> (8 * k));
}

/// Offsets count from the lowest address of the file, which is where it gets loaded. Blocks of more
/// than 64 KiB become several entries.
std::string drcov(const std::vector<CountedBlock>& blocks, const Image& image) {
  const Vaddr base = image.segments().front().range.lo;
  Vaddr end = base;
  for (const Segment& segment : image.segments()) end = std::max(end, segment.range.hi);
  std::string entries;
  std::size_t count = 0;
  constexpr std::uint64_t most = 0xffff;
  for (const auto& block : blocks) {
    if (block.count == 0) continue;
    for (std::uint64_t done = 0; done < block.size; done += most) {
      append(entries, (block.lo - base).value + done, 4);
      append(entries, std::min(most, block.size - done), 2);
      append(entries, 0, 2);  // the module
      ++count;
    }
  }
  char module[160];
  std::snprintf(
      module, sizeof module, "  0, 0x%016llx, 0x%016llx, 0x%016llx, 0x00000000, 0x00000000, ",
      static_cast<unsigned long long>(base.value), static_cast<unsigned long long>(end.value),
      static_cast<unsigned long long>(image.entry().value));
  std::string text =
      "DRCOV VERSION: 2\nDRCOV FLAVOR: punster\nModule Table: version 2, count 1\n"
      "Columns: id, base, end, entry, checksum, timestamp, path\n";
  text.append(module).append(absolute_path(image.path().string()));
  text.append("\nBB Table: ").append(std::to_string(count)).append(" bbs\n");
  return text.append(entries);
}

/// A line ran as often as the block of its code that ran most often.
std::string lcov(const std::vector<CountedBlock>& blocks, const Subject& subject,
                 const SourceLines& lines) {
  std::map<std::string_view, std::map<std::uint32_t, std::uint64_t>> files;
  for (const auto& block : blocks) {
    for (const Insn* insn = subject.code.find(block.lo);
         insn != nullptr && insn->address() < block.lo + Bytes{block.size};
         insn = subject.code.find(insn->end())) {
      if (const auto line = lines.at(insn->address())) {
        auto& count = files[line->full_path][line->line];
        count = std::max(count, block.count);
      }
    }
  }
  std::string text;
  for (const auto& [path, counts] : files) {
    text += "TN:\nSF:" + std::string(path) + "\n";
    std::size_t hit = 0;
    for (const auto& [line, count] : counts) {
      text += "DA:" + std::to_string(line) + "," + std::to_string(count) + "\n";
      hit += count != 0 ? 1 : 0;
    }
    text +=
        "LF:" + std::to_string(counts.size()) + "\nLH:" + std::to_string(hit) + "\nend_of_record\n";
  }
  return text;
}

void print_records(const std::vector<CountedBlock>& blocks, const Image& image,
                   const SourceLines* lines, Format format) {
  using nlohmann::json;
  RecordPrinter printer(
      format, {{"address"}, {"count"}, {"block"}, {"block_bytes"}, {"symbol"}, {"file"}, {"line"}});
  for (const auto& block : blocks) {
    const auto line = lines != nullptr ? lines->at(block.site) : std::nullopt;
    const std::string symbol = image.describe(block.site);
    printer.record({to_hex(block.site), block.count, to_hex(block.lo), block.size,
                    symbol.empty() ? json() : json(symbol),
                    line ? json(std::string(line->full_path)) : json(),
                    line ? json(line->line) : json()});
  }
  printer.end();
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

Result<int> write(const ExportOptions& options) {
  PUNSTER_TRY(const SharedCounters counters, SharedCounters::open(options.data));
  ProgressBar bar;
  PUNSTER_TRY(const Subject subject,
              Subject::load(options.input, options.evidence, options.jobs, bar.sink()));
  bar.clear();
  PUNSTER_TRY(const auto blocks, counted_blocks(options, counters, subject));
  const auto lines = subject.image.lines();
  switch (options.to) {
    case ExportFormat::drcov:
      print(drcov(blocks, subject.image));
      break;
    case ExportFormat::lcov:
      if (lines.has_error()) return lines.error();
      print(lcov(blocks, subject, *lines.value()));
      break;
    case ExportFormat::csv:
    case ExportFormat::json:
      print_records(blocks, subject.image, lines.has_value() ? lines.value() : nullptr,
                    options.to == ExportFormat::csv ? Format::csv : Format::json);
      break;
  }
  return exit_status::done;
}

}  // namespace

int run_export(const ExportOptions& options) {
  const Result<int> status = write(options);
  return status.has_error() ? fail(status.error()) : finish_stdout(status.value());
}

}  // namespace punster
