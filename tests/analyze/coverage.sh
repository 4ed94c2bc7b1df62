#!/bin/sh
# SPDX-License-Identifier: ISC
# coverage.sh [FLOOR]: of a build as `covered` in .ci/run makes it, whose tests have
# run: each file of module/ has FLOOR per cent of its lines executed (90).  The
# tools' figures are printed too: the tests that CI runs in that build are the module's.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
floor=${1:-90}
need gcovr
gcovr -r "$src" --object-directory "$build" --filter "$src/module/.*\.c$" --filter "$src/tools/.*\.c$" \
	--gcov-ignore-parse-errors --csv "$work/csv" "$build/module" "$build/tools" >/dev/null 2>"$work/err" || { cat "$work/err"; exit 1; }
awk -F, -v floor="$floor" 'NR > 1 && $2 > 0 {
	percent = 100 * $3 / $2
	printf "%6.1f %%  %s\n", percent, $1 >"/dev/stderr"
	if ($1 ~ /^module\//) { files++; if (percent < floor) printf "%s: %.1f %% of its lines, %d are wanted\n", $1, percent, floor }
}
END { if (files < 20) print "coverage: only " files + 0 " files of module/" }' "$work/csv" >"$work/found"
finish "coverage, $floor % of the lines of each file of module/" "$work/found"
