#!/bin/sh
# SPDX-License-Identifier: ISC
# examples.sh: the examples of README.md and the manual.  Each literal block is
#   commands      run one after the other against a store of the test; each exits with 0
#   output        what the command before it printed, in spaces and digits alike
#   C             compiled against include/
#   snicert.conf  read by `snicert config`
#   a script      run
# or it is in one of the tables below, with the reason why it is not run.  A block that
# is neither fails, so a new example can't be forgotten; so does a line of the tables that
# no example needs.  Options of listed commands, and of those in running text, exist.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2086,SC2154,SC2254
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
SSL_CERT_FILE=$fixtures/ca/root.crt
export SSL_CERT_FILE
unset SUDO_USER SUDO_UID CREDENTIALS_DIRECTORY
lib_start examples

# --- what is not run -----------------------------------------------------------

# A shell pattern for a command; a tab; the reason.
listed_commands='./quickstart*	builds this tree: .ci/run does
apt-get *	installs packages: tests/package.sh
apt *	installs packages: tests/package.sh
./autogen.sh *	builds this tree: .ci/run does
../configure *	builds this tree: .ci/run does
make *	builds this tree: .ci/run does
dpkg-buildpackage *	builds packages: tests/package.sh
snicert setup *	changes or asks the servers of this machine: tests/cli/setup.sh, tests/cli/apply.sh
systemctl *	changes the services of this machine: tests/package.sh
chgrp Debian-exim *	wants a user of Debian: tests/mta/exim-gnutls.sh
grep * /var/log/mail.log	reads the log of a mail server: tests/mta
journalctl *	reads the journal: tests/mta/journal.sh
snicert trace *	runs until interrupted: tests/live/stats.sh
snicert stats --watch	runs until interrupted: tests/live/stats.sh
snicert exporter	serves until ended: tests/live/metrics.sh
acme.sh *	needs an ACME server: tests/acme
certbot *	needs an ACME server: tests/acme; the test signs the request itself
uacme *	needs an ACME server: tests/acme
runuser *	needs PostgreSQL: tests/fleet
scp *	needs another server: tests/fleet
snicert fleet*	needs a fleet: tests/fleet/fleet.sh
snicert activate --wait-fleet *	needs a fleet: tests/fleet/fleet.sh
snicert tlsa --nsupdate --wait-fleet *	needs a fleet: tests/fleet/fleet.sh
snicert rekey --*	needs a fleet: tests/fleet/fleet.sh
snicert import customer.p12	asks for a passphrase: tests/cli/import.sh
snicert import mx.chain.pem --key-uri *	needs a token: tests/live/keys.sh'

