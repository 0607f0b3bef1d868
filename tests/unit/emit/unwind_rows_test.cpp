// Re-timed unwind rows against binutils' interpreter of call frame programs: at every body,
// `readelf` must find the row that it finds at the body's instruction.

#include "backend/emit/unwind_rows.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>
#include <sstream>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

class FakeBodies : public BodyList {
 public:
  std::vector<BodyPlace> places, pieces;
  [[nodiscard]] std::size_t size() const override { return places.size(); }
  [[nodiscard]] BodyPlace at(std::size_t k) const override { return places.at(k); }
  [[nodiscard]] std::size_t scattered() const override { return pieces.size(); }
  [[nodiscard]] BodyPlace scattered_at(std::size_t k) const override { return pieces.at(k); }
};

/// Frames of many shapes: pushes, a frame pointer, a large array, shrink-wrapped and cold parts.
std::string frames_source() {
  return R"(
    #include <alloca.h>
    #include <stdio.h>
    #include <stdlib.h>
    #include <string.h>
    int sink;
    __attribute__((noinline)) int leaf(int x) { return x * 3 + sink; }
    __attribute__((noinline)) int large(int x) {
      volatile char room[3000];
      room[x & 1023] = (char)x;
      return room[leaf(x) & 1023];
    }
    __attribute__((noinline)) int dynamic(int x) {
      char* room = alloca((x & 63) + 16);
      memset(room, x, 16);
      return leaf(room[3]) + x;
    }
    __attribute__((noinline)) int early(int x, int y) {
      if (x < 0) return y;
      int sum = 0;
      for (int i = 0; i < x; ++i) sum += dynamic(i) * large(y + i) - leaf(sum);
      if (sum == 12345) abort();
      return sum;
    }
    int main(int argc, char** argv) {
      (void)argv;
      printf("%d\n", early(argc + 3, 7) + early(-argc, 1));
      return 0;
    })";
}

struct Instruction {
  std::uint64_t address = 0;
  std::uint8_t length = 0;
  bool call = false;
};

std::vector<Instruction> instructions(const std::filesystem::path& file) {
  std::istringstream lines(run("objdump -dw " + file.string()).output);
  std::vector<Instruction> found;
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(":\t"), tab = line.find('\t', colon + 2);
    if (colon == std::string::npos || tab == std::string::npos) continue;
    std::istringstream bytes(line.substr(colon + 2, tab - colon - 2));
    Instruction insn;
    insn.address = std::stoull(line.substr(0, colon), nullptr, 16);
    insn.length =
        static_cast<std::uint8_t>(std::distance(std::istream_iterator<std::string>(bytes), {}));
    insn.call = line.find("call ", tab) != std::string::npos;
    found.push_back(insn);
  }
  return found;
}

using Row = std::map<std::string, std::string>;  // column -> rule, undefined ones left out
struct Rows : std::map<std::uint64_t, Row> {     // by address; an empty row ends a function
  std::set<std::uint64_t> starts;                // of functions
};

/// The rows of `section` as readelf interprets them.
Rows interpreted(const std::filesystem::path& file, const std::string& section) {
  std::istringstream lines(
      run("readelf -W --debug-dump=frames-interp " + file.string() + " 2>&1").output);
  Rows rows;
  std::vector<std::string> columns;
  std::map<std::string, Row> initial;  // of CIEs, by what FDEs call them
  Row* now = nullptr;                  // where the next row goes
  bool wanted = false;
  std::uint64_t end = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("Contents of the") == 0)
      wanted = line.find(' ' + section + ' ') != std::string::npos;
    if (!wanted) continue;
    if (line.find(" CIE ") != std::string::npos) {
      now = &initial[line.substr(0, 8)];
      continue;
    }
    if (const auto pc = line.find(" pc="); pc != std::string::npos) {
      columns.clear();
      end = std::stoull(line.substr(line.find("..", pc) + 2), nullptr, 16);
      const auto start = std::stoull(line.substr(pc + 4), nullptr, 16);
      rows.starts.insert(start);
      // Of a program that does nothing, nothing is printed but this.
      now = &(rows[start] = initial[line.substr(line.find("cie=") + 4, 8)]);
      rows.try_emplace(end);
      continue;
    }
    if (!now) continue;
    std::istringstream words(line);
    const std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    if (fields.empty()) continue;
    if (fields[0] == "LOC") {
      columns.assign(fields.begin() + 1, fields.end());
      continue;
    }
    if (fields.size() != columns.size() + 1) continue;
    const auto at = std::stoull(fields[0], nullptr, 16);
    if (at != 0) now = &rows[at];  // else that of a CIE
    now->clear();
    for (std::size_t i = 0; i < columns.size(); ++i)
      if (fields[i + 1] != "u") (*now)[columns[i]] = fields[i + 1];
  }
  return rows;
}

