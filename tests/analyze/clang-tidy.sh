#!/bin/sh
# SPDX-License-Identifier: ISC
# clang-tidy with what .clang-tidy chooses.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need clang-tidy
for_each clang-tidy --quiet -p "$build" --config-file="$src/.clang-tidy" >"$work/all" 2>"$work/err"
grep -E '(warning|error):' "$work/all" >"$work/found"
# It says nothing where it could not read a file.
[ -s "$work/found" ] || grep -E '(^|: )error' "$work/err" >"$work/found"
finish clang-tidy "$work/found"