# The same for the path of a file, and for a block that is no commands.
listed_texts='MAIN_TLS_ENABLE = yes*	Exim reads it: tests/mta/setup-exim.sh
smtp_active_hostname = *	Exim reads it: tests/mta/exim.sh
accept set acl_c_snicert = *	Exim reads it: tests/mta/exim.sh
tls_certificate = *	Exim reads it: tests/mta/exim-gnutls.sh
/etc/ssl/snicert-openssl.cnf	OpenSSL reads it: tests/live/openssl_conf.sh
openssl_conf = init*	OpenSSL reads it: tests/live/openssl_conf.sh
snicert = snicert_section*	OpenSSL reads it: tests/live/openssl_conf.sh
*pkcs11 = pkcs11_provider*	OpenSSL reads it, and needs a token: tests/live/keys.sh
nodejs_conf = init*	Node.js reads it: tests/live/languages.sh
/etc/postfix/main.cf	Postfix reads it: tests/mta/postfix.sh
/etc/systemd/system/*.service.d/snicert.conf	systemd reads it: tests/mta
/etc/dovecot/dovecot.conf, 2.4	Dovecot reads it: tests/mta/dovecot.sh
/etc/nginx/nginx.conf, outside of all blocks	nginx reads it: tests/mta/nginx.sh
ClientHello --SNI--> *	a drawing
fleet {*	names a database: tests/fleet/fleet.sh
snicert: event=fallback *	lines of a log, broken: tests/live/serve.sh
*#include <stdexcept>*	C++: tests/live/languages.sh
import ctypes*	Python: tests/live/languages.sh
package Certificates;*	Perl: tests/live/languages.sh
use openssl::*	Rust: tests/live/languages.sh
*# follow DIRECTORY COMMAND*	runs until ended: tests/live/languages.sh
name = value	the form of an option
name { options }	the form of a section'

: >used
is_listed() { # TABLE TEXT
	while IFS='	' read -r pattern why; do
		case $2 in
		$pattern)
			echo "$pattern" >>"$work/used"
			ok "$page: listed: $why"
			return 0
			;;
		esac
	done <<LISTED
$1
LISTED
	return 1
}

# Paths, users and hosts of the examples are those of the test.
substituted() { # COMMAND
	printf '%s\n' "$1" | sed -E "s,/(etc|root|var|backup|safe)/,$root/\1/,g
		s/--group [A-Za-z-]+/--group $group/; s/-g mail /-g $group /
		s/localhost(:25)?/127.0.0.1:$port/; s/probe mx.provider.net /probe 127.0.0.1:$port /
		s/-servername NAME/-servername smtp.customer.example/; s/ \| sh\$/ | sh -n/"
}

# --- the inputs, and the stores that a block may begin with ---------------------

group=$(id -gn)
root=$work/root
inputs=$work/inputs
mkdir -p "$inputs/etc/letsencrypt/live" "$inputs/etc/mail" "$inputs/root" "$inputs/var/lib/snicert" "$inputs/backup" \
	"$inputs/safe" parts bin
chmod 700 "$inputs/var/lib/snicert"
leaf() { # FILE [OPTION…]: FILE.pem
	_file=$1
	shift
	fixtures_leaf "$work/parts" "$_file" "$@" && cp "parts/$_file.pem" "$inputs/$_file.pem"
}
leaf mx.provider.net
leaf mx.provider.example
leaf mx-rsa --rsa --san mx.provider.net
leaf mx-ecdsa --san mx.provider.net
leaf customer --san smtp.customer.example
leaf renewed --san smtp.customer.example --days 92
leaf mx.customer --san mx.customer.example
leaf new --san mx.customer.example --days 92
leaf other --san '*.other.example'
leaf third --san smtp.third.example
cp parts/customer.key parts/customer.crt "$inputs/etc/mail"
fixtures_leaf "$work/parts" map --san mx.customer.example
cp parts/map.key "$inputs/etc/mail/customer.key"
cp parts/map.chain.pem "$inputs/etc/mail/customer.crt"
cp "$inputs/other.pem" "$inputs/etc/mail/other.pem"
cp "$inputs/mx.provider.net.pem" "$inputs/etc/mail/mx.pem"
cp "$inputs/mx-ecdsa.pem" "$inputs/etc/mail/mx1.pem"
openssl pkcs12 -export -inkey parts/customer.key -in parts/customer.crt -certfile "$fixtures/ca/ec.crt" \
	-passout pass:secret -out "$inputs/customer.p12"
echo secret >"$inputs/root/pass"
chmod 600 "$inputs/root/pass" "$inputs/customer.p12"
for name in smtp.customer.example soon.example; do
	case $name in soon*) aged=--aged ;; *) aged= ;; esac
	fixtures_leaf "$work/parts" $name $aged
	mkdir "$inputs/etc/letsencrypt/live/$name"
	cp parts/$name.key "$inputs/etc/letsencrypt/live/$name/privkey.pem"
	cp parts/$name.chain.pem "$inputs/etc/letsencrypt/live/$name/fullchain.pem"
done
own_certificate

conf=$root/etc/snicert/snicert.conf
store=$root/var/lib/snicert/store.db store_key=$root/etc/snicert/store.key
begin() { # none|DIRECTORY
	rm -rf "$root"
	if [ "$1" = none ]; then
		cp -a "$inputs" "$root"
		mkdir "$root/etc/snicert"
	else
		cp -a "$1" "$root"
	fi
	printf 'store { path = "%s" key = "%s" }\nstats { path = "%s/stats" }\n' "$store" "$store_key" "$root" >"$conf"
	cd "$root" || exit 99
}
given() { snicert "$@" >"$work/given" 2>&1 || not_ok "the store of the examples: $*" "$(head -n 5 "$work/given")"; }
begin none
given init
given import --no-bind mx.provider.net.pem
given fallback 1
given import customer.pem
cp -a "$root" "$work/small"
given import --no-bind mx-rsa.pem
given fallback 1 3
given import mx.customer.pem
given import other.pem
given import third.pem
cp -a "$root" "$work/store"
cd "$work" || exit 99

# What a block begins with, by what it has.  In `store` the chains 1 and 3 are the fallback, 6 is the last.
prepare() { # BLOCK
	case $1 in
	*'install -d '*)
		begin "$work/store"
		given backup "$work/backup.db"
		cp "$store_key" "$work/backup.key"
		begin none
		rmdir "$root/var/lib/snicert" && rm -r "$root/etc/snicert"
		mkdir "$root/etc/snicert" && chmod 700 "$root/etc/snicert"
		mkdir -m 700 "$root/var/lib/snicert"
		printf 'store { path = "%s" key = "%s" }\n' "$store" "$store_key" >"$conf"
		cp "$work/backup.key" "$root/safe/store.key-2027-01-31"
		mv "$work/backup.db" "$root/backup/store-2027-02-01.db"
		;;
	*'snicert init'*) begin none ;;
	*'snicert fallback 3 4'*) begin "$work/small" ;;
	*'snicert rollback'*)
		begin "$work/store"
		given import renewed.pem
		;;
	'# dig '*)
		begin "$work/store"
		given import --stage new.pem
		;;
	*) begin "$work/store" ;;
	esac
}

# What happens in the world between two commands.
meanwhile() { # COMMAND
	case $1 in
	*probe* | *s_client* | *'snicert unknown'* | *'snicert used'*)
		if [ -z "$serving" ]; then
			start_mta example
			serving=yes
			served nobody.example >"$work/given"
			_known=$("$build/snicert" -c "$conf" --json list | sed -n 's/.*"name": "\([^*"]*\)".*/\1/p' | grep -v fallback | head -n 1)
			served "$_known" >"$work/given"
		fi
		;;
	*'activate --after 2d'*) sqlite3 "$store" "UPDATE staged SET since = since - 3 * 86400" ;;
	*'import 0000_chain.pem'*)
		openssl x509 -req -in mx.csr -CA "$fixtures/ca/ec.crt" -CAkey "$fixtures/ca/ec.key" -days 90 -copy_extensions copy \
			-out leaf.crt 2>/dev/null
		cat leaf.crt "$fixtures/ca/ec.crt" >0000_chain.pem
		;;
	esac
}

