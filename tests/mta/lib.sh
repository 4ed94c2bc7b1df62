# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# mta/lib.sh: unmodified mail servers, each test in a machine of its own: a
# mount, network, process and host name namespace where Debian's packages lie
# over /usr, so every server has its own paths, its own ports and its own users,
# and nothing of this machine is changed.  When the test ends all of it is gone.
# Sourced first thing; on top of tests/lib.sh:
#
#   mta_start NAME PACKAGE… [+ PACKAGE…]
#                              unpacks the packages, and what they depend on and this machine has not
#                              (+ between those that conflict: a file of both is of the last by
#                              alphabet), and runs the script again inside.  77 where this machine can't (no
#                              root, no namespaces, no packages); 1 if CI=true
#   row SERVER WAY             what follows is of this server (and version), loaded in this way
#   column KEY                 what follows is of this column of the matrix; - for none.  The keys:
#                              $mta_columns; tests/mta/matrix.sh says what they mean
#   mta_user NAME UID [GROUP GID]
#   mta_module                 /usr/lib/snicert/snicert.so, /etc/ssl/snicert-openssl.cnf, a CA file
#   mta_syslog                 /dev/log, written to $log (also named $log for the chroots that want it)
#   mta_wait WHAT COMMAND…     until it succeeds, ten seconds at most
#   mta_listening PORT
#   logged PATTERN WHAT        in $log since the last `log_mark`; hasnt_logged
#   log_mark
#   mta_growth WHAT COMMAND [LOAD-OPTION…]   10,000 connections to $port (1,000 and $SNICERT_GROWTH more),
#                              of which none may fail; then the processes that COMMAND prints have no
#                              more file descriptors and no more memory than after the first 1,000 (or do
#                              not grow once more by as many further ones), and there are no zombies
#   short_ends COMMAND         with SNICERT_MTA_SHORT the script ends here, by this
#   swaks_verify NAME          the options by which swaks verifies the certificate, and (from 2024 on) the name
#   handshake, served, leaf_of of tests/lib.sh on $port, with $starttls (smtp, imap … or - for none)
#   serial_of FILE             the leaf's SHA-256, to compare with leaf_of
#
# SNICERT_MTA_CACHE is where the packages are kept (${TMPDIR:-/tmp}/snicert-mta),
# SNICERT_MTA_RESULTS where the matrix's cells go (mta-results in the build directory).

mta_cache=${SNICERT_MTA_CACHE:-${TMPDIR:-/tmp}/snicert-mta}
mta_columns='nosni known unknown wildcard rsa two resume renewal fallback nostore nokey badconf client growth log'

mta_cant() {
	echo "${mta_name:-mta}: $1" >&2
	if [ "${CI:-}" = true ]; then exit 1; fi
	exit 77
}

