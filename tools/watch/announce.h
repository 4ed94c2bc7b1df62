/* SPDX-License-Identifier: ISC */
/* announce.h: a service to its supervisor (sd_notify(3)). */
#ifndef SNICERT_ANNOUNCE_H
#define SNICERT_ANNOUNCE_H

/** Send "READY=1" and the like to $NOTIFY_SOCKET, if there is one. */
void announce(const char *what);

#endif
