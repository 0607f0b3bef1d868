#!/usr/bin/env bash
# From a clean checkout to a rewritten, running, counted /bin/ls: installs what is missing (apt-get, with
# sudo where not root; --no-install to skip), builds into build/, and shows every command that it runs.
set -eu
cd "$(dirname "$0")/.."
. examples/packages.sh
[ "${1:-}" = --no-install ] || install_missing $build_packages

echo "Building into build/ (a few minutes the first time) ..."
log=$(mktemp)
cmake -S . -B build -DBUILD_TESTING=OFF > "$log" 2>&1 && cmake --build build -j "$(nproc)" --target punster punster-backend >> "$log" 2>&1 ||
  { tail -n 40 "$log"; exit 1; }
rm -f "$log"

export PATH=$PWD/build/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp /bin/ls "$work/ls"
show() { printf '\n$ %s\n' "$*"; "$@"; }
cd "$work"

show punster sites -M 'jmp and size = 2' ls | head -5
show punster patch -M jmp -P count ls -o ls.counted --counters ls.counts --sites ls.sites
show ./ls.counted -l /usr/share/common-licenses | head -5
echo
./ls.counted -lR /usr/share/doc > rewritten.txt
./ls -lR /usr/share/doc > original.txt
cmp original.txt rewritten.txt &&
  echo "$(wc -l < rewritten.txt) lines of ls -lR /usr/share/doc: the same from both programs"
show punster top --once ls.counts | head -8
show punster verify --sites ls.sites ls ls.counted