# Whatever apt-get would install for the packages, unpacked into one folder; once,
# and under a lock, for scripts that run at the same time.
mta_unpack() { # PACKAGE…: sets $mta_lower
	mta_lower=$mta_cache/$(. /etc/os-release && echo "$VERSION_CODENAME")/$mta_name/root
	_at=${mta_lower%/root}
	mkdir -p "$_at" || mta_cant "no cache in $mta_cache"
	exec 9>"$_at/lock" && flock 9 || mta_cant "no lock in $mta_cache"
	if [ "$(cat "$_at/done" 2>/dev/null)" != "$*" ]; then
		rm -rf "$_at/deb" "$_at/root" && mkdir -p "$_at/deb/partial" "$_at/root"
		{ mta_download "$@" || { apt-get update && mta_download "$@"; }; } >"$_at/log" 2>&1 &&
			for _deb in "$_at"/deb/*.deb; do [ ! -e "$_deb" ] || dpkg -x "$_deb" "$_at/root" || exit; done 2>>"$_at/log" &&
			echo "$*" >"$_at/done" || { tail -n 3 "$_at/log" >&2; mta_cant "the packages can't be had: $*"; }
	fi
	exec 9>&-
}
mta_download() {
	_set=
	for _package in "$@" +; do
		if [ "$_package" != + ]; then
			_set="$_set $_package"
			continue
		fi
		# shellcheck disable=SC2086
		apt-get install -y --no-install-recommends --download-only -o Debug::NoLocking=1 \
			-o Dir::Cache::archives="$_at/deb" $_set || return
		_set=
	done
}

mta_start() { # NAME PACKAGE…
	mta_name=$1
	shift
	if [ -z "${SNICERT_MTA_OUTSIDE:-}" ]; then
		[ "$(id -u)" = 0 ] || mta_cant "needs root, for namespaces and the server's users"
		unshare -m -p -n -u -f --kill-child --mount-proc true 2>/dev/null || mta_cant "no namespaces here"
		mta_unpack "$@"
		SNICERT_MTA_OUTSIDE=$(mktemp -d) || exit 99
		chmod 711 "$SNICERT_MTA_OUTSIDE"
		mkdir "$SNICERT_MTA_OUTSIDE/ns"
		_self=$(cd "$(dirname "$0")" && pwd)/${0##*/}
		trap 'rm -rf "$SNICERT_MTA_OUTSIDE"' EXIT
		# --kill-child: whatever the test has started ends with it.
		SNICERT_MTA_OUTSIDE=$SNICERT_MTA_OUTSIDE SNICERT_MTA_LOWER=$mta_lower TMPDIR=$SNICERT_MTA_OUTSIDE \
			SNICERT_SRCDIR=${SNICERT_SRCDIR:-$(cd "${_self%/*}/../.." && pwd)} \
			unshare -m -p -n -u -f --kill-child --mount-proc sh "$_self" &
		mta_child=$!
		trap 'kill -KILL $mta_child 2>/dev/null; exit 130' INT TERM HUP
		wait $mta_child
		exit $?
	fi
	mta_inside || mta_cant 'the private file system could not be made'
	. "$SNICERT_SRCDIR/tests/lib.sh"
	. "$SNICERT_SRCDIR/tests/fixtures.sh"
	FIXTURES_ROOT=$fixtures
	mta_overrides
	[ -z "${MTA_TRACE:-}" ] || { PS4='+ $(date +%s.%N) '; set -x; }
	lib_start "mta/$mta_name"
	starttls=smtp
	mta_results=${SNICERT_MTA_RESULTS:-$build/mta-results}
	mkdir -p "$mta_results" && : >"$mta_results/$mta_name"
}

matrix_row=
matrix_column=-
row() { matrix_row="$1	$2	$(. /etc/os-release && echo "$NAME $VERSION_ID" | sed 's, GNU/Linux,,')"; }
column() {
	case " $mta_columns - " in
	*" $1 "*) matrix_column=$1 ;;
	*) not_ok "no column \"$1\" in the matrix" ;;
	esac
}

mta_inside() {
	_ns=$SNICERT_MTA_OUTSIDE/ns
	mount --make-rprivate / && mount -t tmpfs -o mode=755 ns "$_ns" || return 1
	for _top in usr etc var; do
		_lower=
		[ ! -d "$SNICERT_MTA_LOWER/$_top" ] || _lower=$SNICERT_MTA_LOWER/$_top:
		mkdir -p "$_ns/$_top/upper" "$_ns/$_top/work" || return 1
		mount -t overlay overlay \
			-o "lowerdir=$_lower/$_top,upperdir=$_ns/$_top/upper,workdir=$_ns/$_top/work" "/$_top" || return 1
	done
	mkdir "$_ns/dev" && mount -t tmpfs -o mode=755 dev "$_ns/dev" || return 1
	for _node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do
		# shellcheck disable=SC2086
		set -- $_node
		mknod -m 666 "$_ns/dev/$1" c "$2" "$3" || return 1
	done
	mkdir -m 1777 "$_ns/dev/shm" && ln -s /proc/self/fd "$_ns/dev/fd"
	mount --bind "$_ns/dev" /dev || return 1
	mkdir -p "$_ns/run" && mount --bind "$_ns/run" /run || return 1
	ldconfig || return 1
	hostname mx.provider.example
	printf '127.0.0.1 localhost mx.provider.example\n' >/etc/hosts
	printf 'hosts: files\npasswd: files\ngroup: files\n' >/etc/nsswitch.conf
	: >/etc/resolv.conf
	# SIOCSIFFLAGS: lo up
	perl -MSocket -e 'socket(my $s, AF_INET, SOCK_DGRAM, 0); my $r = pack("a16sx14", "lo", 0x49);
		ioctl($s, 0x8914, $r) or die "lo: $!\n"' || return 1
}

