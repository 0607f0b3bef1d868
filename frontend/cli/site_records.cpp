#include "frontend/cli/site_records.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/framing.h"
#include "protocol/hex.h"

namespace punster {

namespace {

std::string enclosed(std::string text) {
  return text.insert(0, 1, '"') += '"';
}

/// A JSON string. Nearly all are plain, and a detour through the library takes ten times as long.
std::string quoted(const std::string& text) {
  const auto plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
  return std::all_of(text.begin(), text.end(), plain) ? enclosed(text) : dump_json(Json(text));
}
std::string quoted_or_null(const std::string& text) {
  return text.empty() ? "null" : quoted(text);
}
std::string hex(Vaddr address) {
  return enclosed(to_hex(address));
}

template <typename T, typename F>
std::string list(const std::vector<T>& elements, F text_of) {
  std::string result = "[";
  for (const T& element : elements) {
    if (result.size() != 1) result += ',';
    result += text_of(element);
  }
  return result += ']';
}

/// What the verifier must know beyond the result: what happens instead of the instruction.
std::string replacement_fields(const Treatment& treatment) {
  std::string fields;
  for (const Action& action : treatment.actions) {
    if (action.kind() == ActionKind::jump) fields += ",\"jump\":" + hex(action.jump_target());
    if (action.kind() == ActionKind::exit && action.position() != ActionPosition::after)
      fields += ",\"exit\":" + std::to_string(action.exit_status());
    // Also where a trampoline runs them: other actions come first, or they are longer than the
    // instruction.
    const bool skips =
        action.kind() == ActionKind::leave && action.position() == ActionPosition::before;
    if (skips || (action.replaces() && action.kind() != ActionKind::jump &&
                  action.kind() != ActionKind::exit)) {
      const std::string& bytes = action.replacement();
      fields += ",\"replaced\":" +
                enclosed(to_hex(
                    std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size())));
    }
  }
  return fields;
}

}  // namespace

Result<SiteRecordWriter> SiteRecordWriter::open(const std::string& path, const Subject& subject,
                                                const Selection& selection) {
  PUNSTER_TRY(auto draft, FileDraft::open(path));
  return SiteRecordWriter(std::move(draft), subject, selection);
}

// Put together by hand, in the documented order of fields: a JSON object per site would take longer
// than the rewriting.
void SiteRecordWriter::write(const ResultsReply& page) {
  const Image& image = subject_.image;
  std::string lines;
  for (std::size_t i = 0; i < page.address.size(); ++i) {
    const Vaddr address = page.address[i];
    while (next_ < selection_.sites.size() && selection_.sites[next_].insn.address() < address)
      ++next_;
    if (next_ == selection_.sites.size()) break;
    const Site& site = selection_.sites[next_];
    const Section* section = image.section_at(address);
    const auto offset = image.to_offset(address);
    lines += "{\"address\":" + hex(address);
    lines += ",\"offset\":" + (offset ? enclosed(to_hex(*offset)) : "null");
    lines += ",\"size\":" + std::to_string(site.insn.length());
    const auto bytes = image.bytes_at(address, Bytes{site.insn.length()});
    lines += ",\"bytes\":" + enclosed(to_hex(bytes));
    lines += ",\"section\":" + quoted_or_null(section != nullptr ? section->name : "");
    lines += ",\"symbol\":" + quoted_or_null(image.describe(address));
    lines += ",\"result\":" + quoted(page.result[i]);
    lines += ",\"tactic\":" + quoted_or_null(page.tactic[i]);
    lines += ",\"means\":" + list(page.means[i], quoted);
    lines += ",\"trampoline\":" + (page.trampoline[i] ? hex(*page.trampoline[i]) : "null");
    lines += ",\"evicted\":" + list(page.evicted[i], hex);
    lines += ",\"reason\":" + quoted_or_null(page.reason[i]);
    lines += replacement_fields(selection_.treatments[site.treatment]);
    lines += "}\n";
  }
  draft_.write(lines);
}

Result<void> read_site_records(const std::string& path,
                               const std::function<void(const Json&)>& take) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return error("unreadable", path + ": " + std::strerror(errno));
  LineReader reader(fd);
  const auto read_all = [&]() -> Result<void> {
    for (std::size_t number = 1;; ++number) {
      PUNSTER_TRY(const auto line, reader.next());
      if (!line) return success();
      const auto record = parse_json(*line);
      if (record.has_error() || !record.value().is_object())
        return error("bad_site_file", path + ": line " + std::to_string(number) +
                                          ": is not a JSON object (expected what `punster patch "
                                          "--sites` writes)");
      take(record.value());
    }
  };
  auto result = read_all();
  ::close(fd);
  return result;
}

}  // namespace punster
