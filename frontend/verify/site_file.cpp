// A site file of every instruction of git has 635,000 lines. A document tree per line would take
// longer than the whole proof, so the lines are read as a stream of JSON events, by several
// threads, each taking the lines that begin in its part of the file.

#include "frontend/verify/site_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>

#include "protocol/hex.h"

namespace punster {
namespace {

using Json = nlohmann::json;

/// Takes the events of one line. Values are looked at only in the outermost object and in its
/// arrays.
class LineEvents : public nlohmann::json_sax<Json> {
 public:
  SiteRecord record;
  std::vector<Vaddr> evicted;
  std::string fault;

  /// Whether the fields that every line must have were there.
  [[nodiscard]] bool complete() const { return has_address_ && has_size_ && has_result_; }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t value) override {
    if (depth_ == 1 && key_ == "exit") record.exit = value;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ == 1 && key_ == "exit") record.exit = static_cast<std::int64_t>(value);
    if (depth_ != 1 || key_ != "size") return true;
    if (value < 1 || value > 15) return refuse("/size is not the length of an instruction");
    record.size = static_cast<std::uint8_t>(value);
    return has_size_ = true;
  }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override {
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    return depth_ > 0 ? start_object(0) : refuse("is no object");
  }
  bool end_array() override { return end_object(); }
  bool key(string_t& name) override {
    if (depth_ == 1) key_ = name;
    return true;
  }
  bool string(string_t& text) override {
    if (depth_ == 2 && key_ == "evicted")
      return take_address(text, [&](Vaddr a) { evicted.push_back(a); });
    if (depth_ != 1) return true;
    if (key_ == "address")
      return take_address(text, [&](Vaddr a) { record.address = a, has_address_ = true; });
    if (key_ == "trampoline") return take_address(text, [&](Vaddr a) { record.trampoline = a; });
    if (key_ == "jump") return take_address(text, [&](Vaddr a) { record.jump = a; });
    if (key_ == "bytes")
      return take_bytes(text, [&](std::string b) { record.bytes = std::move(b); });
    if (key_ == "replaced")
      return take_bytes(text, [&](std::string b) { record.replaced = std::move(b); });
    if (key_ == "result") return take_result(text);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return refuse("is not JSON");
  }

 private:
  bool refuse(std::string why) {
    fault = std::move(why);
    return false;
  }
  template <typename Take>
  bool take_address(const std::string& text, const Take& take) {
    const auto value = parse_hex(text);
    if (!value) return refuse("/" + key_ + " is not an address: " + text);
    take(Vaddr{*value});
    return true;
  }
  template <typename Take>
  bool take_bytes(const std::string& text, const Take& take) {
    auto value = parse_hex_bytes(text);
    if (!value) return refuse("/" + key_ + " is not hexadecimal: " + text);
    take(std::move(*value));
    return true;
  }
  bool take_result(const std::string& text) {
    for (const auto result : {SiteResult::patched, SiteResult::trapped, SiteResult::failed})
      if (text == to_string(result)) {
        record.result = result;
        return has_result_ = true;
      }
    return refuse("/result is none of patched, trapped, failed: " + text);
  }

  int depth_ = 0;
  std::string key_;
  bool has_address_ = false, has_size_ = false, has_result_ = false;
};

struct Part {
  std::vector<SiteRecord> sites;
  std::vector<Vaddr> evicted;
  std::optional<std::pair<std::size_t, std::string>> fault;  // offset of the line, what is wrong
};

/// Reads the lines that begin in [from, to).
Part read_lines(std::string_view text, std::size_t from, std::size_t to) {
  Part part;
  if (from > 0) from = std::min(text.find('\n', from - 1), text.size() - 1) + 1;
  while (from < to) {
    const std::size_t end = std::min(text.find('\n', from), text.size());
    const std::string_view line = text.substr(from, end - from);
    if (line.find_first_not_of(" \t\r") != line.npos) {
      LineEvents events;
      const bool parsed = Json::sax_parse(line.begin(), line.end(), &events);
      if (!parsed || !events.complete()) {
        part.fault = {from, parsed ? "lacks /address, /size or /result" : events.fault};
        return part;
      }
      part.sites.push_back(std::move(events.record));
      part.evicted.insert(part.evicted.end(), events.evicted.begin(), events.evicted.end());
    }
    from = end + 1;
  }
  return part;
}

Error bad_line(const std::filesystem::path& path, std::string_view text, std::size_t offset,
               const std::string& what) {
  const auto number = 1 + std::count(text.begin(), text.begin() + offset, '\n');
  return error("bad_site_file", path.string() + ": line " + std::to_string(number) + ": " + what);
}

}  // namespace

const char* to_string(SiteResult result) {
  switch (result) {
    case SiteResult::patched:
      return "patched";
    case SiteResult::trapped:
      return "trapped";
    case SiteResult::failed:
      return "failed";
  }
  return "";
}

const SiteRecord* SiteFile::find(Vaddr address) const {
  const auto at = std::lower_bound(sites.begin(), sites.end(), address,
                                   [](const SiteRecord& r, Vaddr a) { return r.address < a; });
  return at != sites.end() && at->address == address ? &*at : nullptr;
}

bool SiteFile::is_evicted(Vaddr address) const {
  return std::binary_search(evicted.begin(), evicted.end(), address);
}

Result<SiteFile> read_site_file(const std::filesystem::path& path, unsigned jobs) {
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return error("unreadable", path.string() + ": " + std::strerror(errno));
  std::string text(static_cast<std::size_t>(std::max<std::streamoff>(stream.tellg(), 0)), '\0');
  stream.seekg(0);
  if (!stream.read(text.data(), static_cast<std::streamsize>(text.size())))
    return error("unreadable", path.string() + ": cannot be read");

  const std::size_t count = std::clamp<std::size_t>(jobs, 1, 64);
  std::vector<Part> parts(count);
  const auto border = [&](std::size_t i) { return text.size() * i / count; };
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i < count; ++i)
    threads.emplace_back([&, i] { parts[i] = read_lines(text, border(i), border(i + 1)); });
  parts[0] = read_lines(text, 0, border(1));
  for (auto& thread : threads) thread.join();

  SiteFile file;
  for (Part& part : parts) {
    if (part.fault) return bad_line(path, text, part.fault->first, part.fault->second);
    std::move(part.sites.begin(), part.sites.end(), std::back_inserter(file.sites));
    file.evicted.insert(file.evicted.end(), part.evicted.begin(), part.evicted.end());
  }
  const auto by_address = [](const SiteRecord& a, const SiteRecord& b) {
    return a.address < b.address;
  };
  if (!std::is_sorted(file.sites.begin(), file.sites.end(), by_address))
    std::stable_sort(file.sites.begin(), file.sites.end(), by_address);
  const auto twice = std::adjacent_find(
      file.sites.begin(), file.sites.end(),
      [](const SiteRecord& a, const SiteRecord& b) { return a.address == b.address; });
  if (twice != file.sites.end())
    return error_at("bad_site_file",
                    path.string() + ": " + to_hex(twice->address) + " stands there twice",
                    twice->address);
  std::sort(file.evicted.begin(), file.evicted.end());
  file.evicted.erase(std::unique(file.evicted.begin(), file.evicted.end()), file.evicted.end());
  return file;
}

}  // namespace punster
