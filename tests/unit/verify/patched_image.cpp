// Memory after start, as the reader of rewritten files puts it together.

#include "frontend/verify/patched_image.h"

#include <catch2/catch.hpp>

#include "frontend/verify/jump_path.h"
#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;

Machine read(const PatchedImage& image, Vaddr at, std::size_t size) {
  Machine bytes(size);
  bytes.resize(image.read(at, bytes));
  return bytes;
}
}  // namespace

TEST_CASE("memory shows the overlay, the file the original", "[patched_image]") {
  Rewriting file;
  const Vaddr site = file.insn({1, 2, 3, 4, 5});
  file.patch(site, {0xe9, 0, 0, 0, 0});
  const auto image = PatchedImage::open(file.write_patched()).value();
  CHECK(read(image, site, 5) == Machine{0xe9, 0, 0, 0, 0});
  Machine before(5);
  CHECK(image.read_unpatched(site, before) == 5);
  CHECK(before == Machine{1, 2, 3, 4, 5});
  CHECK(image.piece_at(site)->kind == MemoryKind::overlay);
  CHECK(image.piece_at(site)->executable);
  CHECK_FALSE(image.piece_at(site)->writable);
}

TEST_CASE("reading runs across adjacent pieces and stops at a hole", "[patched_image]") {
  Rewriting file;
  file.insn({0xc3});
  file.write(file.image(far + 0xffe), {1, 2, 3, 4});
  const auto image = PatchedImage::open(file.write_patched()).value();
  CHECK(read(image, file.image(far + 0xffe), 4) == Machine{1, 2, 3, 4});
  CHECK(read(image, file.image(far + 0x1ffe), 4) == Machine{0xcc, 0xcc});
  CHECK(image.piece_at(file.image(far + 0x2000)) == nullptr);
  CHECK(read(image, Vaddr{0x500000}, 4).empty());
}

TEST_CASE("pages below a position-independent image end where it begins", "[patched_image]") {
  Rewriting file;
  file.insn({0xc3});
  file.write(Vaddr{0} - Bytes{2}, {1, 2});
  const auto image = PatchedImage::open(file.write_patched()).value();
  CHECK(image.piece_at(Vaddr{0} - Bytes{1})->kind == MemoryKind::trampolines);
  CHECK(image.piece_at(Vaddr{0})->kind == MemoryKind::segment);
  CHECK(read(image, Vaddr{0} - Bytes{2}, 4) == Machine{1, 2, 0x7f, 'E'});
}

TEST_CASE("a file that was never rewritten has no tables", "[patched_image]") {
  Rewriting file;
  file.insn({0xc3});
  const auto image = PatchedImage::open(file.write_original()).value();
  CHECK(image.header() == nullptr);
  CHECK(image.mappings().empty());
  CHECK_FALSE(image.trap_target(Vaddr{0x1000}));
  CHECK(read(image, Vaddr{0x1000}, 1) == Machine{0xc3});
}

TEST_CASE("the trap table routes its sites, and no others", "[patched_image]") {
  Rewriting file;
  file.insn({0xc3});
  file.trap(Vaddr{0x1000}, Vaddr{0x5000});
  file.trap(Vaddr{0x1004}, Vaddr{0x6000});
  const auto image = PatchedImage::open(file.write_patched()).value();
  CHECK(image.trap_target(Vaddr{0x1004}) == Vaddr{0x6000});
  CHECK_FALSE(image.trap_target(Vaddr{0x1002}));
}

TEST_CASE("the hops of a site are its short jump, its landing pad and its stub",
          "[patched_image]") {
  Rewriting file;
  const Vaddr site = file.insn({0x31, 0xc0});
  const Vaddr pad = file.padding(8);
  const Vaddr stub = file.image(far), body = file.image(far + 0x1000);
  file.patch(site, short_jump(site, pad));
  file.patch(pad, Machine{0x2e} + jump(pad + Bytes{1}, stub));
  file.write(stub, jump(stub, body));
  file.write(body, Machine{0x31, 0xc0} + jump(body + Bytes{2}, pad));
  const auto image = PatchedImage::open(file.write_patched()).value();
  const auto hops = hops_from(image, site);
  REQUIRE(hops.size() == 3);
  CHECK(hops[0].is_short);
  CHECK(hops[1].address == pad);
  CHECK(hops[1].prefixes == 1);
  CHECK(hops[1].length == 6);
  CHECK(hops[2].target == body);
  CHECK(hops_from(image, body).empty());
}
