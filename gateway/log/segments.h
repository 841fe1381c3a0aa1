#ifndef GW_LOG_SEGMENTS_H
#define GW_LOG_SEGMENTS_H

#include "log/inside.h"

/* What segments.c has for room.c: names, and giving up. Under the log's lock. */
enum { GW_SEGMENT_NAME = 32 };
void gw_segment_name(char out[GW_SEGMENT_NAME], uint64_t first);
void gw_spare_name(char out[GW_SEGMENT_NAME], uint64_t id);
void gw_spare_drop(struct gw_log *log); /* the last one */
/* How many segments from the first on every cursor has passed. */
size_t gw_segments_settled(const struct gw_log *log);
void gw_segments_give_up(struct gw_log *log, size_t n); /* the first n */
void gw_segments_seal(struct gw_log *log);              /* nothing is active any more */

#endif
