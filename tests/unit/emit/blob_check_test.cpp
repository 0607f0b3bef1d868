// The build must notice whatever the runtime may not contain: here is one of each.

#include <catch2/catch.hpp>
#include <fstream>

#include "runtime/blob.h"
#include "runtime/loader_abi.h"
#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

/// Links C `source` (and what every blob has) as runtime/CMakeLists.txt does, and checks it.
bool accepted(const std::string& source) {
  const Workshop shop;
  const auto rooms = std::filesystem::path(__FILE__).parent_path() / "../../../runtime";
  std::ofstream(shop.file("blob.c")) << R"(
    __attribute__((section(".text.entry"))) const long punster_config[4] = {0};
    const unsigned long punster_state_bytes = 8;
    void *memcpy(void *to, const void *from, unsigned long size) { return to; }
    void *memmove(void *to, const void *from, unsigned long size) { return to; }
    void *memset(void *to, int byte, unsigned long size) { return to; }
    int memcmp(const void *a, const void *b, unsigned long size) { return 0; }
    void punster_init(void) {}
    void punster_gate(void) {}
  )" << source;
  const auto in = [&](const std::string& name) { return shop.file(name).string(); };
  return run("cc -w -Os -ffreestanding -fPIE -fvisibility=hidden -fno-stack-protector -c -o " +
             in("blob.o") + " " + in("blob.c") +
             " && ld -pie --no-dynamic-linker -z noexecstack -z norelro --orphan-handling=error "
             "-T " +
             (rooms / "blob.ld").string() + " -o " + in("blob") + " " + in("blob.o") +
             " && cmake -DBLOB=" + in("blob") + " -DREADELF=readelf -DNM=nm -DOFFSETS=" +
             in("offsets.h") + " -P " + (rooms / "check_blob.cmake").string())
             .status == 0;
}

}  // namespace

TEST_CASE("the build refuses a runtime with anything that nobody would set up", "[runtime]") {
  CHECK(accepted("int punster_entry(void) { return 1; }"));
  CHECK_FALSE(accepted("int x = 1; int punster_entry(void) { return x++; }"));       // .data
  CHECK_FALSE(accepted("int x; int punster_entry(void) { return x++; }"));           // .bss
  CHECK_FALSE(accepted("int f(void); int punster_entry(void) { return f(); }"));     // undefined
  CHECK_FALSE(accepted("__thread int x; int punster_entry(void) { return x++; }"));  // TLS
  CHECK_FALSE(
      accepted("const char *const t[] = {\"a\", \"b\"};"
               "const char *punster_entry(int i) { return t[i]; }"));  // relocation
  CHECK_FALSE(
      accepted("const char t[30000] = {1}; int punster_entry(int i) { return t[i]; }"));  // size
  CHECK_FALSE(accepted("int other(void) { return 1; }"));  // no entry point
}

TEST_CASE("the blob's offsets lie inside it", "[runtime]") {
  const auto blob = runtime_blob();
  CHECK(blob.bytes.size() <= 24576);
  CHECK(blob.entry < blob.bytes.size());
  CHECK(blob.init < blob.bytes.size());
  CHECK(blob.config + sizeof(PunsterConfig) <= blob.bytes.size());
  CHECK(blob.state_bytes > 4096);
}

}  // namespace punster
