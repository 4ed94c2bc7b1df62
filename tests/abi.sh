#!/bin/sh
# SPDX-License-Identifier: ISC
# The interface as programs were built with it: where every member of
# include/snicert.h is and how long, its functions' types and its numbers, for 64 and
# 32 bits, are as tests/abi.table has them; members are added at the end alone.
# And the test of that: a header that breaks a promise is found out.
set -u
src=${SNICERT_SRCDIR:-$(cd "$(dirname "$0")/.." && pwd)}
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failed=0 tried=
CC=${CC:-cc}

complain() {
	echo "abi: $1"
	failed=1
}

# The header needs no more of OpenSSL than two names, and so no headers of the other word length.
mkdir "$work/openssl"
echo 'typedef struct ssl_st SSL; typedef struct ssl_ctx_st SSL_CTX;' >"$work/openssl/ssl.h"
# shellcheck disable=SC2086
compiles() { # HEADER-DIR BITS
	$CC -m$2 -ffreestanding -fsyntax-only -I"$work" -I"$1" "$work/$2.c" >"$work/said" 2>&1
}

# What is wrong with a header; nothing: nothing.
judge() { # HEADER-DIR TABLE
	perl "$src/tests/abi.pl" "$1/snicert.h" "$2" >"$work/has"
	awk '!/^#/ && NF && $2 != "end" { print ($1 == "constant" || $1 == "function") ? $1 " " $2 : $1 }' "$2" >"$work/wants"
	diff "$work/wants" "$work/has" | sed -n 's/^< /not there, or not in its place: /p;s/^> /not in tests\/abi.table: /p'
	for bits in $tried; do
		perl "$src/tests/abi.pl" "$1/snicert.h" "$2" "$bits" >"$work/$bits.c"
		compiles "$1" "$bits" || sed -n "s/.*error: /$bits bits: /p" "$work/said"
	done
}

for bits in 64 32; do
	echo '#include <snicert.h>' >"$work/$bits.c"
	if compiles "$src/include" $bits; then tried="$tried $bits"; else echo "skip: $CC has no $bits bits here"; fi
done
[ -n "$tried" ] || { echo "SKIPPED: $CC compiles for neither 64 nor 32 bits"; exit 77; }
judge "$src/include" "$src/tests/abi.table" >"$work/result"
[ -s "$work/result" ] && cat "$work/result" && complain 'include/snicert.h breaks a promise'

# What a change may look like, and what is said of it.
mutate() { # WHAT SED-SCRIPT PATTERN [TABLE-SED-SCRIPT]
	mkdir -p "$work/changed"
	sed "$2" "$src/include/snicert.h" >"$work/changed/snicert.h"
	sed "${4:-}" "$src/tests/abi.table" >"$work/table"
	cmp -s "$work/changed/snicert.h" "$src/include/snicert.h" && complain "$1: the header is as before"
	judge "$work/changed" "$work/table" >"$work/result"
	if [ -z "$3" ]; then
		[ ! -s "$work/result" ] || complain "$1 is allowed, and is not: $(head -n 2 "$work/result")"
	else
		grep -q -- "$3" "$work/result" || complain "$1: wanted $3, got $(head -n 3 "$work/result")"
	fi
}
mutate 'a member in between' 's/^\tunsigned flags;/\tint more;&/' 'not in tests/abi.table: snicert_options.more'
mutate 'a member in the padding' 's/^\tunsigned flags;/&int more;/' 'not in tests/abi.table: snicert_options.more'
mutate 'a member taken away' '/^\tint64_t last_error_at;/d' 'not there, or not in its place: snicert_health.last_error_at'
mutate 'a longer member' 's/char text\[508\]/char text[512]/' 'snicert_error.text is 508 octets at 4'
mutate 'a longer member of an array of structs' 's/char key_type\[16\]/char key_type[24]/' 'key_type is 16 octets at 536'
mutate 'another argument' 's/int (\*detach)/int/;s/void (\*detach)(struct snicert \*,/void (*detach)(struct snicert *, int,/' \
	'snicert_module.detach is void'
mutate 'another number' 's/^\tSNICERT_SERVED_EXACT,/\tSNICERT_SERVED_NEW, SNICERT_SERVED_EXACT,/' 'SNICERT_SERVED_EXACT is 1'
mutate 'two that change places' '/^\tint is_open;/{h;d};/^\tint64_t since;/G' 'snicert_health.since is 8 octets at 8'
mutate 'a member at the end that the table does not have' 's/^\tsize_t flags;/&\n\tconst char *more;/' \
	'not in tests/abi.table: snicert_policy.more'
case $tried in *64*)
	# A program that was built before gives these octets with whatever is in them.
	mutate 'a member in the padding at the end' '/^\tsize_t flags;/d;s/^\tunsigned key_types;/&\n\tunsigned more;/' \
		'snicert_policy.more is behind what there was' \
		'/^snicert_policy.flags/d;/^snicert_policy end 48/d;s/^snicert_policy end .*/&\nsnicert_policy.more 36 4 20 4\nsnicert_policy end 40 24/'
	;;
esac
mutate 'a member at the end, with its lines' 's/^\tsize_t flags;/&\n\tconst char *more;/' '' \
	's/^snicert_policy end 48 .*/&\nsnicert_policy.more 48 8 24 4\nsnicert_policy end 56 28/'
[ $failed = 0 ] && echo "abi: fine, for$tried bits"
exit $failed
