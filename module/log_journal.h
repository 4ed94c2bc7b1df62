/* SPDX-License-Identifier: ISC */
/*
 * log_journal.h: lines as entries of systemd's journal, whose fields can be searched:
 * `journalctl SNICERT_NAME=mx.customer.example`.
 */
#ifndef SNICERT_LOG_JOURNAL_H
#define SNICERT_LOG_JOURNAL_H

#include <stdbool.h>

#include "log_socket.h"

/** Connect to the journal, if there is one. */
void log_journal_open(struct log_socket *);

/**
 * Write a line of log.h's form: as it is, and each key but msg as a field.  `priority` with the
 * facility, 0 for none.  Without waiting: while nobody reads the journal, the line is lost.  False if
 * there is no journal: nothing was written.
 */
bool log_journal_write(const struct log_socket *, int priority, const char *line);

#endif
