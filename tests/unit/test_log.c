/* SPDX-License-Identifier: ISC */
/* test_log.c: lines, levels, budgets, and what becomes of a peer's octets. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

/* The test's own clock, in front of libc's: log.c asks for the coarse one. */
static time_t clock_skew;

int
clock_gettime(clockid_t clock, struct timespec *out)
{
	long rc = syscall(SYS_clock_gettime, clock, out);

	if (rc == 0 && clock == CLOCK_MONOTONIC_COARSE) {
		out->tv_sec = 1000 + clock_skew;
		out->tv_nsec = 0;
	}
	return (int)rc;
}

struct taken {
	int count;
	int priority;
	char last[2048];
};

static void
take(void *arg, int priority, const char *text)
{
	struct taken *taken = arg;

	taken->count++;
	taken->priority = priority;
	snprintf(taken->last, sizeof(taken->last), "%s", text);
	errno = EIO; /* a host's sink may */
}

static struct log *log_made;
static struct taken taken;

static void
setup(void)
{
	memset(&taken, 0, sizeof(taken));
	clock_skew = 0;
	log_made = log_new(LOG_TARGET_NONE, 0, LOG_DEBUG);
	log_set_sink(log_made, take, &taken);
}

static void
teardown(void)
{
	log_free(log_made);
}

START_TEST(test_sink)
{
	struct taken other = {0};

	log_write(log_made, LOG_EVENT_STORE, LOG_WARNING, "store %s: %d", "x.db", 7);
	ck_assert_str_eq(taken.last, "store x.db: 7");
	ck_assert_msg(taken.priority == LOG_WARNING, "priority: got %d, want %d", taken.priority,
	    LOG_WARNING);
	log_set_sink(log_made, take, &other);
	log_write(log_made, LOG_EVENT_STORE, LOG_ERR, "second");
	ck_assert_msg(taken.count == 1 && other.count == 1, "lines: got %d and %d, want 1 and 1",
	    taken.count, other.count);
	log_set_sink(log_made, NULL, NULL);
	log_write(log_made, LOG_EVENT_STORE, LOG_ERR, "third");
	ck_assert_msg(taken.count == 1 && other.count == 1,
	    "lines with no sink: got %d and %d, want 1 and 1", taken.count, other.count);
}
END_TEST

START_TEST(test_nobody)
{
	errno = EAGAIN;
	log_write(NULL, LOG_EVENT_STORE, LOG_ERR, "nobody %d", 1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!log_wants(NULL, LOG_EMERG));
	log_configure(NULL, LOG_TARGET_NONE, 0, LOG_ERR);
	log_set_sink(NULL, take, NULL);
	log_free(NULL);
}
END_TEST

START_TEST(test_level)
{
	for (int level = LOG_EMERG; level <= LOG_DEBUG; level++) {
		log_configure(log_made, LOG_TARGET_NONE, 0, level);
		for (int priority = LOG_EMERG; priority <= LOG_DEBUG; priority++) {
			bool want = priority <= level;
			int before = taken.count;

			clock_skew += LOG_PERIOD; /* a fresh budget each time */
			log_write(log_made, LOG_EVENT_CHAIN, priority, "line");
			ck_assert_msg((taken.count > before) == want,
			    "priority %d at level %d: got %d lines, want %d", priority, level,
			    taken.count - before, want);
			ck_assert_msg(log_wants(log_made, priority) == want,
			    "log_wants(%d) at level %d: got %d, want %d", priority, level, !want, want);
		}
	}
}
END_TEST

/* What the level drops takes nothing from the budget and is not counted. */
START_TEST(test_level_and_budget)
{
	log_configure(log_made, LOG_TARGET_NONE, 0, LOG_NOTICE);
	for (int i = 0; i < 100; i++)
		log_write(log_made, LOG_EVENT_SERVED, LOG_DEBUG, "dropped");
	log_write(log_made, LOG_EVENT_SERVED, LOG_NOTICE, "let through");
	ck_assert_str_eq(taken.last, "let through");
}
END_TEST

START_TEST(test_errno)
{
	static const int numbers[] = { 0, ENOENT, EINTR, 99999 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (int j = 0; j < LOG_BURST + 3; j++) {
			errno = numbers[i];
			log_write(log_made, (enum log_event)i, LOG_ERR, "line %s", "x");
			ck_assert_msg(errno == numbers[i], "line %d: errno: got %d, want %d", j, errno,
			    numbers[i]);
		}
	}
}
END_TEST

static void
flood(enum log_event event, int lines)
{
	for (int i = 0; i < lines; i++)
		log_write(log_made, event, LOG_ERR, "trouble %d", i);
}

