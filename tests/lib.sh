# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# lib.sh: what the shell tests share.  Sourced; then
#
#   lib_start NAME         a temporary directory in $work, the process's own
#   ok WHAT / not_ok WHAT [DETAIL]
#   is GOT WANT WHAT       equal
#   isnt GOT UNWANTED WHAT
#   has TEXT PATTERN WHAT  contains a shell pattern; hasnt: does not
#   skip WHAT WHY          where a program or a right is missing (fails with SNICERT_NO_SKIP=1)
#   await WHAT COMMAND…    until it succeeds, a minute at most
#   lib_finish             the sum, and the exit code
#
#   tool EXIT ARG…         `snicert -c $conf ARG…`: exit code as wanted; a success says nothing on
#                          stderr.  What came is in $work/out and $work/err.
#   refused EXIT PATTERN ARG…   fails with one line on stderr that has PATTERN; store and key as before
#   json FILE PATH         what sqlite3's json_extract finds; json_is FILE PATH WANT WHAT
#   json_members FILE PATH WANT WHAT   the names of an object's members, in order
#   new_store DIR [INIT-OPTION…]       DIR/store.db, DIR/store.key, DIR/conf; sets $conf
#
#   fake PATH              a program that runs the script on standard input
#
#   start_mta NAME OPTION…             a sample MTA with the module and $conf; sets $port and $mta
#   stop_mta NAME
#   served NAME|- [S_CLIENT-OPTION…]   whom the certificate is for: its first SAN, else its CN
#   leaf_of NAME|- [S_CLIENT-OPTION…]  SHA-256 of the leaf that was served
#   start_load OPTION… / stop_load WHAT   starttls-load until stopped; none may fail
#
# Processes are ended by pid.  At the end all that was not ok is said once more, with got and want and the
# last 20 lines of what the servers had said.

set -u
src=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${SNICERT_BUILDDIR:-$src/build}
fixtures=${SNICERT_FIXTURES:-$build/fixtures}
SNICERT_SRCDIR=$src SNICERT_BUILDDIR=$build SNICERT_FIXTURES=$fixtures
export SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_FIXTURES
: "${SSL_CERT_FILE:=$fixtures/ca/root.crt}"
export SSL_CERT_FILE
LC_ALL=C.UTF-8 TZ=UTC0
export LC_ALL TZ
umask 022

passed=0 failed=0 skipped=0
pids=
port=0
mta=
conf=

lib_start() {
	lib_name=$1
	for _program in "$build/snicert" "$build/sample-mta" "$build/starttls-load" "$fixtures/stamp"; do
		[ -e "$_program" ] || { echo "$lib_name: $_program is not there" >&2; exit 99; }
	done
	for _program in sqlite3 openssl timeout; do
		command -v $_program >/dev/null || { echo "SKIPPED: $_program is not there"; exit 77; }
	done
	work=$(mktemp -d) || exit 99
	chmod 711 "$work" # a server of another user passes through
	trap 'lib_clean' EXIT
	trap 'exit 130' INT TERM HUP PIPE
	cd "$work" || exit 99
	lib_started=$(date +%s)
}

lib_clean() {
	for _pid in $pids; do
		kill -CONT "$_pid" 2>/dev/null
		kill "$_pid" 2>/dev/null
	done
	for _pid in $pids; do
		wait "$_pid" 2>/dev/null
	done
	cd / && rm -rf "$work"
}

lib_finish() {
	echo "$lib_name: $passed ok, $failed not ok, $skipped skipped, $(($(date +%s) - lib_started)) s"
	if [ $failed != 0 ]; then
		{
			echo "$lib_name: what is not ok:"
			cat "$work/failures"
			echo "$lib_name: the servers' last lines:"
			lib_logs
		} >&2
		exit 1
	fi
	exit 0
}

