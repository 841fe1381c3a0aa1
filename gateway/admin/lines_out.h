#ifndef GW_ADMIN_LINES_OUT_H
#define GW_ADMIN_LINES_OUT_H

#include "admin/lines.h"
#include "net/mailbox.h"

struct gw_admin;
struct gw_err;
struct gw_http_stream;
struct gw_request;

/* An answer that is lines, pulled as fast as the client reads. Its life is the request's.
 *
 * Invariants
 *  A4 next is not called between a 2 and its wake.
 *  A5 No more than a piece is kept for a client that does not read. */
struct gw_lines_out {
    struct gw_admin *a;
    struct gw_http_stream *s;
    struct gw_lines *lines; /* NULL: not begun, or at an end */
    struct gw_mail wake;
    int waiting, responded;
    struct gw_lines_out *prev, *next;
};

/* NULL: answered already (HEAD, or there are too many). */
struct gw_lines_out *gw_lines_out_new(struct gw_request *q);
/* lines NULL: err is the answer. */
void gw_lines_out_run(struct gw_lines_out *o, struct gw_lines *lines, const struct gw_err *err);
/* The client has read what there was. */
void gw_lines_out_drained(struct gw_lines_out *o);
/* The request is gone. */
void gw_lines_out_free(struct gw_lines_out *o);
/* Every answer ends where it is; one that is cut says so in its last line. */
void gw_lines_out_end_all(struct gw_admin *a);

#endif
