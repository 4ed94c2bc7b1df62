/* SPDX-License-Identifier: ISC */
/*
 * certs.c: all that a mail server has to do to serve certificates by name.
 *
 * Nothing else in this program knows of snicert: the context `ctx` has, or has
 * not, a certificate of its own, and the handshakes are those of any server.
 * Call certs_open() once, as root if you start as root, before chroot() and
 * before privileges are dropped.  A store that is missing or broken is not an
 * error here: it is logged, and tried again at each handshake.
 */
#include <dlfcn.h>
#include <stdio.h>

#include "certs.h"
#include "log.h"

int
certs_open(struct certs *certs, const char *path, const char *config, SSL_CTX *ctx,
    int to_stderr, struct snicert_error *err)
{
	*certs = (struct certs){0};
	certs->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (certs->object != NULL)
		certs->module = dlsym(certs->object, SNICERT_MODULE_SYMBOL);
	if (certs->module == NULL) {
		const char *reason = dlerror();

		err->code = SNICERT_ESYSTEM;
		snprintf(err->text, sizeof(err->text), "%s", reason != NULL ? reason : path);
		return -1;
	}
	if (certs->module->abi != SNICERT_ABI) {
		err->code = SNICERT_EUSAGE;
		snprintf(err->text, sizeof(err->text), "%s has interface %u, not %u", path,
		    certs->module->abi, SNICERT_ABI);
		certs->module = NULL;	/* the rest of it may look different */
		return -1;
	}
	if (certs->module->open(&certs->store, config, err) != 0)
		return -1;
	if (to_stderr)
		certs->module->set_log(certs->store, log_module_line, NULL);
	return certs->module->attach(certs->store, ctx, err);
}

void
certs_close(struct certs *certs)
{
	if (certs->module != NULL)
		certs->module->close(certs->store);
	if (certs->object != NULL)
		dlclose(certs->object);
	*certs = (struct certs){0};
}