noted() { :; } # ok|failed: what tests/mta/lib.sh makes its matrix of
ok() { passed=$((passed + 1)); noted ok; [ -z "${VERBOSE:-}" ] || echo "ok: $1"; }
not_ok() {
	failed=$((failed + 1))
	noted failed
	{
		echo "not ok: $1"
		[ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/    /'
	} >"${work:-/nonexistent}/not_ok" 2>/dev/null || { echo "not ok: $1"; return; }
	cat "$work/not_ok"
	# What the servers had said by then, for the first few: later it's another's.
	{
		cat "$work/not_ok"
		[ $failed -gt 3 ] || lib_logs
	} >>"$work/failures"
}
lib_logs() { # with a mark in front of each line, by which they are told from what the test says
	for _log in "$work"/*.mta.log; do
		[ -s "$_log" ] || continue
		echo "    --- ${_log##*/}"
		grep -v 'info: session' "$_log" | tail -n 20 | cut -c1-250 | sed 's/^/    | /'
	done
}
skip() {
	skipped=$((skipped + 1))
	if [ -n "${SNICERT_NO_SKIP:-}" ]; then not_ok "$1" "skipped: $2"; else echo "skip: $1: $2"; fi
}
is() {
	if [ "$1" = "$2" ]; then ok "$3"; else
		not_ok "$3" "got:  $1
want: $2"
	fi
}
isnt() {
	if [ "$1" != "$2" ]; then ok "$3"; else not_ok "$3" "got:  $1, which it must not be"; fi
}
has() {
	# shellcheck disable=SC2254
	case $1 in
	*$2*) ok "$3" ;;
	*) not_ok "$3" "got:  $1
want: …$2…" ;;
	esac
}
hasnt() {
	# shellcheck disable=SC2254
	case $1 in
	*$2*) not_ok "$3" "got:  $1
want: not …$2…" ;;
	*) ok "$3" ;;
	esac
}
await() { # WHAT COMMAND…
	_awaited=$1
	shift
	_until=$(($(date +%s) + 60))
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $_until ] || { not_ok "$_awaited within a minute" "waited for: $*"; return 1; }
		sleep 0.05
	done
}
am_root() { [ "$(id -u)" = 0 ]; }

# Quietly: `snicert` with the configuration at hand.
snicert() { "$build/snicert" -c "$conf" "$@"; }

# Beside another writer any command may have to wait, and says so where the machine is busy.
without_waiting() { sed -i '/^snicert: waiting up to /d' "$1"; } # FILE

tool() { # EXIT ARG…
	_want=$1
	shift
	# Without a terminal of its own it can't ask for passphrases there.
	setsid -w timeout 60 "$build/snicert" -c "$conf" "$@" >"$work/out" 2>"$work/err" <"${tool_input:-/dev/null}"
	_got=$?
	without_waiting "$work/err"
	if [ $_got != "$_want" ]; then
		not_ok "exit code of: snicert $*" "got $_got, want $_want
$(head -n 5 "$work/err" "$work/out")"
		return 1
	fi
	if [ "$_want" = 0 ] && [ -s "$work/err" ]; then
		not_ok "stderr of: snicert $*" "$(head -n 5 "$work/err")"
		return 1
	fi
	if [ "$_want" -ge 2 ] && ! [ -s "$work/err" ]; then
		not_ok "snicert $*: it says why it fails"
		return 1
	fi
	ok "snicert $*"
}

# All that a failure must leave alone.
state() {
	sqlite3 "file:$store?mode=ro" 'SELECT max(sequence) FROM change' 2>&1
	snicert list --json 2>&1
	snicert list --chains --json 2>&1
	cksum "$store_key" 2>&1
}
unchanged() { # WHAT, since `state >$work/state`
	state >"$work/state.now"
	if cmp -s "$work/state" "$work/state.now"; then ok "$1: store and key unchanged"; else
		not_ok "$1: store and key unchanged" "$(diff "$work/state" "$work/state.now" | cut -c1-160 | head -n 12)"
	fi
}

refused() { # EXIT PATTERN ARG…
	_exit=$1 _pattern=$2
	shift 2
	state >"$work/state"
	tool "$_exit" "$@" || return
	_lines=$(wc -l <"$work/err")
	# Usage adds the usage line.
	if [ "$_exit" != 2 ] && [ "$_lines" != 1 ]; then
		not_ok "snicert $*: one clear error" "$(head -n 10 "$work/err")"
	fi
	has "$(cat "$work/err")" "$_pattern" "snicert $*: the error says $_pattern"
	unchanged "snicert $*"
}

