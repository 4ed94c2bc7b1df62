/* SPDX-License-Identifier: ISC */
/*
 * cmd_explain.c: what a client is served, and why.  A real handshake, in
 * process, of a client like the one asked about with a server that has the
 * module attached: the answer comes from the very code that serves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "error.h"
#include "instance.h"
#include "report.h"
#include "tool.h"

/* What a client is able to use. */
static const struct profile {
	const char *name;
	int version;            /* the only one; 0: any */
	const char *sigalgs;
	const char *ciphers;    /* of TLS 1.2 */
} profiles[] = {
	{ "any", 0, NULL, NULL },
	{ "rsa", 0, "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512",
	    "aRSA" },
	{ "ecdsa", 0, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512", "aECDSA" },
	{ "ed25519", 0, "ed25519", "aECDSA" },
	{ "tls12", TLS1_2_VERSION, NULL, NULL },
	{ "tls12-rsa", TLS1_2_VERSION, "RSA+SHA256:RSA+SHA384:RSA+SHA512", "aRSA" },
	{ "tls12-ecdsa", TLS1_2_VERSION, "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512", "aECDSA" },
};

static const struct report_column columns[] = {
	{ "candidate", "Candidate", false }, { "key", "Looked up", false },
	{ "verdict", "Verdict", false }, { "key_types", "Key types", false },
	{ "not_after", "Expires", false }, { "leaf_sha256", "Leaf", false },
};

struct explanation {
	struct tool *tool;
	struct report *report;
	const char *server_name;
	const struct profile *profile;
	bool served;
	int steps;
};

static const struct profile *
find_profile(const char *name)
{
	for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return NULL;
}

static void
report_chains(struct explanation *to, const struct answer *answer)
{
	const char *types[STORE_CHAINS_MOST] = {0};
	char leaves[STORE_CHAINS_MOST][2 * STORE_DIGEST_LENGTH + 1];
	const char *leaf_list[STORE_CHAINS_MOST] = {0};
	size_t count = answer == NULL ? 0 : answer_count(answer);
	int64_t first = 0;

	for (size_t i = 0; i < count; i++) {
		const struct chain *chain = answer_chains(answer)[i];
		unsigned char digest[STORE_DIGEST_LENGTH] = {0};

		types[i] = chain_key_type(chain);
		X509_digest(chain_leaf(chain), EVP_sha256(), digest, NULL);
		leaf_list[i] = tool_fingerprint(digest, to->tool->json, leaves[i], sizeof(leaves[i]));
		if (first == 0 || chain_not_after(chain) < first)
			first = chain_not_after(chain);
	}
	report_list(to->report, types, count);
	if (count > 0)
		report_time(to->report, first);
	else
		report_text(to->report, NULL);
	report_list(to->report, leaf_list, count);
}

static void
take_step(void *arg, enum hook_candidate what, const struct name *key, enum hook_verdict verdict,
    const struct answer *answer)
{
	static const char *const whats[] = { "exact name", "wildcard", "fallback of the address",
		"fallback of the program", "global fallback" };
	static const char *const verdicts[] = { "served", "not in the store", "in trouble, see below",
		"client can't use it", "expired", "refused by the library" };
	struct explanation *to = arg;
	char buffer[NAME_TEXT_SIZE];

	to->steps++;
	to->served = to->served || verdict == HOOK_SERVED;
	report_text(to->report, whats[what]);
	report_text(to->report, name_describe(key, buffer));
	report_text(to->report, verdicts[verdict]);
	report_chains(to, answer);
	report_row_end(to->report);
}

static void
say(void *arg, int priority, const char *text)
{
	(void)arg;
	(void)priority;
	fprintf(stderr, "snicert: %s\n", text);
}

/* Stands for the server's own certificate: one that any client here is able to use. */
static int
give_own(SSL_CTX *ctx, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	int good = key != NULL && cert != NULL && X509_set_version(cert, 2) == 1 &&
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1 &&
	    X509_gmtime_adj(X509_getm_notBefore(cert), -60) != NULL &&
	    X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
	    X509_set_pubkey(cert, key) == 1 &&
	    X509_sign(cert, key, EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256()) > 0 &&
	    SSL_CTX_use_cert_and_key(ctx, cert, key, NULL, 1) == 1;

	X509_free(cert);
	EVP_PKEY_free(key);
	return good;
}

static SSL *
make_server(SSL_CTX *ctx, struct snicert *snicert)
{
	struct snicert_error err = {0};

	if (ctx == NULL || !give_own(ctx, EVP_RSA_gen(2048)) || !give_own(ctx, EVP_EC_gen("P-256")) ||
	    !give_own(ctx, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")) ||
	    snicert_attach(snicert, ctx, &err) != 0)
		return NULL;
	return SSL_new(ctx);
}

static SSL *
make_client(SSL_CTX *ctx, const struct explanation *to)
{
	const struct profile *profile = to->profile;
	SSL *ssl = ctx == NULL ? NULL : SSL_new(ctx);

	if (ssl != NULL && profile->version != 0 &&
	    (SSL_set_min_proto_version(ssl, profile->version) != 1 ||
	        SSL_set_max_proto_version(ssl, profile->version) != 1))
		return ssl;
	if (ssl != NULL && ((profile->sigalgs != NULL && SSL_set1_sigalgs_list(ssl, profile->sigalgs) != 1) ||
	    (profile->ciphers != NULL && SSL_set_cipher_list(ssl, profile->ciphers) != 1) ||
	    (to->server_name != NULL && SSL_set_tlsext_host_name(ssl, to->server_name) != 1))) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

static bool
shake_hands(SSL *server, SSL *client)
{
	BIO *one = NULL, *other = NULL;
	int rc = 0;

	if (BIO_new_bio_pair(&one, 0, &other, 0) != 1)
		return false;
	SSL_set_bio(server, one, one);
	SSL_set_bio(client, other, other);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	for (int i = 0; i < 100 && rc != 1; i++) {
		SSL_do_handshake(client);
		rc = SSL_do_handshake(server);
	}
	return rc == 1;
}

static int
explain(struct explanation *to, const char *address, const char *program, struct snicert_error *err)
{
	struct snicert *snicert = NULL;
	SSL_CTX *server_ctx = SSL_CTX_new(TLS_server_method()), *client_ctx = SSL_CTX_new(TLS_client_method());
	SSL *server = NULL, *client = NULL;
	int status = -1;

	if (snicert_open_logging(&snicert, to->tool->config_path, (struct snicert_sink){ say, NULL }, err) != 0)
		goto out;
	snicert->hook.trace = take_step;
	snicert->hook.trace_arg = to;
	snicert->hook.address = address;
	snicert->hook.program = program == NULL ? NULL : config_program(snicert->config, program);
	server = make_server(server_ctx, snicert);
	client = make_client(client_ctx, to);
	if (server == NULL || client == NULL) {
		error_openssl(err, SNICERT_EINPUT, "can't set up the handshake");
		goto out;
	}
	if (shake_hands(server, client))
		status = 0;
	else if (to->steps == 0 && snicert->hook.program != NULL) {
		report_text(to->report, "none");
		report_text(to->report, to->server_name);
		report_text(to->report, "refused: unrecognized_name");
		report_chains(to, NULL);
		report_row_end(to->report);
		status = 0;
	} else {
		error_openssl(err, SNICERT_EINPUT, "the handshake failed");
	}
out:
	SSL_free(server);
	SSL_free(client);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	snicert_close(snicert);
	return status;
}

static int
run(struct explanation *to, const char *address, const char *program)
{
	struct snicert_error err = {0};
	struct admin *admin = NULL;
	struct name key;
	int status;

	/* The address in the text that the module gives it; "@" goes. */
	if (address != NULL && tool_fallback_key(address, &key, &err) != 0)
		return tool_fail(&err);
	/* For the clear error: the module itself would go on without a store. */
	if (tool_store(to->tool, ADMIN_READ, &admin, &err) != 0)
		return tool_fail(&err);
	admin_close(admin);
	to->report = report_new(stdout, to->tool->json, columns, 6);
	status = explain(to, address == NULL ? NULL : key.text + 1, program, &err);
	if (status == 0 && !to->served && to->steps > 0) {
		report_text(to->report, "own certificate");
		report_text(to->report, NULL);
		report_text(to->report, "served");
		report_chains(to, NULL);
		report_row_end(to->report);
	}
	if (report_finish(to->report, &err) != 0 || status != 0)
		return tool_fail(&err);
	return to->served ? TOOL_DONE : TOOL_NO;
}

static bool
has_high_octet(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text != '\0';
}

int
cmd_explain(struct tool *tool, int argc, char **argv)
{
	static const struct option options[] = {
		{ "address", required_argument, NULL, 'a' }, { "client", required_argument, NULL, 'c' },
		{ "program", required_argument, NULL, 'p' }, TOOL_OPTIONS,
	};
	struct explanation to = { .tool = tool, .profile = &profiles[0] };
	const char *address = NULL, *program = NULL;
	struct name ascii;
	int option, status;

	while ((option = tool_getopt(tool, argc, argv, options, &status)) != -1) {
		switch (option) {
		case 'a':
			address = optarg;
			break;
		case 'p':
			program = optarg;
			break;
		case 'c':
			to.profile = find_profile(optarg);
			if (to.profile == NULL)
				return tool_usage(tool, "there is no client profile %s", optarg);
			break;
		default:
			return status;
		}
	}
	if (argc - optind > 1)
		return tool_usage(tool, "explain takes one name");
	to.server_name = argv[optind];
	/* What a client would send for a U-label; anything else goes out as given. */
	if (to.server_name != NULL && has_high_octet(to.server_name)) {
		struct snicert_error err = {0};

		if (tool_name(to.server_name, &ascii, &err) != 0)
			return tool_fail(&err);
		to.server_name = ascii.text;
	}
	return run(&to, address, program);
}
