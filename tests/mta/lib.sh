# SPDX-License-Identifier: ISC
# shellcheck shell=sh
# mta/lib.sh: unmodified mail servers, each test in a machine of its own: a
# mount, network, process and host name namespace where Debian's packages lie
# over /usr, so every server has its own paths, its own ports and its own users,
# and nothing of this machine is changed.  When the test ends all of it is gone.
# Sourced first thing; on top of tests/lib.sh:
#
#   mta_start NAME PACKAGE… [+ PACKAGE…]
#                              unpacks the packages, and what they depend on beyond ./quickstart's
#                              (+ between those that conflict: a file of both is of the last by
#                              alphabet), and runs the script again inside.  77 and a line "SKIPPED: …" where
#                              the packages can't be had, and where this machine can't (no root, no
#                              namespaces): with CI=true that is 1, and a failure
#   mta_exim_openssl NAME      before it: $SNICERT_EXIM/exim, built by exim-openssl-build.sh; 77 in the same way
#   row SERVER WAY             what follows is of this server (and version), loaded in this way
#   column KEY                 what follows is of this column of the matrix; - for none.  The keys:
#                              $mta_columns; tests/mta/matrix.sh says what they mean
#   mta_user NAME UID [GROUP GID]
#   mta_module                 /usr/lib/snicert/snicert.so, /etc/ssl/snicert-openssl.cnf, a CA file
#   mta_syslog                 /dev/log, written to $log (also named $log for the chroots that want it)
#   mta_wait WHAT COMMAND…     until it succeeds, a minute at most
#   mta_listening PORT
#   logged PATTERN WHAT        in $log since the last `log_mark`, or within a minute
#   hasnt_logged PATTERN WHAT  nor is it on its way: a line of our own comes first (log_marker, where $log
#                              is not the syslog)
#   log_mark
#   mta_session NAME [S_CLIENT-OPTION…]   the session of a connection, in the file session (none: the server gives none)
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

# A package or a source that can't be had is no failure of ours, wherever it is; what this machine
# can't is one where it has to be able to.
mta_unavailable() { # WHAT THE-ARCHIVE'S-ANSWER
	echo "SKIPPED: ${mta_name:-mta}: $1${2:+; the archive says: $2}" >&2
	exit 77
}
mta_cant() { # WHAT
	[ "${CI:-}" != true ] || mta_wrong "$1"
	echo "SKIPPED: ${mta_name:-mta}: $1" >&2
	exit 77
}
mta_wrong() { # WHAT: a mistake of ours
	echo "${mta_name:-mta}: $1" >&2
	exit 1
}
# What apt printed about something that it can't get, in a line; nothing where it failed for another reason.
mta_archive_says() { # LOG
	grep -hE '^(E|W|Err)' "$1" 2>/dev/null | sed 's/^[EW]: //' |
		grep -E -m 1 'Failed to fetch|Unable to locate package|Unable to find a source package|has no installation candidate|no packages available|Version .* for .* was not found|Could not (connect|resolve)|Temporary failure|Hash Sum mismatch|unexpected size|does not have a Release file' ||
		grep -hE -m 1 'but it is not installable' "$1" 2>/dev/null | sed 's/^ *//'
}
# apt has no lock that waits for another's update.
mta_update() { (
	mkdir -p "$mta_cache" && exec 8>"$mta_cache/update.lock" && flock 8
	apt-get update
); }

