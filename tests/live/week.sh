#!/bin/sh
# SPDX-License-Identifier: ISC
# week.sh: a provider's working week, typed as an admin would, against a server
# under load that must not lose a handshake.  The commands, their output and the
# text between them are doc/week.md: this compares it, and `week.sh --write`
# writes it.  Digests, dates, ports and directories get a form that does not change.
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

# /etc/… is in $work.
transcript_run() { sed "s|/etc/|$work/etc/|g;s|/root/|$work/root/|g;s|/var/|$work/var/|g;s|localhost|localhost:$port|g"; }
transcript_tidy() { sed "s|$work/|/|g;s/localhost:$port/localhost/g"; }
. "$src/tests/transcript.sh"

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

This page follows an admin through the first week with snicert. You run the mail
servers of `provider.example`. Customers have MX records with their own names, and
so their own certificates. A test (`tests/live/week.sh`) typed every command here,
while clients connected to a server all the time: no handshake failed. Dates, digests
and the like are made readable.

## Monday: moving in

Until now Postfix had a map of names and certificates. Create a store, then see what
an import would do:

TEXT
types 0 'snicert init'
types 0 'snicert import --dry-run --from postfix /etc/postfix'
say <<'TEXT'

There are two warnings. `mx.acme.example` was never in acme's certificate: senders
that check names already complain to acme, and the import does not change that.
`.gamma.example` stands for any depth in Postfix and for one label here; nobody uses
more than one, so that is fine. Import for real:

TEXT
types 0 'snicert import --from postfix /etc/postfix'
types 0 'snicert list'

own_certificate
start_mta mx || lib_finish
start_load --clients 1 --name smtp.acme.example --name smtp.beta.example --name mx.gamma.example --name nobody.example
say <<'TEXT'

The import took the fallback from `smtpd_tls_chain_files`. `snicert setup postfix`
says how to make Postfix load the module. That needs one last restart; from then on,
every change below is served from the next handshake. Check what clients should get
(`explain`), and what the server really presents (`probe`):

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

Acme's certificate was renewed with the same key. Import it: the new chain takes over
all names of the chain it renews, including the one that the certificate lacks. The
hook of an ACME client does the same.

TEXT
types 0 'snicert import /etc/ssl/mail/smtp.acme.example.pem'
types 0 'snicert list "*.acme.example"'
types 0 'snicert log --last 4'
say <<'TEXT'

A bad file changes nothing, whatever is wrong with it:

TEXT
cat "$ssl/smtp.beta.example.key" "$ssl/mx.provider.example.crt" >root/mixed.pem
types 3 'snicert import /root/mixed.pem'

# --- Wednesday: a new key, and DANE
fixtures_leaf "$work/root" beta-new --san smtp.beta.example --days 92
say <<'TEXT'

## Wednesday: a new key, and DANE

Beta publishes TLSA records, and its new certificate has a new key. If you served it
before its record is published, senders would refuse to deliver. So stage it first:

TEXT
types 0 'snicert import --stage /root/beta-new.pem'
types 0 'snicert tlsa smtp.beta.example'
grep -v '^;' said | head -n 1 >root/zone.old
grep -v '^;' said >root/zone
say <<'TEXT'

Put both records into beta's zone. If you hurry, `--require-tlsa` refuses to activate
the chain while the zone has only the old record, and `--after` until the chain has been
staged for two days. The file has the zone's records, as `dig` gets them from the
servers of the zone:

TEXT
staged=$(snicert list --staged --json | sed -n 's/.*"chain": \([0-9]*\),.*/\1/p')
types 1 "snicert activate --require-tlsa /root/zone.old $staged"
types 1 "snicert activate --after 2d $staged"
say <<'TEXT'

After two TTLs every resolver has both records, and you can serve the new key. Then
`snicert tlsa` prints only the new record, and you can remove the old one.

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

Beta calls: one of their customers can't send mail. Go back to the old chain, find the
cause, and activate the new chain again. Each change is served at once.

TEXT
types 0 'snicert rollback smtp.beta.example'
types 0 "snicert activate $staged"

# --- Friday
fixtures_leaf "$work/root" gamma --san 'smtp.gamma.example,smtp.acme.example' --days 99
say <<'TEXT'

## Friday: whose is what

Customers bring their own certificates, and none of them may take over another's
name. Give chains owners: then no import gives a name to another owner, not even
with `--force`:

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

A backup does not contain the store key: keep a copy of it in another place. A
restore writes into the existing store, and servers continue to serve:

TEXT
types 0 'snicert backup /var/backups/snicert.db'
types 0 'snicert remove smtp.acme.example mx.acme.example'
types 0 'snicert restore /var/backups/snicert.db'
types 0 'snicert list "*.acme.example"'
types 0 'snicert verify'

# --- Sunday
say <<'TEXT'

## Sunday: out again, if you want

Export everything in the form that Postfix had on Monday, with the renewed
certificates, in files that only you can read:

TEXT
types 0 'snicert export --key --to postfix /root/postfix'
types 0 'cat /root/postfix/sni /root/postfix/main.cf'
transcript_end

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
	cp "$page" "$src/doc/week.md" && echo "week: doc/week.md written"
elif cmp -s "$page" "$src/doc/week.md"; then
	ok 'doc/week.md is what was typed and answered'
else
	not_ok 'doc/week.md is what was typed and answered' "$(diff "$src/doc/week.md" "$page" | head -n 20)
sh tests/live/week.sh --write makes it anew"
fi
lib_finish
