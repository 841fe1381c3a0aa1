#ifndef GW_LOG_RECOVER_H
#define GW_LOG_RECOVER_H

#include <stdint.h>

/* The end of a log's last segment. */
struct gw_tail {
    uint64_t last;     /* sequence of the last whole append's last record; first - 1: none */
    uint64_t end;      /* offset behind it */
    uint64_t group_at; /* where the commit group that it belongs to begins */
    int64_t oldest_ns, newest_ns; /* times of all records that were seen */
    uint64_t lost;                /* records whose headers are there and which are cut off */
};
/* -1 with errno: it cannot be read. Changes nothing. */
int gw_recover_tail(int fd, uint64_t first, uint64_t size, uint32_t seed, struct gw_tail *out);

#endif
