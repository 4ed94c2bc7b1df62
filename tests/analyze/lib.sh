# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# analyze/lib.sh: what the analyses share.  Sourced: they run in the build
# directory, with the compiler's options of the product in compile_flags.txt,
# one a line.  Each script is one tool, and can be run by itself:
#
#   make compile_flags.txt && sh ../tests/analyze/cppcheck.sh
#
#   product                the C files of module/, tools/ and the sample server, or $ANALYZE_FILES of them
#   for_each COMMAND…      runs it for each of them, two at a time; the file's name comes last
#   finish NAME FILE       fails where FILE has a finding, and shows them
#
# What is no defect is marked where it stands, with the reason: NOLINT for
# clang's two, cppcheck-suppress for cppcheck's.  77 where a tool is missing.
set -u
src=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${SNICERT_BUILDDIR:-$(pwd)}
cd "$build" || exit 99
[ -s compile_flags.txt ] || { echo "analyze: no compile_flags.txt in $build: make compile_flags.txt" >&2; exit 99; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

need() { # PROGRAM…
	for _program; do
		command -v "$_program" >/dev/null && continue
		echo "SKIPPED: $_program is not here"
		exit 77
	done
}
product() {
	for _file in ${ANALYZE_FILES:-$(cd "$src" && echo module/*.c tools/*.c tools/*/*.c tests/sample/*.c)}; do echo "$src/$_file"; done
}
for_each() { product | xargs -d '\n' -n 1 -P 2 "$@"; }
flags() { # for "$@": eval "set -- $(flags)"
	sed "s/'/'\\\\''/g;s/.*/'&'/" compile_flags.txt | tr '\n' ' '
}
finish() { # NAME FILE
	if [ -s "$2" ]; then
		sed "s,$src/,," "$2" | sort -u
		echo "$1: findings"
		exit 1
	fi
	echo "$1: fine"
}
