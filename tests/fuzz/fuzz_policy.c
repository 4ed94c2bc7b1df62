/* SPDX-License-Identifier: ISC */
/* fuzz_policy.c: MTA-STS policies.  What is read can be written, and is then read as the same. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sts/policy.h"

static void
one(const uint8_t *data, size_t size)
{
	struct policy policy = {0}, again = {0};
	struct snicert_error err = {0};
	char *text;

	if (policy_parse((const char *)data, size, "input", &policy, &err) == 0) {
		text = policy_text(&policy);
		if (text == NULL || policy_parse(text, strlen(text), "again", &again, &err) != 0)
			fuzz_die("a policy that is not understood again: %s", err.text);
		if (again.mode != policy.mode || again.max_age != policy.max_age ||
		    again.mx_count != policy.mx_count)
			fuzz_die("another policy: %s", text);
		for (size_t i = 0; i < policy.mx_count; i++)
			if (!name_equal(&policy.mx[i], &again.mx[i]))
				fuzz_die("another mx: %s", again.mx[i].text);
		free(text);
		policy_free(&again);
	} else if (err.code == SNICERT_OK) {
		fuzz_die("refused without a reason");
	}
	policy_free(&policy);
}

const struct fuzz_target fuzz_policy = { .name = "policy", .one = one, .most = 2048 };
