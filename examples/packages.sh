# The Debian packages that building and testing need; sourced by quickstart.sh and tests/run.sh.
build_packages="g++ cmake make liblief-dev libzydis-dev libdw-dev zlib1g-dev libboost-dev nlohmann-json3-dev libcli11-dev libfmt-dev libspdlog-dev"
test_packages="catch2 python3 python3-jsonschema python3-venv mypy socat jq clang libclang-rt-dev git gdb perl openssl libssl-dev binutils lld file procps patchelf elfutils linux-perf"

# install_missing PACKAGE...: installs what dpkg does not know; says what it does.
install_missing() {
  missing=
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q '^install ok installed$' || missing="$missing $package"
  done
  [ -z "$missing" ] && return 0
  sudo=
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || { echo "Missing packages, and neither root nor sudo:$missing" >&2; return 1; }
    sudo=sudo
  fi
  echo "Installing:$missing"
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null
}
