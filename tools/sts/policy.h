/* SPDX-License-Identifier: ISC */
/* policy.h: read, write, fetch MTA-STS policies (RFC 8461 section 3.2). */
#ifndef SNICERT_POLICY_H
#define SNICERT_POLICY_H

#include <stddef.h>

#include "name.h"
#include "snicert.h"

#define POLICY_SIZE_MOST 65536  /* octets; senders may stop there (section 3.3) */
#define POLICY_AGE_MOST 31557600

enum policy_mode { POLICY_NONE, POLICY_TESTING, POLICY_ENFORCE };

struct policy {
	enum policy_mode mode;
	long max_age;
	struct name *mx;                /* patterns: a name, or "*." and a name */
	size_t mx_count;
};

/** "none", "testing", "enforce"; -1 for anything else. */
const char *policy_mode_text(enum policy_mode);
int policy_mode_of(const char *text);

/** Read a policy, called `origin` in texts.  Always free *out. */
int policy_parse(const char *text, size_t length, const char *origin, struct policy *out,
    struct snicert_error *err);
int policy_read(const char *path, struct policy *out, struct snicert_error *err);
void policy_free(struct policy *);

/** The text of a policy; free() it. */
char *policy_text(const struct policy *);

/**
 * Fetch a domain's policy over HTTPS, as senders do: no redirects, the certificate must fit
 * (section 3.3).  `connect` (HOST:PORT, or NULL): go there instead.  Fails if built without
 * libcurl.
 */
int policy_fetch(const struct name *domain, const char *connect, struct policy *out,
    struct snicert_error *err);

#endif
