/* SPDX-License-Identifier: ISC */
/*
 * admin_ends.c: upgrading a store of an older release, where chains expire with their leaves
 * and issuers are found by one encoding of their names.  Issuers are few: we read the chains
 * of an issuer only if it expires early.
 */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "error.h"
#include "store/admin_sql.h"
#include "x509/cert.h"
#include "x509/path.h"

struct ids {
	int64_t *list;
	size_t count;
};

static int
id_row(void *arg, sqlite3_stmt *row)
{
	struct ids *ids = arg;
	int64_t *list = ids->list;

	if ((ids->count & (ids->count - 1)) == 0)
		list = reallocarray(list, ids->count == 0 ? 1 : ids->count * 2, sizeof(*list));
	if (list == NULL)
		return -1;
	ids->list = list;
	list[ids->count++] = sqlite3_column_int64(row, 0);
	return 0;
}

static int
cert_row(void *arg, sqlite3_stmt *row)
{
	const unsigned char *der = sqlite3_column_blob(row, 0);
	X509 *cert = der == NULL ? NULL : d2i_X509(NULL, &der, sqlite3_column_bytes(row, 0));

	if (cert != NULL && sk_X509_push(arg, cert) <= 0) {
		X509_free(cert);
		return -1;
	}
	return 0;
}

static int
date_chain(struct admin *admin, int64_t id, struct snicert_error *err)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	struct path_end end;
	int status = certs == NULL ? -1 : admin_run(admin, cert_row, certs, err,
	    "SELECT der FROM cert JOIN chain_cert ON cert.id = cert WHERE chain = ?1 ORDER BY position", "i", id);

	if (status == 0 && sk_X509_num(certs) > 0) {
		path_end(certs, &end);
		if (end.which > 0)
			status = admin_run(admin, NULL, NULL, err,
			    "UPDATE chain SET not_after = ?2, lifetime = ?3 WHERE id = ?1", "iii", id, end.at, end.lifetime);
	}
	sk_X509_pop_free(certs, X509_free);
	return status;
}

/* The chains with this issuer that claim to outlast it. */
static int
date_chains_of(struct admin *admin, int64_t issuer, int64_t ends, struct snicert_error *err)
{
	struct ids chains = {0};
	int status = admin_run(admin, id_row, &chains, err,
	    "SELECT chain.id FROM chain_cert JOIN chain ON chain.id = chain"
	    " WHERE cert = ?1 AND position > 0 AND not_after > ?2", "ii", issuer, ends);

	for (size_t i = 0; status == 0 && i < chains.count; i++)
		status = date_chain(admin, chains.list[i], err);
	free(chains.list);
	return status;
}

static int
take_issuer(struct admin *admin, int64_t id, struct snicert_error *err)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	const X509 *cert;
	int status = certs == NULL ? -1
	    : admin_run(admin, cert_row, certs, err, "SELECT der FROM cert WHERE id = ?1", "i", id);

	/* verify reports damage. */
	if (status == 0 && (cert = sk_X509_value(certs, 0)) != NULL) {
		status = admin_run(admin, NULL, NULL, err, "UPDATE cert SET subject_hash = ?2 WHERE id = ?1", "ii", id,
		    cert_name_hash(X509_get_subject_name(cert)));
		if (status == 0)
			status = date_chains_of(admin, id, cert_time(X509_get0_notAfter(cert)), err);
	}
	sk_X509_pop_free(certs, X509_free);
	return status;
}

int
admin_date_chains(struct admin *admin, struct snicert_error *err)
{
	struct ids issuers = {0};
	int status = admin_run(admin, id_row, &issuers, err,
	    "SELECT DISTINCT cert FROM chain_cert WHERE position > 0", "");

	for (size_t i = 0; status == 0 && i < issuers.count; i++)
		status = take_issuer(admin, issuers.list[i], err);
	free(issuers.list);
	ERR_clear_error();
	return status == 0 ? 0 : error_set(err, SNICERT_EMEMORY, "no memory");
}
