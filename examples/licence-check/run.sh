#!/usr/bin/env bash
# Flips a licence check twice: by other bytes in place of its first instructions, and by a jump elsewhere.
# Needs a compiler and build/bin (run examples/quickstart.sh first, or set PUNSTER_BUILD).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
PATH=${PUNSTER_BUILD:-$here/../../build}/bin:$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cc -O1 -fcf-protection=full -o licence "$here/licence.c"
show() { printf '\n$ %s\n' "$*"; "$@" || echo "(exit status $?)"; }

show ./licence
# Where does main decide? A conditional jump follows the call of the check.
show punster sites -M 'call and target == &licence_is_valid' licence
show punster sites -M 'jcc and I[-2].target == &licence_is_valid' licence

branch=$(punster sites -M 'jcc and I[-2].target == &licence_is_valid' --format csv licence | sed -n 2p)
address=${branch%%,*}
opcode=$(echo "$branch" | cut -d, -f4)
# 74 is `je`, 75 `jne`: the lowest bit of the opcode turns a condition round. 0f 84 is the long form.
case $opcode in
  7?*) flipped=$(printf '%02x' $((0x${opcode:0:2} ^ 1)))${opcode:2} ;;
  0f8?*) flipped=0f$(printf '%02x' $((0x${opcode:2:2} ^ 1)))${opcode:4} ;;
esac
show punster patch -q -M "addr == $address" -P "bytes($flipped)" licence -o licence.bytes
show ./licence.bytes

# The check itself, turned into a jump to a function that says yes.
show punster patch -q -M 'addr == &licence_is_valid' -P 'jump(always_valid)' licence -o licence.jump
show ./licence.jump
show punster show licence.jump --at "$(punster sites -M 'addr == &licence_is_valid' --format csv licence | sed -n '2s/,.*//p')"