# Other programs of the examples: the zone has the record of what is staged.
fake bin/snicert <<FAKE
exec "$build/snicert" -c "$conf" "\$@"
FAKE
fake bin/dig <<'FAKE'
exec snicert tlsa mx.customer.example
FAKE
fake bin/nsupdate <<'FAKE'
grep -q '^update add _25._tcp.mx.customer.example'
FAKE
fake bin/mail <<'FAKE'
exec cat
FAKE

# --- the blocks of a page, a file each -------------------------------------------

blocks_of() { # PAGE: in $work/blocks/NUMBER
	rm -rf "$work/blocks"
	mkdir "$work/blocks"
	awk -v to="$work/blocks" -v mdoc="$(case $1 in *.md) ;; *) echo yes ;; esac)" '
	function plain(line) {
		gsub(/\\\(dq/, "\"", line)
		gsub(/\\&/, "", line)
		gsub(/\\e/, "\\", line)
		return line
	}
	function open_block() { number++; file = sprintf("%s/%03d", to, number); inside = 1; printf "" >file }
	function close_block() { close(file); inside = 0; blank = 0 }
	mdoc && inside && /^\.Ed/ { close_block(); next }
	mdoc && inside && /^\.\\"/ { next }
	mdoc && inside { print plain($0) >file; next }
	mdoc && /^\.Bd -literal/ { open_block(); next }
	mdoc && /^\.Dl / { open_block(); print plain(substr($0, 5)) >file; close_block(); next }
	mdoc { next }
	/^```/ && inside { close_block(); fenced = 0; next }
	/^```/ { open_block(); fenced = 1; next }
	fenced { print >file; next }
	inside && /^$/ { blank = 1; next }
	inside && !/^    / { close_block() }
	/^    / && !inside { open_block() }
	inside { if (blank) print "" >file; blank = 0; print substr($0, 5) >file }' "$1"
}

# Spaces and digits don't count; the end of a line may be left out.
shape() { sed -E 's/ *(…|\.\.\.)$//;s/[0-9]+/N/g;s/ +/ /g;s/^ //;s/ $//'; }
is_output() { # LINE
	[ -s "$work/said" ] || return 1
	_line=$(printf '%s\n' "$1" | shape)
	[ -n "$_line" ] && shape <"$work/said" | awk -v line="$_line" 'index($0, line) == 1 { found = 1 } END { exit !found }'
}

options_exist() { # COMMAND: each --option of a `snicert …`
	_rest=${1#*snicert }
	_rest=${_rest%%|*}
	_rest=${_rest%%;*}
	set -f
	set -- $_rest
	set +f
	while case ${1:-} in -c) shift ;; --json | --quiet) true ;; *) false ;; esac do shift; done
	case ${1:-} in '' | [A-Z]* | -* | ... | '…') return ;; esac
	_help=$(snicert "$1" --help 2>&1) || { not_ok "$page: snicert $_rest: there is such a command" "$_help"; return; }
	_help="$_help $(snicert "$1" "${2:-}" --help 2>/dev/null) $(snicert --help)"
	for _word; do
		case $_word in
		--[a-z]*)
			_word=${_word%%=*}
			has "$(echo "$_help" | tr -s ' ,[]|=' '\n' | grep -x -e "$_word")" "$_word" "$page: snicert $_rest: $_word"
			;;
		esac
	done
}

