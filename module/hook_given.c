/* SPDX-License-Identifier: ISC */
/* hook_given.c: what the host said of a connection before it began. */
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "error.h"
#include "hook_given.h"

void
hook_given_begin(struct hook_given *given)
{
	if (given->is_local_used)
		given->local.ss_family = AF_UNSPEC;
	given->has_name = given->has_name && !given->is_name_used;
	given->is_local_used = given->is_name_used = true;
}

const struct sockaddr_storage *
hook_given_local(const struct hook_given *given)
{
	return given == NULL || given->local.ss_family == AF_UNSPEC ? NULL : &given->local;
}

const char *
hook_given_name(const struct hook_given *given, const char *sent)
{
	if (given == NULL || !given->has_name)
		return sent;
	return given->name[0] == '\0' ? NULL : given->name;
}

static bool
is_address(const struct sockaddr *address, size_t length)
{
	if (length < offsetof(struct sockaddr, sa_data))
		return false;
	return (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) ||
	    (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6));
}

int
hook_given_set_local(struct hook_given *given, const struct sockaddr *address, size_t length, struct snicert_error *err)
{
	if (address != NULL && !is_address(address, length))
		return error_set(err, SNICERT_EUSAGE, "set_local: needs a sockaddr_in or sockaddr_in6, with its length");
	memset(&given->local, 0, sizeof(given->local));
	if (address != NULL)
		memcpy(&given->local, address, address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
		    : sizeof(struct sockaddr_in6));
	given->is_local_used = false;
	return 0;
}

int
hook_given_set_name(struct hook_given *given, const char *name, struct snicert_error *err)
{
	if (name != NULL && strlen(name) >= sizeof(given->name))
		return error_set(err, SNICERT_EINPUT, "set_name: a server name has %zu octets at the most",
		    sizeof(given->name) - 1);
	given->has_name = name != NULL;
	given->is_name_used = false;
	strcpy(given->name, name == NULL ? "" : name);
	return 0;
}
