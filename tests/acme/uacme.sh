#!/bin/sh
# SPDX-License-Identifier: ISC
# uacme.sh: uacme's exit status says whether there is something new.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
acme_start uacme
etc=$home/uacme
snicert hook uacme --dir $etc --install >install.sh
# The line of the script, for this server and these names.
line=$(sed -n "s,^#   uacme ,uacme -a $directory \$1 ,p" install.sh)
line=$(printf %s "$line" | sed "s/issue NAME;/issue $mx $other;/;s/NAME\$/$mx/")
uacme() { as_acme env UACME_CHALLENGE_PATH=$www/.well-known/acme-challenge sh -c "$line" uacme "$1"; }
issue() {
	as_acme /usr/bin/uacme -a $directory -c $etc -y new admin@provider.example && uacme ''
}
renew() { uacme -f; }
again() { uacme ''; }
acme_cycle uacme/$mx/cert.pem 3
chmod 400 $store
client_runs 3 'uacme: renew, with a hook that fails' renew
chmod 600 $store
client_runs 0 'uacme: the next run' again
is "$(leaf_of $mx)" "$(sha_of $etc/$mx/cert.pem)" 'makes up for it'
client_runs 2 'uacme fails: so does the line' as_acme sh -c "$(printf %s "$line" | sed s,$directory,https://localhost:1/dir,)" uacme -f
hasnt "$(cat client.out)" 'snicert:' 'with no word of the hook'
client_runs 2 'as a hook for challenges' snicert hook uacme begin http-01 $mx token authorization
has "$(cat client.out)" 'for challenges only' 'it says that it is none'
acme_finish
