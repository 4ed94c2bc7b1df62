# SPDX-License-Identifier: ISC
# Fuzzing: the targets without a fuzzer, which replay the inputs of the tree, and with one.
SCRIPT_TESTS += tests/fuzz/replay.sh
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dictionaries tests/fuzz/found tests/fuzz/run.sh tests/fuzz/seeds.sh
check_LTLIBRARIES = libfuzz.la
libfuzz_la_SOURCES = tests/fuzz/fuzz.c tests/fuzz/fuzz.h tests/fuzz/shop.c tests/fuzz/shop.h \
	tests/fuzz/fuzz_client.c tests/fuzz/fuzz_config.c tests/fuzz/fuzz_database.c \
	tests/fuzz/fuzz_exim.c tests/fuzz/fuzz_hello.c tests/fuzz/fuzz_name.c tests/fuzz/fuzz_pem.c \
	tests/fuzz/fuzz_policy.c tests/fuzz/fuzz_restore.c tests/fuzz/fuzz_rows.c tests/fuzz/fuzz_seal.c \
	tests/fuzz/fuzz_smtp.c tests/fuzz/fuzz_source.c tests/fuzz/fuzz_stats.c tests/fuzz/fuzz_tlsa.c tests/fuzz/fuzz_tree.c
libfuzz_la_SOURCES += module/host_exim.c $(HARNESS) tests/fuzz/nocheck/check.h
libfuzz_la_CPPFLAGS = -I$(top_srcdir)/tests/fuzz/nocheck $(AM_CPPFLAGS) -I$(top_srcdir)/tests/unit
libfuzz_la_LIBADD = libtools.la
check_PROGRAMS += tests/fuzz/replay
tests_fuzz_replay_SOURCES = tests/fuzz/replay.c
tests_fuzz_replay_LDADD = libfuzz.la
EXTRA_PROGRAMS += tests/fuzz/snicert-fuzz
tests_fuzz_snicert_fuzz_SOURCES = tests/fuzz/libfuzzer.c
tests_fuzz_snicert_fuzz_LDADD = libfuzz.la
tests_fuzz_snicert_fuzz_LDFLAGS = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz: tests/fuzz/snicert-fuzz tests/fuzz/replay fixtures.stamp
	SNICERT_SRCDIR='$(abs_srcdir)' SNICERT_BUILDDIR='$(abs_builddir)' \
		LLVM_PROFDATA='$(LLVM_PROFDATA)' LLVM_COV='$(LLVM_COV)' sh $(srcdir)/tests/fuzz/run.sh
.PHONY: fuzz

# Allocations that fail, one by one: a malloc() of its own, and between the library and the callbacks.
UNIT_TESTS += tests/unit/module/test_memory
tests_unit_module_test_memory_SOURCES = tests/unit/module/test_memory.c tests/unit/scarce.c tests/unit/scarce.h $(HARNESS) \
	tools/cmd/import.c tools/cmd/import_directory.c tools/cmd/import_files.c tools/cmd/import_report.c tools/cmd/import_source.c \
	tools/cmd/verify.c
tests_unit_module_test_memory_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=SSL_set_cert_cb \
	-Wl,--wrap=SSL_CTX_set_client_hello_cb,--wrap=SSL_CTX_set_security_callback,--wrap=SSL_CTX_get_security_callback,--wrap=SSL_get_security_callback,--wrap=SSL_certs_clear \
	-Wl,--wrap=clock_gettime,--wrap=cfg_init,--wrap=cfg_parse_fp,--wrap=cfg_free
