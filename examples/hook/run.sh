#!/usr/bin/env bash
# Compiles a hook, and has it called before every memcpy of bash. Needs gcc or clang, and build/bin
# (examples/quickstart.sh, or set PUNSTER_BUILD).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=${PUNSTER_BUILD:-$here/../../build}/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

punster cc "$here/bytes.c" -o bytes
punster patch -q -M 'call and target == &memcpy' -P 'copied(rdx)@bytes' /bin/bash -o bash.copies
# shellcheck disable=SC2016
./bash.copies -c 'x=a; for i in 1 2 3 4 5 6 7 8; do x=$x$x; done; echo ${#x}'
