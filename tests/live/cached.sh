#!/bin/sh
# SPDX-License-Identifier: ISC
# cached.sh: a handshake with everything cached makes no system call but the host's own; once a
# tick of the clock it looks whether the store has changed, and opens nothing.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
command -v strace >/dev/null || { echo 'SKIPPED: strace is not here'; exit 77; }
lib_start cached

own_certificate
new_store "$work/store"
cheap_key key
cheap_chain known.pem key known.example
cheap_chain own.pem key own.example
tool 0 import known.pem

# The names of the system calls between two marks, but memory's.
calls() { # TRACE MARK
	awk -v mark="$2" '
		{ sub(/^[0-9]+ +/, "") }
		/^getppid\(/ { marks++; next }
		marks == mark && match($0, /^[a-z0-9_]+\(/) { print substr($0, 1, RLENGTH - 1) }' "$1" |
		sort -u | grep -vE '^(brk|mmap|munmap|mremap|madvise|mprotect)$'
}
traced() { # TRACE MODULE|-
	# LeakSanitizer and ptrace don't go together.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 \
		strace -f -o "$1" "$build/tests/live/cached" "$conf" known.example "$2" own.pem.crt key >out 2>&1
}
if ! strace -o /dev/null true 2>/dev/null; then
	skip 'system calls of a handshake' 'strace may not trace here'
	lib_finish
fi
traced without - && ok 'handshakes without the module' || not_ok 'handshakes without the module' "$(cat out)"
traced with "$build/.libs/snicert.so" && ok 'handshakes with it' || not_ok 'handshakes with it' "$(cat out)"
calls without 1 >hosts
is "$(calls with 1 | grep -vxFf hosts)" '' 'no system call but the host'\''s own'
calls with 2 | grep -vxFf hosts >looks
isnt "$(cat looks)" '' 'with the next tick it looks at the store'
is "$(grep -vxE 'newfstatat|fstat(64|at64)?|stat(64|x)?|pread(64)?|getpid' looks)" '' 'and does no more than that'
lib_finish