run() { # COMMAND
	_typed=$1
	meanwhile "$_typed"
	_run=$(substituted "$_typed")
	# A path that is not of the test would be one of this machine.
	if printf '%s\n' "$_run" | sed "s,$root/,,g" | grep -qE "(^|[] '\"=(:<>,])/"; then
		not_ok "$page: $_typed: only paths of the test" "$_run"
		return
	fi
	RENEWED_LINEAGE=$root/etc/letsencrypt/live/smtp.customer.example PATH=$work/bin:$PATH timeout 60 sh -c "$_run" >"$work/said" 2>"$work/errors" </dev/null
	_got=$?
	cat "$work/errors" >>"$work/said"
	if [ $_got = 0 ]; then ok "$page: $_typed"; else
		not_ok "$page: exit code of: $_typed" "got $_got, want 0
$(head -n 5 "$work/said")"
	fi
	ran=$((ran + 1))
}

configuration() { # TEXT
	printf '%s\n' "$1" >"$work/example.conf"
	chmod 644 "$work/example.conf"
	configurations=$((configurations + 1))
	_said=$("$build/snicert" -c "$work/example.conf" config 2>&1) && ok "$page: snicert.conf" ||
		not_ok "$page: snicert.conf parses" "$_said
$1"
}

compiled() { # FILE: what it includes to the top, all else into a function
	programs=$((programs + 1))
	{
		grep '^#include' "$1"
		echo 'void log_warning(const char *, ...); void example(SSL_CTX *); void example(SSL_CTX *server_ctx) {'
		grep -v '^#include' "$1"
		echo '}'
	} >"$work/example.c"
	_said=$(${CC:-cc} -std=gnu11 -fsyntax-only -Wall -Wextra -Werror -I"$src/include" "$work/example.c" 2>&1)
	is "$?$_said" 0 "$page: the example in C compiles"
}

# A file of several files, `# /PATH` in front of each.
files() { # BLOCK
	awk -v to="$work/files" '/^# \// { close(file); file = sprintf("%s.%02d", to, ++n); print substr($0, 3) >file; next }
		{ print >file }' "$1"
	for _file in "$work"/files.*; do
		_path=$(head -n 1 "$_file")
		case $_path in
		/etc/snicert/snicert.conf) configuration "$(sed 1d "$_file")" ;;
		*) is_listed "$listed_texts" "$_path" || not_ok "$page: neither run nor listed: the file $_path" ;;
		esac
		rm "$_file"
	done
}

commands() { # BLOCK
	# What is broken into lines is one.
	sed -e ':a' -e '/\\$/{N;s/\\\n */ /;ba' -e '}' -e '/|$/{N;s/\n */ /;ba' -e '}' "$1" >"$work/lines"
	while IFS= read -r line <&3; do
		case $line in
		'') continue ;;
		'# '* | '$ '*) is_prompted=yes line=${line#??} ;;
		' '*'('*')') continue ;; # what happens meanwhile
		*) is_prompted= ;;
		esac
		line=$(printf '%s\n' "$line" | sed -E 's/ +# .*$//')
		if is_listed "$listed_commands" "$line"; then
			case $line in 'snicert '* | *'; snicert '*) options_exist "$line" ;; esac
		elif [ -n "$is_prompted" ]; then
			run "$line"
		elif is_output "$line"; then
			ok "$page: it prints: $line"
		else
			not_ok "$page: neither run nor listed, and not what the command before it printed: $line"
		fi
	done 3<"$work/lines"
}