json() { # FILE PATH
	_json_file=$(printf %s "$1" | sed "s/'/''/g")
	sqlite3 :memory: "SELECT json_extract(CAST(readfile('$_json_file') AS TEXT), '$2')" 2>&1
}
json_valid() { # FILE WHAT
	is "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$1') AS TEXT))" 2>&1)" 1 "$2: JSON that parses"
}
json_is() { is "$(json "$1" "$2")" "$3" "$4"; }
json_members() { # FILE PATH WANT WHAT
	is "$(sqlite3 :memory: "SELECT group_concat(key, ' ') FROM json_each(CAST(readfile('$1') AS TEXT), '$2')" 2>&1)" \
		"$3" "$4"
}

# A server that is made up.
fake() { # PATH
	mkdir -p "${1%/*}"
	{ echo '#!/bin/sh'; cat; } >"$1"
	chmod 755 "$1"
}

store_at() { # DIR: use that one
	conf=$1/conf store=$1/db/store.db store_key=$1/key/store.key
}
new_store() { # DIR [INIT-OPTION…]
	_dir=$1
	shift
	mkdir -p "$_dir"
	store_at "$_dir"
	printf 'store { path = "%s" key = "%s" }\nstats { path = "%s/stats" }\n' "$store" "$store_key" "$_dir" >"$conf"
	"$build/snicert" -c "$conf" init "$@" >/dev/null || not_ok "snicert init in $_dir"
}
# SQL by which schema 5 is 4 again, for stores as older releases left them.
to_schema_4="DROP TABLE fleet; DROP INDEX staged_rolled_back; DROP INDEX cert_subject_hash; ALTER TABLE cert DROP COLUMN subject_hash; ALTER TABLE chain DROP COLUMN lifetime;
	CREATE INDEX cert_subject ON cert (subject) WHERE subject IS NOT NULL;"
chain_of() { # NAME [KEY-TYPE]: the id of what a name is bound to
	snicert list --json "$1" >"$work/chain.json"
	if [ $# -gt 1 ]; then
		sqlite3 :memory: "SELECT json_extract(value, '\$.chain') FROM
			json_each(CAST(readfile('$work/chain.json') AS TEXT)) WHERE json_extract(value, '\$.key_type') = '$2'"
	else
		json "$work/chain.json" '$[0].chain'
	fi
}
sha_of() { # CERTIFICATE FILE
	openssl x509 -in "$1" -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1
}

# Many chains in little time: self-signed, one key for all.
cheap_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }
cheap_chain() { # OUT KEY NAME [CN] [DAYS]
	openssl req -x509 -new -key "$2" -days "${5:-90}" -subj "/CN=${4:-$3}" -addext "subjectAltName=DNS:$3" \
		-addext basicConstraints=critical,CA:FALSE -out "$1.crt" 2>/dev/null &&
		cat "$2" "$1.crt" >"$1"
}

# signal_at SIGNAL N COMMAND…: gets that signal as it enters its Nth call that writes, syncs, names, removes or locks
# a file, or sends; or N is a text, and the first of them that begins so.  Prints "killed" or "ended", how many such
# calls there were, how long it took, and what the call was.
signal_at() {
	_signal=$1
	shift
	# LeakSanitizer and ptrace don't go together.
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 "$build/tests/torture/killed" --signal $_signal --at "$@"
}
killed_at() { signal_at KILL "$@"; } # N COMMAND…
meanwhile_at() { # N SHELL-COMMAND COMMAND…: stands still there while the other runs; a second line has both exit codes
	_at=$1 _other=$2
	shift 2
	ASAN_OPTIONS=${ASAN_OPTIONS:-}:detect_leaks=0 "$build/tests/torture/killed" --meanwhile "$_other" --at "$_at" "$@"
}
calls_of() { # COMMAND…: how many such calls there are
	killed_at 1000000 "$@" | cut -d' ' -f2
}

