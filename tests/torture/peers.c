/* SPDX-License-Identifier: ISC */
/*
 * peers.c: hostile peers, in process: handshakes cut at every byte, names each longer
 * than the last, ClientHellos with bytes and extensions that are off.
 *
 *   TORTURE_SEED, TORTURE_HELLOS (100000), TORTURE_QUICK, TORTURE_RESULTS
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "harness.h"
#include "hellos.h"
#include "trial.h"

static struct world *world;
static struct snicert *snicert;
static SSL_CTX *with, *without;

static void
setup(void)
{
	struct spec fallback = { .cn = "fallback.example" };
	struct snicert_error err = {0};

	trial_seed();
	world = world_new();
	world_configure(world, "cache { memory = \"1M\" }");
	world_bind(world, "@", world_add(world, &fallback));
	world_add_numbered(world, "known", 10);
	with = server_ctx();
	without = server_ctx();
	ck_assert_int_eq(snicert_open(&snicert, world->config, &err), 0);
	ck_assert_int_eq(snicert_attach(snicert, with, &err), 0);
}

static void
teardown(void)
{
	SSL_CTX_free(with);
	SSL_CTX_free(without);
	snicert_close(snicert);
	world_free(world);
}

static SSL *
one_side(SSL_CTX *ctx, bool server)
{
	SSL *ssl = SSL_new(ctx);

	ck_assert_ptr_nonnull(ssl);
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

/* At most `most` octets that one side has written go to the other.  How many did. */
static size_t
carry(SSL *from, SSL *to, size_t most)
{
	unsigned char octets[20000];
	int n;

	if (most == 0)
		return 0;
	n = BIO_read(SSL_get_wbio(from), octets, (int)(most < sizeof(octets) ? most : sizeof(octets)));
	if (n <= 0)
		return 0;
	BIO_write(SSL_get_rbio(to), octets, n);
	return (size_t)n;
}

/* A handshake of which the server sees `most` octets; how many it could have seen. */
static size_t
cut_handshake(SSL_CTX *client, size_t most)
{
	SSL *c = one_side(client, false), *s = one_side(with, true);
	size_t seen = 0, n;

	SSL_set_tlsext_host_name(c, "known7.example");
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(c);
		n = carry(c, s, most - seen);
		seen += n;
		SSL_do_handshake(s);
		if (carry(s, c, SIZE_MAX) + n == 0)
			break;
	}
	/* The client goes away, in the middle of it. */
	BIO_set_mem_eof_return(SSL_get_rbio(s), 0);
	SSL_do_handshake(s);
	SSL_free(c);
	SSL_free(s);
	ERR_clear_error();
	return seen;
}

START_TEST(test_cut_at_every_byte)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
	SSL_CTX *client = hello_client(versions[_i]);
	size_t whole = cut_handshake(client, SIZE_MAX), before;
	char often[40];

	for (size_t most = 0; most <= whole; most += 97)
		cut_handshake(client, most);
	before = trial_heap();
	for (size_t most = 0; most <= whole; most++) {
		cut_handshake(client, most);
		if (most % 32 == 0)
			ck_assert_str_eq(served(with, "known7.example"), "known7.example");
	}
	ck_assert_msg(trial_heap() < before + 65536, "%zu octets leaked", trial_heap() - before);
	SSL_CTX_free(client);
	snprintf(often, sizeof(often), "%zu handshakes", whole + 1);
	trial_row("peers", _i == 0 ? "TLS 1.2: the client goes away after each byte" : "TLS 1.3: the client goes away after each byte",
	    often, "no leak, and the next handshake has its chain");
}
END_TEST

/* The first thing that a server says: an alert's description, 1000 + a handshake message, 0 for nothing. */
static int
answer_to(SSL_CTX *ctx, const unsigned char *hello, size_t length)
{
	unsigned char octets[8];
	SSL *s = one_side(ctx, true);
	int n, answer = 0;

	BIO_write(SSL_get_rbio(s), hello, (int)length);
	SSL_do_handshake(s);
	n = BIO_read(SSL_get_wbio(s), octets, sizeof(octets));
	if (n >= 7 && octets[0] == SSL3_RT_ALERT)
		answer = octets[6];
	else if (n >= 6 && octets[0] == SSL3_RT_HANDSHAKE)
		answer = 1000 + octets[5];
	SSL_free(s);
	ERR_clear_error();
	return answer;
}

/* A host name of this length; beyond 253 octets as much of one as there can be. */
static void
fill_name(char *out, size_t length)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

	for (size_t i = 0; i < length; i++)
		out[i] = letters[i % 26];
	for (size_t i = 39; i + 1 < length; i += 40)
		out[i] = '.';
}