# Whatever apt-get would install for the packages, unpacked into one directory; once,
# and under a lock, for scripts that run at the same time.
mta_unpack() { # PACKAGE…: sets $mta_lower
	mta_lower=$mta_cache/$(. /etc/os-release && echo "$VERSION_CODENAME")/$mta_name/root
	_at=${mta_lower%/root}
	mkdir -p "$_at" || mta_cant "no cache in $mta_cache"
	exec 9>"$_at/lock" && flock 9 || mta_cant "no lock in $mta_cache"
	mta_base "$_at" || mta_wrong "the base can't be made out: $(tail -n 1 "$_at/log")"
	_key="$* $(cksum <"$_at/base")"
	if [ "$(cat "$_at/done" 2>/dev/null)" != "$_key" ]; then
		rm -rf "$_at/done" "$_at/deb" "$_at/root" && mkdir -p "$_at/deb/partial" "$_at/root/usr"
		# /lib and its like are links on the machine, and only /usr is laid over it.
		for _top in bin sbin lib lib32 lib64 libx32; do
			[ ! -L "/$_top" ] || { mkdir -p "$_at/root/usr/$_top" && ln -s "usr/$_top" "$_at/root/$_top"; }
		done
		mta_download "$@" >"$_at/log" 2>&1 || { mta_update >"$_at/update.log" 2>&1; mta_download "$@" >"$_at/log" 2>&1; } || {
			_says=$(mta_archive_says "$_at/log")
			[ -z "$_says" ] || mta_unavailable "the packages can't be had: $*" "$_says"
			tail -n 5 "$_at/log" >&2
			mta_wrong "apt-get fails: $*"
		}
		for _deb in "$_at"/deb/*.deb; do
			[ ! -e "$_deb" ] || dpkg-deb --fsys-tarfile "$_deb" | tar -C "$_at/root" --keep-directory-symlink -xpf - 2>>"$_at/log" ||
				{ tail -n 3 "$_at/log" >&2; mta_wrong "can't unpack $_deb"; }
		done
		echo "$_key" >"$_at/done"
	fi
	exec 9>&-
}
mta_apt() { # DIR STATUS-FILE ARG…: apt-get for which nothing is installed but what the file says, of Debian's alone
	_apt_at=$1 _status=$2
	shift 2
	printf 'Package: *\nPin: release o=Debian\nPin-Priority: 990\n' >"$_apt_at/preferences"
	apt-get -y --no-install-recommends -o Debug::NoLocking=1 -o Dir::State::status="$_status" -o Dir::Cache::pkgcache= \
		-o Dir::State::extended_states=/dev/null -o Dir::Etc::Preferences="$_apt_at/preferences" "$@"
}
# What a test may take from the machine is what ./quickstart installs, with all that it depends on, and
# what is essential.  DIR/base is what a dpkg would say of these, in their versions here, without what they depend
# on: here that's so.
mta_base() { # DIR
	# shellcheck disable=SC2046
	set -- "$1" $(sed -n "/^packages='/,/'\$/p" "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/quickstart" | sed "s/^packages=//" | tr -d "'")
	[ $# -gt 1 ] || { echo 'quickstart names no packages' >"$1/log"; return 1; }
	_base_at=$1
	shift
	_base_key="$* $(stat -c %Y.%s /var/lib/dpkg/status /var/lib/apt/lists | tr '\n' ' ')"
	[ ! -s "$_base_at/base" ] || [ "$(cat "$_base_at/base.key" 2>/dev/null)" != "$_base_key" ] || return 0
	: >"$_base_at/nothing"
	# shellcheck disable=SC2046
	set -- "$@" $(dpkg-query -W -f '${Essential} ${Package}\n' | sed -n 's/^yes //p')
	mta_apt "$_base_at" "$_base_at/nothing" -s install "$@" >"$_base_at/log" 2>&1 ||
		{ mta_update && mta_apt "$_base_at" "$_base_at/nothing" -s install "$@"; } >"$_base_at/log" 2>&1 || {
		_says=$(mta_archive_says "$_base_at/log")
		[ -z "$_says" ] || mta_unavailable "what ./quickstart installs can't be had" "$_says"
		return 1
	}
	sed -n 's/^Inst \([^ ]*\).*/\1/p' "$_base_at/log" >"$_base_at/names"
	perl -00 -ne 'BEGIN { local $/ = "\n"; open(my $names, "<", shift) or die; %base = map { chomp; $_ => 1 } <$names>; close $names }
		next unless /^Status: \S+ ok installed$/m && /^Package: (\S+)$/m;
		my ($package) = $1; my ($arch) = /^Architecture: (\S+)$/m;
		next unless $base{$package} || $base{"$package:$arch"};
		print join("", grep { /^(Package|Status|Architecture|Multi-Arch|Version|Provides|Essential|Source):/ } /^(\S+:.*\n(?: .*\n)*)/mg), "\n"' \
		"$_base_at/names" /var/lib/dpkg/status >"$_base_at/base" && [ -s "$_base_at/base" ] && echo "$_base_key" >"$_base_at/base.key"
}
mta_download() {
	_set=
	for _package in "$@" +; do
		if [ "$_package" != + ]; then
			_set="$_set $_package"
			continue
		fi
		# shellcheck disable=SC2086
		mta_apt "$_at" "$_at/base" --download-only -o Dir::Cache::archives="$_at/deb" install $_set || return
		_set=
	done
}
# Of the machine's own servers nothing is to be seen: a layer that takes away the files of each package
# outside of the base that is one of the servers, can send mail, or is unpacked here anyway, perhaps in another
# version; a directory that is of these packages only goes as a whole, with what it has that no package knows.
mta_servers='postfix exim4 sendmail opensmtpd dovecot nginx stunnel4 haproxy prometheus chasquid aiosmtpd python-aiosmtpd nodejs erlang swaks'
mta_hide() { # LAYER
	perl -e '
		use strict; use File::Basename;
		my ($layer, $at, @servers) = @ARGV;
		my (%base, %here, %hidden, %kept, %gone);
		my %server = map { $_ => 1 } @servers;
		open(my $base, "<", "$at/base") or die; while (<$base>) { $base{$1} = 1 if /^Package: (\S+)/ }
		for (glob "$at/deb/*.deb") { $here{$1} = 1 if m,([^/_]+)_[^/]*$, }
		my (@hide, @keep);
		open(my $installed, "-|", "dpkg-query", "-W", "-f",
			join("\t", map { "\${$_}" } qw(db:Status-Status Package Architecture source:Package Provides)) . "\n") or die;
		while (<$installed>) {
			chomp; my ($status, $name, $arch, $source, $provides) = split /\t/;
			next if $status eq "not-installed";
			my ($list) = grep { -e } map { "/var/lib/dpkg/info/$_.list" } "$name:$arch", $name or next;
			if (!$base{$name} && ($here{$name} || $server{$source} || ($provides // "") =~ /\bmail-transport-agent\b/)) { push @hide, $list }
			else { push @keep, $list }
		}
		exit unless @hide;
		my $lines = sub { my ($list) = @_; open(my $in, "<", $list) or die "$list: $!\n"; map { chomp; s,^/(bin|sbin|lib\w*)/,/usr/$1/,r } <$in> };
		for (@keep) { $kept{$_} = 1 for $lines->($_) }
		my %list; for (@hide) { $list{$_} = 1 for $lines->($_) }
		$list{$_} = 1 for "/etc/aliases", "/etc/aliases.db", "/etc/mailname";
		sub parents {
			my ($path) = @_;
			return if -d "$layer$path";
			parents(dirname($path));
			my @stat = stat $path or die "$path: $!\n";
			mkdir "$layer$path" or die "$layer$path: $!\n";
			chown $stat[4], $stat[5], "$layer$path"; chmod $stat[2] & 07777, "$layer$path";
		}
		PATH: for my $path (sort keys %list) {
			next if $kept{$path} || $path !~ m,^/(usr|etc|var)/(?!share/(man|doc|locale)/), || !lstat $path;
			for (my $up = dirname($path); $up ne "/"; $up = dirname($up)) { next PATH if $gone{$up} || -l $up }
			parents(dirname($path));
			system("mknod", "$layer$path", "c", 0, 0) == 0 or die "$layer$path\n";
			$gone{$path} = 1;
		}' "$1" "${SNICERT_MTA_LOWER%/root}" $mta_servers
}

mta_exim_openssl() { # NAME
	mta_name=$1
	[ -z "${SNICERT_MTA_OUTSIDE:-}" ] && [ "$(id -u)" = 0 ] || return 0
	SNICERT_EXIM=$mta_cache/$(. /etc/os-release && echo "$VERSION_CODENAME")/exim-openssl
	export SNICERT_EXIM
	sh "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/mta/exim-openssl-build.sh" "$SNICERT_EXIM"
	case $? in
	0) ;;
	77) exit 77 ;; # it has said why
	*) mta_wrong 'Exim with OpenSSL can not be built' ;;
	esac
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
	mkdir -p "$_ns/hidden" && mta_hide "$_ns/hidden" || return 1
	for _top in usr etc var; do
		_lower=
		[ ! -d "$SNICERT_MTA_LOWER/$_top" ] || _lower=$SNICERT_MTA_LOWER/$_top:
		[ ! -d "$_ns/hidden/$_top" ] || _lower=$_lower$_ns/hidden/$_top:
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
	# Nobody but who is on every machine.
	cp /usr/share/base-passwd/passwd.master /etc/passwd && cp /usr/share/base-passwd/group.master /etc/group || return 1
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
	mkdir -p /usr/share/snicert
	sed "s,^path = .*,path = ${1:-/usr/lib/snicert/snicert.so},; s,^config = .*,config = /etc/snicert/snicert.conf," \
		"$build/system/openssl.cnf" >/usr/share/snicert/openssl.cnf
	printf 'openssl_conf = init\n[init]\n.include /usr/share/snicert/openssl.cnf\n' >$openssl_cnf
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

mta_patience=60
mta_wait() { # WHAT COMMAND…
	_what=$1
	shift
	_until=$(($(date +%s) + mta_patience))
	while :; do
		if "$@" >"$work/waited" 2>&1; then return 0; fi
		[ "$(date +%s)" -lt $_until ] || break
		sleep 0.05
	done
	not_ok "$_what within a minute" "waited for: $*
$(tail -n 5 "$work/waited")"
	return 1
}
mta_listening() { perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]", Timeout => 1)' "$1"; }

# A line of our own that takes the way of the server's: once it is there, so is all that was said before.
log_number=0
log_marker() { # MARK: makes it appear in $log; fails where there is no way
	[ "$log" = "$work/$mta_name.mta.log" ] && [ -S /dev/log ] &&
		perl -MIO::Socket::UNIX -MSocket -e 'my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => "/dev/log") or exit 1;
			defined $s->send("<13>$ARGV[0]") or exit 1' "$1"
}
log_sync() {
	log_number=$((log_number + 1))
	_mark=mark-$$-$log_number.example
	log_marker "$_mark" || { not_ok 'a line of our own in the log'; return 1; }
	mta_wait 'a line of our own in the log' grep -q -F "$_mark" "$log"
}
log_from=0
log_mark() {
	[ "$log" != "$work/$mta_name.mta.log" ] || log_sync
	log_from=$(wc -l <"$log")
}
log_since() { tail -n +$((log_from + 1)) "$log" | grep -v -e 'mark-[0-9]*-[0-9]*.example'; }
log_has() { log_since | grep -q -e "$1"; }
logged() { # BASIC-REGEX WHAT
	_until=$(($(date +%s) + mta_patience))
	while :; do
		if log_has "$1"; then ok "$2"; return; fi
		[ "$(date +%s)" -lt $_until ] || break
		sleep 0.05
	done
	not_ok "$2" "not in the log: $1
$(log_since | grep -v -e 'connect from' | cut -c1-180 | tail -n 12)"
}
hasnt_logged() {
	log_sync || return
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
# Once they have done with what was asked of them: as much five times in a row, a quarter of a second apart.
mta_settled() { # COMMAND that prints the processes
	_until=$(($(date +%s) + mta_patience)) _same=0 _last=
	while [ $_same -lt 5 ] && [ "$(date +%s)" -lt $_until ]; do
		sleep 0.25
		# shellcheck disable=SC2046
		_now=$(mta_usage $($1))
		if [ "$_now" = "$_last" ]; then _same=$((_same + 1)); else _same=1 _last=$_now; fi
	done
	echo "$_now"
}
mta_no_zombies() { [ "$(mta_zombies)" = 0 ]; }
mta_quit=--quit # empty for a server that speaks no SMTP
mta_load() { # COUNT LOAD-OPTION…
	_count=$1
	shift
	_way=
	[ "$starttls" != - ] || _way=--implicit
	# shellcheck disable=SC2086
	"$build/starttls-load" --port "$port" --count "$_count" --clients 4 --timeout $mta_patience $mta_quit $_way "$@" >load.out 2>load.err
}
mta_growth() { # WHAT COMMAND [LOAD-OPTION…]
	_growth=$1 _whose=$2 _more=${SNICERT_GROWTH:-9000}
	shift 2
	column growth
	mta_load 1000 "$@" || { not_ok "$_growth: 1,000 connections" "$(cat load.out load.err)"; return; }
	_before=$(mta_settled "$_whose")
	if mta_load "$_more" "$@"; then ok "$_growth: $((_more + 1000)) connections"; else
		not_ok "$_growth: $((_more + 1000)) connections" "$(cat load.out load.err)"
	fi
	_after=$(mta_settled "$_whose")
	echo "$mta_name: $_growth: fds and KiB after 1,000 connections: $_before, after $((_more + 1000)): $_after; $(cat load.out)"
	# An allocator that took a step takes no other, a server that opened something opens
	# it once; a leak goes on.
	if [ "${_after#* }" -gt $((${_before#* } + 512)) ] || [ "${_after% *}" -gt "${_before% *}" ]; then
		mta_load "$_more" "$@" || not_ok "$_growth: $((_more * 2 + 1000)) connections" "$(cat load.out load.err)"
		_before=$_after
		_after=$(mta_settled "$_whose")
		echo "$mta_name: $_growth: … after $((_more * 2 + 1000)): $_after; $(cat load.out)"
	fi
	if [ "${_before#* }" -gt 0 ] && [ "${_after% *}" -le "${_before% *}" ]; then ok "$_growth: file descriptors"; else
		not_ok "$_growth: file descriptors and KiB" "before: $_before, after: $_after"
	fi
	# An allocator's own ups and downs, seen without the module too, stay below 512 KiB.
	if [ "${_after#* }" -le $((${_before#* } + 512)) ]; then ok "$_growth: memory"; else
		not_ok "$_growth: file descriptors and KiB" "before: $_before, after: $_after"
	fi
	mta_wait "$_growth: no zombies" mta_no_zombies && ok "$_growth: no zombies"
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
		printf 'Q\n' | timeout $mta_patience openssl s_client -connect "127.0.0.1:$port" "$@" 2>&1
	}
}
# The tickets of TLS 1.3 come before the answer to QUIT, after which the server closes.
mta_session() { # NAME [S_CLIENT-OPTION…]
	_name=$1
	shift
	rm -f session
	[ "$starttls" = - ] || set -- "$@" -starttls "$starttls"
	printf 'QUIT\r\n' | timeout $mta_patience openssl s_client -connect "127.0.0.1:$port" -servername "$_name" "$@" \
		-ign_eof -sess_out session >session.out 2>&1
}
rsa_only='-tls1_2 -cipher aRSA -sigalgs RSA+SHA256'
