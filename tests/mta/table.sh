#!/bin/sh
# SPDX-License-Identifier: ISC
# table.sh [--write] DIR: whether the table in snicert-servers(7) says what the
# tests have said; or make it say so.  Rows of what could not be had (DIR/NAME.skipped)
# are not missed.
set -eu
src=$(cd "$(dirname "$0")/../.." && pwd)
page=$src/man/snicert-servers.7
write=
[ "$1" != --write ] || { write=1; shift; }
rows=$(mktemp)
trap 'rm -f "$rows" "$rows.page"' EXIT
sh "$src/tests/mta/matrix.sh" --man "$1" >"$rows"
awk -v rows="$rows" '
/^\.\\" rows: end/ { skip = 0 }
!skip { print }
/^\.\\" rows: begin/ { skip = 1; while ((getline line < rows) > 0) print line }' "$page" >"$rows.page"
if [ -n "$write" ]; then
	cat "$rows.page" >"$page"
elif ls "$1"/*.skipped >/dev/null 2>&1; then
	cat "$1"/*.skipped
	sed -n '/^\.\\" rows: begin/,/^\.\\" rows: end/p' "$page" >"$rows.page"
	if grep -vxF -f "$rows.page" "$rows"; then
		echo "these rows are not in ${page#"$src/"}" >&2
		exit 1
	fi
elif ! diff -u "$page" "$rows.page"; then
	echo "the table in ${page#"$src/"} is not what the tests say: sh tests/mta/table.sh --write DIR" >&2
	exit 1
fi
