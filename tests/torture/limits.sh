#!/bin/sh
# SPDX-License-Identifier: ISC
# limits.sh: what a system can do to a server: no file descriptors, no memory, a
# disk that is full or read-only, a clock that jumps, a jail, and the filters of a
# hardened unit.  Each handshake that the server itself can still do completes.
# shellcheck disable=SC1091,SC2015,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/torture/lib.sh"
torture_start limits
lasts=10
[ -z "${TORTURE_QUICK:-}" ] || lasts=2

own_certificate
torture_store "$work/store" 150
echo 'cache { memory = "1M" }' >>"$conf"
load() { clients --clients 3 --name-pattern host%d.example --name-count 150; }
own_chains() { # WHAT: afterwards each has its own
	"$build/starttls-load" --port "$port" --count 150 --clients 2 --name-pattern host%d.example \
		--name-count 150 --expect-san >after.out 2>&1 || not_ok "$1: afterwards each gets its own chain" "$(cat after.out)"
}
done_with() { # WHAT MTA
	clients_end
	is "$failed_handshakes" 0 "$1: no handshake fails"
	row "$1" "$lasts s" "$got"
}
new_store_file() { # a new file in the store's place, so that the module opens one
	cp -a "$store" "$store.new" && mv "$store.new" "$store"
}

# No file descriptor is free but those that the connections take: ours can't be had.
what='no file descriptor to be had, as the store is replaced'
start_mta fds --threads 3
server=$(cat fds.pid)
served host0.example >/dev/null
sleep 0.2
# shellcheck disable=SC2012
prlimit --pid "$server" --nofile=$(($(ls /proc/$server/fd | sort -n | tail -n 1) + 4)): || not_ok "$what: prlimit"
load
n=0
while [ $n -lt $((lasts * 2)) ]; do new_store_file; sleep 0.5; n=$((n + 1)); done
done_with "$what"
prlimit --pid "$server" --nofile=1024:
own_chains "$what"
stop_mta fds

what='no more address space'
start_mta space --threads 3
server=$(cat space.pid)
load
sleep 0.5
prlimit --pid "$server" --as=$(($(awk '/^VmSize/ { print $2 }' /proc/$server/status) * 1024 + 65536)): || not_ok "$what: prlimit"
n=0
while [ $n -lt "$lasts" ]; do new_store_file; snicert rekey >/dev/null 2>&1; sleep 1; n=$((n + 1)); done
done_with "$what"
prlimit --pid "$server" --as=unlimited:
own_chains "$what"
stop_mta space

# What a program sees that the server might execute: nothing of ours.
what='file descriptors that an executed program would inherit'
start_mta exec --threads 3
own_chains "$what"
open=0 inherited=
for fd in /proc/"$(cat exec.pid)"/fd/*; do
	case $(readlink "$fd") in
	"$work"/*store*) ;;
	*) continue ;;
	esac
	open=$((open + 1))
	flags=$(awk '/^flags/ { print $2 }' "/proc/$(cat exec.pid)/fdinfo/${fd##*/}")
	[ $((0$flags & 02000000)) != 0 ] || inherited="$inherited $(readlink "$fd")"
done
is "$inherited" '' "$what: none is the module's"
[ $open -ge 3 ] && ok "$what: it has some open" || not_ok "$what: it has some open" "$open"
row "$what" "$open descriptors of the module" 'none: all are close-on-exec'
stop_mta exec

# What systemd does for ProtectSystem=strict, NoNewPrivileges, MemoryDenyWriteExecute, and
# a SystemCallFilter that is narrower than @system-service.
confine=$build/tests/torture/confine
if am_root && unshare -m true 2>/dev/null && "$confine" --try; then
	what='a hardened unit: the store read-only, no new privileges, no memory that is writable and executable, system calls that kill'
	"$confine" "$confine" --executable && ok "$what: no such memory" || not_ok "$what: no such memory"
	mkdir hardened
	cat >hardened/sample-mta <<-SH
		#!/bin/sh
		[ -n "\$UNSHARED" ] || UNSHARED=1 exec unshare -m "\$0" "\$@"
		mount --bind "$work/store" "$work/store" && mount -o remount,bind,ro "$work/store" || exit 99
		exec "$confine" "$build/sample-mta" "\$@"
	SH
	chmod 755 hardened/sample-mta
	mkdir -p hardened/.libs
	ln -s "$build/.libs/snicert.so" hardened/.libs/
	build_before=$build build=$work/hardened
	start_mta hardened --threads 4
	build=$build_before
	is "$(awk '/^(NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$(cat hardened.pid)/status" | tr '\n' ' ')" '1 2 ' "$what: it is"
	load
	sleep "$lasts"
	cheap_chain renewed.pem hosts.key host1.example host1.example 99
	tool 0 import renewed.pem
	is "$(leaf_of host1.example)" "$(sha_of renewed.pem.crt)" "$what: what is committed outside is served"
	tool 0 rekey
	new_store_file
	done_with "$what"
	own_chains "$what"
	kill -USR1 "$(cat hardened.pid)"
	stop_mta hardened
else
	skip 'a hardened unit' 'needs root, on x86-64 or arm64'
fi

if am_root && unshare -m true 2>/dev/null; then
	# A file system of its own, seen by this script only if mounted here: so all of it is.
	mkdir disk
	if mount -t tmpfs -o size=8m tmpfs disk 2>/dev/null; then
		trap 'lib_clean; umount "$work/disk" 2>/dev/null; rm -rf "$work"' EXIT
		new_store "$work/disk/store"
		tool 0 import "$work/store/hosts"
		echo 'cache { memory = "1M" }' >>"$conf"
		start_mta disk --threads 4

		what='the disk is full, while the tool tries to work'
		load
		dd if=/dev/zero of=disk/filler bs=4096 2>/dev/null
		n=0
		while [ $n -lt "$lasts" ]; do
			snicert rekey >/dev/null 2>&1
			snicert import good >/dev/null 2>&1
			snicert rollback host1.example >/dev/null 2>&1
			sleep 1
			n=$((n + 1))
		done
		done_with "$what"
		rm disk/filler
		tool 0 verify
		own_chains "$what"

		# It has the index open for writing, as root, which a file system minds.
		stop_mta disk
		what='a server starts with the store mounted read-only'
		mount -o remount,ro disk || not_ok "$what: remount"
		start_mta disk2 --threads 4
		load
		sleep "$lasts"
		done_with "$what"
		own_chains "$what"
		snicert rekey >/dev/null 2>&1 && not_ok "$what: the tool works"
		stop_mta disk2
		mount -o remount,rw disk
		tool 0 verify
		umount -l disk
	else
		skip 'a full disk' 'tmpfs can not be mounted'
	fi
	store_at "$work/store"
else
	skip 'a full disk' 'needs root'
fi
lib_finish
