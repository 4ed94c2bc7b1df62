/* SPDX-License-Identifier: ISC */
/* hook_policy.c: hooks for contexts with their own policy; they count for the instance's. */
#include <stdlib.h>

#include "hook.h"

static void
derived_free(struct hook *hook)
{
	hook_unref(hook->root);
	free(hook);
}

struct hook *
hook_derive(struct hook *root, const struct hook_policy *policy)
{
	struct hook *hook = calloc(1, sizeof(*hook));

	if (hook == NULL)
		return NULL;
	atomic_init(&hook->refs, 1);
	hook->free = derived_free;
	hook->root = hook_ref(root);
	hook->policy = *policy;
	hook->config = root->config;
	hook->program = &hook->policy.program;
	hook->log = root->log;
	hook->lookup = root->lookup;
	hook->stats = root->stats;
	return hook;
}

bool
hook_is_same(const struct hook *a, const struct hook *b)
{
	const struct hook_policy *p = &a->policy, *q = &b->policy;

	if (a == b || a->root != b->root || a == a->root || b == b->root)
		return a == b;
	return p->has_no_fallback == q->has_no_fallback && p->key_types == q->key_types &&
	    p->staples == q->staples &&
	    p->program.unknown == q->program.unknown && p->program.has_fallback == q->program.has_fallback &&
	    (!p->program.has_fallback || name_equal(&p->program.fallback, &q->program.fallback));
}