static unsigned long
answer_to_name(const unsigned char *hello, size_t length, const char *name, size_t name_length, int bare)
{
	static unsigned char longer[HELLO_LONG_SIZE];
	size_t size = hello_with_name(hello, length, name, name_length, bare, longer);
	int plain = answer_to(without, longer, size), ours = answer_to(with, longer, size);

	ck_assert_msg(plain == ours, "%zu octets of name: %d without the module, %d with it", name_length, plain,
	    ours);
	return plain < 1000;
}

/*
 * Each name longer than the last, up to what the extension can hold.  A connection with a
 * longer one takes more memory while it lasts; nothing of it stays.
 */
START_TEST(test_growing_names)
{
	SSL_CTX *clients[2] = { hello_client(TLS1_2_VERSION), hello_client(TLS1_3_VERSION) };
	unsigned char hello[2][2048];
	static char name[HELLO_NAME_MOST + 1];
	size_t lengths[2], before = 0, step = trial_is_quick() ? 331 : 1;
	unsigned long tried = 0, refused = 0, shaken = 0;
	char often[60];

	for (int i = 0; i < 2; i++)
		lengths[i] = hello_make(clients[i], NULL, hello[i], sizeof(hello[i]));
	for (size_t n = 1; n <= 253; n++, shaken++) {
		fill_name(name, n);
		name[n] = '\0';
		ck_assert_str_eq(served(with, name), "fallback.example");
	}
	for (size_t n = 1; n <= HELLO_NAME_MOST; n += n < 300 ? 1 : step, tried++) {
		/* Without the other extensions there is no handshake, whatever the name. */
		int bare = n > HELLO_NAME_MOST - 1000, version = bare ? 0 : (int)(tried % 2);

		fill_name(name, n);
		refused += answer_to_name(hello[version], lengths[version], name, n, bare);
		if (n == 300)
			before = trial_heap();
	}
	fill_name(name, HELLO_NAME_MOST);
	refused += answer_to_name(hello[0], lengths[0], name, HELLO_NAME_MOST, 1);
	tried++;
	ck_assert_msg(trial_heap() < before + 65536, "%zu octets leaked", trial_heap() - before);
	ck_assert_uint_eq(tried - refused, 255);
	ck_assert_str_eq(served(with, "known3.example"), "known3.example");
	SSL_CTX_free(clients[0]);
	SSL_CTX_free(clients[1]);
	snprintf(often, sizeof(often), "%lu handshakes, %lu ClientHellos", shaken, tried);
	trial_row("peers", "each name longer than the last, up to the 65526 octets that the extension can hold", often,
	    "the fallback for names that can be; else answered as without the module, %lu with an alert; memory "
	    "flat", refused);
}
END_TEST

START_TEST(test_hellos)
{
	unsigned long total = trial_number("TORTURE_HELLOS", 100000), refused = 0;
	SSL_CTX *clients[2] = { hello_client(TLS1_2_VERSION), hello_client(TLS1_3_VERSION) };
	static unsigned char hello[HELLO_SIZE];
	char often[40];
	size_t before = 0;

	for (unsigned long i = 0; i < total; i++) {
		size_t length = hello_draw(clients, i, hello);
		int plain, ours;

		plain = answer_to(without, hello, length);
		ours = answer_to(with, hello, length);
		ck_assert_msg(plain == ours, "ClientHello %lu: %d without the module, %d with it", i, plain, ours);
		refused += plain < 1000;
		if (i == total / 4)
			before = trial_heap();
		if (i % 1000 == 0)
			ck_assert_str_eq(served(with, "known3.example"), "known3.example");
	}
	ck_assert_msg(trial_heap() < before + 262144, "%zu octets leaked", trial_heap() - before);
	ck_assert_uint_gt(refused, total / 10);
	ck_assert_uint_lt(refused, total);
	SSL_CTX_free(clients[0]);
	SSL_CTX_free(clients[1]);
	snprintf(often, sizeof(often), "%lu ClientHellos", total);
	trial_row("peers", "ClientHellos with bytes, lengths and extensions that are off", often,
	    "each answered as without the module, %lu with an alert", refused);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("peers");
	TCase *tc = tcase_create("peers");
	int failed;

	harness_start();
	tcase_set_timeout(tc, 7200);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, test_cut_at_every_byte, 0, 2);
	tcase_add_test(tc, test_growing_names);
	tcase_add_test(tc, test_hellos);
	suite_add_tcase(suite, tc);
	failed = harness_run(suite);
	harness_end();
	return failed;
}
