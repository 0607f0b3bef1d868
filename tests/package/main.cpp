// A client of punster-backend, built against the installed package: asks what its standard streams lead to for its
// version.

#include <protocol/rpc.h>

#include <cstdio>

int main() {
  punster::RpcClient client(0, 1);
  const auto hello = client.call_as<punster::InitializeReply>(
      "initialize", punster::InitializeRequest{punster::protocol_version, "consumer", "1"});
  if (hello.has_error()) return 1;
  std::fprintf(stderr, "%s\n", hello.value().server_name.c_str());
}
