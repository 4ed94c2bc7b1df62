#!/bin/sh
# SPDX-License-Identifier: ISC
# package.sh [RELEASE…]      the packages of Debian 12 or 13 (12): built from these sources, judged by
#                            lintian, installed in a clean system, used, removed and purged; then
#                            what debian/tests says, with Postfix.  As root.
#
# Each release is a root that debootstrap makes from wherever this machine's apt
# has Debian from; nothing of this machine is changed.  Kept in
# $SNICERT_PACKAGE_CACHE (${TMPDIR:-/tmp}/snicert-package): the clean root, the one
# with what a build wants, and the packages.  Tests run in a layer on top of them
# that is thrown away.  77 where Debian can't be had, or this machine can't; the latter is a
# failure if CI=true.
set -u
src=$(cd "$(dirname "$0")/.." && pwd)
cache=${SNICERT_PACKAGE_CACHE:-${TMPDIR:-/tmp}/snicert-package}
tools='build-essential fakeroot lintian rpm apparmor'

cant() {
	echo "package: $1" >&2
	if [ "${CI:-}" = true ]; then exit 1; fi
	exit 77
}
absent() { # WHAT: that is no fault of ours
	echo "SKIPPED: Debian $codename: $1"
	exit 77
}
die() {
	echo "package: $1" >&2
	[ ! -s "$at/log" ] || tail -n 25 "$at/log" >&2
	exit 1
}

# --- a root ------------------------------------------------------------------

mirror() { # SUITE-SUFFIX: where apt has Debian from
	# shellcheck disable=SC2016
	apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)' |
		awk -v suite="$host$1" '$1 == "Packages" && $3 == suite && $4 == "main" && $5 == "Debian" { print $2; exit }'
}
bootstrap() {
	rm -rf "$at/root" "$at/build" && mkdir -p "$at/root" "$at/deb" || return 1
	debootstrap --variant=minbase --include=ca-certificates --cache-dir="$at/deb" "$codename" "$at/root" "$(mirror '')" || return 1
	for suffix in '' -updates -security; do
		uri=$(mirror "$suffix")
		[ -z "$uri" ] || echo "deb $uri $codename$suffix main"
	done >"$at/root/etc/apt/sources.list"
	rm -f "$at/root/etc/apt/sources.list.d"/*
	for part in apt.conf auth.conf auth.conf.d; do
		[ ! -e "/etc/apt/$part" ] || cp -RL "/etc/apt/$part" "$at/root/etc/apt/" || return 1
	done
	# Not those that packages bring themselves, nor a container's, which throw packages away.
	for part in /etc/apt/apt.conf.d/*; do
		case $part in */docker-*) continue ;; esac
		dpkg -S "$part" >/dev/null 2>&1 || cp -L "$part" "$at/root/etc/apt/apt.conf.d/" || return 1
	done
}

# A command in a root, in namespaces of its own: what it starts ends with it.
inside() { # ROOT COMMAND…
	unshare -m -p -f --kill-child sh "$src/tests/package.sh" --enter "$at" "$@"
}
enter() { # AT ROOT COMMAND…
	at=$1 root=$2
	shift 2
	mount --make-rprivate / && mkdir -p "$root/src" && mount --rbind /dev "$root/dev" && mount -t proc proc "$root/proc" &&
		mount -t tmpfs -o mode=1777 tmp "$root/tmp" && mount -t tmpfs -o mode=755 run "$root/run" &&
		mount --bind "$at/deb" "$root/var/cache/apt/archives" && mount --bind "$at/src" "$root/src" || exit 99
	mkdir -p "$root/var/cache/apt/archives/partial"
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	cp -R /usr/local/share/ca-certificates "$root/usr/local/share/" 2>/dev/null
	exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive CI="${CI:-}" sh "$@"
}
# The same in a layer that is thrown away.
on_top() { # ROOT COMMAND…
	unshare -m -p -f --kill-child sh "$src/tests/package.sh" --layer "$at" "$@"
}
layer() { # AT ROOT COMMAND…
	at=$1 lower=$2
	shift 2
	mount --make-rprivate / && mkdir -p "$at/layer" && mount -t tmpfs layer "$at/layer" &&
		mkdir "$at/layer/upper" "$at/layer/work" "$at/layer/root" &&
		mount -t overlay overlay -o "lowerdir=$lower,upperdir=$at/layer/upper,workdir=$at/layer/work" "$at/layer/root" || exit 99
	enter "$at" "$at/layer/root" "$@"
}

# --- in the roots --------------------------------------------------------------

install_tools() { # PACKAGE…
	apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" && apt-get build-dep -y -qq --no-install-recommends /src/snicert
}

