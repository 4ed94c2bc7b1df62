#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh [SCRIPT…]: the analyses one after the other, without coverage, which
# wants a build of its own.  Ends in "N passed, N failed".
set -u
here=$(cd "$(dirname "$0")" && pwd)
SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$here/../.." && pwd)}
SNICERT_BUILDDIR=${SNICERT_BUILDDIR:-$(pwd)}
export SNICERT_SRCDIR SNICERT_BUILDDIR
[ $# != 0 ] || set -- hardening cppcheck gcc clang-tidy scan-build reproducible valgrind helgrind
passed=0 failed=0
for name; do
	sh "$here/$name.sh"
	case $? in
	0) passed=$((passed + 1)) ;;
	77) echo "$name: skipped" ;;
	*) failed=$((failed + 1)) ;;
	esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
