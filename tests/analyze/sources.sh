# SPDX-License-Identifier: ISC
# shellcheck shell=sh disable=SC2013,SC2015,SC2094,SC2154
# sources.sh: libraries built as Debian does not build them, for musl or with the FIPS provider.  Sourced after lib.sh:
#
#   sources_start NAME                  what NAME is built of and in: $cache, once for all that ask
#   sources_musl                        $cache/musl-openssl, -sqlite and -confuse, with headers and libraries; $musl_cc
#   sources_fips                        $cache/fips/providers/fips.so, for glibc
#
# The upstream source as Debian's archive has it, without Debian's patches: for what is tried here they make no
# difference, and an archive may have lost a part of what it lists.  The newest version is taken whose source is
# there.  77 and a line "SKIPPED: …" where there is none.  Nothing is installed, and apt's own lists stay as they are.
#
# SNICERT_ANALYZE_CACHE is where it is kept (${TMPDIR:-/tmp}/snicert-analyze).

sources_unavailable() { # WHAT LOG
	_says=$(grep -hE -m 1 '^E:' "$2" 2>/dev/null)
	echo "SKIPPED: $sources_name: $1${_says:+; the archive says: ${_says#E: }}"
	exit 77
}
sources_start() { # NAME
	sources_name=$1
	command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "SKIPPED: $1: not a Debian system"; exit 77; }
	cache=${SNICERT_ANALYZE_CACHE:-${TMPDIR:-/tmp}/snicert-analyze}
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial" "$cache/apt/parts" || exit 99
	cache=$(cd "$cache" && pwd)
	# Held until the script ends: who comes second finds all built.
	exec 9>"$cache/lock"
	flock 9 || exit 99
}
sources_apt() { # PROGRAM ARG…: of the machine's own package sources
	_program=$1
	shift
	"$_program" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$cache/apt/parts" \
		-o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt" -o APT::Sandbox::User=root "$@"
}
# Once per run: the lists are some megabytes.
sources_lists() {
	[ -z "${sources_listed:-}" ] || return 0
	sources_listed=1
	for _file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -f "$_file" ] || sed -n 's/^deb[[:space:]]/deb-src /p' "$_file" >"$cache/apt/parts/${_file##*/}"
	done
	for _file in /etc/apt/sources.list.d/*.sources; do
		[ ! -f "$_file" ] || sed 's/^Types:.*/Types: deb-src/' "$_file" >"$cache/apt/parts/${_file##*/}"
	done
	sources_apt apt-get update >"$cache/update.log" 2>&1 || : # some repositories have no sources
}
sources_sum() { # VERSION: "SHA256  FILE" of the upstream source
	awk -v version="$1" '
		/^$/ { sums = 0; said = 0 }
		/^Version:/ { said = $2 == version }
		/^Checksums-Sha256:/ { sums = 1; next }
		/^[^ ]/ { sums = 0 }
		sums && said && $3 ~ /\.orig\.tar\.(xz|gz)$/ { print $1 "  " $3 }' showsrc | sort -u
}
sources_get() { # SOURCE-PACKAGE: unpacked in $source
	sources_lists
	rm -rf "$cache/get" && mkdir "$cache/get" && cd "$cache/get" || exit 99
	sources_apt apt-cache showsrc --only-source "$1" >showsrc 2>>"$cache/update.log" || :
	for _version in $(sed -n 's/^Version: //p' showsrc | sort -rVu); do
		# What it lacks beside the upstream source does not matter.
		sources_apt apt-get source --download-only "$1=$_version" >>log 2>&1 || :
		sources_sum "$_version" >sum
		[ "$(wc -l <sum)" = 1 ] && sha256sum --quiet -c sum >>log 2>&1 && break
		_version=
	done
	[ -n "${_version:-}" ] || sources_unavailable "no source of $1 is to be had" "$cache/get/log"
	source=$cache/get/source
	mkdir "$source" && tar -C "$source" --strip-components=1 -xf "$(sed 's/^[^ ]*  //' sum)" || exit 99
	echo "$sources_name: $1 $_version, without Debian's patches"
}
# Runs the command in the fresh directory $cache/DIR, unless it was built of the version that is to be had.
sources_build() { # DIR BINARY-PACKAGE SOURCE-PACKAGE COMMAND…
	_dir=$cache/$1 _source=$3
	# A newer one, or another recipe.
	_key="$(apt-cache policy "$2" | sed -n 's/^ *Candidate: //p') $(cksum <"$src/tests/analyze/sources.sh")"
	shift 3
	[ "$(cat "$_dir/built" 2>/dev/null)" != "$_key" ] || return 0
	sources_get "$_source"
	rm -rf "$_dir" && mkdir -p "$_dir" && cd "$_dir" || exit 99
	"$@" >"$cache/build.log" 2>&1 || {
		tail -n 20 "$cache/build.log"
		echo "$sources_name: $_source can not be built"
		exit 1
	}
	rm -rf "$cache/get"
	echo "$_key" >"$_dir/built"
}