build() {
	cd /src/snicert || exit 1
	echo '== dpkg-buildpackage'
	# Its tests need what the roots have not; ./quickstart check runs them.
	DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc || exit 1
	cd .. && ls -l ./*.deb
	echo '== lintian'
	# One source for both releases: the policy's version is that of Debian 12, whose lintian wants
	# an init script for each unit that is not of a timer.  `snicert exporter` is all there would be in it.
	case $(. /etc/os-release && echo "$VERSION_ID") in
	12) _tag=package-supports-alternative-init-but-no-init.d-script ;;
	*) _tag=out-of-date-standards-version ;;
	esac
	lintian --allow-root --display-info --fail-on error,warning,info --profile debian \
		--suppress-tags $_tag ./*.changes || exit 1
	echo '== the AppArmor abstraction'
	dpkg-deb --fsys-tarfile ./snicert_*.deb | tar -x -C /tmp
	mkdir -p /etc/apparmor.d/abstractions && cp /tmp/etc/apparmor.d/abstractions/snicert /etc/apparmor.d/abstractions/
	printf 'abi <abi/3.0>,\ninclude <tunables/global>\nprofile smtpd /usr/sbin/smtpd {\n  include <abstractions/base>\n  include <abstractions/snicert>\n}\n' >/tmp/profile
	apparmor_parser --skip-kernel-load --skip-cache --quiet /tmp/profile || exit 1
	echo '== rpmbuild'
	mkdir -p /tmp/rpm/SOURCES && tar -C /src --exclude=debian/build --transform 's,^snicert,snicert-0.1.0,' -cJf /tmp/rpm/SOURCES/snicert-0.1.0.tar.xz snicert
	(cd /src/snicert && [ -x configure ]) || exit 1
	rpmbuild --nodeps --define '_topdir /tmp/rpm' --define '_libdir /usr/lib64' --define 'debug_package %{nil}' -bb /src/snicert/snicert.spec >/tmp/rpm.log 2>&1 ||
		{ tail -n 30 /tmp/rpm.log; exit 1; }
	rpm -qlp /tmp/rpm/RPMS/*/*.rpm
}

must() { # WHAT COMMAND…
	what=$1
	shift
	"$@" >/tmp/must 2>&1 || { cat /tmp/must; echo "FAILED: $what"; exit 1; }
	echo "ok: $what"
}
ours() { find / -xdev \( -path /src -o -path /proc -o -path /tmp -o -path /sys -o -path /dev -o -path /var/cache -o -path /var/lib/apt \) -prune -o -name '*snicert*' -print | sort; }

use() { # the package in a clean system
	must 'apt-get update' apt-get update -qq
	must 'nothing of it is here' test -z "$(ours)"
	must 'it installs' apt-get install -y -qq --no-install-recommends /src/snicert_*.deb
	must 'and nothing is missing' apt-get check
	must 'the directory of the store' test "$(stat -c '%a %U' /var/lib/snicert)" = '711 root'
	must 'the user of the check' getent passwd snicert
	must 'the timer is enabled' test -L /etc/systemd/system/timers.target.wants/snicert-check.timer
	must 'the weekly one, too' test -L /etc/systemd/system/timers.target.wants/snicert-verify.timer
	must 'the service of watch' sh -c 'ls /lib/systemd/system/snicert-watch@.service /usr/lib/systemd/system/snicert-watch@.service 2>/dev/null | grep -q .'
	must 'it runs' snicert --version
	must 'its manual' test -s /usr/share/man/man8/snicert.8.gz
	snicert check && exit 1
	must 'a store' snicert init --group mail
	must 'a check of it' sh -c 'snicert check; test $? = 1'
	chroot --userspec=snicert:snicert / snicert check
	must 'whom the check runs as sees it by its capability only' test $? = 3
	# As in its unit, without systemd: there is no fallback, it says.
	must 'and with that it does' sh -c 'setpriv --reuid=snicert --regid=snicert --clear-groups \
		--inh-caps=+dac_read_search --ambient-caps=+dac_read_search --bounding-set=-all,+dac_read_search \
		snicert check; test $? = 1'
	must 'status' snicert status
	must 'completion' bash -c '. /usr/share/bash-completion/completions/snicert && complete -p snicert'
	must 'installing it again' apt-get install -y -qq --reinstall /src/snicert_*.deb
	must 'the store is as it was' snicert verify
	must 'it is removed' apt-get remove -y -qq snicert
	must 'the program is gone' test ! -e /usr/bin/snicert
	must 'the store is not' test -s /var/lib/snicert/store.db
	must 'it is purged' apt-get purge -y -qq snicert
	must 'the store is not, being other people'"'"'s keys' test -s /var/lib/snicert/store.db -a -s /etc/snicert/store.key
	rm -r /var/lib/snicert /etc/snicert
	must 'again, with no store' apt-get install -y -qq --no-install-recommends /src/snicert_*.deb
	must 'and purged' apt-get purge -y -qq snicert
	must 'nothing is left' test -z "$(ours)"
}