block() { # BLOCK
	text=$(cat "$1")
	case $text in
	'# /'*) files "$1" ;;
	'# '* | '$ '*)
		prepare "$text"
		serving=
		commands "$1"
		[ -z "$serving" ] || stop_mta example
		cd "$work" || exit 99
		;;
	*)
		if is_listed "$listed_texts" "$text"; then return; fi
		case $text in
		'#include'*) compiled "$1" ;;
		'#!/bin/sh'* | 'out=$(snicert '*)
			prepare "$text"
			run "${text#\#!/bin/sh}"
			cd "$work" || exit 99
			;;
		*'fallback@'*) # a map of names
			prepare "$text"
			substituted "$text" >map
			run 'snicert import --from map map'
			cd "$work" || exit 99
			;;
		*) commands "$1" ;;
		esac
		;;
	esac
}

pages='README.md man/snicert.8 man/snicert.7 man/snicert-servers.7 man/snicert-fleet.7'
ran=0 programs=0 configurations=0
for page in $pages; do
	blocks_of "$src/$page"
	had=$ran
	for each in "$work"/blocks/*; do block "$each"; done
	: >"$work/said"
	# snicert(7) has programs only.
	if [ $page = man/snicert.7 ] || [ $ran -gt $((had + 2)) ]; then ok "$page: commands were run"; else
		not_ok "$page: commands were run" "$((ran - had)) of them"
	fi
done

# --- snicert.conf(5): all of its examples are configurations, or what is said of one

page=man/snicert.conf.5
blocks_of "$src/$page"
for each in "$work"/blocks/*; do
	text=$(cat "$each")
	case $text in
	'snicert: /etc/snicert/snicert.conf:'*)
		while read -r line; do
			number=${line#snicert: /etc/snicert/snicert.conf:}
			number=${number%%:*}
			case $line in
			*'no such option'*) mistake=$(echo "$line" | sed "s/.*'\(.*\)'.*/\1 = 1/") ;;
			*) mistake=$(echo "$line" | sed 's/^[^ ]* [^ ]* \(.*\): .*/\1/') ;;
			esac
			{ yes '' | head -n $((number - 1)); echo "$mistake"; } >wrong.conf
			is "$("$build/snicert" -c "$work/wrong.conf" config 2>&1 | sed "s,$work/wrong.conf,/etc/snicert/snicert.conf,")" "$line" \
				"$page: what is said of a mistake"
		done <"$each"
		;;
	*) is_listed "$listed_texts" "$text" || configuration "$text" ;;
	esac
done

is $((programs >= 2)) 1 'README.md and snicert(7) have an example in C'
is $((configurations >= 20)) 1 'the pages have examples of snicert.conf'

# --- doc/: tests/live/week.sh types it and compares every answer, tests/walk.sh the tutorial ----

page=doc/week.md
blocks_of "$src/$page"
typed=$(cat "$work"/blocks/* | grep -c '^# ')
made=$(cat "$work"/blocks/* | grep -c '^# made by snicert export')
is "$((typed - made))" "$(grep -c '^types ' "$src/tests/live/week.sh")" "$page: week.sh types each of its commands"

# --- commands in running text ----------------------------------------------------

for page in $pages man/snicert.conf.5 SECURITY.md; do
	sed -n 's/^\.Ql snicert \(.*\)$/\1/p;s/^\.Dl . snicert \(.*\)$/\1/p' "$src/$page" | sed 's/ [.,;:()]*$//' >"$work/inline"
	tr '\n' ' ' <"$src/$page" | grep -oE '`snicert [^`]*`' | sed 's/^`snicert //;s/`$//' >>"$work/inline"
	while IFS= read -r line; do options_exist "snicert $(printf '%s\n' "$line" | sed 's/\\(dq/"/g')"; done <"$work/inline"
done

printf '%s\n' "$listed_commands" "$listed_texts" | cut -f1 | while IFS= read -r pattern; do
	grep -qxF -e "$pattern" used || echo "$pattern"
done >unused
is "$(cat unused)" '' 'each line of the tables is there for an example'
lib_finish
