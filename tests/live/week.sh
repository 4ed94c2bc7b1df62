#!/bin/sh
# SPDX-License-Identifier: ISC
# week.sh: a provider's working week, typed as an admin would, against a server
# under load that must not lose a handshake.  What is typed and answered, with the
# words between, is doc/tutorial.md: this compares it, and `week.sh --write` makes
# it anew.  Digests, dates, ports and directories are put into a form that stays.
# shellcheck disable=SC1091,SC2015,SC2016,SC2034,SC2046,SC2086,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/lib.sh"
. "$src/tests/fixtures.sh"
FIXTURES_ROOT=$fixtures
# Roots of this system would be one more thing that differs.
SSL_CERT_FILE=$fixtures/ca/root.crt
export SSL_CERT_FILE
unset SUDO_USER SUDO_UID
lib_start week
cd "$work" || exit 99

# --- the page ----------------------------------------------------------------

page=$work/page block=
say() { # words from standard input
	[ -z "$block" ] || echo '```' >>"$page"
	block=
	cat >>"$page"
}

# /etc/… is in $work; digests by order of appearance; table columns as wide as what is in them then.
tidy() {
	sed "s|$work/|/|g;s/localhost:$port/localhost/g;s/, [0-9.]* kB\$/, 120 kB/;s/ by $(id -un) / by root /
		s/[0-9]\{4\}-[0-9][0-9]-[0-9][0-9]/YYYY-MM-DD/g;s/[0-9][0-9]:[0-9][0-9]:[0-9][0-9]/HH:MM:SS/g" |
		awk -v seen="$work/digests" -v me="$(id -un)" '
	function shape(text,   before, hex, at, letter) {
		before = ""
		while (match(text, /[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]+/)) {
			hex = substr(text, RSTART, 16)
			if (!(hex in name)) {
				letter = substr("abcdef", count % 6 + 1, 1) int(count / 6) + 1
				name[hex] = letter letter letter letter ".."
				count++
				print hex, name[hex] >>seen
			}
			before = before substr(text, 1, RSTART - 1) name[hex]
			text = substr(text, RSTART + RLENGTH)
		}
		return before text
	}
	function flush_table(   i, j, line) {
		for (i = 1; i <= rows; i++) {
			line = ""
			for (j = 1; j <= columns; j++) {
				if (j == columns) line = line cell[i, j]
				else line = line sprintf("%-" (width[j] + 2) "s", cell[i, j])
			}
			sub(/ +$/, "", line)
			print line
		}
		rows = columns = 0
		split("", width)
	}
	function add_row(n, part,   j) {
		rows++
		for (j = 1; j <= n; j++) {
			if (rows > 1 && cell[1, j] == "ms") part[j] = "1"
			if (rows > 1 && cell[1, j] == "Pid") part[j] = "4711"
			if (rows > 1 && part[j] == me) part[j] = "root"
			cell[rows, j] = part[j]
			if (length(part[j]) > width[j]) width[j] = length(part[j])
		}
	}
	BEGIN {
		while ((getline line <seen) > 0) { split(line, pair, " "); name[pair[1]] = pair[2]; count++ }
	}
	{
		$0 = shape($0)
		text = $0
		sub(/^ +/, "", text)
		n = split(text, part, /   *|  /)
		if (columns == 0 && n >= 3 && text ~ /^[A-Z]/ && text !~ /[:.;]/) { columns = n; add_row(n, part) }
		else if (columns > 0 && n == columns) add_row(n, part)
		else { if (columns > 0) flush_table(); print }
	}
	END { if (columns > 0) flush_table() }'
}

# A command as it is typed; what it says, and its exit code if that is not 0.
types() { # EXIT COMMAND
	_want=$1 _typed=$2
	[ -n "$block" ] || echo '```console' >>"$page"
	block=yes
	printf '# %s\n' "$_typed" >>"$page"
	_run=$(printf '%s\n' "$_typed" | sed "s|/etc/|$work/etc/|g;s|/root/|$work/root/|g;s|/var/|$work/var/|g;s|localhost|localhost:$port|g")
	(eval "$_run") >"$work/said" 2>&1 </dev/null
	_got=$?
	is $_got $_want "$_typed: exit code"
	[ $_got = $_want ] || cat "$work/said"
	tidy <"$work/said" >>"$page"
}