autopkgtests() {
	must 'apt-get update' apt-get update -qq
	echo 'postfix postfix/main_mailer_type select Internet Site' | debconf-set-selections
	must 'the packages, and Postfix' apt-get install -y -qq --no-install-recommends /src/*.deb postfix openssl sqlite3
	for name in header postfix; do
		AUTOPKGTEST_TMP=$(mktemp -d) sh "/src/snicert/debian/tests/$name" || { echo "FAILED: debian/tests/$name"; exit 1; }
		echo "ok: debian/tests/$name"
	done
	under_postfix
}

# The package goes, and comes, under a Postfix that runs.
serves() { # NAME
	for _i in $(seq 50); do
		_cn=$(printf 'QUIT\r\n' | timeout 30 openssl s_client -starttls smtp -connect 127.0.0.1:25 -servername smtp.customer.example 2>/dev/null |
			openssl x509 -noout -subject -nameopt multiline 2>/dev/null | sed -n 's/.*commonName *= //p')
		[ "$_cn" != "$1" ] || return 0
		sleep 0.2
	done
	echo "served: ${_cn:-no TLS}"
	return 1
}
under_postfix() {
	must 'Postfix starts' postfix start
	must 'Postfix serves the name' serves smtp.customer.example
	must 'the package is installed anew under it' apt-get install -y -qq --reinstall /src/snicert_*.deb
	must '… and Postfix serves the name' serves smtp.customer.example
	must 'the package is removed under it' apt-get remove -y -qq snicert
	must '… and TLS goes on' sh -c 'echo QUIT | timeout 30 openssl s_client -starttls smtp -connect 127.0.0.1:25 | openssl x509 -noout'
	must 'a reload' postfix reload
	must '… and Postfix goes on with its own certificate' serves own.example
	must 'the package is back' apt-get install -y -qq --no-install-recommends /src/snicert_*.deb
	must 'a reload' postfix reload
	must '… and Postfix serves the name' serves smtp.customer.example
	must 'the package is purged under it' apt-get purge -y -qq snicert
	must 'a reload' postfix reload
	must '… and Postfix goes on with its own certificate' serves own.example
	postfix stop
}

case ${1:-} in
--enter) shift; enter "$@" ;;
--layer) shift; layer "$@" ;;
--tools) shift; install_tools "$@"; exit ;;
--build) build; exit ;;
--use) use; exit ;;
--autopkgtests) autopkgtests; exit ;;
esac

# --- outside -----------------------------------------------------------------

sources() { # a copy of what is in the tree and would be in git, with its ./configure
	rm -rf "$at/src" && mkdir -p "$at/src/snicert" || return 1
	if [ -e "$src/.git" ]; then
		(cd "$src" && git ls-files -coz --exclude-standard | tar --null -T - -c) | tar -x -C "$at/src/snicert"
	else
		(cd "$src" && tar --exclude='./build*' -c .) | tar -x -C "$at/src/snicert"
	fi
}

release() { # 12 or 13
	case $1 in
	12) codename=bookworm ;;
	13) codename=trixie ;;
	*) cant "there is no Debian $1 here: 12 and 13 are known" ;;
	esac
	at=$cache/debian$1
	mkdir -p "$at/deb" || cant "no cache in $cache"
	exec 9>"$at/lock" && flock 9
	: >"$at/log"
	sources || die 'the sources could not be copied'
	if [ "$(cat "$at/done" 2>/dev/null)" != "$codename" ]; then
		echo "package: making a root of Debian $1 in $at"
		bootstrap >"$at/log" 2>&1 || { tail -n 5 "$at/log" >&2; absent "debootstrap: $(grep '^E: ' "$at/log" | tail -n 1)"; }
		echo "$codename" >"$at/done"
	fi
	wanted="$tools $(cksum <"$src/debian/control")"
	if [ "$(cat "$at/build.done" 2>/dev/null)" != "$wanted" ]; then
		echo 'package: installing what a build wants'
		rm -rf "$at/build" && cp -a "$at/root" "$at/build" || die 'no room'
		# shellcheck disable=SC2086
		inside "$at/build" /src/snicert/tests/package.sh --tools $tools >"$at/log" 2>&1 </dev/null || { tail -n 5 "$at/log" >&2; absent "what a build wants: $(grep '^E: ' "$at/log" | tail -n 1)"; }
		echo "$wanted" >"$at/build.done"
	fi
	for step in 'build build' 'use root' 'autopkgtests build'; do
		echo "package: Debian $1: ${step% *}"
		on_top "$at/${step#* }" /src/snicert/tests/package.sh "--${step% *}" >"$at/log" 2>&1 </dev/null || die "Debian $1: ${step% *}"
		cp "$at/log" "$at/log.${step% *}"
		grep -E '^(ok:|[NWEI]: |SNICERT|a name)' "$at/log"
	done
	exec 9>&-
}

[ "$(id -u)" = 0 ] || cant 'needs root, for namespaces'
unshare -m -p -f --kill-child true 2>/dev/null || cant 'no namespaces here'
command -v debootstrap >/dev/null || { echo 'SKIPPED: debootstrap is not here'; exit 77; }
host=$(. /etc/os-release && echo "$VERSION_CODENAME")
[ $# != 0 ] || set -- 12
for number; do release "$number"; done
echo "package: fine on Debian $*"
