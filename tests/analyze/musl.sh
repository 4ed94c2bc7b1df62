#!/bin/sh
# SPDX-License-Identifier: ISC
# musl.sh: the module with musl, another C library than glibc.  First it is compiled and linked with the headers
# and libraries of OpenSSL, SQLite and libconfuse that are here.  Those are of glibc, so what comes of it can't run;
# it tells what the module asks of a C library that only glibc has.  Then the three libraries are built for musl
# (once, in some minutes), with the module and the sample server, and the server serves by name.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need musl-gcc
[ -e tests/torture/killed ] || { echo 'musl: make check first' >&2; exit 99; }
multiarch=$(gcc -print-multiarch)
# None of /usr/include but these: the rest is glibc's own.
mkdir "$work/any" "$work/arch" "$work/objects"
for header in openssl sqlite3.h confuse.h; do ln -s "/usr/include/$header" "$work/any/" || exit 99; done
[ ! -d "/usr/include/$multiarch/openssl" ] || ln -s "/usr/include/$multiarch/openssl" "$work/arch/"
eval "set -- $(grep -v '^-I/usr/include' compile_flags.txt | sed "s/'/'\\\\''/g;s/.*/'&'/" | tr '\n' ' ')"
compile() { # DIR FLAG…: the module's objects
	_to=$1
	shift
	for file in "$src"/module/*.c; do
		musl-gcc "$@" -Werror -fPIC -c -o "$_to/$(basename "$file" .c).o" "$file" ||
			echo "$file: does not compile" >>"$work/found"
	done
}
link_module() { # OUT DIR LIBRARY…
	_out=$1 _dir=$2
	shift 2
	musl-gcc -shared -Wl,-z,defs -o "$_out" "$_dir"/*.o "$@" || echo 'the module does not link' >>"$work/found"
}
compile "$work/objects" "$@" -idirafter "$work/arch" -idirafter "$work/any"
libraries=
for library in ssl crypto sqlite3 confuse; do libraries="$libraries $(gcc -print-file-name=lib$library.so)"; done
# shellcheck disable=SC2086
[ -s "$work/found" ] || link_module "$work/snicert.so" "$work/objects" $libraries
[ ! -s "$work/found" ] || finish musl "$work/found"

# --- the libraries

. "$src/tests/analyze/sources.sh"
need make perl tclsh flex flock readelf
sources_start musl
sources_musl
cd "$build" || exit 99 # what was built just now, was elsewhere
exec 9>&-

# --- a server of musl's, and what its clients see

# lib.sh's build directory, with the module and the server of musl and the tool that is here.
tree=$work/tree libs=
mkdir -p "$tree/.libs" "$work/musl" "$tree/tests"
for name in snicert starttls-load fixtures; do ln -s "$build/$name" "$tree/"; done
for name in "$build"/tests/*; do ln -s "$name" "$tree/tests/"; done
set -- "$@" -isystem "$cache/musl-openssl/include" -isystem "$cache/musl-sqlite" -isystem "$cache/musl-confuse"
for name in openssl sqlite confuse; do libs="$libs -L$cache/musl-$name -Wl,-rpath,$cache/musl-$name"; done
compile "$work/musl" "$@"
# shellcheck disable=SC2086
link_module "$tree/.libs/snicert.so" "$work/musl" $libs -lssl -lcrypto -lsqlite3 -lconfuse
# shellcheck disable=SC2086
musl-gcc "$@" -Werror -o "$tree/sample-mta" "$src"/tests/sample/*.c $libs -lssl -lcrypto >"$work/out" 2>&1 || {
	cat "$work/out"
	echo 'the sample server does not compile' >>"$work/found"
}
[ ! -s "$work/found" ] || finish musl "$work/found"
readelf -l "$tree/sample-mta" | grep -q ld-musl || echo 'the sample server is not of musl' >>"$work/found"
for name in sample-mta .libs/snicert.so; do
	! readelf -d "$tree/$name" | grep -q 'NEEDED.*libc\.so\.6' || echo "$name: of glibc" >>"$work/found"
done
for name in serve threads; do
	SNICERT_BUILDDIR=$tree SNICERT_FIXTURES=$build/fixtures sh "$src/tests/live/$name.sh" >"$work/out" 2>&1 && {
		tail -n 1 "$work/out"
		continue
	}
	tail -n 60 "$work/out"
	echo "tests/live/$name.sh, with musl" >>"$work/found"
done
finish musl "$work/found"
