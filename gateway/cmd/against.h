#ifndef GW_CMD_AGAINST_H
#define GW_CMD_AGAINST_H

#include "base/str.h"

#include <stdint.h>

struct gw_arena;
struct gw_err;
struct gw_event;

/* A file of CloudEvents, one in JSON a line as the publisher `file` writes them, found by what they
 * report (gw_event_report). It is read through once; then 16 bytes a line are kept. A last line
 * that is still being written is left out. One thread. */
struct gw_against;

/* path may be - (standard input) or a pipe: it is copied into a temporary file then (gw_tmp_open of
 * folder). Only events whose time is not before from_ns and before to_ns (0: no end) are among the
 * rest and are counted; all others are found all the same. GW_ERR_REJECT names the line of what is
 * no CloudEvent. */
struct gw_against *gw_against_open(const char *path, const char *folder, int64_t from_ns,
                                   int64_t to_ns, struct gw_err *err);
void gw_against_close(struct gw_against *a); /* NULL is fine */

/* The first event that reports this and has not been taken, on mem: it is taken by that.
 * GW_AGAINST_TAKEN: all that report it are. -1: the file does not give it back. */
enum gw_against_found { GW_AGAINST_NONE, GW_AGAINST_ONE, GW_AGAINST_TAKEN };
int gw_against_take(struct gw_against *a, struct gw_arena *mem, struct gw_str report,
                    struct gw_event *out, struct gw_err *err);
uint64_t gw_against_count(const struct gw_against *a);

/* Of those in the span that nobody took: each, with its line; event NULL: another one that reports
 * the same was taken. Not 0 ends it and is returned; -1: the file does not give it back. */
int gw_against_rest(struct gw_against *a,
                    int (*each)(void *ctx, const struct gw_event *ev, uint64_t line,
                                struct gw_err *err),
                    void *ctx, struct gw_err *err);

#endif
