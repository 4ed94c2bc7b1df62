#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh [SCRIPT…]: the tests with real ACME clients, all at once, since they wait
# for most of their time.  What fails is run once more, alone.  Ends in "N passed,
# N failed", with ", N skipped" where a client can't be had.
set -u
here=$(cd "$(dirname "$0")" && pwd)
SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$here/../.." && pwd)}
SNICERT_BUILDDIR=$(cd "${SNICERT_BUILDDIR:-$SNICERT_SRCDIR/build}" && pwd)
SNICERT_FIXTURES=${SNICERT_FIXTURES:-$SNICERT_BUILDDIR/fixtures}
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES
[ $# != 0 ] || set -- dehydrated lego uacme certbot
out=$(mktemp -d) || exit 99
trap 'rm -rf "$out"' EXIT
SNICERT_MTA_RESULTS=$out/results # no matrix is made of these
export SNICERT_MTA_RESULTS
one() {
	sh "$here/$1.sh" </dev/null >"$out/$1" 2>&1
	echo $? >"$out/$1.status"
}
for name; do one "$name" & done
wait
passed=0 failed=0 skipped=0
for name; do
	case $(cat "$out/$name.status") in
	0 | 77) ;;
	*)
		cut -c1-300 "$out/$name"
		echo "acme/$name: once more, alone"
		one "$name"
		;;
	esac
	cut -c1-300 "$out/$name"
	case $(cat "$out/$name.status") in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*) failed=$((failed + 1)); echo "acme/$name: FAILED" ;;
	esac
done
[ $skipped = 0 ] || skipped_too=", $skipped skipped"
echo "$passed passed, $failed failed${skipped_too:-}"
[ "$failed" = 0 ]
