#!/bin/sh
# SPDX-License-Identifier: ISC
# exim-openssl-build.sh DIR: Exim with OpenSSL, from Debian's source package as
# it is, in DIR/exim; once per version, in half a minute.  Debian itself builds
# it with GnuTLS only.  What it is built with is unpacked in DIR, too: nothing is
# installed, and apt's own lists and sources stay as they are.
set -eu
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial" "$1/apt/parts"
dir=$(cd "$1" && pwd)
exec 9>"$dir/lock"
flock 9

candidate() { apt-cache policy exim4-base | sed -n 's/^ *Candidate: \([^(]\)/\1/p'; }
wanted=$(candidate)
[ -n "$wanted" ] || { apt-get update >"$dir/apt.log" 2>&1 && wanted=$(candidate); }
[ -n "$wanted" ] || { echo 'no package exim4 to be had' >&2; exit 1; }
with=sqlite # look-ups in SQLite, beside Exim's own
[ "$(cat "$dir/built" 2>/dev/null)" != "$wanted $with" ] || exit 0

# The machine's own package sources, for source packages.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ ! -f "$file" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$file" >"$dir/apt/parts/${file##*/}"
done
for file in /etc/apt/sources.list.d/*.sources; do
	[ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$dir/apt/parts/${file##*/}"
done
source_of() {
	apt-get -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$dir/apt/parts" \
		-o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o APT::Sandbox::User=root "$@"
}
cd "$dir"
rm -rf source dev deb built exim exim4_* && mkdir deb dev
source_of update >apt.log 2>&1 || : # some repositories have no sources
# As `dpkg-source -x` does, but without the .dsc, which not every mirror has; apt
# checks each file by itself.
source_of source --download-only exim4 >>apt.log 2>&1 || :
mkdir source
{ tar -C source --strip-components=1 -xf exim4_*.orig.tar.xz && tar -C source -xf exim4_*.debian.tar.xz; } >build.log 2>&1 ||
	{ tail -n 5 apt.log build.log >&2; exit 1; }
sed 's/#.*//;s/ .*//;/^$/d' source/debian/patches/series | while read -r patch; do
	patch -d source -p1 -s <"source/debian/patches/$patch" || exit
done >>build.log 2>&1 || { tail -n 5 build.log >&2; exit 1; }
need='libpcre2-dev libdb5.3-dev'
# shellcheck disable=SC2046,SC2086
(cd deb && apt-get -o APT::Sandbox::User=root download $need $(apt-cache depends $need |
	sed -nE 's/^ *Depends: (libpcre2-8-0|libdb5\.3(t64)?)$/\1/p')) >>apt.log 2>&1
for deb in deb/*.deb; do dpkg -x "$deb" dev; done
library() { find "$dir/dev" -name "$1" | head -n 1; }

mkdir -p source/Local
# Nothing but what differs from Exim's own template.
sed -E '/^(EXIM_USER|PCRE2_CONFIG|BIN_DIRECTORY|CONFIGURE_FILE|SPOOL_DIRECTORY)=/d' source/src/EDITME >source/Local/Makefile
cat >>source/Local/Makefile <<-MAKE
	BIN_DIRECTORY=/usr/exim/bin
	CONFIGURE_FILE=/etc/exim.conf
	SPOOL_DIRECTORY=/var/spool/exim
	EXIM_USER=ref:Debian-exim
	USE_OPENSSL=yes
	TLS_LIBS=-lssl -lcrypto
	EXPAND_DLFUNC=yes
	HAVE_IPV6=yes
	EXTRALIBS=-ldl -rdynamic
	LOOKUP_SQLITE=yes
	LOOKUP_LIBS=-lsqlite3
	PCRE_LIBS=$(library libpcre2-8.so)
	DBMLIB=$(library libdb.so)
	INCLUDE=-I$dir/dev/usr/include -I$(dirname "$(library db.h)")
MAKE
# Whatever becomes of its utilities, one of which wants a Perl module more.
make -k -C source -j"$(nproc)" >>build.log 2>&1 || :
cp source/build-*/exim exim || { grep -n -A 5 'rror' build.log | tail -n 20 >&2; exit 1; }
rm -rf source dev deb exim4_*
echo "$wanted $with" >built
