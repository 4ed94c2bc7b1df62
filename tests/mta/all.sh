#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh [SCRIPT…]: the tests with unmodified servers, two at a time, and the
# matrix of what they said.  What fails is run once more, alone: it is about the
# module, not about how busy the machine is.  Ends in "N passed, N failed".
set -u
here=$(cd "$(dirname "$0")" && pwd)
SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$here/../.." && pwd)}
SNICERT_BUILDDIR=$(cd "${SNICERT_BUILDDIR:-$SNICERT_SRCDIR/build}" && pwd)
SNICERT_FIXTURES=${SNICERT_FIXTURES:-$SNICERT_BUILDDIR/fixtures}
SNICERT_MTA_RESULTS=${SNICERT_MTA_RESULTS:-$SNICERT_BUILDDIR/mta-results}
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES SNICERT_MTA_RESULTS
# The longest first.
[ $# != 0 ] || set -- exim exim-gnutls postfix sendmail opensmtpd postfix-map dovecot aiosmtpd setup nginx stunnel without setup-exim migrate prometheus stats

if [ "$1" = --one ]; then
	sh "$here/$2.sh" </dev/null >"$3/$2" 2>&1
	status=$?
	grep -v '^ *<[0-9]*>' "$3/$2" | cut -c1-300 # without the servers' logs
	case $status in
	0) echo passed >>"$3/sum" ;;
	77) echo skipped >>"$3/sum" ;;
	*) echo "failed $2" >>"$3/sum"; echo "mta/$2: FAILED ($status)" ;;
	esac
	exit 0
fi
out=$(mktemp -d) || exit 99
trap 'rm -rf "$out"' EXIT
for name; do rm -f "$SNICERT_MTA_RESULTS/$name"; done
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
echo "$(grep -c '^passed' "$out/sum") passed, $failed failed"
[ "$failed" = 0 ]