Row row_at(const Rows& rows, std::uint64_t address) {
  const auto after = rows.upper_bound(address);
  return after == rows.begin() ? Row{} : std::prev(after)->second;
}

constexpr unsigned way_back = 5, pushed_at = 4;

/// A body for every `every`th instruction: padding, the instruction, a jump back; calls have none.
/// Chained: nobody jumps back, and calls come with their return address pushed.
FakeBodies bodies_for(const std::vector<Instruction>& code, Vaddr base, std::size_t every,
                      bool chained = false) {
  FakeBodies bodies;
  for (std::size_t i = 0; i < code.size(); i += every) {
    BodyPlace place;
    place.original = Vaddr{code[i].address};
    place.length = code[i].length;
    place.body = base;
    place.size = code[i].length + 3 + (chained ? 0 : way_back);
    if (code[i].call)
      place.done = chained ? 0 : pushed_at;
    else
      place.done = place.size - (chained ? 0 : way_back);
    place.calls = code[i].call;
    base = base + Bytes{place.size};
    bodies.places.push_back(place);
  }
  return bodies;
}

/// A stub, or an evicted instruction, for every instruction, in any order and with holes of any
/// size.
std::vector<BodyPlace> pieces_for(std::vector<Instruction> code, Vaddr base, std::mt19937& random) {
  std::shuffle(code.begin(), code.end(), random);
  std::vector<BodyPlace> pieces;
  for (const auto& insn : code) {
    base = base + Bytes{random() % 8 == 0 ? random() % (1 << 22) : random() % 40};
    BodyPlace piece{Vaddr{insn.address}, insn.length, base, way_back, way_back, false};
    if (random() % 2) {
      piece.size = insn.length + way_back;
      piece.done = insn.call ? 3 : insn.length;
      piece.calls = insn.call;
    } else if (insn.call) {
      piece.done = 0;  // a stub that is called
      piece.calls = true;
    }
    base = base + Bytes{piece.size};
    pieces.push_back(piece);
  }
  return pieces;
}

Row one_push_further(Row row) {
  const std::string from_rsp = "rsp+";
  if (row["CFA"].find(from_rsp) == 0)
    row["CFA"] = from_rsp + std::to_string(std::stoi(row["CFA"].substr(from_rsp.size())) + 8);
  return row;
}

/// What the original's linkage table says by an expression of the program counter, 11 bytes into
/// each 16 one push further.
Row expected_row(const Rows& before, std::uint64_t address) {
  Row row = row_at(before, address);
  if (!row.empty() && row["CFA"] == "exp") row["CFA"] = (address & 15) >= 11 ? "rsp+16" : "rsp+8";
  return row;
}

/// Each piece of a function with rows has those of its instruction; others have none.
void check_pieces(const FakeBodies& bodies, const Rows& before, const Rows& after,
                  std::uint64_t claimed) {
  std::size_t known = 0, called = 0;
  for (const auto& piece : bodies.pieces) {
    const auto original = piece.original.value;
    INFO(std::hex << "instruction " << original << ", piece " << piece.body.value);
    const auto expected = expected_row(before, original);
    known += !expected.empty();
    called += piece.calls && piece.done == 0;
    CHECK(row_at(after, piece.body.value) ==
          (piece.done > 0 || expected.empty() ? expected : one_push_further(expected)));
    if (piece.done == 0 || piece.done == piece.size || expected.empty()) continue;
    const auto done = row_at(after, piece.body.value + piece.done);
    CHECK(done == (piece.calls ? one_push_further(expected)
                               : expected_row(before, original + piece.length)));
  }
  CHECK(known > 60);
  CHECK(called > 0);
  CHECK(known == claimed);
}

void check_rows(const std::string& flags, std::size_t every, bool chained) {
  INFO(flags << ", every " << every << (chained ? ", chained" : ""));
  const Workshop shop;
  const auto input = shop.compile("original", frames_source(), flags);
  const auto code = instructions(input);
  PlanMaker maker(input);
  const auto base = above(maker.view);
  for (std::uint64_t page = 0; page < 40; ++page) maker.trampoline(above(maker.view, page), {0xcc});
  auto bodies = bodies_for(code, base, every, chained);
  const auto seed = static_cast<unsigned>(every * 2 + chained);
  INFO("pieces of seed " << seed);
  std::mt19937 random(seed);
  bodies.pieces = pieces_for(code, above(maker.view, 100), random);
  maker.plan.bodies = &bodies;
  const auto result = emit_to(maker, shop.file("patched"));
  CHECK(result.unwind.note == "");
  CHECK(result.unwind.left_out == 0);

  const auto before = interpreted(input, ".eh_frame");
  const auto after = interpreted(shop.file("patched"), ".debug_frame");
  REQUIRE(after.size() > 10);
  std::size_t compared = 0, in_calls = 0;
  for (const auto& place : bodies.places) {
    if (row_at(before, place.original.value).empty()) continue;
    INFO(std::hex << "instruction " << place.original.value << ", body " << place.body.value);
    const auto expected = expected_row(before, place.original.value);
    const auto first = place.done == 0 ? one_push_further(expected) : expected;
    CHECK(row_at(after, place.body.value) == first);
    ++compared;
    in_calls += place.calls;
    if (place.done == place.size) continue;
    const auto done = row_at(after, place.body.value + place.done);
    const auto behind = expected_row(before, place.original.value + place.length);
    if (place.calls)
      CHECK(done == one_push_further(expected));
    else if (!behind.empty() && !before.starts.contains(place.original.value + place.length))
      CHECK(done == behind);
  }
  CHECK(compared * every > 60);
  CHECK(in_calls > 0);
  check_pieces(bodies, before, after, result.unwind.scattered);
}

}  // namespace

