# SPDX-License-Identifier: ISC
# shellcheck shell=bash disable=SC2016
# steps.sh: what the gate (.ci/run) and everything there is (.ci/all) do alike.
# Sourced at the top of the sources, after lanes.sh.

. /etc/os-release

# Debian's way to say so (invoke-rc.d(8)); where somebody has said something already, that holds.
policy=/usr/sbin/policy-rc.d
start_no_services() {
	[ "$(id -u)" = 0 ] && [ -d "${policy%/*}" ] && [ ! -e $policy ] || { policy=; return 0; }
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod 755 $policy
}
start_services_again() {
	[ -z "$policy" ] || rm -f "$policy"
}

sanitized() { # DIR LIST
	ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		TSAN_OPTIONS="halt_on_error=1 suppressions=$PWD/tests/tsan.supp" BUILD=$1 \
		CONFIGURE_FLAGS="--enable-werror --enable-sanitize=$2 CFLAGS='-O1 -g'" ./quickstart check
}
with_clang() { # FLAGS
	command -v clang >/dev/null || { echo "SKIPPED: there is no clang here"; return 77; }
	BUILD=build-clang CONFIGURE_FLAGS="--enable-werror CC=clang CFLAGS='-g $1'" ./quickstart check
}
export -f sanitized with_clang

# The tests of CHECK_TESTS, as make expands them: what runs the module, what uses
# the tool, what has threads, and a little of each.
CHECK_MODULE='$(UNIT_TESTS) tests/live/serve.sh tests/live/openssl_conf.sh tests/live/threads.sh tests/live/stats.sh'
# pairs.sh, two minutes with sanitizers, has them in .ci/all.  examples.sh runs what the others test.
CHECK_COMMANDS='$(UNIT_TESTS) $(filter-out tests/cli/pairs.sh tests/cli/examples.sh,$(filter tests/cli/%,$(SCRIPT_TESTS))) tests/fuzz/replay.sh'
CHECK_THREADS='tests/live/threads.sh tests/live/stats.sh'
for test in cache config contexts foreign hook log log_budget lookup roster snicert stats; do
	[ -f "tests/unit/module/test_$test.c" ] || { echo "CHECK_THREADS: there is no test_$test"; exit 99; }
	CHECK_THREADS+=" tests/unit/module/test_$test"
done
CHECK_THREADS+=" tests/unit/intake/test_parse tests/unit/look/test_probe"
CHECK_BUILT='tests/layout.sh tests/docs.sh tests/cli/owner.sh tests/live/openssl_conf.sh tests/unit/module/test_hook tests/unit/module/test_chain'
export CHECK_MODULE CHECK_COMMANDS CHECK_THREADS CHECK_BUILT
