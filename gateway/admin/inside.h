#ifndef GW_ADMIN_INSIDE_H
#define GW_ADMIN_INSIDE_H

/* Between the files of this room: a request on its way to its route, and the answers. */

#include "admin/access.h"
#include "admin/admin.h"
#include "base/str.h"

#include <stddef.h>

struct gw_buf;
struct gw_err;
struct gw_forget;
struct gw_http_stream;
struct gw_lines_out;
struct gw_loop;
struct gw_param;
struct gw_replay_conf;
struct gw_wish;

struct gw_admin {
    struct gw_admin_env env;
    struct gw_loop *loop;
    struct gw_listener *listener;
    struct gw_access access;
    int ready, stopping, detached;
    struct gw_lines_out *lines; /* answers that stream */
    size_t n_lines;
    struct gw_forget *forgets; /* under way */
    struct gw_wish *wishes;    /* to reload, not fulfilled yet */
};

/* ---- routes ---- */

enum { GW_ROUTE_ARGS = 2 };

struct gw_request {
    struct gw_admin *a;
    struct gw_http_stream *s;
    const char *args[GW_ROUTE_ARGS]; /* what stood for each * of the path, decoded */
    struct gw_str query;             /* as sent */
    int is_head;
};

enum {
    GW_ROUTE_LIVE = 1,   /* needs the pipelines or the log */
    GW_ROUTE_CHANGES = 2 /* needs gw_access_check */
};

struct gw_route {
    const char *method, *path; /* a segment * stands for any that is not empty */
    unsigned flags;
    void (*answer)(struct gw_request *q);
};
extern const struct gw_route gw_routes[]; /* ends with a zeroed one */

/* HEAD finds GET's. NULL: *allow is empty (no such path), or what the path has: "GET, HEAD". args:
 * as sent. */
enum { GW_ALLOW_MAX = 64 };
const struct gw_route *gw_route_find(struct gw_str method, struct gw_str path,
                                     struct gw_str args[GW_ROUTE_ARGS], char allow[GW_ALLOW_MAX]);

void gw_get_healthz(struct gw_request *q);
void gw_get_readyz(struct gw_request *q);
void gw_get_metrics(struct gw_request *q);
void gw_get_pipelines(struct gw_request *q);
void gw_get_pipeline(struct gw_request *q);
void gw_post_pause(struct gw_request *q);
void gw_post_resume(struct gw_request *q);
void gw_get_tap(struct gw_request *q);
void gw_get_letters(struct gw_request *q);
void gw_get_letter(struct gw_request *q);
void gw_delete_letters(struct gw_request *q);
void gw_delete_letter(struct gw_request *q);
void gw_post_letters_replay(struct gw_request *q);
void gw_get_log(struct gw_request *q);
void gw_get_records(struct gw_request *q);
void gw_post_log_replay(struct gw_request *q);
void gw_post_forget(struct gw_request *q);
void gw_post_reload(struct gw_request *q);

/* ---- answers ---- */

enum { GW_MAX_ANSWER = 64 * 1024 * 1024 };

void gw_answer(struct gw_http_stream *s, int status, const char *type, struct gw_str body);
void gw_answer_text(struct gw_http_stream *s, int status, const char *text);
void gw_answer_json(struct gw_http_stream *s, int status, const struct gw_buf *body);
/* {"code":…,"message":…} with gRPC's code of the status. */
void gw_answer_error(struct gw_http_stream *s, int status, const char *message);
/* The status comes of the kind of error. */
void gw_answer_err(struct gw_http_stream *s, const struct gw_err *err);
void gw_put_error(struct gw_buf *b, int status, const char *message);
int gw_status_of(const struct gw_err *err);
/* Reads the query into params, or answers 400 and gives -1. */
int gw_request_params(struct gw_request *q, struct gw_param *params);

/* Fills in the pipeline's configuration and streams how the replay gets on. */
void gw_replay_run(struct gw_request *q, const char *pipeline, struct gw_replay_conf *conf);

/* ---- what is answered later ---- */

/* Its request is gone: it ends without an answer. */
void gw_forgets_gone(struct gw_admin *a, const struct gw_http_stream *s);
void gw_wishes_gone(struct gw_admin *a, const struct gw_http_stream *s);
/* Turns the loop until none is under way. */
void gw_forgets_end(struct gw_admin *a);

#endif
