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
#include "log_budget.h"

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

/* A line of this process. */
static const char *
line_of(enum log_event event, const char *rest)
{
	static char text[2048];

	snprintf(text, sizeof(text), "event=%s pid=%ld%s%s", log_events[event].name, (long)getpid(),
	    rest == NULL ? "" : " ", rest == NULL ? "" : rest);
	return text;
}

static void
make_log(int level)
{
	log_free(log_made);
	log_made = log_new(LOG_TARGET_NONE, 0, level);
	log_set_sink(log_made, take, &taken);
}

static void
setup(void)
{
	memset(&taken, 0, sizeof(taken));
	clock_skew = 0;
	make_log(LOG_DEBUG);
}

static void
teardown(void)
{
	log_free(log_made);
	log_made = NULL;
}

START_TEST(test_sink)
{
	struct taken other = {0};

	log_say(log_made, LOG_EVENT_EXPIRED, "store %s: %d", "x.db", 7);
	ck_assert_str_eq(taken.last, line_of(LOG_EVENT_EXPIRED, "msg=\"store x.db: 7\""));
	ck_assert_msg(taken.priority == LOG_WARNING, "priority: got %d, want %d", taken.priority,
	    LOG_WARNING);
	log_set_sink(log_made, take, &other);
	log_say(log_made, LOG_EVENT_KEY, "second");
	ck_assert_msg(taken.count == 1 && other.count == 1, "lines: got %d and %d, want 1 and 1",
	    taken.count, other.count);
	log_set_sink(log_made, NULL, NULL);
	log_say(log_made, LOG_EVENT_KEY, "third");
	ck_assert_msg(taken.count == 1 && other.count == 1,
	    "lines with no sink: got %d and %d, want 1 and 1", taken.count, other.count);
}
END_TEST

START_TEST(test_nobody)
{
	errno = EAGAIN;
	log_say(NULL, LOG_EVENT_KEY, "nobody %d", 1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!log_wants(NULL, LOG_EVENT_KEY));
	log_set_sink(NULL, take, NULL);
	log_free(NULL);
}
END_TEST

START_TEST(test_level)
{
	for (int level = LOG_EMERG; level <= LOG_DEBUG; level++) {
		make_log(level);
		for (int event = 0; event < LOG_EVENT_COUNT; event++) {
			bool want = log_events[event].priority <= level;
			int before = taken.count;

			clock_skew += LOG_PERIOD; /* a fresh budget each time */
			log_say(log_made, (enum log_event)event, "line");
			ck_assert_msg((taken.count > before) == want, "%s at level %d: got %d lines, want %d",
			    log_events[event].name, level, taken.count - before, want);
			ck_assert_msg(!want || taken.priority == log_events[event].priority,
			    "%s: got priority %d", log_events[event].name, taken.priority);
			ck_assert_msg(log_wants(log_made, (enum log_event)event) == want,
			    "log_wants(%s) at level %d: want %d", log_events[event].name, level,
			    want);
		}
	}
}
END_TEST

START_TEST(test_errno)
{
	static const int numbers[] = { 0, ENOENT, EINTR, 99999 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		for (int j = 0; j < LOG_BURST + 3; j++) {
			errno = numbers[i];
			log_say(log_made, (enum log_event)i, "line %s", "x");
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
		log_say(log_made, event, "trouble %d", i);
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
		snprintf(want, sizeof(want), "msg=\"trouble %d\"", LOG_BURST - 1);
		ck_assert_str_eq(taken.last, line_of(LOG_EVENT_KEY, want));
		/* One second short of the period nothing more comes, then the count. */
		clock_skew += LOG_PERIOD - 1;
		log_say(log_made, LOG_EVENT_KEY, "early");
		ck_assert_msg(taken.count - before == LOG_BURST, "a second early: got %d lines, want %d",
		    taken.count - before, LOG_BURST);
		clock_skew += 1;
		log_say(log_made, LOG_EVENT_KEY, "next");
		snprintf(want, sizeof(want), "msg=\"next\" suppressed=%d",
		    floods[i] - LOG_BURST + 1);
		ck_assert_str_eq(taken.last, line_of(LOG_EVENT_KEY, want));
		log_say(log_made, LOG_EVENT_KEY, "after");
		ck_assert_str_eq(taken.last, line_of(LOG_EVENT_KEY, "msg=\"after\""));
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
			log_say(log_made, (enum log_event)other, "another");
			ck_assert_msg(taken.count == before + 1, "kind %d under a storm of %d: got no line",
			    other, storm);
		}
	}
}
END_TEST

