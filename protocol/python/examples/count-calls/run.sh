#!/bin/sh
# Which calls of ls are busiest?
set -e
cd "$(dirname "$0")"
export PYTHONPATH="../..:$PYTHONPATH"
python3 count_calls.py "${1:-/bin/ls}" -l /etc
