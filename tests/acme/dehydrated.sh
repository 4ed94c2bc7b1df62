#!/bin/sh
# SPDX-License-Identifier: ISC
# dehydrated.sh: its hook is a program that gets every operation.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
acme_start dehydrated
etc=$home/dehydrated
snicert hook dehydrated --dir $etc --install >install.sh
as_acme sh <install.sh
cat >$etc/config <<-CONFIG
	BASEDIR=$etc
	CONFIG_D=$etc/conf.d
	CA=$directory
	WELLKNOWN=$www/.well-known/acme-challenge
	DOMAINS_TXT=$etc/domains.txt
	PRIVATE_KEY_ROLLOVER=no
CONFIG
echo $mx $other >$etc/domains.txt
chown -R acme:acme $etc
dehydrated() { as_acme dehydrated --config $etc/config "$@"; }
issue() { dehydrated --register --accept-terms && dehydrated --cron; }
renew() { dehydrated --cron --force; }
again() { dehydrated --cron; }
acme_cycle dehydrated/certs/$mx/cert.pem 1
# What a hook has failed to take in is made up for by the next run, which finds it unchanged.
chmod 400 $store
client_runs 1 'dehydrated: renew, with a hook that fails' renew
chmod 600 $store
client_runs 0 'dehydrated: the next run' again
has "$(cat client.out)" ' renewed: ' 'makes up for it'
is "$(leaf_of $mx)" "$(sha_of $etc/certs/$mx/cert.pem)" 'and it is served'
# But nobody's decision is undone by it.
client_runs 0 'going back by hand' snicert rollback $mx
now=$(leaf_of $mx)
isnt "$now" "$(sha_of $etc/certs/$mx/cert.pem)" 'another chain is served'
client_runs 0 'dehydrated: the next run' again
is "$(leaf_of $mx)" "$now" 'leaves that alone'
acme_finish
