#!/bin/sh
# SPDX-License-Identifier: ISC
# exim-openssl-build.sh DIR: Exim with OpenSSL, from Debian's source package as
# it is, in DIR/exim; once per version, in half a minute.  Debian itself builds
# it with GnuTLS only.  What it is built with is unpacked in DIR, too: nothing is
# installed, and apt's own lists and sources stay as they are.
#
# An archive may list a version whose files it has lost: the newest is taken whose
# files are all there.  77 where there is none, or where what it is built with is not to be had.
# shellcheck disable=SC1091
. "$(dirname "$0")/lib.sh"
set -eu
mta_name=exim-openssl
mkdir -p "$1/apt/lists/partial" "$1/apt/archives/partial" "$1/apt/parts"
dir=$(cd "$1" && pwd)
exec 9>"$dir/lock"
flock 9

candidate() { apt-cache policy exim4-base | sed -n 's/^ *Candidate: \([^(]\)/\1/p'; }
wanted=$(candidate)
[ -n "$wanted" ] || { mta_update >"$dir/apt.log" 2>&1 && wanted=$(candidate); } || :
[ -n "$wanted" ] || mta_unavailable 'no package exim4 is to be had' "$(mta_archive_says "$dir/apt.log")"
with=sqlite # look-ups in SQLite, beside Exim's own
[ "$(cat "$dir/built" 2>/dev/null)" != "$wanted $with" ] || exit 0

# The machine's own package sources, for source packages.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
	[ ! -f "$file" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$file" >"$dir/apt/parts/${file##*/}"
done
for file in /etc/apt/sources.list.d/*.sources; do
	[ ! -f "$file" ] || sed 's/^Types:.*/Types: deb-src/' "$file" >"$dir/apt/parts/${file##*/}"
done
source_of() { # PROGRAM ARG…
	_program=$1
	shift
	"$_program" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$dir/apt/parts" \
		-o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt" -o APT::Sandbox::User=root "$@"
}
cd "$dir"
rm -rf source dev deb built exim exim4_* && mkdir deb dev
source_of apt-get update >apt.log 2>&1 || : # some repositories have no sources
source_of apt-cache showsrc --only-source exim4 >showsrc 2>>apt.log || :
# The .dsc is not needed, and not every mirror has it: the sums are in apt's lists, too.
sums_of() { # VERSION
	awk -v version="$1" '
		/^$/ { sums = 0; said = 0 }
		/^Version:/ { said = $2 == version }
		/^Checksums-Sha256:/ { sums = 1; next }
		/^[^ ]/ { sums = 0 }
		sums && said && $3 ~ /\.(orig|debian)\.tar\.xz$/ { print $1 "  " $3 }' showsrc | sort -u
}
whole() { # VERSION: both files, as they should be
	sums_of "$1" >sums
	[ "$(wc -l <sums)" = 2 ] && sha256sum --quiet -c sums >>apt.log 2>&1
}
source=
for version in $(sed -n 's/^Version: //p' showsrc | sort -rVu); do
	source_of apt-get source --download-only "exim4=$version" >source.log 2>&1 || :
	if whole "$version"; then source=$version; break; fi
	missing="${missing:-}${missing:+, }$version ($(mta_archive_says source.log))"
	rm -f exim4_*
done
[ -n "$source" ] || mta_unavailable 'no source of Exim is to be had' "${missing:-$(mta_archive_says apt.log)}"
[ -z "${missing:-}" ] || echo "exim-openssl: the source of $source, since that of a newer one is not to be had: $missing" >&2

# As `dpkg-source -x` does.
mkdir source
while read -r _ file; do
	case $file in
	*.orig.tar.xz) tar -C source --strip-components=1 -xf "$file" ;;
	esac
done <sums && while read -r _ file; do
	case $file in
	*.debian.tar.xz) tar -C source -xf "$file" ;;
	esac
done <sums
sed 's/#.*//;s/ .*//;/^$/d' source/debian/patches/series | while read -r patch; do
	patch -d source -p1 -s <"source/debian/patches/$patch" || exit
done >build.log 2>&1 || { tail -n 5 build.log >&2; exit 1; }
need='libpcre2-dev libdb5.3-dev'
# shellcheck disable=SC2046,SC2086
(cd deb && apt-get -o APT::Sandbox::User=root download $need $(apt-cache depends $need |
	sed -nE 's/^ *Depends: (libpcre2-8-0|libdb5\.3(t64)?)$/\1/p')) >apt.log 2>&1 || {
	says=$(mta_archive_says apt.log)
	[ -n "$says" ] || { tail -n 5 apt.log >&2; exit 1; }
	mta_unavailable "what Exim is built with is not to be had ($need)" "$says"
}
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
