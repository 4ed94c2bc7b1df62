#!/bin/sh
# SPDX-License-Identifier: ISC
# replay.sh: every fuzz target, without a fuzzer: the inputs of the tree, those that once
# found something, and each of them damaged a few times.
set -u
src=${SNICERT_SRCDIR:-.} build=${SNICERT_BUILDDIR:-build}
replay=$build/tests/fuzz/replay
# Directories made anew hundreds of times: not on a disk.
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
work=$(mktemp -d) || exit 99
TMPDIR=$work
export TMPDIR
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP PIPE
failed=0 targets=0 inputs=0

sh "$src/tests/fuzz/seeds.sh" "$work/seeds" || exit 99
for target in $("$replay" --list | cut -d' ' -f1); do
	if [ -z "$(ls "$work/seeds/$target")" ]; then
		echo "replay: $target has no seeds"
		failed=1
	fi
	if ! timeout 900 "$replay" --mangle "${MANGLE:-4}" "$target" "$work/seeds/$target" >"$work/out" 2>&1; then
		echo "replay: $target fails:"
		tail -n 40 "$work/out"
		failed=1
	fi
	targets=$((targets + 1))
	count=$(sed -n "s/^$target: \([0-9]*\) inputs$/\1/p" "$work/out")
	inputs=$((inputs + ${count:-0}))
done
echo "replay: $targets targets, $inputs inputs"
[ "$targets" -gt 10 ] || failed=1
exit $failed
