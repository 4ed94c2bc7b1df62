# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# package-lib.sh: clean roots of Debian 12 and 13, and the packages of these sources.
# A script sets $what, its name, and sources this, which runs the parts of it that a root is made with
# (--enter, --layer, --tools, --packages); as root:
#
#   package_start               77 where Debian can't be had, or this machine can't; the latter is a
#                               failure if CI=true
#   package_roots 12|13         the clean root in $at/root, the one with what a build wants in $at/build, the
#                               sources in $at/src/snicert; locked until package_done
#   package_debs                the packages of these sources in $at/src, if they are not there
#   on_top ROOT SCRIPT ARG…     a script of the sources in a layer on top of a root, thrown away; /src is $at/src
#   must WHAT COMMAND…
#
# Each root is one that debootstrap makes from wherever this machine's apt has Debian
# from; nothing of this machine is changed.  Kept in $SNICERT_PACKAGE_CACHE
# (${TMPDIR:-/tmp}/snicert-package): the roots, and the packages.
src=$(cd "$(dirname "$0")/.." && pwd)
self=$src/tests/${0##*/}
cache=${SNICERT_PACKAGE_CACHE:-${TMPDIR:-/tmp}/snicert-package}
tools='build-essential fakeroot lintian rpm apparmor'

cant() {
	echo "$what: $1" >&2
	if [ "${CI:-}" = true ]; then exit 1; fi
	exit 77
}
absent() { # WHAT: that is no fault of ours
	echo "SKIPPED: Debian $codename: $1"
	exit 77
}
die() {
	echo "$what: $1" >&2
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
	unshare -m -p -f --kill-child sh "$self" --enter "$at" "$@"
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
	unshare -m -p -f --kill-child sh "$self" --layer "$at" "$@"
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


must() { # WHAT COMMAND…
	_must=$1
	shift
	"$@" >/tmp/must 2>&1 || { cat /tmp/must; echo "FAILED: $_must"; exit 1; }
	echo "ok: $_must"
}

# --- outside -----------------------------------------------------------------

package_start() {
	[ "$(id -u)" = 0 ] || cant 'needs root, for namespaces'
	unshare -m -p -f --kill-child true 2>/dev/null || cant 'no namespaces here'
	command -v debootstrap >/dev/null || { echo 'SKIPPED: debootstrap is not here'; exit 77; }
	host=$(. /etc/os-release && echo "$VERSION_CODENAME")
}
sources() { # a copy of what is in the tree and would be in git, with its ./configure
	rm -rf "$at/src/snicert" && mkdir -p "$at/src/snicert" || return 1
	if [ -e "$src/.git" ]; then
		(cd "$src" && git ls-files -coz --exclude-standard | tar --null -T - -c) | tar -x -C "$at/src/snicert"
	else
		(cd "$src" && tar --exclude='./build*' -c .) | tar -x -C "$at/src/snicert"
	fi
}

package_roots() { # 12 or 13
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
		echo "$what: making a root of Debian $1 in $at"
		bootstrap >"$at/log" 2>&1 || { tail -n 5 "$at/log" >&2; absent "debootstrap: $(grep '^E: ' "$at/log" | tail -n 1)"; }
		echo "$codename" >"$at/done"
	fi
	wanted="$tools $(cksum <"$src/debian/control")"
	if [ "$(cat "$at/build.done" 2>/dev/null)" != "$wanted" ]; then
		echo "$what: installing what a build wants"
		rm -rf "$at/build" && cp -a "$at/root" "$at/build" || die 'no room'
		# shellcheck disable=SC2086
		inside "$at/build" "/src/snicert/tests/${self##*/}" --tools $tools >"$at/log" 2>&1 </dev/null || { tail -n 5 "$at/log" >&2; absent "what a build wants: $(grep '^E: ' "$at/log" | tail -n 1)"; }
		echo "$wanted" >"$at/build.done"
	fi
}
package_done() { exec 9>&-; }

build_packages() {
	# Its tests need what the roots have not; ./quickstart check runs them.
	cd /src/snicert && DEB_BUILD_OPTIONS="nocheck parallel=2" dpkg-buildpackage -us -uc
}
# What they are made of; tests and documents for developers are not in them.
package_key() { (cd "$at/src/snicert" && find . -type f ! -path './tests/*' ! -path './doc/*' ! -name '*.md' -exec cksum {} + | sort | cksum); }
package_debs() {
	_key=$(package_key)
	if [ "$(cat "$at/packages.done" 2>/dev/null)" != "$_key" ] || ! ls "$at"/src/snicert_*.deb >/dev/null 2>&1; then
		echo "$what: building the packages"
		rm -f "$at"/src/*.deb
		on_top "$at/build" "/src/snicert/tests/${self##*/}" --packages >"$at/log" 2>&1 </dev/null || die 'the packages can not be built'
		echo "$_key" >"$at/packages.done"
	fi
}

case ${1:-} in
--enter) shift; enter "$@" ;;
--layer) shift; layer "$@" ;;
--tools) shift; install_tools "$@"; exit ;;
--packages) build_packages; exit ;;
esac
