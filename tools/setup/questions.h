/* SPDX-License-Identifier: ISC */
/* questions.h: asking servers about themselves: a function each, and shared code. */
#ifndef SNICERT_SETUP_ASK_H
#define SNICERT_SETUP_ASK_H

#include "setup/ask.h"
#include "setup/setup.h"

#define SETUP_SECONDS 10        /* per question */

/** snprintf() that truncates anything longer than real ones. */
void setup_put(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
#define PUT(array, ...) setup_put(array, sizeof(array), __VA_ARGS__)

/** One question: host->binary with these arguments. */
int setup_ask(const struct setup_host *, const char *const arguments[], struct ask_answer *,
    struct snicert_error *err);
#define QUESTION(host, answer, err, ...) \
	setup_ask(host, (const char *const[]){ __VA_ARGS__, NULL }, answer, err)

/** The rest of the line after `key`, trimmed; false if no line begins so. */
bool setup_line_after(const char *text, const char *key, char *out, size_t size);

/** Of a line "NAME = value". */
bool setup_setting(const char *text, const char *name, char *out, size_t size);
#define SETTING(text, name, array) setup_setting(text, name, array, sizeof(array))

/** The word there: up to a space, bracket or comma. */
void setup_take_word(const char *from, char *out, size_t size);

/** A file's text, for servers we can't ask; NULL if unreadable.  The caller frees it. */
char *setup_file_text(const char *path);
bool setup_file_has(const char *path, const char *marker);

void setup_add_program(struct setup_host *, const char *name);

/** The user it runs as; by default the user's own group. */
void setup_runs_as(struct setup_host *, const char *user, const char *group, bool other_groups);

/** The TLS library of the file that does TLS. */
void setup_look_at(struct setup_host *, const char *server);

/** Set-id, or with file capabilities: OpenSSL then ignores OPENSSL_CONF (secure_getenv(3)). */
bool setup_is_privileged(const char *path);

const char *setup_base_name(const char *path);

/* mta.c */
int setup_ask_postfix(struct setup_host *, struct snicert_error *err);
int setup_ask_exim(struct setup_host *, struct snicert_error *err);
int setup_ask_sendmail(struct setup_host *, struct snicert_error *err);
int setup_ask_opensmtpd(struct setup_host *, struct snicert_error *err);

/* other.c */
int setup_ask_dovecot(struct setup_host *, struct snicert_error *err);
int setup_ask_nginx(struct setup_host *, struct snicert_error *err);
int setup_ask_stunnel(struct setup_host *, struct snicert_error *err);
int setup_ask_aiosmtpd(struct setup_host *, struct snicert_error *err);
int setup_ask_any(struct setup_host *, struct snicert_error *err);

#endif