# --- what there was before snicert: Postfix with a map of certificates ---------

mkdir -p etc/snicert etc/postfix etc/ssl/mail root var/lib/snicert var/backups
ssl=$work/etc/ssl/mail
for name in mx.provider.example smtp.acme.example smtp.beta.example; do
	fixtures_leaf "$ssl" $name
done
fixtures_leaf "$ssl" mail.gamma.example --rsa --san 'mail.gamma.example,*.gamma.example' --aged --days 29
sleep 1.1 # from now on it has 29 days, on a fast machine too
cat >etc/postfix/main.cf <<CF
smtpd_tls_chain_files = $ssl/mx.provider.example.pem
tls_server_sni_maps = hash:$work/etc/postfix/sni
CF
cat >etc/postfix/sni <<MAP
smtp.acme.example  $ssl/smtp.acme.example.pem
mx.acme.example    $ssl/smtp.acme.example.pem
smtp.beta.example  $ssl/smtp.beta.example.pem
.gamma.example     $ssl/mail.gamma.example.pem
mail.gamma.example $ssl/mail.gamma.example.pem
MAP
chmod 700 var/lib/snicert
conf=$work/etc/snicert/snicert.conf
store_key=$work/etc/snicert/store.key store=$work/var/lib/snicert/store.db
printf 'store { path = "%s" key = "%s" }\n' "$store" "$store_key" >"$conf"
port=25

say <<'TEXT'
# A week with snicert

<!-- made by tests/live/week.sh: change that, and `sh tests/live/week.sh --write` -->

What an admin types from the day of the move on. You run the mail servers of
`provider.example`; customers have MX records with names of their own, and so
certificates of their own. All of this page was typed by a test
(`tests/live/week.sh`), against a server that handshakes went on with all the time:
none failed. Dates, digests and the like are made readable.

## Monday: moving in

Postfix has had a map of names and certificates so far. A store first, that the
mail server may read, then a look at what would come:

TEXT
types 0 'snicert init'
types 0 'snicert import --dry-run --from postfix /etc/postfix'
say <<'TEXT'

Two warnings. `.gamma.example` is any depth in Postfix and one label here;
nobody uses more, so that will do. `mx.acme.example` has never been in acme's
certificate: senders that check names complain to acme, and it goes on like that.

TEXT
types 0 'snicert import --from postfix /etc/postfix'
types 0 'snicert list'

own_certificate
start_mta mx || lib_finish
start_load --clients 1 --name smtp.acme.example --name smtp.beta.example --name mx.gamma.example --name nobody.example
say <<'TEXT'

The fallback came along, from `smtpd_tls_chain_files`. `snicert setup postfix`
says how Postfix loads the module; after that restart, the last one, every change
below is served from the next handshake on. What do clients get, and does the
server really say so?

TEXT
types 0 'snicert explain smtp.acme.example'
types 0 'snicert explain unknown.example'
types 0 'snicert probe localhost smtp.acme.example mail.gamma.example'
types 0 'snicert status'

# --- Tuesday: renewals
fixtures_sign "$work/root/acme.crt" "$ssl/smtp.acme.example.key" smtp.acme.example "$(fixtures_time -3600)" \
	"$(fixtures_time $((95 * 86400)))" "basicConstraints = CA:FALSE\nsubjectAltName = DNS:smtp.acme.example\nauthorityKeyIdentifier = keyid" \
	"$fixtures/ca/ec"
cat "$ssl/smtp.acme.example.key" root/acme.crt "$fixtures/ca/ec.crt" >"$ssl/smtp.acme.example.pem"
say <<'TEXT'

## Tuesday: renewals

Acme's certificate was renewed, with the same key. Import it, and all names of the
chain that it renews go over, the one that the certificate lacks too. This is what
the hook of an ACME client does.

TEXT
types 0 'snicert import /etc/ssl/mail/smtp.acme.example.pem'
types 0 'snicert list "*.acme.example"'
types 0 'snicert log --last 4'
say <<'TEXT'

A file in the wrong place changes nothing, whatever is wrong with it:

TEXT
cat "$ssl/smtp.beta.example.key" "$ssl/mx.provider.example.crt" >root/mixed.pem
types 3 'snicert import /root/mixed.pem'

