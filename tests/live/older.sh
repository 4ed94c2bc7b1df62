#!/bin/sh
# SPDX-License-Identifier: ISC
# older.sh [--or-refused] MODULE SCRIPT…: the tests named, with a module that was built elsewhere, against an
# older OpenSSL, in the place of this build's: what an object of Debian 12's does in
# Debian 13's servers before it is built anew.
# With --or-refused it may also be one that the loader does not take, for it wants a newer OpenSSL.
set -u
or_refused=
[ "$1" != --or-refused ] || { or_refused=1; shift; }
build=$(cd "${SNICERT_BUILDDIR:-build}" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
module=$1
shift
[ -f "$module" ] || { echo "older: there is no $module" >&2; exit 1; }
if [ -n "$or_refused" ] && why=$(ldd "$module" 2>&1 | grep -m 1 'version .* not found'); then
	echo "older: refused by the loader: ${why#*: }"
	exit 0
fi
beside=$(mktemp -d) || exit 99
trap 'rm -rf "$beside"' EXIT
chmod 755 "$beside"
ln -s "$build"/* "$beside/" && mkdir "$beside/.libs" && cp "$module" "$beside/.libs/snicert.so" || exit 99
failed=0
for script; do
	SNICERT_BUILDDIR=$beside SNICERT_FIXTURES=$build/fixtures SSL_CERT_FILE=$build/fixtures/ca/root.crt \
		sh "$here/$script.sh" || { echo "older: $script failed"; failed=1; }
done
exit $failed