TEST_CASE("every body has the row of its instruction, its way back that behind it",
          "[emit][unwind]") {
  for (const std::string flags :
       {"-pie -fPIE -O2", "-pie -fPIE -O0", "-no-pie -O2 -Wl,-z,lazy", "-shared -fPIC -O2"})
    for (const std::size_t every : {1u, 3u})
      for (const bool chained : {false, true}) check_rows(flags, every, chained);
}

TEST_CASE("an existing .debug_frame is kept in front", "[emit][unwind]") {
  const Workshop shop;
  const auto input = shop.compile("original", frames_source() + R"(
    __asm__(".cfi_sections .eh_frame, .debug_frame");)",
                                  "-O2");
  PlanMaker maker(input);
  maker.trampoline(above(maker.view), {0xcc});
  const auto bodies = bodies_for({{symbol(input, "leaf").value, 4, false}}, above(maker.view), 1);
  maker.plan.bodies = &bodies;
  emit_to(maker, shop.file("patched"));
  const auto before = interpreted(input, ".debug_frame");
  const auto after = interpreted(shop.file("patched"), ".debug_frame");
  REQUIRE(before.size() > 3);
  CHECK(after.size() == before.size() + 2);
  for (const auto& [address, row] : before) CHECK(row_at(after, address) == row);
}

TEST_CASE("without bodies nothing is added", "[emit][unwind]") {
  const Workshop shop;
  const auto input = shop.compile("original", frames_source(), "-O2 -s");
  PlanMaker maker(input);
  maker.trampoline(above(maker.view), {0xcc});
  emit_to(maker, shop.file("patched"));
  const auto sections = run("readelf -SW " + shop.file("patched").string()).output;
  CHECK(sections.find(".debug_frame") == std::string::npos);
  CHECK(sections.find(".symtab") == std::string::npos);
}

TEST_CASE("a damaged .eh_frame gives no rows, and no failure", "[emit][unwind]") {
  const Workshop shop;
  const auto input = shop.compile("original", frames_source(), "-O2");
  const auto code = instructions(input);
  const auto view = ElfView::open(input).value();
  const Elf64_Shdr* frames = nullptr;
  for (const auto& s : view.sections())
    if (view.section_name(s) == ".eh_frame") frames = &s;
  REQUIRE(frames);
  const std::vector<std::uint8_t> original(view.file().begin(), view.file().end());
  const auto bodies = bodies_for(code, Vaddr{0x10000000}, 1);
  const auto functions_of = [&bodies](const ElfView& file, const CallFrames& read) {
    FrameWriter out(FrameFormat::debug_frame);
    return unwind_rows(file, read, bodies, out).functions;
  };
  const auto functions = functions_of(view, read_call_frames(view));
  CHECK(functions > 5);

  std::mt19937 random(1);
  const auto mutant = shop.file("mutant");
  unsigned noted = 0, sound = 0;
  for (unsigned i = 0; i < 600; ++i) {
    auto bytes = original;
    for (auto n = 1 + random() % 3; n > 0; --n) {
      const auto at = frames->sh_offset + random() % frames->sh_size;
      static constexpr std::uint8_t nasty[] = {0x00, 0xff, 0x80, 0x7f, 0x01};
      bytes[at] = random() % 2 ? nasty[random() % 5] : static_cast<std::uint8_t>(random());
    }
    std::ofstream(mutant, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    const auto damaged = ElfView::open(mutant);
    REQUIRE(damaged);
    const auto read = read_call_frames(damaged.value());
    CHECK((read.damage.empty() || read.entries.empty()));
    const auto rows = functions_of(damaged.value(), read);
    CHECK(rows <= functions);
    noted += !read.damage.empty();
    sound += rows == functions;
  }
  CHECK(noted > 50);
  CHECK(sound > 50);
}

}  // namespace punster