# --- Wednesday: a new key, and DANE
fixtures_leaf "$work/root" beta-new --san smtp.beta.example --days 92
say <<'TEXT'

## Wednesday: a new key, and DANE

Beta publishes TLSA records, and its new certificate has a new key. Served before
its record is out, it would turn senders away. So it is staged first:

TEXT
types 0 'snicert import --stage /root/beta-new.pem'
types 0 'snicert tlsa smtp.beta.example'
grep -v '^;' said | head -n 1 >root/zone.old
grep -v '^;' said >root/zone
say <<'TEXT'

Both records go into beta's zone. Somebody is in a hurry, with the zone as it was
(`dig` it, from the servers of the zone):

TEXT
staged=$(snicert list --staged --json | sed -n 's/.*"chain": \([0-9]*\),.*/\1/p')
types 1 "snicert activate --require-tlsa /root/zone.old $staged"
types 1 "snicert activate --after 2d $staged"
say <<'TEXT'

Two TTLs later both records are everywhere, and the new key may be served; then
`snicert tlsa` has the new one alone, and the old one can go.

TEXT
types 0 "snicert activate --require-tlsa /root/zone $staged"
types 0 'snicert tlsa smtp.beta.example'

# --- Thursday
say <<'TEXT'

## Thursday: what needs attention

TEXT
types 0 'snicert expiring 40'
types 0 'snicert check'
say <<'TEXT'

Beta calls: a customer of theirs can't send. Go back, look, and forth again; both
are served at once.

TEXT
types 0 'snicert rollback smtp.beta.example'
types 0 "snicert activate $staged"

# --- Friday
fixtures_leaf "$work/root" gamma --san 'smtp.gamma.example,smtp.acme.example' --days 99
say <<'TEXT'

## Friday: whose is what

Customers bring certificates of their own, and none of them shall take another's
name. Chains get owners; then no import gives a name away, not even with
`--force`:

TEXT
types 0 'snicert owner acme smtp.acme.example'
types 0 'snicert owner gamma mail.gamma.example'
types 3 'snicert import --owner gamma /root/gamma.pem'
types 0 'snicert import --owner gamma --name smtp.gamma.example /root/gamma.pem'
types 0 'snicert owner'
types 0 'snicert list --owner gamma'

# --- Saturday
say <<'TEXT'

## Saturday: backup

The store key is not in a backup: keep a copy of that in another place. Restoring
writes into the store that is there, and servers go on serving.

TEXT
types 0 'snicert backup /var/backups/snicert.db'
types 0 'snicert remove smtp.acme.example mx.acme.example'
types 0 'snicert restore /var/backups/snicert.db'
types 0 'snicert list "*.acme.example"'
types 0 'snicert verify'

# --- Sunday
say <<'TEXT'

## Sunday: out again, if you want

All of it as Postfix had it on Monday, renewed, in files for Postfix's eyes only:

TEXT
types 0 'snicert export --key --to postfix /root/postfix'
types 0 'cat /root/postfix/sni /root/postfix/main.cf'
[ -z "$block" ] || echo '```' >>"$page"
block=

# The names that were gone for a moment on Saturday got the fallback, not a failure.
: >load.stop
wait "$load"
pids=$(echo " $pids " | sed "s/ $load / /")
is "$(awk '{ n += $4 } END { print n + 0 }' load.out)" 0 'the week: no handshake failed'
sessions=$(awk '{ n += $2 } END { print n + 0 }' load.out)
if [ "$sessions" -gt 100 ]; then ok "the week: $sessions handshakes"; else not_ok 'the week: there was a load' "$(tail -n 3 load.out load.err)"; fi
stop_mta mx
new_store "$work/other"
tool 0 import --from postfix "$work/root/postfix"

if [ "${1:-}" = --write ]; then
	cp "$page" "$src/doc/tutorial.md" && echo "week: doc/tutorial.md written"
elif cmp -s "$page" "$src/doc/tutorial.md"; then
	ok 'doc/tutorial.md is what was typed and answered'
else
	not_ok 'doc/tutorial.md is what was typed and answered' "$(diff "$src/doc/tutorial.md" "$page" | head -n 20)
sh tests/live/week.sh --write makes it anew"
fi
lib_finish
