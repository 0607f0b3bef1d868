// Files whose trampolines have program headers: no runtime, code patched where it stands in the
// file, and one planted fault each.

#include <algorithm>
#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t arena = 0x80000, text = 0x1000, text_room = 0x3000, kept = 0x5000;
const Machine add5 = {0x05, 0x78, 0x56, 0x34, 0x12};  // add $0x12345678,%eax

PunsterMapping* first_of(std::vector<PunsterMapping>& mappings, std::uint32_t kind) {
  const auto found = std::find_if(mappings.begin(), mappings.end(),
                                  [&](const PunsterMapping& m) { return m.kind == kind; });
  return found == mappings.end() ? nullptr : &*found;
}

/// One site, whose trampoline has a program header. The change to each part stands behind what
/// makes it header-mapped.
struct HeaderMapped : Rewriting {
  Vaddr site, body;
  std::function<void(PunsterHeader&)> then_header = [](auto&) {};
  std::function<void(std::vector<PunsterMapping>&)> then_mappings = [](auto&) {};
  std::function<void(std::vector<Elf64_Phdr>&)> then_segments = [](auto&) {};
  std::function<void(Machine&)> then_file = [](auto&) {};

  HeaderMapped() {
    site = insn(add5);
    const Vaddr next = insn({0xc3});
    body = image(arena);
    patch(site, jump(site, body));
    write(body, add5 + jump(body + Bytes{5}, next));
    alter_header = [this](PunsterHeader& h) {
      h.flags |= PUNSTER_FLAG_HEADER_MAPPED;
      h.hook = PUNSTER_HOOK_NONE;
      h.original_entry = 0;
      then_header(h);
    };
    alter_mappings = [this](std::vector<PunsterMapping>& mappings) {
      for (auto& m : mappings)
        m.kind = m.kind == PUNSTER_OVERLAY ? PUNSTER_ORIGINAL : PUNSTER_ARENA;
      then_mappings(mappings);
    };
    alter_segments = [this](std::vector<Elf64_Phdr>& segments) {
      segments.resize(segments.size() - 2);  // no runtime, no state
      auto mapped = segments[1];
      mapped.p_vaddr = mapped.p_paddr = image(arena).value;
      mapped.p_offset = kept + text_room;
      mapped.p_filesz = mapped.p_memsz = 0x1000;
      segments.insert(segments.begin() + 3, mapped);
      then_segments(segments);
    };
    // The pages of the overlay were written; in the file they change places with the code.
    alter_file = [this](Machine& file) {
      std::swap_ranges(file.begin() + text, file.begin() + text + text_room, file.begin() + kept);
      then_file(file);
    };
  }
  std::string judged() { return only_failure(verify()); }
};
}  // namespace

TEST_CASE("a sound header-mapped file is accepted", "[header_mapped]") {
  HeaderMapped file;
  const auto report = file.verify();
  CHECK(only_failure(report) == "0 failures");
  CHECK(report.proven == 1);
  CHECK(report.trampoline_pages == 1);
  CHECK(report.overlay_pages == 0);
  CHECK(report.mappings == 1);
}

TEST_CASE("an arena without a program header of its own is rejected", "[header_mapped]") {
  HeaderMapped file;
  SECTION("another size") {
    file.then_segments = [](auto& segments) { segments[3].p_filesz = segments[3].p_memsz = 0x800; };
  }
  SECTION("not executable") {
    file.then_segments = [](auto& segments) { segments[3].p_flags = PF_R; };
  }
  SECTION("writable") {
    file.then_segments = [](auto& segments) { segments[3].p_flags |= PF_W; };
  }
  SECTION("none") {
    file.then_segments = [](auto& segments) { segments.erase(segments.begin() + 3); };
  }
  CHECK(file.verify().failures_by_kind.count("bad_mapping") == 1);
}

TEST_CASE("an arena over a segment is rejected", "[header_mapped]") {
  HeaderMapped file;
  file.then_segments = [](auto& segments) {
    auto another = segments[3];
    another.p_flags = PF_R;
    segments.insert(segments.begin() + 4, another);
  };
  CHECK(file.judged() == "segments_overlap");
}

TEST_CASE("code that was changed and is not proven is rejected, in place as well",
          "[header_mapped]") {
  HeaderMapped file;
  SECTION("the jump") {
    file.then_file = [](Machine& bytes) { bytes[text + 1] ^= 0x10; };
  }
  SECTION("the body") {
    file.then_file = [](Machine& bytes) { bytes[kept + text_room + 1] ^= 1; };
  }
  SECTION("a byte behind all instructions") {
    file.then_file = [](Machine& bytes) { bytes[text + 0x800] ^= 1; };
  }
  CHECK(file.verify().failure_count > 0);
}

TEST_CASE("what is kept of the original must be the original's", "[header_mapped]") {
  HeaderMapped file;
  file.then_file = [](Machine& bytes) { bytes[kept + 2] ^= 1; };
  CHECK(file.judged() == "bad_mapping");
}

TEST_CASE("data is not code that may change in place", "[header_mapped]") {
  HeaderMapped file;
  file.then_file = [](Machine& bytes) { bytes[0x4010] ^= 1; };
  CHECK(file.judged() == "original_bytes_changed");
}

TEST_CASE("without a runtime there is nothing for it to do", "[header_mapped]") {
  HeaderMapped file;
  SECTION("trampolines that only it could map") {
    file.then_mappings = [](auto& mappings) {
      auto lost = *first_of(mappings, PUNSTER_ARENA);
      lost.address += 0x2000;
      lost.kind = PUNSTER_TRAMPOLINES;
      mappings.push_back(lost);
    };
  }
  SECTION("an overlay") {
    file.then_mappings = [](auto& mappings) {
      first_of(mappings, PUNSTER_ORIGINAL)->kind = PUNSTER_OVERLAY;
    };
  }
  SECTION("counters") {
    file.then_header = [](PunsterHeader& h) {
      h.counters_address = 0x200000;
      h.counters_bytes = 0x1000;
      h.counters_path = 8;
    };
  }
  CHECK(file.verify().failures_by_kind.count("hook") == 1);
}

TEST_CASE("a loader-mapped file needs a hook", "[header_mapped]") {
  HeaderMapped file;
  file.then_header = [](PunsterHeader& h) { h.flags &= ~unsigned{PUNSTER_FLAG_HEADER_MAPPED}; };
  CHECK(file.verify().failures_by_kind.count("hook") == 1);
}