/* Whatever is too long, the line can be taken apart. */
START_TEST(test_long_line)
{
	static const char octets[] = "x\"\\\n\xff";
	char text[5000];
	struct log_line line;

	for (size_t i = 0; i < sizeof(octets) - 1; i++) {
		memset(text, octets[i], sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		log_say(log_made, LOG_EVENT_CHAIN, "%s", text);
		ck_assert_msg(strlen(taken.last) > 900 && strlen(taken.last) < 1024 - 30,
		    "got a line of %zu octets", strlen(taken.last));
		ck_assert_str_eq(taken.last + strlen(taken.last) - 4, "...\"");
		flood(LOG_EVENT_CHAIN, LOG_BURST + 4);
		clock_skew += LOG_PERIOD;
		log_say(log_made, LOG_EVENT_CHAIN, "%s", text);
		ck_assert_msg(strstr(taken.last, "...\" suppressed=5") != NULL, "got %s", taken.last);
		clock_skew += LOG_PERIOD;
	}
	/* What does not fit in at all is left out, key and value. */
	ck_assert(log_begin(&line, log_made, LOG_EVENT_SERVED));
	for (int i = 0; i < 100; i++)
		log_word(&line, "key", text);
	log_sentence(&line, "late");
	log_end(&line);
	ck_assert_msg(strlen(taken.last) < 1024 && strstr(taken.last, "late") == NULL &&
	    strstr(taken.last, "key= ") == NULL && taken.last[strlen(taken.last) - 1] != '=', "got %s", taken.last);
}
END_TEST

static const struct {
	const char *key, *word, *sentence;
	int64_t time;
	const char *want;
} values[] = {
	{ "name", "mx.example", NULL, 0, "name=mx.example" },
	{ "name", "", NULL, 0, "name=\"\"" },
	{ "name", NULL, NULL, 0, NULL },
	{ "name", "a b=c", NULL, 0, "name=a\\x20b\\x3dc" },
	{ "name", "x event=served", NULL, 0, "name=x\\x20event\\x3dserved" },
	{ "store", "/var/lib/snicert/store.db", NULL, 0, "store=/var/lib/snicert/store.db" },
	{ NULL, NULL, "say \"no\"", 0, "msg=\"say \\\"no\\\"\"" },
	{ NULL, NULL, "a\\b\nc %d", 0, "msg=\"a\\\\b\\x0ac %d\"" },
	{ NULL, NULL, "", 0, "msg=\"\"" },
	{ "not_after", NULL, NULL, 1, "not_after=1970-01-01T00:00:01Z" },
	{ "not_after", NULL, NULL, 4102444799, "not_after=2099-12-31T23:59:59Z" },
	{ "not_after", NULL, NULL, 253402300799, "not_after=9999-12-31T23:59:59Z" },
	{ "not_after", NULL, NULL, -2208988801, "not_after=1899-12-31T23:59:59Z" },
	{ "not_after", NULL, NULL, INT64_MIN, "not_after=\"\"" },
};

START_TEST(test_values)
{
	char sentence[256];
	struct log_line line;

	errno = EAGAIN;
	ck_assert(log_begin(&line, log_made, LOG_EVENT_SERVED));
	if (values[_i].sentence != NULL)
		log_sentence(&line, "%s", values[_i].sentence);
	else if (values[_i].time != 0)
		log_time(&line, values[_i].key, values[_i].time);
	else
		log_word(&line, values[_i].key, values[_i].word);
	ck_assert_int_eq(errno, EAGAIN);
	log_end(&line);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_str_eq(taken.last, line_of(LOG_EVENT_SERVED, values[_i].want));
	/* What the tool shows in place of the line. */
	log_sentence_of(taken.last, sentence, sizeof(sentence));
	ck_assert_str_eq(sentence, values[_i].sentence != NULL ? values[_i].sentence : taken.last);
	ck_assert_str_eq(log_sentence_of(" msg=\"abc", sentence, 3), "ab");
	ck_assert_str_eq(log_sentence_of(" msg=\"a\\", sentence, 9), "a\\");
}
END_TEST

/* stderr, where the tool has its lines; a null sink goes back there. */
START_TEST(test_stderr)
{
	int pipes[2], saved = dup(2);
	char got[256], want[2100];
	ssize_t length;

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_int_eq(dup2(pipes[1], 2), 2);
	log_set_sink(log_made, NULL, NULL);
	log_say(log_made, LOG_EVENT_KEY, "to nobody");
	log_free(log_made);
	log_made = log_new(LOG_TARGET_STDERR, LOG_MAIL, LOG_NOTICE);
	log_say(log_made, LOG_EVENT_KEY, "to %s", "stderr");
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(pipes[1]);
	length = read(pipes[0], got, sizeof(got) - 1);
	close(pipes[0]);
	got[length < 0 ? 0 : length] = '\0';
	snprintf(want, sizeof(want), "snicert: %s\n", line_of(LOG_EVENT_KEY, "msg=\"to stderr\""));
	ck_assert_str_eq(got, want);
}
END_TEST

#define THREADS 8

static void
count_up(void *arg, int priority, const char *text)
{
	unsigned long more = 0;
	const char *suppressed = strstr(text, " suppressed=");

	(void)priority;
	if (suppressed != NULL)
		more = strtoul(suppressed + strlen(" suppressed="), NULL, 10);
	__atomic_fetch_add((unsigned long *)arg, more + 1, __ATOMIC_RELAXED);
}

static void *
write_many(void *arg)
{
	for (int i = 0; i < 2000; i++)
		log_say(log_made, *(enum log_event *)arg, "line");
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
	for (int i = 0; i < 200; i++)
		log_set_sink(log_made, count_up, &counted);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	clock_skew += LOG_PERIOD;
	log_say(log_made, event, "line");
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
	{ "a=b", 3, "a\\x3db" },
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
		bool plain = c > 0x20 && c < 0x7f && strchr("\"\\%=", c) == NULL;
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
	tcase_add_test(tc, test_errno);
	tcase_add_test(tc, test_budget);
	tcase_add_test(tc, test_budget_per_kind);
	tcase_add_test(tc, test_long_line);
	tcase_add_loop_test(tc, test_values, 0, (int)(sizeof(values) / sizeof(values[0])));
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
