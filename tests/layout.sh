#!/bin/sh
# SPDX-License-Identifier: ISC
# The lines of the house: who may include what, who sees which library, what is
# exported, what the module must never call.
set -u
cd "${SNICERT_SRCDIR:-.}" || exit 99
failed=0

complain() {
	echo "layout: $1"
	failed=1
}

# Rooms of the module from the entrance down; a file includes only what is below
# it.  The last row is the floor that everybody stands on.
rank() {
	case $1 in
	host_*) echo 0 ;;
	policy | status) echo 0 ;;
	snicert | instance | contexts) echo 1 ;;
	hook) echo 2 ;;
	hook_choice | hook_given | hook_policy) echo 3 ;;
	lookup | lookup_* | hook_log) echo 4 ;;
	hook_stats) echo 4 ;;
	hook_candidates) echo 4 ;;
	cache | pemfile) echo 5 ;;
	chain | chain_* | shelf) echo 6 ;;
	seal | store | store_* | certsigs | hello) echo 7 ;;
	stats) echo 7 ;;
	ring | roster | sketch) echo 8 ;;
	children | walindex | walindex_*) echo 8 ;;
	config) echo 8 ;;
	log | config_options | conftext) echo 9 ;;
	devlog | log_journal | log_line | log_budget) echo 10 ;;
	mapping) echo 10 ;;
	log_socket) echo 11 ;;
	acl | name | nearest | safety | date | held | hex | lock | rename | at_fork | program | libctx | keyuri | library | library_calls) echo 12 ;;
	error | span) echo 13 ;;
	*) echo none ;;
	esac
}

for file in module/*.[ch]; do
	room=$(basename "$file" | sed 's/\.[ch]$//')
	own=$(rank "$room")
	[ "$own" = none ] && complain "$file has no place in tests/layout.sh" && continue
	for header in $(sed -n 's/^#include "\(.*\)\.h".*/\1/p' "$file"); do
		[ "$header" = "$room" ] && continue
		# The public header; and snicert.c implements instance.h.
		[ "$header" = snicert ] && continue
		[ "$room" = snicert ] && [ "$header" = instance ] && continue
		# Parts of the other, in files of their own.
		case $room.$header in hook_log.hook_choice | hook_stats.hook_choice) continue ;; esac
		[ "$header" = "${room%%_*}" ] && continue
		[ "$header" = "${room%%_*}_internal" ] && continue
		[ "$room" = log_line ] && [ "$header" = log ] && continue
		below=$(rank "$header")
		if [ "$below" = none ]; then
			complain "$file includes $header.h, which is not of the module"
		elif [ "$below" -le "$own" ]; then
			complain "$file includes $header.h, which is not below it"
		fi
	done
done

only() { # PATTERN WHAT FILE…: only these include it
	pattern=$1 what=$2
	shift 2
	for file in $(grep -lE "$pattern" module/*.[ch] tools/*.[ch] tools/*/*.[ch]); do
		case " $* " in
		*" $file "*) ;;
		*) complain "$file sees $what; only $* may" ;;
		esac
	done
}
only '^#include <sqlite3.h>' SQLite module/store_internal.h module/walindex_internal.h tools/store/admin_sql.h
only '^#include <confuse.h>' libconfuse module/config.c
only '^#include "store/admin_sql.h"' 'the SQL of the store' tools/store/admin.c tools/store/admin_*.c
only '^#include <curl/' libcurl tools/sts/policy_fetch.c
only '^#include <microhttpd.h>' libmicrohttpd tools/stats/exporter.c
only '^#include <libpq-fe.h>' libpq tools/fleet/database.c
only '^#include <idn2.h>' libidn2 tools/tool.c
only 'SSL_CTX_set_cert_cb|set_tlsext_servername_c|SSL_CTX_set_client_hello_cb|SSL_CTX_set_security_callback' \
	"OpenSSL's callbacks" module/hook.c

