#!/usr/bin/env bash
# Counts how often each call instruction of a program is executed, and names the busiest.
# ./run.sh [PROGRAM [ARGUMENTS...]]; needs build/bin (examples/quickstart.sh, or set PUNSTER_BUILD).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=${PUNSTER_BUILD:-$here/../../build}/bin:$PATH
[ $# -gt 0 ] || set -- /bin/ls -lR /usr/share/doc
program=$(command -v "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
name=$(basename "$program")
show() { printf '\n$ %s\n' "$*"; "$@"; }

show punster patch -M call -P count "$program" -o "$work/$name"
printf '\n$ %s\n' "$work/$name $*"
"$work/$name" "$@" > /dev/null
show punster top --once --rows 10 --names "$program" "$work/$name.counts"
# The counts are a file: they add up over runs, and any script can read them.
echo
echo "calls that were never executed: $(punster top --once --format csv "$work/$name.counts" | grep -c '^0,')"
