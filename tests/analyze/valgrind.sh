#!/bin/sh
# SPDX-License-Identifier: ISC
# valgrind.sh [TEST…]: memcheck, for what is used before it is set, which the
# sanitizers don't see (leaks LeakSanitizer has seen, but for what is only there where the object
# is loaded as a host loads it); and helgrind on the tests that have threads.
# shellcheck disable=SC1091,SC2154
. "${SNICERT_SRCDIR:-$(dirname "$0")/../..}/tests/analyze/lib.sh"
need valgrind
[ -e tests/unit/module/test_name ] || { echo 'valgrind: make check first' >&2; exit 99; }
SNICERT_FIXTURES=$build/fixtures SNICERT_SRCDIR=$src SNICERT_BUILDDIR=$build SNICERT_MODULE=$build/.libs/snicert.so
SSL_CERT_FILE=$build/fixtures/ca/root.crt CK_DEFAULT_TIMEOUT=300 CK_TIMEOUT_MULTIPLIER=10
# valgrind does not know all instructions that OpenSSL picks on newer processors.
OPENSSL_ia32cap=:0
export SNICERT_FIXTURES SNICERT_SRCDIR SNICERT_BUILDDIR SNICERT_MODULE SSL_CERT_FILE CK_DEFAULT_TIMEOUT CK_TIMEOUT_MULTIPLIER OPENSSL_ia32cap
: >"$work/found"
run() { # TOOL TEST OPTION…
	_tool=$1 _test=$2
	shift 2
	[ -x "tests/unit/module/test_$_test" ] || { echo "there is no test_$_test" >>"$work/found"; return; }
	# What stands still would, by Check's own limits, take hours; a busy machine may well take twenty minutes.
	timeout -k 10 2400 valgrind --tool="$_tool" --error-exitcode=9 -q "$@" "tests/unit/module/test_$_test" >"$work/out" 2>&1
	case $? in
	0) return ;;
	124 | 137) echo "$_tool: test_$_test did not end in 40 minutes" >>"$work/found" ;;
	*) echo "$_tool: test_$_test" >>"$work/found" ;;
	esac
	head -n 60 "$work/out"
}
[ $# != 0 ] || set -- name error safety log config children
for test; do run memcheck "$test" --leak-check=no; done
# What a host does with the interface.
export SNICERT_LIFE=12 SNICERT_WARM_UP=1
for test in life policy status hook contexts; do
	run memcheck "$test" --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
done
for test in log; do run helgrind "$test"; done
finish valgrind "$work/found"
