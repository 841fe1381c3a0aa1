#ifndef GW_INGEST_UPSTREAM_H
#define GW_INGEST_UPSTREAM_H

#include "ingest/front.h"
#include "net/http_call.h"
#include "net/rpc.h"

#include <sys/stat.h>

/* Standing in front of FlyteAdmin. An event is checked, room is reserved for it, it is sent to
 * FlyteAdmin with its client's metadata and what is left of its deadline, appended when FlyteAdmin
 * says OK or ALREADY_EXISTS, and FlyteAdmin's answer is the client's. Every other method passes
 * through as bytes. On the front's thread.
 *
 * Invariants
 *  U1 Nothing is sent to FlyteAdmin that there is no room for.
 *  U2 The client is told of success only when the record is kept.
 *  U3 Any other answer of FlyteAdmin leaves nothing in the log.
 *  U4 A client that leaves, or whose deadline passes, while FlyteAdmin thinks about its event does
 *     not stop that: what FlyteAdmin has taken is kept, if it says so within GRACE_MS.
 *  U5 What passes through takes a bounded amount of memory each way, however slow the other side,
 *     and only so many calls wait for FlyteAdmin (gw_upstream_enter).
 *  U6 An answer that is none ends its call UNAVAILABLE, and no other. */
struct gw_door;
struct gw_forward; /* an event under way */
struct gw_grpc_call;
struct gw_http2_channel;
struct gw_ingest_grpc_conf;
struct gw_problems;
struct gw_yaml;
struct gw_pass; /* a call that passes through */
struct gw_upstream;
struct gw_upstream_tls;

struct gw_upstream *gw_upstream_new(struct gw_front *f, const struct gw_ingest_grpc_conf *conf);
/* No call may be under way. NULL is fine. */
void gw_upstream_free(struct gw_upstream *u);
/* The address: host:port, [v6]:port, either behind dns:///. grpc: the section in the file. */
void gw_upstream_check(const struct gw_ingest_grpc_conf *conf, struct gw_problems *p,
                       const struct gw_yaml *grpc);
/* At a stop, when time is up: what FlyteAdmin has not answered is given up. */
void gw_upstream_hurry(struct gw_upstream *u);

/* c's event, checked. NULL: there is no room; err and reason say why. */
struct gw_forward *gw_forward_event(struct gw_grpc_call *c, const struct gw_flyte_request *r,
                                    enum gw_reason *reason, struct gw_err *err);
void gw_forward_leave(struct gw_forward *fw); /* its call has been answered, or is gone */

/* c's head has come. anonymous: nobody has asked who sent it, though others are asked. -1: it is
 * answered. */
int gw_pass_begin(struct gw_grpc_call *c, int anonymous);
void gw_pass_data(struct gw_pass *p);
void gw_pass_end(struct gw_pass *p);
void gw_pass_drained(struct gw_pass *p);
void gw_pass_leave(struct gw_pass *p); /* as gw_forward_leave; FlyteAdmin is told */
void gw_pass_hurry(struct gw_upstream *u);

/* The same over HTTP/1.1, with TLS or without, for requests of the HTTP front: every path that is
 * not ours passes through, and FlyteAdmin's three REST paths are events, kept at 2xx and 409. What
 * is no answer is 503, silence 504. */
struct gw_exchange;
struct gw_http_upstream;
struct gw_ingest_http_conf;

struct gw_http_upstream *gw_http_upstream_new(struct gw_front *f,
                                              const struct gw_ingest_http_conf *conf);
void gw_http_upstream_free(struct gw_http_upstream *u); /* as gw_upstream_free */
void gw_http_upstream_check(const struct gw_ingest_http_conf *conf, struct gw_problems *p,
                            const struct gw_yaml *http);
void gw_http_upstream_hurry(struct gw_http_upstream *u);
/* s has come whole; it is answered by this. r: it is an event; err and reason say why there is no
 * room. NULL: refused. *back is cleared when s has been answered. */
struct gw_exchange *gw_exchange_begin(struct gw_front *f, struct gw_http_stream *s,
                                      const struct gw_flyte_request *r, struct gw_exchange **back,
                                      enum gw_reason *reason, struct gw_err *err);
void gw_exchange_drained(struct gw_exchange *x);
void gw_exchange_leave(struct gw_exchange *x); /* s is gone */

/* `check --online`: is FlyteAdmin there? conf: the listener's. */
struct gw_asking *gw_upstream_ask(const void *conf, struct gw_loop *loop, struct gw_online *o);
struct gw_asking *gw_http_upstream_ask(const void *conf, struct gw_loop *loop, struct gw_online *o);

/* ---- for the files of upstream*.c ---- */

struct gw_upstream {
    struct gw_front *front;
    size_t waiting, waiting_anonymous; /* calls that FlyteAdmin has not answered */
    struct gw_http2_channel *channel;
    struct gw_forward *forwards, *idle; /* under way; for the next */
    struct gw_pass *passes;             /* under way */
    size_t n_idle;
};
void gw_forward_free_idle(struct gw_upstream *u);
/* Another call waits for FlyteAdmin; -1: too many do. Each one that may is let out again. A call
 * that waits takes some KiB however small it is, so what max_pending_bytes counts does not bound
 * them: GW_UPSTREAM_CALL bytes of it stand for each. anonymous: who sent it need not say who it is;
 * such calls have a quarter of the room, beside the others'. */
enum { GW_UPSTREAM_CALL = 16 << 10 };
int gw_upstream_enter(struct gw_upstream *u, int anonymous, struct gw_err *err);
void gw_upstream_leave(struct gw_upstream *u, int anonymous);
enum { GW_UPSTREAM_URL = 300 };
void gw_upstream_url(const struct gw_ingest_grpc_conf *conf, char url[GW_UPSTREAM_URL]);
struct gw_upstream_place {
    int secure;             /* https:// */
    char *address, *prefix; /* host:port; of every path, without a / at its end */
};
void gw_upstream_place(struct gw_upstream_place *p, const char *url);
/* The request's path could be read as one above the prefix. */
int gw_upstream_leaves(const struct gw_upstream_place *p, struct gw_str path);
void gw_upstream_place_fini(struct gw_upstream_place *p);
/* Its files; section: of the listener, key: what it is called. t NULL: fine. */
void gw_upstream_tls_check(const struct gw_upstream_tls *t, struct gw_problems *p,
                           const struct gw_yaml *section, const char *key);
/* Whom https:// trusts, and when that was read. context may be replaced by ready: 1: it was; 0; -1:
 * there is none. A file that has changed and will not do changes nothing. */
struct gw_upstream_trust {
    const char *ca; /* NULL: the system's authorities */
    struct gw_tls_context *context;
    struct stat seen;
    int64_t looked_ms;
};
int gw_upstream_tls_ready(struct gw_upstream_trust *t, int64_t now_ms, struct gw_err *err);

/* What of a request's or an answer's headers belongs to it, not to its connection; copies nothing.
 * There is room for two more behind them. door: the token that was shown to it is not passed on;
 * NULL: everything is. */
struct gw_http_header *gw_upstream_headers(struct gw_arena *mem, const struct gw_http_header *h,
                                           size_t *n, const struct gw_door *door);
/* The answer's status; -1: it is no gRPC answer, *code and why say what the client is told. */
enum { GW_UPSTREAM_WHY = 300 };
int gw_upstream_status(const struct gw_http_call *call, enum gw_rpc_code *code,
                       char why[GW_UPSTREAM_WHY]);

#endif
