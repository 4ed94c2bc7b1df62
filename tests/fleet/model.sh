#!/bin/sh
# SPDX-License-Identifier: ISC
# model.sh [--large]: tests/fleet/model.pml, by spin: all interleavings of small histories; and that the model can fail.
set -u
src=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
command -v spin >/dev/null && command -v cc >/dev/null || { echo 'SKIPPED: spin is not there'; exit 77; }
work=$(mktemp -d) || exit 99
trap 'cd / && rm -rf "$work"' EXIT
cd "$work" || exit 99
failed=0

check() { # FILE FLAG…: states, or what is wrong
	_model=$1
	shift
	spin "$@" -a "$_model" >spin.out 2>&1 && cc -O2 -w -DSAFETY -DCOLLAPSE -DMEMLIM=4096 -o pan pan.c || { cat spin.out; return 1; }
	./pan -m200000 >pan.out 2>&1
	grep -q 'errors: 0' pan.out && ! grep -qE 'max search depth too small|out of memory' pan.out
}
holds() { # WHAT FLAG…
	_what=$1
	shift
	if check "$src/tests/fleet/model.pml" "$@"; then
		echo "model: $_what: $(awk '/states, stored/ { print $1 " states" }' pan.out)"
	else
		echo "model: $_what does not hold"
		grep -E 'assertion|invalid|errors|depth|memory' pan.out
		failed=1
	fi
}
breaks() { # WHAT SED: a protocol that is wrong in this way is found out
	sed "$2" "$src/tests/fleet/model.pml" >wrong.pml
	cmp -s wrong.pml "$src/tests/fleet/model.pml" && { echo "model: nothing was altered for: $1"; failed=1; return; }
	if check wrong.pml -DFAIL_OVER; then
		echo "model: $1 goes unnoticed"
		failed=1
	else
		echo "model: $1 is found out"
	fi
}
holds 'two nodes, three commands, two crashes'
holds 'two nodes, two commands, a crash and a fail-over' -DCOMMANDS=2 -DCRASHES=1 -DFAIL_OVER
if [ "${1:-}" = --large ]; then # some minutes
	holds 'two nodes, three commands, a crash and a fail-over' -DFAIL_OVER -DCRASHES=1
	holds 'three nodes, two commands, a crash and a fail-over' -DNODES=3 -DCOMMANDS=2 -DCRASHES=1 -DFAIL_OVER
fi
breaks 'a store that commits before the database' 's/^	\/\* The database commits; a fail-over in between.*/	atomic { store[n].change[store[n].length] = 1 + me; store[n].length++ };/'
breaks 'a command that does not hold the head' 's/atomic { holder == 0 -> holder = 1 + me };/holder = 1 + me;/'
breaks 'a node that takes another history for its own' 's/!_same \&\& (store\[n\].length <= db.length || store\[n\].epoch < db.epoch) ->/!_same -> there = true; skip;/'
exit $failed
