#!/bin/sh
# SPDX-License-Identifier: ISC
# package.sh [RELEASE…]      the packages of Debian 12 or 13 (12): built from these sources, judged by
#                            lintian, installed in a clean system, used, removed and purged; then
#                            what debian/tests says, with Postfix.  As root; 77 where Debian can't be had.
# Roots, cache and the like: package-lib.sh.
set -u
what=package
# shellcheck disable=SC1091
. "$(dirname "$0")/package-lib.sh"

build() {
	echo '== dpkg-buildpackage'
	(build_packages) || exit 1
	cd /src && ls -l ./*.deb
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
--build) build; exit ;;
--use) use; exit ;;
--autopkgtests) autopkgtests; exit ;;
esac

release() { # 12 or 13
	package_roots "$1"
	_key=$(package_key)
	rm -f "$at"/src/*.deb "$at/packages.done"
	for step in 'build build' 'use root' 'autopkgtests build'; do
		echo "package: Debian $1: ${step% *}"
		on_top "$at/${step#* }" /src/snicert/tests/package.sh "--${step% *}" >"$at/log" 2>&1 </dev/null || die "Debian $1: ${step% *}"
		[ "$step" != 'build build' ] || echo "$_key" >"$at/packages.done"
		cp "$at/log" "$at/log.${step% *}"
		grep -E '^(ok:|[NWEI]: |SNICERT|a name)' "$at/log"
	done
	package_done
}

package_start
[ $# != 0 ] || set -- 12
for number; do release "$number"; done
echo "package: fine on Debian $*"
