#!/bin/sh
# SPDX-License-Identifier: ISC
# musl.sh: the module compiled and linked against musl, another C library than glibc, with the headers
# and libraries of OpenSSL, SQLite and libconfuse that are here.  Those are of glibc: what comes of it
# is not run.  It tells what the module asks of a C library that only glibc has.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need musl-gcc nm
# None of /usr/include but these: the rest is glibc's own.
multiarch=$(gcc -print-multiarch)
mkdir "$work/any" "$work/arch" "$work/objects"
for header in openssl sqlite3.h confuse.h; do ln -s "/usr/include/$header" "$work/any/" || exit 99; done
[ ! -d "/usr/include/$multiarch/openssl" ] || ln -s "/usr/include/$multiarch/openssl" "$work/arch/"
eval "set -- $(grep -v '^-I/usr/include' compile_flags.txt | sed "s/'/'\\\\''/g;s/.*/'&'/" | tr '\n' ' ')"
for file in "$src"/module/*.c; do
	musl-gcc "$@" -Werror -fPIC -idirafter "$work/arch" -idirafter "$work/any" -c \
		-o "$work/objects/$(basename "$file" .c).o" "$file" || echo "$file: does not compile" >>"$work/found"
done
libraries=
for library in ssl crypto sqlite3 confuse; do libraries="$libraries $(gcc -print-file-name=lib$library.so)"; done
# shellcheck disable=SC2086
[ -s "$work/found" ] || musl-gcc -shared -Wl,-z,defs -o "$work/snicert.so" "$work"/objects/*.o $libraries ||
	echo 'the module does not link' >"$work/found"
finish musl "$work/found"
