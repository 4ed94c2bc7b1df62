#!/bin/sh
# SPDX-License-Identifier: ISC
# all.sh [SCRIPT…]: the tests with unmodified servers, one after the other, and
# the matrix of what they said.  Ends in "N passed, N failed".
set -u
here=$(cd "$(dirname "$0")" && pwd)
SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "$here/../.." && pwd)}
SNICERT_BUILDDIR=$(cd "${SNICERT_BUILDDIR:-$SNICERT_SRCDIR/build}" && pwd)
SNICERT_FIXTURES=${SNICERT_FIXTURES:-$SNICERT_BUILDDIR/fixtures}
SNICERT_MTA_RESULTS=${SNICERT_MTA_RESULTS:-$SNICERT_BUILDDIR/mta-results}
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES SNICERT_MTA_RESULTS
[ $# != 0 ] || set -- postfix postfix-map exim exim-gnutls sendmail opensmtpd dovecot nginx stunnel aiosmtpd setup
passed=0 failed=0
for name; do
	echo "--- $name"
	rm -f "$SNICERT_MTA_RESULTS/$name"
	sh "$here/$name.sh" </dev/null
	status=$?
	case $status in
	0) passed=$((passed + 1)) ;;
	77) ;;
	*) failed=$((failed + 1)) ; echo "--- $name: FAILED ($status)" ;;
	esac
done
sh "$here/matrix.sh" "$SNICERT_MTA_RESULTS"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
