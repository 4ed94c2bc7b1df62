#!/bin/sh
# SPDX-License-Identifier: ISC
# debian13.sh [SCRIPT…]           the tests with unmodified servers (tests/mta/all.sh) on Debian 13
# debian13.sh --run COMMAND…      a command there, at the top of a copy of the sources,
#                                 such as env CONFIGURE_FLAGS=--enable-werror ./quickstart check
#
# Debian 13 is a root that debootstrap makes from wherever this machine's apt
# has Debian from; nothing of this machine is changed.  It is kept, with all
# packages, in $SNICERT_MTA_CACHE; an attempt that was interrupted is begun anew.
# The cells of the matrix go where those of tests/mta/lib.sh go, to files of
# their own (debian13-NAME).  77 where Debian can't be had, or this machine can't; the
# latter is a failure if CI=true.
#
# SNICERT_ROOT=debian12-i386 debian13.sh --run COMMAND…   the same in Debian 12 of 32 bits
# SNICERT_ROOT=sid debian13.sh --run COMMAND…             … in Debian's newest, made anew each month
set -u
root=${SNICERT_ROOT:-debian13}
case $root in
debian13) release=trixie arch= ;;
debian12-i386) release=bookworm arch=i386 ;;
sid) release=sid arch= ;;
*) echo "debian13: there is no root $root: debian13, debian12-i386 and sid are known" >&2; exit 2 ;;
esac
include=ca-certificates,patch,rsync,xz-utils
made="$release $include"
[ $release != sid ] || made="$made $(date +%Y-%m)"
src=$(cd "$(dirname "$0")/../.." && pwd)
cache=${SNICERT_MTA_CACHE:-${TMPDIR:-/tmp}/snicert-mta}
results=${SNICERT_MTA_RESULTS:-${SNICERT_BUILDDIR:-$src/build}/mta-results}

cant() {
	echo "debian13: $1" >&2
	if [ "${CI:-}" = true ]; then exit 1; fi
	exit 77
}
absent() { # WHAT: that is no fault of ours
	echo "SKIPPED: $root: $1"
	exit 77
}

