#ifndef GW_PIPELINE_SOURCE_H
#define GW_PIPELINE_SOURCE_H

#include "log/log.h"

struct gw_arena;
struct gw_place;
struct gw_replay_conf;

/* Where a replay's records come from: dead letters in the order of their records' positions, or
 * what the log keeps of a span of time. One thread; reads block for the disk. */
struct gw_source {
    struct gw_log *log;
    const struct gw_replay_conf *conf;
    int whole, is_open;
    const _Atomic int *stop;
    struct gw_letters *letters;
    struct gw_place *places; /* of the letters, sorted: 16 bytes each */
    size_t n, i;
    struct gw_scan *scan;
};

/* Reads nothing yet. whole: with the records themselves, if they are letters'. stop: looked at
 * while it lists the letters; conf is borrowed. */
void gw_source_init(struct gw_source *s, const struct gw_replay_conf *conf, struct gw_log *log,
                    int whole, const _Atomic int *stop);
uint64_t gw_source_total(const struct gw_source *s); /* 0: it is not known */
/* 1: *out and the letter's number (0 of the log) are set; 0: no more; -1: it cannot be read. A
 * letter without a record that can be read is damaged. */
int gw_source_next(struct gw_source *s, struct gw_arena *mem, struct gw_record *out,
                   uint64_t *number, struct gw_err *err);
/* Parts of the log that are seen, and records that went meanwhile. Zeros for letters. */
void gw_source_progress(const struct gw_source *s, struct gw_scan_progress *out);
void gw_source_close(struct gw_source *s); /* twice is fine */

#endif
