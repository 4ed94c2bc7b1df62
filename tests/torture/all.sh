#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh: everything under fire, one after the other.
#
#   all.sh [--quick]       TORTURE_MINUTES=M in all (90), TORTURE_SEED=N
#
# What was tried, how often, and what happened is left in torture-results, of which
# table.sh makes the table in doc/trials.md.  Ends in "N passed, N failed", with
# ", N skipped" where a server can't be had.
set -u
src=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${SNICERT_BUILDDIR:-$src/build}
SNICERT_SRCDIR=$src SNICERT_BUILDDIR=$build SNICERT_FIXTURES=${SNICERT_FIXTURES:-$build/fixtures}
TORTURE_SEED=${TORTURE_SEED:-$(date +%s)}
TORTURE_RESULTS=$build/torture-results
minutes=${TORTURE_MINUTES:-90}
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES TORTURE_SEED TORTURE_RESULTS
: "${SSL_CERT_FILE:=$SNICERT_FIXTURES/ca/root.crt}"
export SSL_CERT_FILE
names=10000000 hellos=1000000 forks=10
if [ "${1:-}" = --quick ]; then
	TORTURE_QUICK=1 names=200000 hellos=3000 forks=2 minutes=${TORTURE_MINUTES:-8}
	export TORTURE_QUICK
fi
TORTURE_NAMES=${TORTURE_NAMES:-$names} TORTURE_HELLOS=${TORTURE_HELLOS:-$hellos}
export TORTURE_NAMES TORTURE_HELLOS

passed=0 failed=0 skipped=0
one() { # PERCENT COMMAND…: of the time in all, at most
	TORTURE_SECONDS=$((minutes * 60 * $1 / 100))
	export TORTURE_SECONDS
	shift
	echo "== $*"
	"$@"
	case $? in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*)
		failed=$((failed + 1))
		echo "== $*: FAILED; again with TORTURE_SEED=$TORTURE_SEED"
		;;
	esac
}
echo "TORTURE_SEED=$TORTURE_SEED TORTURE_MINUTES=$minutes"
: >"$TORTURE_RESULTS"
one 40 sh "$src/tests/torture/kill.sh"
one 25 sh "$src/tests/torture/files.sh"
one 15 sh "$src/tests/torture/limits.sh"
one 5 sh "$src/tests/torture/size.sh"
one 10 "$build/tests/torture/floods"
one 10 "$build/tests/torture/peers"
one 5 sh "$src/tests/torture/floods.sh"
one 5 sh "$src/tests/torture/twins.sh"
# With servers that have to be fetched first.
[ -n "${TORTURE_QUICK:-}" ] || one 5 sh "$src/tests/torture/nginx.sh"
[ -n "${TORTURE_QUICK:-}" ] || one 5 sh "$src/tests/torture/exim.sh"
[ -n "${TORTURE_QUICK:-}" ] || one 5 sh "$src/tests/torture/postfix.sh"
# What follows is in `make check`, whole or its quick part.
[ -n "${TORTURE_QUICK:-}" ] || one 1 "$build/tests/unit/module/test_collide"
[ -n "${TORTURE_QUICK:-}" ] || one 1 "$build/tests/unit/module/test_protocol"
[ -n "${TORTURE_QUICK:-}" ] || one 10 env SNICERT_EVERY_CALL=1 "$build/tests/unit/module/test_faults"
one $forks "$build/tests/torture/processes"
one $forks "$build/tests/torture/stops"
one 1 "$build/tests/torture/clock"
[ $skipped = 0 ] || skipped_too=", $skipped skipped"
echo "$passed passed, $failed failed${skipped_too:-}"
[ $failed = 0 ]