# URI RELEASE COMPONENT KEYRING of each of Debian's own suites, as apt itself reads its sources.
suites() {
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN) $(SIGNED_BY)' 2>/dev/null |
		awk '$1 == "Packages" && $5 == "Debian" { print $2, $3, $4, $6 }' | sort -u
}
sources() { # sources.list of the release, from this machine's
	_codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	{ suites | grep . || { apt-get update && suites; } 2>&1; } |
		while read -r _uri _suite _component _keyring; do
			case $_suite in
			"$_codename") ;;
			*) [ $release != sid ] || continue ;; # It has none but this.
			esac
			case $_suite in
			"$_codename" | "$_codename"-updates) ;;
			# What is only there to compile in 32 bits has no need of it.
			"$_codename"-security) [ -z "$arch" ] || continue ;;
			*) continue ;;
			esac
			case $_keyring in
			/*) ;;
			*) _keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;;
			esac
			echo "deb [signed-by=$_keyring] $_uri $release${_suite#"$_codename"} $_component"
		done
}

# In a mount namespace of its own, where debootstrap's mounts end with it.
bootstrap() {
	rm -rf "$at/root" && mkdir -p "$at/root" "$at/deb" || return 1
	sources >"$at/sources.list"
	# shellcheck disable=SC2046
	set -- $(grep " $release main$" "$at/sources.list" | head -n 1 | sed 's/.*signed-by=\([^]]*\)\]/\1/')
	[ $# = 4 ] || { echo "apt's sources name no Debian main" >&2; return 1; }
	if ! command -v debootstrap >/dev/null; then
		(cd "$at/deb" && { apt-get download debootstrap || { apt-get update && apt-get download debootstrap; }; } &&
			dpkg -x debootstrap_*.deb "$at/debootstrap") || return 1
		PATH=$at/debootstrap/usr/sbin:$PATH DEBOOTSTRAP_DIR=$at/debootstrap/usr/share/debootstrap
		export PATH DEBOOTSTRAP_DIR
	fi
	# After a crash it is made anew.
	mkdir -p "$at/root/etc/dpkg/dpkg.cfg.d" && echo force-unsafe-io >"$at/root/etc/dpkg/dpkg.cfg.d/kept-root" || return 1
	# shellcheck disable=SC2086
	debootstrap ${arch:+--arch=$arch} --variant=minbase --include=$include --cache-dir="$at/deb" --keyring="$1" \
		"$release" "$at/root" "$2" || return 1
	[ -e "$at/root$1" ] || install -D -m 644 "$1" "$at/root$1" || return 1
	for _part in apt.conf apt.conf.d auth.conf auth.conf.d; do
		[ ! -e "/etc/apt/$_part" ] || cp -RL "/etc/apt/$_part" "$at/root/etc/apt/" || return 1
	done
	rm -rf "$at/root/etc/apt/sources.list.d"/* && cp "$at/sources.list" "$at/root/etc/apt/sources.list"
}
root_made() {
	[ "$(cat "$at/done" 2>/dev/null)" = "$made" ] && [ -x "$at/root/usr/bin/dpkg" ] && return
	rm -f "$at/done"
	echo "debian13: making a root of $release${arch:+, $arch,} in $at"
	contained --bootstrap "$at" >"$at/log" 2>&1 </dev/null ||
		{
			tail -n 5 "$at/log" >&2
			absent "debootstrap: $(grep -E '^(E|W|I): |^E:|[Ee]rror' "$at/log" | tail -n 1) (all of its output: $at/log)"
		}
	echo "$made" >"$at/done"
}

# This script again, with namespaces of its own: what it starts ends with it.
child=
contained() { # ARG…
	unshare -m -p -f --kill-child sh "$src/tests/mta/debian13.sh" "$@" &
	child=$!
	wait $child
}
ended() { # unshare itself ignores TERM
	[ -z "$child" ] || { kill -KILL $child 2>/dev/null; wait $child; }
	exit 130
}

# Process 1 of the machine: / becomes the root, with the sources beside.
enter() { # COMMAND…
	mount --make-rprivate / && mount --bind "$at/root" "$at/root" && cd "$at/root" || return 1
	mkdir -p mnt/old mnt/cache mnt/results src || return 1
	mount --rbind /dev dev && mount -t proc proc proc && mount -t tmpfs -o mode=1777 tmp tmp &&
		mount -t tmpfs -o mode=755 run run && mount --bind "$cache" mnt/cache &&
		mount --bind "$results" mnt/results && mount --bind "$at/deb" var/cache/apt/archives || return 1
	mkdir -p var/cache/apt/archives/partial
	for _file in resolv.conf hosts; do
		rm -f etc/$_file && cp -L /etc/$_file etc/ || return 1
	done
	cp -R /usr/local/share/ca-certificates usr/local/share/ 2>/dev/null
	pivot_root . mnt/old && cd / || return 1
	# What is made here from the sources stays, so that little is made anew: a file is as new as its
	# contents are here, not as old as where it comes from, which may be older than what was made before.
	rsync -rlpgoD --checksum --delete --filter='dir-merge,- .gitignore' --exclude=/.git --exclude=/m4 "/mnt/old$src/" /src/ || return 1
	umount -l /mnt/old || return 1
	[ -z "$(ls /usr/local/share/ca-certificates)" ] || update-ca-certificates >/dev/null 2>&1
	# shellcheck disable=SC2086
	cd /src && ${arch:+setarch $arch} "$@"
}

case ${1:-} in
--bootstrap)
	at=$2
	mount --make-rprivate / && bootstrap
	exit
	;;
--enter)
	at=$cache/$root
	shift
	enter "$@"
	exit
	;;
--contain) # with nothing of the caller's environment
	shift
	trap ended INT TERM HUP
	contained --enter env SNICERT_ROOT="$root" SNICERT_MTA_CACHE=/mnt/cache SNICERT_MTA_RESULTS=/mnt/results "$@" 9>&-
	exit
	;;
--servers) # inside
	shift
	BUILD=build ./quickstart build || exit 1
	mkdir /tmp/results
	[ $# != 0 ] || rm -f /mnt/results/debian13-*
	for name; do rm -f "/mnt/results/debian13-$name" "/mnt/results/debian13-$name.skipped"; done
	SNICERT_MTA_RESULTS=/tmp/results SNICERT_BUILDDIR=/src/build sh tests/mta/all.sh "$@"
	status=$?
	for cells in /tmp/results/*; do
		[ ! -f "$cells" ] || cp "$cells" "/mnt/results/debian13-${cells##*/}"
	done
	exit $status
	;;
--run) shift ;;
*) set -- sh tests/mta/debian13.sh --servers "$@" ;;
esac

[ "$(id -u)" = 0 ] || cant 'needs root, for namespaces and the servers'\'' users'
unshare -m -p -f --kill-child true 2>/dev/null || cant 'no namespaces here'
command -v apt-get >/dev/null || absent 'no apt here'
mkdir -p "$cache/$root" "$results" || cant "no cache in $cache"
cache=$(cd "$cache" && pwd) results=$(cd "$results" && pwd)
at=$cache/$root
trap ended INT TERM HUP
exec 9>"$at/lock"
flock -n 9 || { echo 'debian13: waiting for another run in the same root'; flock 9; }
root_made
for variable in CI SNICERT_GROWTH VERBOSE MTA_TRACE SNICERT_NO_SKIP TERM http_proxy https_proxy no_proxy; do
	eval "value=\${$variable:-}"
	[ -z "$value" ] || set -- "$variable=$value" "$@"
done
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
	SNICERT_ROOT="$root" SNICERT_MTA_CACHE="$cache" SNICERT_MTA_RESULTS="$results" sh "$src/tests/mta/debian13.sh" --contain "$@"