mta_user() { # NAME UID [GROUP GID]
	sed -i "/^$1:/d" /etc/passwd
	sed -i "/^${3:-$1}:/d" /etc/group
	echo "$1:x:$2:${4:-$2}::/nonexistent:/usr/sbin/nologin" >>/etc/passwd
	echo "${3:-$1}:x:${4:-$2}:" >>/etc/group
}

openssl_cnf=/etc/ssl/snicert-openssl.cnf
mta_openssl_cnf() { # [MODULE-PATH]
	cat >$openssl_cnf <<-CNF
		openssl_conf = init
		[init]
		snicert = snicert_section
		[snicert_section]
		path = ${1:-/usr/lib/snicert/snicert.so}
		config = /etc/snicert/snicert.conf
	CNF
}
mta_module() {
	mkdir -p /usr/lib/snicert /etc/snicert /var/lib/snicert
	cp "$build/.libs/snicert.so" /usr/lib/snicert/snicert.so
	cp "$fixtures/ca/root.crt" /etc/ssl/fixture-root.crt
	mta_openssl_cnf
	conf=/etc/snicert/snicert.conf store=/var/lib/snicert/store.db store_key=/etc/snicert/store.key
}
mta_conf() { # TEXT: snicert.conf
	printf 'store { path = "/var/lib/snicert/store.db" key = "/etc/snicert/store.key" }\n%s\n' "$1" >/etc/snicert/snicert.conf
}

log=
mta_syslog() {
	log=$work/$mta_name.mta.log
	: >"$log"
	perl -e 'use IO::Socket::UNIX; use Socket; my ($path, $log) = @ARGV;
		my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $path) or die "$path: $!\n";
		chmod 0666, $path; open(my $out, ">>", $log) or die; $out->autoflush(1);
		while (defined $s->recv(my $line, 8192)) { $line =~ s/[\n\0]*$/\n/; print $out $line }' /dev/log "$log" &
	pids="$pids $!"
	mta_wait 'a syslog' test -S /dev/log
}

mta_wait() { # WHAT COMMAND…
	_what=$1
	shift
	for _ in $(seq 200); do
		if "$@" >/dev/null 2>&1; then return 0; fi
		sleep 0.05
	done
	not_ok "$_what within ten seconds"
	return 1
}
mta_listening() { perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]", Timeout => 1)' "$1"; }

log_from=0
log_mark() { log_from=$(wc -l <"$log"); }
log_since() { tail -n +$((log_from + 1)) "$log"; }
log_has() { log_since | grep -q -e "$1"; }
logged() { # BASIC-REGEX WHAT
	for _ in $(seq 40); do
		if log_has "$1"; then ok "$2"; return; fi
		sleep 0.05
	done
	not_ok "$2" "not in the log: $1
$(log_since | grep -v -e 'connect from' | cut -c1-180 | tail -n 12)"
}
hasnt_logged() {
	if log_has "$1"; then not_ok "$2" "in the log: $(log_since | grep -e "$1" | head -n 3)"; else ok "$2"; fi
}

