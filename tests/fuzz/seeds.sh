#!/bin/sh
# SPDX-License-Identifier: ISC
# seeds.sh DIR: what each fuzz target starts from, in DIR/TARGET: the inputs of the
# tree (tests/fuzz/corpus; what is called *.hex is octets in hex), those that once
# found something (tests/fuzz/found), and real ones that are made here because they
# hold keys and certificates.
set -eu
src=${SNICERT_SRCDIR:-.} build=${SNICERT_BUILDDIR:-build} dir=$1

rm -rf "$dir"
mkdir -p "$dir"
"$build/tests/fuzz/replay" --seeds "$dir"
for file in "$src"/tests/fuzz/corpus/*/* "$src"/tests/fuzz/found/*/*; do
	[ -f "$file" ] || continue
	target=$(basename "$(dirname "$file")")
	to=$dir/$target/$(basename "$file")
	case $file in
	*.hex) perl -ne 's/#.*//; s/\s//g; print pack("H*", $_)' "$file" >"${to%.hex}" ;;
	*) cp "$file" "$to" ;;
	esac
done
