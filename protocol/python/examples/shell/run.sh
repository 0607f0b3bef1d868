#!/bin/sh
# A client of socat and jq alone: opens a program, counts its calls, rewrites it.
set -e
program=${1:-/bin/ls}
work=$(mktemp -d)
"${PUNSTER:-punster}" serve --listen "unix:$work/socket" --log off &
service=$!
trap 'kill $service; wait $service || true; rm -rf "$work"' EXIT
while [ ! -S "$work/socket" ]; do sleep 0.1; done

jq -nc --arg program "$program" --arg output "$work/out" '
  {id: 1, method: "initialize", params: {protocol_version: 1, client: {name: "shell"}}},
  {id: 2, method: "open",       params: {filename: $program}},
  {id: 3, method: "sites",      params: {match: "call", count: 1}},
  {id: 4, method: "rewrite",    params: {rules: [{match: "call", action: "empty"}], filename: $output}}
  | {jsonrpc: "2.0"} + .' |
# -t: how long socat waits for answers once it has sent all; the service ends the connection long before.
socat -t 600 - "UNIX-CONNECT:$work/socket" |
jq -r --arg program "$program" '
  if .error then "\(.error.data.kind): \(.error.message)\n" | halt_error(1)
  elif .id == 3 then "\($program): \(.result.total) calls"
  elif .id == 4 then "\(.result.statistics.patched) of \(.result.statistics.sites) patched"
  else empty end'
"$work/out" / > /dev/null
