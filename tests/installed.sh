#!/bin/sh
# SPDX-License-Identifier: ISC
# installed.sh BUILD: `make install DESTDIR=…`, and what a packager and an author
# of an MTA would look at.
set -eu
build=$(cd "$1" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
make -s -C "$build" install DESTDIR="$root" >/dev/null 2>&1
prefix=$root/usr/local
check() { [ -e "$1" ] || { echo "installed: $1 is missing" >&2; exit 1; }; }
check "$prefix/bin/snicert"
check "$prefix/lib/snicert/snicert.so"
check "$prefix/share/snicert/openssl.cnf"
grep -qx 'path = /usr/local/lib/snicert/snicert.so' "$prefix/share/snicert/openssl.cnf" ||
	{ echo 'installed: openssl.cnf has another path' >&2; exit 1; }
check "$prefix/include/snicert.h"
check "$prefix/share/man/man8/snicert.8"
check "$prefix/share/man/man7/snicert.7"
check "$prefix/share/man/man7/snicert-servers.7"
check "$prefix/share/man/man7/snicert-fleet.7"
check "$prefix/share/man/man5/snicert.conf.5"
check "$prefix/share/doc/snicert/examples/snicert.conf.example"
[ -z "$(find "$root" -name '*.la')" ] || { echo 'installed: libtool files' >&2; exit 1; }
module=$(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --variable=module snicert)
[ "$module" = /usr/local/lib/snicert/snicert.so ] || { echo "installed: pkg-config says $module" >&2; exit 1; }
# A header that stands alone, in C and C++, and a module that opens.
cat >"$root/t.c" <<'C'
#include <snicert.h>
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv)
{
	void *so = dlopen(argv[argc - 1], RTLD_NOW | RTLD_LOCAL);
	const struct snicert_module *m = so ? (const struct snicert_module *)dlsym(so, SNICERT_MODULE_SYMBOL) : 0;
	struct snicert *s = 0;
	struct snicert_error err = {0, ""};

	if (!m) { puts(dlerror()); return 1; }
	if (m->abi != SNICERT_ABI || m->open(&s, 0, &err) != 0) { puts(err.text); return 1; }
	m->close(s);
	return 0;
}
C
cc -Wall -Werror -pedantic -std=c11 -I"$prefix/include" -o "$root/t" "$root/t.c" -ldl
"$root/t" "$root$module"
"$prefix/bin/snicert" --version
make -s -C "$build" uninstall DESTDIR="$root" >/dev/null 2>&1
left=$(find "$root" -type f -path '*snicert*' ! -name t.c)
[ -z "$left" ] || { echo "installed: left behind by uninstall: $left" >&2; exit 1; }
echo 'installed: fine'
