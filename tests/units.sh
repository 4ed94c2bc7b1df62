#!/bin/sh
# SPDX-License-Identifier: ISC
# units.sh: systemd understands each line of the units, and none of them is skipped in silence because a store is gone.
set -u
cd "${SNICERT_SRCDIR:-.}" || exit 99
build=$(cd "${SNICERT_BUILDDIR:-build}" && pwd) || exit 99
failed=0
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
complain() {
	echo "units: $1"
	failed=1
}

for unit in system/*.service.in system/*.timer; do
	name=$(basename "$unit" .in)
	# What it starts has to be there.
	sed -e "s|@bindir[@]/snicert|$build/snicert|g" -e 's|@sysconfdir[@]|/etc|g' -e 's|@localstatedir[@]|/var|g' "$unit" >"$work/$name"
	grep -n '@[a-z]*@' "$work/$name" && complain "$unit has a place that is not filled in"
	# All that is set up is what a store, a configuration or a key tells of: one of them is enough.
	grep -nE '^(Condition|Assert)PathExists=[^|].*store\.db' "$work/$name" && complain "$unit says nothing where the store is gone"
done
cp "$work/snicert-watch@.service" "$work/snicert-watch@etc-letsencrypt.service"

command -v systemd-analyze >/dev/null || {
	[ $failed = 0 ] || exit 1
	echo 'SKIPPED: no systemd-analyze (package systemd)'
	exit 77
}
for unit in "$work"/*; do
	said=$(SYSTEMD_UNIT_PATH=$work: systemd-analyze verify --man=no "$unit" 2>&1) && [ -z "$said" ] || complain "${unit##*/}: $said"
done
# It does speak of what it does not know.
sed '/^\[Service]/a Nonsense=yes' "$work/snicert-check.service" >"$work/snicert-wrong.service"
systemd-analyze verify --man=no "$work/snicert-wrong.service" 2>&1 | grep -q Nonsense || complain 'systemd-analyze says nothing of a line that is wrong'

[ $failed = 0 ] && echo 'units: fine'
exit $failed
