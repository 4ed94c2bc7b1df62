/* SPDX-License-Identifier: ISC */
/* libfuzzer.c: the target that FUZZ_TARGET names, for libFuzzer to call. */
#include <stdlib.h>
#include <unistd.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_target *target;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");

	(void)argc;
	(void)argv;
	target = name == NULL ? NULL : fuzz_target(name);
	if (target == NULL)
		fuzz_die("set FUZZ_TARGET to the name of a target");
	if (target->start != NULL)
		target->start();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	target->one(data, size);
	return 0;
}
