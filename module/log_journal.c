/* SPDX-License-Identifier: ISC */
/*
 * log_journal.c: lines as entries of systemd's journal, in its native protocol: a datagram of fields, a
 * line each, which is why no value may have a line end (systemd.io/JOURNAL_NATIVE_PROTOCOL).  Those
 * of a line have none: log_line.c escapes them.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "log_journal.h"
#include "program.h"

/* A line of log.h, of up to 1024 octets, and its up to 256 keys with their prefix once more. */
struct entry {
	size_t used;
	char text[5120];
};

__attribute__((format(printf, 2, 3))) static void
add(struct entry *entry, const char *format, ...)
{
	va_list ap;
	int length;

	va_start(ap, format);
	length = vsnprintf(entry->text + entry->used, sizeof(entry->text) - entry->used, format, ap);
	va_end(ap);
	if (length > 0 && (size_t)length < sizeof(entry->text) - entry->used)
		entry->used += (size_t)length;
}

/* Of a value as it is written, quotes included. */
static size_t
length_of(const char *value)
{
	size_t length = 1;

	if (value[0] != '"')
		return strcspn(value, " ");
	while (value[length] != '"' && value[length] != '\0')
		length += value[length] == '\\' && value[length + 1] != '\0' ? 2 : 1;
	return length + (value[length] == '"');
}

static void
add_field(struct entry *entry, const char *key, size_t key_length, const char *value, size_t length)
{
	char upper[32];
	size_t i;

	for (i = 0; i < key_length && i < sizeof(upper) - 1; i++)
		upper[i] = (char)toupper((unsigned char)key[i]);
	upper[i] = '\0';
	if (value[0] == '"') { /* of these keys only an empty one */
		value++;
		length -= 2;
	}
	add(entry, "SNICERT_%s=%.*s\n", upper, (int)length, value);
}

/* msg is in the message already. */
static void
add_keys(struct entry *entry, const char *line)
{
	while (*line != '\0') {
		size_t key = strcspn(line, "="), value;

		if (line[key] == '\0')
			return;
		value = length_of(line + key + 1);
		if (strncmp(line, "msg=", 4) != 0)
			add_field(entry, line, key, line + key + 1, value);
		line += key + 1 + value;
		line += strspn(line, " ");
	}
}

static void
write_entry(struct entry *entry, int priority, const char *line)
{
	add(entry, "MESSAGE=%s\nPRIORITY=%d\nSYSLOG_IDENTIFIER=snicert\nSYSLOG_PID=%ld\n", line, LOG_PRI(priority),
	    (long)getpid());
	add(entry, "SNICERT_PROGRAM=%.*s\n", (int)strcspn(program_name(), "\n"), program_name());
	if ((priority & LOG_FACMASK) != 0)
		add(entry, "SYSLOG_FACILITY=%d\n", LOG_FAC(priority));
	add_keys(entry, line);
}

void
log_journal_open(struct log_socket *journal)
{
	log_socket_open(journal, "/run/systemd/journal/socket");
}

bool
log_journal_write(const struct log_socket *journal, int priority, const char *line)
{
	struct entry entry = {0};
	struct log_socket fresh;
	int failure;

	write_entry(&entry, priority, line);
	failure = log_socket_send(journal, entry.text, entry.used);
	if (failure != 0 && failure != EAGAIN) { /* another one listens now, or the host has closed ours */
		log_journal_open(&fresh);
		failure = log_socket_send(&fresh, entry.text, entry.used);
		log_socket_close(&fresh);
	}
	return failure == 0 || failure == EAGAIN;
}
