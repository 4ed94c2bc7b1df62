#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh [SCRIPT…]: the analyses one after the other, without coverage, which
# wants a build of its own.  A tool that can't be had is skipped.  Ends in "N passed,
# N failed", with ", N skipped" where one was.
set -u
here=$(cd "$(dirname "$0")" && pwd)
SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$here/../.." && pwd)}
SNICERT_BUILDDIR=${SNICERT_BUILDDIR:-$(pwd)}
export SNICERT_SRCDIR SNICERT_BUILDDIR
[ $# != 0 ] || set -- hardening cppcheck gcc clang-tidy scan-build musl fips reproducible valgrind helgrind
passed=0 failed=0 skipped=0
for name; do
	sh "$here/$name.sh"
	case $? in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)) ;;
	esac
done
[ $skipped = 0 ] || skipped_too=", $skipped skipped"
echo "$passed passed, $failed failed${skipped_too:-}"
[ "$failed" = 0 ]
