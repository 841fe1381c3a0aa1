#ifndef GW_INGEST_UNREAD_H
#define GW_INGEST_UNREAD_H

#include "base/str.h"

struct gw_arena;
struct gw_dead_letter;
struct gw_err;
struct gw_ingest_conf;
struct gw_log;
struct gw_record;
struct gw_unread;

/* A broker's message (log/message.h) on its way: to its record, or to its dead letter. */

/* The record, on mem; borrows from u. GW_ERR_REJECT, GW_ERR_TOO_LARGE: it cannot become one. */
int gw_unread_record(struct gw_arena *mem, int as, const struct gw_unread *u, struct gw_record *out,
                     struct gw_err *err);
/* 0: the log has no room for such a record, not even when it is empty. */
int gw_unread_fits(const struct gw_log *log, const struct gw_record *r, struct gw_err *err);
/* The letter of one that cannot be kept, all of it on mem; err says why. */
void gw_unread_letter(struct gw_arena *mem, const struct gw_unread *u, const char *reason,
                      const struct gw_err *err, struct gw_dead_letter *out);
const char *gw_unread_reason(const struct gw_err *err);
/* What its source says today that its messages are: enum gw_as; auto where no source is it. */
int gw_unread_as(const struct gw_ingest_conf *conf, const struct gw_unread *u);

#endif
