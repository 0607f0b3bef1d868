// The transcripts of tests/transcripts, replayed in this process. The Python package replays the
// same (protocol/python/punster/replay.py, which also says what is compared, and how to rebase).

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "backend/session/service.h"
#include "protocol/hex.h"

using namespace punster;
namespace fs = std::filesystem;

namespace {

const std::set<std::string> left_out = {
    "seconds",   "peak_rss_bytes", "output_bytes", "mappings", "virtual_pages", "physical_pages",
    "by_tactic", "by_means",       "tactic",       "means",    "trampoline",    "jump_target",
    "evicted",   "borrowed_from",  "alternatives", "note",     "unwind"};

Json steady(const Json& value) {
  Json result = value;
  if (value.is_array())
    for (auto& each : result) each = steady(each);
  if (!value.is_object()) return result;
  result = Json::object();
  for (const auto& [name, member] : value.items())
    if (!left_out.contains(name)) result[name] = steady(member);
  return result;
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

struct Transcript {
  std::string requests;
  std::vector<Json> expected;
};

Transcript read(const fs::path& path, const fs::path& work) {
  Transcript transcript;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("file ")) {
      const auto space = line.find(' ', 5);
      std::ofstream(work / line.substr(5, space - 5)) << *parse_hex_bytes(line.substr(space + 1));
    } else if (line.starts_with("--> ")) {
      replace_all(line, "{WORK}", work);
      transcript.requests += line.substr(4) + "\n";
    } else if (line.starts_with("<-- ")) {
      transcript.expected.push_back(steady(parse_json(line.substr(4)).value()));
    }
  }
  return transcript;
}

std::vector<Json> answers(const std::string& requests, const fs::path& work) {
  std::ofstream(work / "requests") << requests;
  const int in = open((work / "requests").c_str(), O_RDONLY);
  const int out = open((work / "answers").c_str(), O_WRONLY | O_CREAT, 0600);
  ServiceStop stop;
  CHECK(serve(in, out, stop) == ServiceEnd::done);
  close(in), close(out);
  std::vector<Json> heard;
  std::ifstream file(work / "answers");
  for (std::string line; std::getline(file, line);) {
    replace_all(line, work, "{WORK}");
    auto message = parse_json(line).value();
    if (!message.is_object() || !message.contains("method")) heard.push_back(steady(message));
  }
  return heard;
}

}  // namespace

TEST_CASE("transcripts are answered as they were") {
  fs::path folder = __FILE__;
  folder = folder.parent_path().parent_path().parent_path() / "transcripts";
  std::size_t count = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::string name = "/tmp/punster-transcript-XXXXXX";
    const fs::path work = mkdtemp(name.data());
    INFO(entry.path().string());
    const auto transcript = read(entry.path(), work);
    const auto heard = answers(transcript.requests, work);
    REQUIRE(heard.size() == transcript.expected.size());
    for (std::size_t i = 0; i < heard.size(); ++i) {
      INFO("answer " << i + 1);
      CHECK(heard[i].dump() == transcript.expected[i].dump());
    }
    fs::remove_all(work);
    ++count;
  }
  CHECK(count >= 2);
}
