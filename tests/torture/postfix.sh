#!/bin/sh
# SPDX-License-Identifier: ISC
# postfix.sh: ClientHellos that are off, to two smtpd of Debian's Postfix, unmodified, of
# which one has the module by tls_config_file: they answer alike.
# shellcheck disable=SC1091,SC2034,SC2154
SNICERT_MTA_RESULTS=${SNICERT_MTA_OUTSIDE:-}/results # no row of the matrix
export SNICERT_MTA_RESULTS
. "$(dirname "$0")/../mta/lib.sh"
mta_start twins postfix
. "$SNICERT_SRCDIR/tests/mta/postfix-lib.sh"
TORTURE_SEED=${TORTURE_SEED:-$(date +%s)}
export TORTURE_SEED
echo "TORTURE_SEED=$TORTURE_SEED"
count=20000
[ -z "${TORTURE_QUICK:-}" ] || count=400

postfix_setup
plain=2525 module=2526
ports="$plain $module"
fixtures_leaf certs known3.example
fixtures_leaf certs fall.ec --san mx.provider.example
fixtures_leaf certs fall.rsa --rsa --san mx.provider.example
mta_conf 'program "smtpd" { }'
rmdir /var/lib/snicert
tool 0 init --group postfix
tool 0 import certs/known3.example.pem
tool 0 import --no-bind certs/fall.ec.pem certs/fall.rsa.pem
# shellcheck disable=SC2046
tool 0 fallback $(postfix_ids mx.provider.example)
# What a client does wrong costs it no time, and it is let in again.
postfix_main 'smtpd_error_sleep_time = 0
	smtpd_tls_session_cache_database ='
postfix_master <<-CF
	$plain     inet  n       -       n       -       1       smtpd
	$module    inet  n       -       n       -       1       smtpd
	  -o tls_config_file=$openssl_cnf
CF
postfix_start || lib_finish
what="ClientHellos that are off, behind STARTTLS to Postfix's smtpd"
for port in $plain $module; do
	is "$(served known3.example)" "$([ "$port" = $plain ] && echo own.example || echo known3.example)" "$what: port $port"
done
if "$build/tests/torture/twins" --smtp --count "$count" --seconds "${TORTURE_SECONDS:-600}" \
	$plain $module "$what" >twins.out 2>twins.err; then ok "$what"; else
	not_ok "$what" "$(cut -c1-300 twins.err)"
fi
cat twins.out
is "$(served known3.example)" known3.example "$what: it serves afterwards"
logged 'SSL_accept error' "$what: Postfix logs what it got"
if log_has '\(panic\|fatal\|signal\)'; then not_ok "$what: no process has died" "$(log_since | grep -e panic -e fatal -e signal)"; fi
postfix_stop
lib_finish