start_mta() { # NAME OPTION…
	mta=$1
	shift
	rm -f "$work/$mta.port"
	"$build/sample-mta" --cert "$work/own.crt" --key "$work/own.key" --module "$build/.libs/snicert.so" \
		--config "$conf" --port-file "$work/$mta.port" --log "$@" >"$work/$mta.mta.out" 2>"$work/$mta.mta.log" &
	_pid=$!
	echo $_pid >"$work/$mta.pid"
	pids="$pids $_pid"
	started_or_gone() { [ -s "$work/$mta.port" ] || ! kill -0 $_pid; }
	await "the MTA $mta starts" started_or_gone
	if ! [ -s "$work/$mta.port" ]; then
		not_ok "the MTA $mta starts" "$(cat "$work/$mta.mta.log")"
		port=9
		return 1
	fi
	port=$(cat "$work/$mta.port")
}
stop_mta() { # NAME: and it ends in peace
	_pid=$(cat "$work/$1.pid")
	kill "$_pid" 2>/dev/null
	wait "$_pid"
	is $? 0 "the MTA $1 ends in peace"
	pids=$(echo " $pids " | sed "s/ $_pid / /")
	is "$(grep -m 3 -E 'Sanitizer|runtime error' "$work/$1.mta.log")" '' "the MTA $1: no sanitizer speaks"
}
# The certificate of the server, for nobody's name.
own_certificate() {
	cheap_key "$work/own.key" && cheap_chain "$work/own" "$work/own.key" own.example
	chmod 644 "$work/own.key" "$work/own.crt"
}

handshake() { # NAME|- [S_CLIENT-OPTION…]: s_client's output
	_name=$1
	shift
	if [ "$_name" = - ]; then set -- "$@" -noservername; else set -- "$@" -servername "$_name"; fi
	printf 'Q\n' | timeout 60 openssl s_client -starttls smtp -connect "127.0.0.1:$port" "$@" 2>&1
}
served() {
	handshake "$@" >"$work/handshake"
	openssl x509 -noout -subject -ext subjectAltName -in "$work/handshake" >"$work/served" 2>/dev/null
	_san=$(sed -n 's/^ *DNS:\([^,]*\).*/\1/p' "$work/served" | head -n 1)
	[ -n "$_san" ] || _san=$(sed -n 's/^subject=.*CN *= *//p' "$work/served")
	echo "${_san:-no handshake}"
}
key_served() { # of the last handshake: ECDSA, RSA-PSS, RSA …; OpenSSL 3.5 names the whole scheme
	sed -n 's/^Peer signature type: //p' "$work/handshake" |
		sed 's/^ecdsa_.*/ECDSA/;s/^rsa_pss_.*/RSA-PSS/;s/^rsa_pkcs1_.*/RSA/'
}
leaf_of() {
	handshake "$@" >"$work/handshake"
	openssl x509 -in "$work/handshake" -outform DER 2>/dev/null | sha256sum | cut -d' ' -f1
}

# A load of as long as the test lasts, in runs of a second: none may fail.  At a pace that leaves
# the machine to the others; `load_pace= start_load` goes as fast as it can.
start_load() {
	_pace=${load_pace---pace 50}
	rm -f "$work/load.stop" "$work/load.out" "$work/load.err"
	(
		trap 'kill $_load 2>/dev/null; exit' TERM
		while [ ! -e "$work/load.stop" ]; do
			"$build/starttls-load" --port "$port" --seconds 1 $_pace "$@" >>"$work/load.out" 2>>"$work/load.err" &
			_load=$!
			wait $_load
		done
	) &
	load=$!
	pids="$pids $load"
}
load_has() { # COUNT: of sessions, as far as they have been told
	[ "$(awk '{ n += $2 } END { print n + 0 }' "$work/load.out")" -ge "$1" ]
}
stop_load() { # WHAT [MOST]: so many may get a stranger's chain
	: >"$work/load.stop"
	wait "$load"
	pids=$(echo " $pids " | sed "s/ $load / /")
	load_sessions=$(awk '{ n += $2 } END { print n + 0 }' "$work/load.out")
	is "$(awk '{ n += $4 } END { print n + 0 }' "$work/load.out")" 0 "$1: no handshake failed"
	strangers=$(awk '{ for (i = 1; i < NF; i++) if ($i == "mismatched") n += $(i + 1) } END { print n + 0 }' "$work/load.out")
	[ "$strangers" -le "${2:-0}" ] || not_ok "$1: nobody got a stranger's chain" "got:  $strangers"
	[ "$strangers" -gt "${2:-0}" ] || ok "$1: nobody got a stranger's chain"
	if [ "$load_sessions" -gt 20 ]; then ok "$1: there was a load"; else
		not_ok "$1: there was a load" "$load_sessions sessions; $(tail -n 3 "$work/load.err")"
	fi
	[ ! -s "$work/load.err" ] || head -n 5 "$work/load.err"
}