# One order of locks, and one place for what a fork has to do with them.
only 'pthread_atfork *\(' 'fork handlers' module/at_fork.c
grep -lE 'pthread_(mutex|rwlock)_(try|timed|rd|wr)?lock *\(' module/*.[ch] | grep -vE '^module/lock\.[ch]$' &&
	complain 'the module has a lock without a rank'

# Rooms of the tool, from the ground up: a file includes only what is in its own room or on a floor
# below it.  The hall (tool, clock) is above show/; snicert.c, the dispatch, is on the roof.
floor() { # FILE OR HEADER, from tools/
	case $1 in
	show/*) echo 0 ;;
	tool.* | clock.*) echo 1 ;;
	x509/*) echo 2 ;;
	store/*) echo 3 ;;
	intake/*) echo 4 ;;
	acme/* | dane/* | look/* | migrate/* | setup/* | stats/* | verify/* | watch/*) echo 5 ;;
	sts/* | fleet/*) echo 6 ;; # judges by what look/ sees; says what a service says
	cmd/*) echo 7 ;;
	snicert.c) echo 8 ;;
	*) echo none ;;
	esac
}
# Commands are on top, and none knows another.  What a command has in several files bears its name.
for file in tools/*.[ch] tools/*/*.[ch]; do
	place=${file#tools/} name=$(basename "$file" | sed 's/\.[ch]$//')
	own=$(floor "$place")
	[ "$own" = none ] && complain "$file is in no room" && continue
	for header in $(sed -n 's,^#include "\([a-z0-9_/]*\)\.h".*,\1,p' "$file"); do
		if [ -e "tools/$header.h" ]; then
			case $header in
			"${place%.[ch]}") continue ;;
			cmd/*) case $place in "$header"_*) continue ;; esac ;;
			*/*) [ "${header%/*}" = "${place%/*}" ] && continue ;;
			esac
			[ "$(floor "$header.h")" -lt "$own" ] || complain "$file includes $header.h, which is not below it"
		elif ! [ -e "module/$header.h" ] && ! [ -e "include/$header.h" ]; then
			complain "$file includes $header.h, which is in no room"
		fi
	done
done

# access() asks as the real user, without the capabilities that a unit has (CAP_DAC_READ_SEARCH).
grep -nE 'access\([^)]*, [RW]_OK' tools/*/*.c && complain 'tool_may() tells whether this process may'

# A guest in somebody's process.
for call in exit _exit abort printf puts perror openlog closelog signal sigaction umask chdir \
	setlocale system popen; do
	if grep -nE "(^|[^A-Za-z0-9_.>])$call *\(" module/*.c | grep -vE '^[^:]*:[0-9]+:[[:space:]]*(\*|/\*|\*\*)|: \*'; then
		complain "the module calls $call()"
	fi
done
# fprintf only in the log's stderr target, which is the tool's.
grep -lE '(^|[^a-z])fprintf *\(' module/*.c | grep -v '^module/log.c$' &&
	complain 'the module prints'

# Exported: the list in the tree, and nothing else.
module=${SNICERT_BUILDDIR:-build}/.libs/snicert.so
if [ -f "$module" ]; then
	exported=$(nm -D --defined-only "$module" | awk '{print $3}' | grep -vE '^(_init|_fini|__.*)$' | sort)
	wanted=$(sort module/snicert.sym)
	[ "$exported" = "$wanted" ] || complain "exported is: $exported"
	readelf -d "$module" | grep -q NODELETE || complain 'snicert.so can be unloaded: -z nodelete is missing'
	readelf -d "$module" | grep -qE 'FLAGS.*NOW' || complain 'snicert.so binds lazily: -z now is missing'
	readelf -lW "$module" | grep -q 'GNU_RELRO' || complain 'snicert.so has no RELRO'
	readelf -lW "$module" | grep 'GNU_STACK' | grep -q 'RWE' && complain 'snicert.so has an executable stack'
else
	complain "$module is not there"
fi

# A part of the tests is built with what their scripts call, and nothing else (programs_of_tests in Makefile.am).
# shellcheck disable=SC2016
for place in $(grep -noE '"?\$(build|SNICERT_BUILDDIR)"?/[A-Za-z0-9_/.-]+' tests/lib.sh tests/cli/*.sh tests/live/*.sh |
	sed -E 's/"?\$(build|SNICERT_BUILDDIR)"?\///'); do
	program=${place##*:}
	grep -qE "^$(echo "$program" | tr '/-' '__')_SOURCES" Makefile.am || continue # no program of ours
	grep -E '^test_programs \+?=' Makefile.am | grep -qE "[ =]$program( |\$)" || [ "$program" = snicert ] ||
		complain "${place%:*} calls $program, which test_programs in Makefile.am lacks"
done

[ $failed = 0 ] && echo 'layout: fine'
exit $failed
