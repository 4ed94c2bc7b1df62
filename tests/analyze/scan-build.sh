#!/bin/sh
# SPDX-License-Identifier: ISC
# clang's static analyser.  It knows no NOLINT, so what is so marked is left out here.
# shellcheck disable=SC1091,SC2016,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need scan-build clang
product >"$work/files"
export files="$work/files"
eval "set -- $(flags)"
scan-build --use-cc=clang -o "$work/report" \
	sh -c 'xargs -d "\n" -n 1 -P 2 -a "$files" "$CC" "$@" -O1 -c -o /dev/null' scan "$@" >"$work/all" 2>&1 ||
	{ cat "$work/all"; exit 1; }
marked() { # FILE LINE CHECKER
	sed -n "$2{/NOLINT(clang-analyzer-$3)/p};$(($2 > 1 ? $2 - 1 : 1)){/NOLINTNEXTLINE(clang-analyzer-$3)/p}" "$1" | grep -q .
}
# The compiler's own warnings are for those who build with it: CI does, with -Werror.
grep -E '^[^ ]+:[0-9]+:[0-9]+: (warning|error):' "$work/all" | grep -v '\[-W' | while IFS=: read -r file line column what; do
	checker=$(echo "$what" | sed -n 's/.*\[\(.*\)\]$/\1/p')
	marked "$file" "$line" "$checker" || echo "$file:$line:$column:$what"
done >"$work/found"
[ ! -s "$work/found" ] || cat "$work/all"
finish scan-build "$work/found"