START_TEST(test_budget)
{
	static const int floods[] = { LOG_BURST, LOG_BURST + 1, LOG_BURST + 77 };
	char want[128];

	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		int before = taken.count;

		clock_skew += 10 * LOG_PERIOD;
		flood(LOG_EVENT_KEY, floods[i]);
		ck_assert_msg(taken.count - before == LOG_BURST, "of %d lines: got %d, want %d",
		    floods[i], taken.count - before, LOG_BURST);
		snprintf(want, sizeof(want), "trouble %d", LOG_BURST - 1);
		ck_assert_str_eq(taken.last, want);
		/* One second short of the period nothing more comes, then the count. */
		clock_skew += LOG_PERIOD - 1;
		log_write(log_made, LOG_EVENT_KEY, LOG_ERR, "early");
		ck_assert_msg(taken.count - before == LOG_BURST, "a second early: got %d lines, want %d",
		    taken.count - before, LOG_BURST);
		clock_skew += 1;
		log_write(log_made, LOG_EVENT_KEY, LOG_ERR, "next");
		snprintf(want, sizeof(want), "next (%d more like this suppressed)",
		    floods[i] - LOG_BURST + 1);
		ck_assert_msg(strcmp(taken.last, want) == 0, "got \"%s\", want \"%s\"", taken.last, want);
		log_write(log_made, LOG_EVENT_KEY, LOG_ERR, "after");
		ck_assert_msg(strcmp(taken.last, "after") == 0, "got \"%s\", want \"after\"", taken.last);
	}
}
END_TEST

/* A storm of one kind hides no other kind's line. */
START_TEST(test_budget_per_kind)
{
	for (int storm = 0; storm < LOG_EVENT_COUNT; storm++) {
		clock_skew += 2 * LOG_PERIOD;
		flood((enum log_event)storm, 1000);
		for (int other = 0; other < LOG_EVENT_COUNT; other++) {
			int before = taken.count;

			if (other == storm)
				continue;
			log_write(log_made, (enum log_event)other, LOG_ERR, "another");
			ck_assert_msg(taken.count == before + 1, "kind %d under a storm of %d: got no line",
			    other, storm);
		}
	}
}
END_TEST

START_TEST(test_long_line)
{
	char text[5000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_write(log_made, LOG_EVENT_CHAIN, LOG_ERR, "%s", text);
	ck_assert_msg(strlen(taken.last) > 500 && strlen(taken.last) < 1024 &&
	        strspn(taken.last, "x") == strlen(taken.last),
	    "got a line of %zu octets, want up to 1023 of the text", strlen(taken.last));
	flood(LOG_EVENT_CHAIN, LOG_BURST + 4);
	clock_skew += LOG_PERIOD;
	log_write(log_made, LOG_EVENT_CHAIN, LOG_ERR, "%s", text);
	ck_assert_msg(strlen(taken.last) < 1100, "got a line of %zu octets", strlen(taken.last));
}
END_TEST

/* stderr, where the tool has its lines; a null sink goes back there. */
START_TEST(test_stderr)
{
	int pipes[2], saved = dup(2);
	char got[256];
	ssize_t length;

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(dup2(pipes[1], 2), 2);
	log_set_sink(log_made, NULL, NULL);
	log_write(log_made, LOG_EVENT_STORE, LOG_ERR, "to nobody");
	log_configure(log_made, LOG_TARGET_STDERR, LOG_MAIL, LOG_NOTICE);
	log_write(log_made, LOG_EVENT_STORE, LOG_ERR, "to %s", "stderr");
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(pipes[1]);
	length = read(pipes[0], got, sizeof(got) - 1);
	close(pipes[0]);
	got[length < 0 ? 0 : length] = '\0';
	ck_assert_str_eq(got, "snicert: to stderr\n");
}
END_TEST

#define THREADS 8

static void
count_up(void *arg, int priority, const char *text)
{
	unsigned long more = 1;

	(void)priority;
	sscanf(text, "line (%lu more", &more);
	__atomic_fetch_add((unsigned long *)arg, text[4] == '\0' ? 1 : more + 1, __ATOMIC_RELAXED);
}

static void *
write_many(void *arg)
{
	for (int i = 0; i < 2000; i++)
		log_write(log_made, *(enum log_event *)arg, LOG_ERR, "line");
	return NULL;
}

/* Every line is written or counted, from however many threads. */
START_TEST(test_threads)
{
	pthread_t threads[THREADS];
	enum log_event event = LOG_EVENT_SERVED;
	unsigned long counted = 0, want = THREADS * 2000 + 1;

	log_set_sink(log_made, count_up, &counted);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_many, &event), 0);
	for (int i = 0; i < 200; i++) {
		log_set_sink(log_made, count_up, &counted);
		log_configure(log_made, LOG_TARGET_NONE, 0, LOG_DEBUG);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	clock_skew += LOG_PERIOD;
	log_write(log_made, event, LOG_ERR, "line");
	ck_assert_msg(counted == want, "lines written or counted: got %lu, want %lu", counted, want);
}
END_TEST

