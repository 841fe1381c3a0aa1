#ifndef GW_CMD_WHEN_H
#define GW_CMD_WHEN_H

#include "base/str.h"

#include <stdint.h>

/* A moment as people write it: RFC 3339; the same without a zone, or only its date (UTC); seconds
 * since 1970; `now`; or so long ago: 90s, 1h30m, 7d, with or without a minus before it. -1: none of
 * them. */
int gw_when_parse(struct gw_str text, int64_t now_ns, int64_t *ns);

#endif
