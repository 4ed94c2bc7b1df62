#!/bin/sh
# SPDX-License-Identifier: ISC
# certbot.sh: certbot's deploy hooks: by its option when it issues, by its directory
# of hooks when it renews.
# shellcheck disable=SC1091,SC2034,SC2086,SC2154
. "$(dirname "$0")/lib.sh"
acme_start certbot
snicert hook certbot --dir $home/le --install >install.sh
sh -n install.sh && as_acme sh <install.sh
certbot() {
	as_acme certbot "$@" --config-dir $home/le --work-dir $home/le-work --logs-dir $home/le-logs --server $directory --non-interactive
}
issue() { # as the comment of the script says
	certbot certonly --agree-tos --register-unsafely-without-email --webroot -w $www -d $mx -d $other \
		--deploy-hook "$(sed -n "s/.*--deploy-hook '\(.*\)'.*/\1/p" install.sh)"
	# Only the directory's from now on.
	sed -i '/^renew_hook/d' $home/le/renewal/$mx.conf
}
renew() { certbot renew --force-renewal --no-random-sleep-on-renew; }
again() { as_acme env RENEWED_LINEAGE=$home/le/live/$mx RENEWED_DOMAINS="$mx $other" $home/le/renewal-hooks/deploy/snicert; }
# certbot itself says 0 whatever its hook says, and logs it.
acme_cycle le/live/$mx/cert.pem 0
has "$(grep -h reported $home/le-logs/letsencrypt.log*)" 'reported error code 3' "certbot's log has the exit code"
client_runs 0 'the directory as an argument' snicert hook certbot $home/le/live/$mx
client_runs 0 'certbot: dry run' certbot renew --dry-run --no-random-sleep-on-renew
is "$(leaf_of $mx)" "$(sha_of $home/le/live/$mx/cert.pem)" 'which changes nothing'
acme_finish