static const struct {
	const char *text;
	size_t length;
	const char *want;
} escapes[] = {
	{ "", 0, "" },
	{ "mx.example", 10, "mx.example" },
	{ "a b", 3, "a\\x20b" },
	{ "a\"b", 3, "a\\x22b" },
	{ "a\\b", 3, "a\\x5cb" },
	{ "%s%n", 4, "\\x25s\\x25n" },
	{ "'`$;", 4, "'`$;" },
	{ "a\nb\r", 4, "a\\x0ab\\x0d" },
	{ "\x1b[2J", 4, "\\x1b[2J" },
	{ "a\0b", 3, "a\\x00b" },
	{ "m\xc3\xbcller", 7, "m\\xc3\\xbcller" },
	{ "\x7f\x80\xff", 3, "\\x7f\\x80\\xff" },
};

START_TEST(test_escape)
{
	char out[256];
	const char *got = log_escape(out, sizeof(out), escapes[_i].text, escapes[_i].length);

	ck_assert_ptr_eq(got, out);
	ck_assert_msg(strcmp(got, escapes[_i].want) == 0, "got \"%s\", want \"%s\"", got,
	    escapes[_i].want);
}
END_TEST

START_TEST(test_escape_octets)
{
	for (int c = 0; c < 256; c++) {
		bool plain = c > 0x20 && c < 0x7f && strchr("\"\\%", c) == NULL;
		char octet = (char)c, want[8], out[8];

		if (plain)
			snprintf(want, sizeof(want), "%c", c);
		else
			snprintf(want, sizeof(want), "\\x%02x", (unsigned)c);
		log_escape(out, sizeof(out), &octet, 1);
		ck_assert_msg(strcmp(out, want) == 0, "octet 0x%02x: got \"%s\", want \"%s\"", c, out,
		    want);
	}
}
END_TEST

/* At each size: never beyond it, whole where it fits, else whole octets and dots. */
START_TEST(test_escape_size)
{
	const char *text = escapes[_i].text, *want = escapes[_i].want;

	for (size_t size = 0; size <= strlen(want) + 2; size++) {
		char *out = malloc(size + 1);
		size_t length, kept;

		memset(out, 'F', size + 1);
		log_escape(out, size, text, escapes[_i].length);
		ck_assert_msg(out[size] == 'F', "\"%s\" in %zu: written outside", want, size);
		if (size == 0) {
			free(out);
			continue;
		}
		length = strnlen(out, size);
		ck_assert_msg(length < size, "\"%s\" in %zu: no end", want, size);
		if (strlen(want) < size) {
			ck_assert_msg(strcmp(out, want) == 0, "\"%s\" in %zu: got \"%s\"", want, size, out);
			free(out);
			continue;
		}
		kept = length < 3 ? 0 : length - 3;
		ck_assert_msg(strspn(out + kept, ".") == length - kept &&
		        length - kept == (size < 4 ? size - 1 : 3),
		    "\"%s\" in %zu: got \"%s\", want dots at its end", want, size, out);
		ck_assert_msg(strncmp(out, want, kept) == 0, "\"%s\" in %zu: got \"%s\"", want, size,
		    out);
		/* What is left out starts with a whole octet. */
		for (size_t back = 1; back <= 3 && back <= kept; back++)
			ck_assert_msg(out[kept - back] != '\\', "\"%s\" in %zu: got \"%s\", a torn octet",
			    want, size, out);
		free(out);
	}
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("log");
	TCase *tc = tcase_create("log");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, test_sink);
	tcase_add_test(tc, test_nobody);
	tcase_add_test(tc, test_level);
	tcase_add_test(tc, test_level_and_budget);
	tcase_add_test(tc, test_errno);
	tcase_add_test(tc, test_budget);
	tcase_add_test(tc, test_budget_per_kind);
	tcase_add_test(tc, test_long_line);
	tcase_add_test(tc, test_stderr);
	tcase_add_test(tc, test_threads);
	tcase_add_loop_test(tc, test_escape, 0, COUNT(escapes));
	tcase_add_test(tc, test_escape_octets);
	tcase_add_loop_test(tc, test_escape_size, 0, COUNT(escapes));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
