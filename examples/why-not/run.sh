#!/usr/bin/env bash
# Patches every instruction of a program without traps, and finds out what could not be patched, and why.
# ./run.sh [PROGRAM]; needs build/bin (examples/quickstart.sh, or set PUNSTER_BUILD).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=${PUNSTER_BUILD:-$here/../../build}/bin:$PATH
program=${1:-/bin/ls}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
show() { printf '\n$ %s\n' "$*"; "$@"; }

show punster patch -M true -P empty --no-traps --stats stats.json --sites sites.jsonl "$program" -o patched
printf '\n$ grep failed sites.jsonl | head -3\n'
grep '"result":"failed"' sites.jsonl | head -3 || echo "(nothing failed)"
address=$(grep -m1 '"result":"failed"' sites.jsonl | sed 's/.*"address":"\([^"]*\)".*/\1/') || true
# Every site has a story, also one that was patched.
[ -n "${address:-}" ] || address=$(head -1 sites.jsonl | sed 's/.*"address":"\([^"]*\)".*/\1/')
show punster explain -M true -P empty --no-traps "$program" --at "$address"
show punster verify --sites sites.jsonl "$program" patched