# The most file descriptors of a process, and the most memory in KiB.
mta_usage() { # PID…
	_fds=0 _rss=0
	for _pid in "$@"; do
		_n=$(ls "/proc/$_pid/fd" 2>/dev/null | wc -l)
		[ "$_n" -le $_fds ] || _fds=$_n
		_n=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$_pid/status" 2>/dev/null)
		[ "${_n:-0}" -le $_rss ] || _rss=$_n
	done
	echo "$_fds $_rss"
}
mta_zombies() { cat /proc/[0-9]*/stat 2>/dev/null | sed 's/.*) //' | grep -c '^Z'; }
mta_quit=--quit # empty for a server that speaks no SMTP
mta_load() { # COUNT LOAD-OPTION…
	_count=$1
	shift
	_way=
	[ "$starttls" != - ] || _way=--implicit
	# shellcheck disable=SC2086
	"$build/starttls-load" --port "$port" --count "$_count" --clients 4 $mta_quit $_way "$@" >load.out 2>load.err
}
mta_growth() { # WHAT COMMAND [LOAD-OPTION…]
	_growth=$1 _whose=$2 _more=${SNICERT_GROWTH:-9000}
	shift 2
	column growth
	mta_load 1000 "$@" || { not_ok "$_growth: 1,000 connections" "$(cat load.out load.err)"; return; }
	sleep 1
	_before=$(mta_usage $($_whose))
	if mta_load "$_more" "$@"; then ok "$_growth: $((_more + 1000)) connections"; else
		not_ok "$_growth: $((_more + 1000)) connections" "$(cat load.out load.err)"
	fi
	sleep 1
	_after=$(mta_usage $($_whose))
	echo "$mta_name: $_growth: fds and KiB after 1,000 connections: $_before, after $((_more + 1000)): $_after; $(cat load.out)"
	# An allocator that took a step takes no other, a server that opened something opens
	# it once; a leak goes on.
	if [ "${_after#* }" -gt $((${_before#* } + 512)) ] || [ "${_after% *}" -gt "${_before% *}" ]; then
		mta_load "$_more" "$@" || not_ok "$_growth: $((_more * 2 + 1000)) connections" "$(cat load.out load.err)"
		sleep 1
		_before=$_after
		_after=$(mta_usage $($_whose))
		echo "$mta_name: $_growth: … after $((_more * 2 + 1000)): $_after; $(cat load.out)"
	fi
	if [ "${_before#* }" -gt 0 ] && [ "${_after% *}" -le "${_before% *}" ]; then ok "$_growth: file descriptors"; else
		not_ok "$_growth: file descriptors and KiB" "before: $_before, after: $_after"
	fi
	# An allocator's own ups and downs, seen without the module too, stay below 512 KiB.
	if [ "${_after#* }" -le $((${_before#* } + 512)) ]; then ok "$_growth: memory"; else
		not_ok "$_growth: file descriptors and KiB" "before: $_before, after: $_after"
	fi
	is "$(mta_zombies)" 0 "$_growth: no zombies"
	column -
}

short_ends() { [ -z "${SNICERT_MTA_SHORT:-}" ] || "$@"; }

swaks_verify() { # NAME
	echo "--tls-verify --tls-ca-path /etc/ssl/fixture-root.crt"
	! grep -q tls-verify-target "$(command -v swaks)" || echo "--tls-verify-target $1"
}

mta_overrides() {
	noted() { [ -z "$matrix_row" ] || echo "$matrix_row	$matrix_column	$1" >>"$mta_results/$mta_name"; }
	handshake() { # NAME|- [S_CLIENT-OPTION…]
		_name=$1
		shift
		if [ "$_name" = - ]; then set -- "$@" -noservername; else set -- "$@" -servername "$_name"; fi
		[ "$starttls" = - ] || set -- "$@" -starttls "$starttls"
		printf 'Q\n' | timeout 20 openssl s_client -connect "127.0.0.1:$port" "$@" 2>&1
	}
}
rsa_only='-tls1_2 -cipher aRSA -sigalgs RSA+SHA256'
