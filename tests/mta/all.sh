#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh [SCRIPT…]: the tests with unmodified servers, two at a time, and the
# matrix of what they said.  What fails is run once more, alone: it is about the
# module, not about how busy the machine is.  A server that can't be had is
# skipped; that none could be run is a failure.  Ends in "N passed, N failed",
# with ", N skipped" where something was.
#
# SNICERT_MTA_SHORT=1: the first part of a script that has one (.ci/run)
set -u
here=$(cd "$(dirname "$0")" && pwd)
SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$here/../.." && pwd)}
SNICERT_BUILDDIR=$(cd "${SNICERT_BUILDDIR:-$SNICERT_SRCDIR/build}" && pwd)
SNICERT_FIXTURES=${SNICERT_FIXTURES:-$SNICERT_BUILDDIR/fixtures}
SNICERT_MTA_RESULTS=${SNICERT_MTA_RESULTS:-$SNICERT_BUILDDIR/mta-results}
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES SNICERT_MTA_RESULTS
# The longest first.
[ $# != 0 ] || set -- exim exim-gnutls postfix sendmail opensmtpd postfix-map dovecot aiosmtpd setup nginx haproxy stunnel without setup-exim migrate prometheus stats journal

if [ "$1" = --one ]; then
	sh "$here/$2.sh" </dev/null >"$3/$2" 2>&1
	status=$?
	grep -v -e '^ *<[0-9]*>' -e '^SKIPPED: ' "$3/$2" | cut -c1-300 # without the servers' logs
	case $status in
	0) echo passed >>"$3/sum" ;;
	77)
		echo skipped >>"$3/sum"
		# What the matrix lacks, and why.
		why=$(grep -m 1 '^SKIPPED: ' "$3/$2")
		echo "SKIPPED: mta/$2: ${why#SKIPPED: }" | tee "$SNICERT_MTA_RESULTS/$2.skipped"
		;;
	*) echo "failed $2" >>"$3/sum"; echo "mta/$2: FAILED ($status)" ;;
	esac
	exit 0
fi
out=$(mktemp -d) || exit 99
trap 'rm -rf "$out"' EXIT
mkdir -p "$SNICERT_MTA_RESULTS"
for name; do rm -f "$SNICERT_MTA_RESULTS/$name" "$SNICERT_MTA_RESULTS/$name.skipped"; done
: >"$out/sum"
printf '%s\n' "$@" | xargs -P 2 -I '{}' sh "$here/all.sh" --one '{}' "$out"
for name in $(sed -n 's/^failed //p' "$out/sum"); do
	echo "mta/$name: once more, alone"
	rm -f "$SNICERT_MTA_RESULTS/$name"
	sed -i "/^failed $name\$/d" "$out/sum"
	sh "$here/all.sh" --one "$name" "$out"
done
sh "$here/matrix.sh" "$SNICERT_MTA_RESULTS"
sed -n 's/^failed /failed: /p' "$out/sum"
failed=$(grep -c '^failed' "$out/sum")
[ "$(wc -l <"$out/sum")" = $# ] || { echo 'a test said nothing'; failed=$((failed + 1)); }
passed=$(grep -c '^passed' "$out/sum") skipped=$(grep -c '^skipped' "$out/sum")
[ $((passed + failed)) != 0 ] || { echo 'no server could be run'; failed=1; }
[ "$skipped" = 0 ] || skipped_too=", $skipped skipped"
echo "$passed passed, $failed failed${skipped_too:-}"
[ "$failed" = 0 ]
