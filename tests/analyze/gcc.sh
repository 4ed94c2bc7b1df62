#!/bin/sh
# SPDX-License-Identifier: ISC
# gcc's static analyser.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need gcc
# gcc 12 loses sight of what an array's members point to: each strdup() into one
# is a leak to it.  Leaks are found by LeakSanitizer and valgrind, which run the tests.
eval "set -- $(flags)"
for_each gcc "$@" -O2 -fanalyzer -Wno-analyzer-malloc-leak -c -o /dev/null 2>"$work/all"
grep -E 'warning:|error:' "$work/all" >"$work/found"
[ ! -s "$work/found" ] || cat "$work/all"
finish 'gcc -fanalyzer' "$work/found"
