/* SPDX-License-Identifier: ISC */
/*
 * policy_fetch.c: fetches a domain's policy like senders (RFC 8461 section 3.3).  Only this file
 * sees libcurl; without it, it says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "sts/policy.h"

#ifdef HAVE_LIBCURL

#include <curl/curl.h>

#define TIMEOUT 60L     /* suggested by section 3.3 */

struct body {
	char text[POLICY_SIZE_MOST];
	size_t length;
};

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct body *body = arg;
	size_t length = size * count;

	if (length > sizeof(body->text) - body->length)
		return 0;
	memcpy(body->text + body->length, data, length);
	body->length += length;
	return length;
}

static int
set_options(CURL *curl, const char *url, struct body *body, const char *connect, struct curl_slist **to,
    char *message)
{
	const char *roots = getenv("SSL_CERT_FILE");
	char text[600];

	snprintf(text, sizeof(text), "::%s", connect != NULL ? connect : "");
	if (connect != NULL && (*to = curl_slist_append(NULL, text)) == NULL)
		return -1;
	return curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_TIMEOUT, TIMEOUT) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	    curl_easy_setopt(curl, CURLOPT_USERAGENT, "snicert/" SNICERT_VERSION) == CURLE_OK &&
	    /* Like the other checks: OpenSSL's roots. */
	    (roots == NULL || curl_easy_setopt(curl, CURLOPT_CAINFO, roots) == CURLE_OK) &&
	    (connect == NULL || curl_easy_setopt(curl, CURLOPT_CONNECT_TO, *to) == CURLE_OK) ? 0 : -1;
}

static int
judge(CURL *curl, const char *url, struct snicert_error *err)
{
	const char *type = NULL;
	long code = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	if (code != 200)
		return error_set(err, SNICERT_EINPUT, "%s: the answer is HTTP %ld%s, which senders don't take: 200 is "
		    "wanted", url, code, code / 100 == 3 ? ", a redirection" : "");
	if (type == NULL || strncasecmp(type, "text/plain", 10) != 0)
		return error_set(err, SNICERT_EINPUT, "%s: the media type is %s, senders want text/plain", url,
		    type == NULL ? "missing" : type);
	return 0;
}

int
policy_fetch(const struct name *domain, const char *connect, struct policy *out,
    struct snicert_error *err)
{
	char url[NAME_MAX_LENGTH + 64], message[CURL_ERROR_SIZE] = "";
	struct body *body = calloc(1, sizeof(*body));
	struct curl_slist *to = NULL;
	CURL *curl = curl_easy_init();
	CURLcode rc;
	int status = -1;

	snprintf(url, sizeof(url), "https://mta-sts.%s/.well-known/mta-sts.txt", domain->text);
	if (curl == NULL || body == NULL || set_options(curl, url, body, connect, &to, message) != 0)
		error_set(err, SNICERT_EMEMORY, "can't set up libcurl");
	else if ((rc = curl_easy_perform(curl)) == CURLE_WRITE_ERROR)
		error_set(err, SNICERT_EINPUT, "%s is larger than 64 KiB, where senders stop reading", url);
	else if (rc != CURLE_OK)
		error_set(err, SNICERT_EINPUT, "%s: %s", url, message[0] != '\0' ? message : curl_easy_strerror(rc));
	else if (judge(curl, url, err) == 0)
		status = policy_parse(body->text, body->length, url, out, err);
	curl_slist_free_all(to);
	curl_easy_cleanup(curl);
	free(body);
	return status;
}

#else

int
policy_fetch(const struct name *domain, const char *connect, struct policy *out,
    struct snicert_error *err)
{
	(void)connect;
	(void)out;
	return error_set(err, SNICERT_EUSAGE, "this snicert was built without libcurl: fetch "
	    "https://mta-sts.%s/.well-known/mta-sts.txt by other means, and give it with --policy -",
	    domain->text);
}

#endif
