#!/bin/sh
# SPDX-License-Identifier: ISC
# reproducible.sh: the module and the tool are built twice, from copies of the
# sources in directories of other names and of other times, with another locale,
# time zone, umask, user name and number of jobs: every byte is to be the same.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
[ -x "$src/configure" ] || { echo 'reproducible: no ./configure' >&2; exit 99; }
# One copy, that both see the same; without what was built in the sources' directories.
mkdir "$work/copy"
(cd "$src" && tar -c --exclude='./build' --exclude='./build-[!a]*' --exclude=./.git --exclude=./autom4te.cache .) |
	tar -x -C "$work/copy" || exit 1
build_in() { # DIR JOBS TIME: with what packagers pass, for debug information names directories
	mkdir -p "$1" && cp -R "$work/copy" "$1/src" && mkdir "$1/src/out" && cd "$1/src" || return 1
	find . -exec touch -h -d "$3" '{}' + # all of one time, so that make has nothing to make anew
	cd out || return 1
	{ ../configure CFLAGS="-g -O2 -ffile-prefix-map=$1/src=." && make -j"$2" snicert.la snicert; } >"$1/log" 2>&1 ||
		{ tail -n 20 "$1/log"; return 1; }
}
(umask 022; TZ=UTC0 LC_ALL=C USER=one build_in "$work/one" 1 '2020-01-02 03:04:05') || exit 1
(umask 027; TZ=Pacific/Apia LC_ALL=C.UTF-8 USER=other build_in "$work/another/directory" 2 '2024-05-06 07:08:09') || exit 1
for object in .libs/snicert.so snicert; do
	cmp "$work/one/src/out/$object" "$work/another/directory/src/out/$object" || echo "$object differs"
done >"$work/found" 2>&1
finish 'reproducible build' "$work/found"