# --- musl

sources_musl() {
	# The kernel's headers, which are no C library's.
	_multiarch=$(gcc -print-multiarch)
	mkdir -p "$cache/kernel"
	ln -sfn /usr/include/linux "$cache/kernel/linux"
	ln -sfn /usr/include/asm-generic "$cache/kernel/asm-generic"
	ln -sfn "/usr/include/$_multiarch/asm" "$cache/kernel/asm"
	musl_cc="musl-gcc -idirafter $cache/kernel"
	sources_build musl-openssl libssl-dev openssl make_openssl
	sources_build musl-sqlite libsqlite3-dev sqlite3 make_sqlite
	sources_build musl-confuse libconfuse-dev libconfuse make_confuse
}
make_openssl() {
	CC=$musl_cc "$source/Configure" "linux-$(uname -m)" shared no-tests no-engine no-ktls no-legacy -O1 &&
		make -j"$(nproc)" build_generated && make -j"$(nproc)" libcrypto.so libssl.so &&
		cp -Rn "$source/include/openssl/." include/openssl/ && find . -name '*.o' -delete
}
make_sqlite() {
	CC=$musl_cc "$source/configure" --disable-tcl --disable-readline && make sqlite3.c &&
		$musl_cc -O1 -fPIC -shared -DSQLITE_THREADSAFE=1 -Wl,-soname,libsqlite3.so.0 -o libsqlite3.so.0 sqlite3.c &&
		ln -s libsqlite3.so.0 libsqlite3.so
}
# Its own build wants autopoint; it is two files, of which flex makes one.
make_confuse() {
	flex -Pcfg_yy -o lexer.c "$source/src/lexer.l" &&
		$musl_cc -O1 -fPIC -shared -I"$source/src" -D_GNU_SOURCE -DHAVE_UNISTD_H -DHAVE_STRINGS_H -DHAVE_STRING_H \
			-DHAVE_SYS_STAT_H -DHAVE_FMEMOPEN -DHAVE_REALLOCARRAY -DHAVE_STRDUP -DHAVE_STRNDUP -DHAVE_STRCASECMP \
			-DPACKAGE_VERSION='"0"' -DPACKAGE_STRING='"confuse"' -Wl,-soname,libconfuse.so.2 -o libconfuse.so.2 \
			"$source/src/confuse.c" lexer.c && ln -s libconfuse.so.2 libconfuse.so && cp "$source/src/confuse.h" .
}

# --- FIPS

sources_fips() { sources_build fips libssl-dev openssl make_fips; }
make_fips() {
	"$source/Configure" "linux-$(uname -m)" enable-fips no-tests -O1 && make -j"$(nproc)" build_generated &&
		make -j"$(nproc)" providers/fips.so && find . -name '*.o' -delete
}
