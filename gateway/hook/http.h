#ifndef GW_HOOK_HTTP_H
#define GW_HOOK_HTTP_H

#include "base/str.h"
#include "hook/allow.h"
#include "hook/wait.h"
#include "net/fetch.h"
#include "net/loop.h"

#include <stddef.h>
#include <stdint.h>

/* What moongate.http asks of the network, for the scripts of one worker: allowed hosts, redirects,
 * bounds. Nothing here raises.
 *
 * Bounds: IN_FLIGHT requests at a time, others wait in line; GW_HTTP_BODY bytes of an answer, which
 * count as the state's memory until the script has them; 64 KiB of an answer's headers (fetch.c);
 * GW_HTTP_REDIRECTS; time by the hook's deadline, or the request's own before it. Proxies of the
 * environment are not used: there the address could not be looked at. */
enum {
    GW_HTTP_IN_FLIGHT = 256,
    GW_HTTP_BODY = 1 << 20,
    GW_HTTP_REDIRECTS = 5,
    GW_HTTP_URL = 8192,
    GW_HTTP_HEAD = 32768, /* of a request */
    GW_HTTP_WHY = 360
};
struct gw_hook_http;

struct gw_hook_http_conf {
    struct gw_loop *loop;
    const struct gw_hook_limits *limits;
};
struct gw_hook_http *gw_hook_http_new(const struct gw_hook_http_conf *conf);
void gw_hook_http_free(struct gw_hook_http *h); /* NULL is fine; no ask is open */

enum gw_hook_ask_state { GW_ASK_IDLE, GW_ASK_IN_LINE, GW_ASK_RUNNING, GW_ASK_ANSWERED };

/* One request and its answer. */
struct gw_hook_ask {
    struct gw_wait wait; /* first */
    struct gw_fetch fetch;
    char why[GW_HTTP_WHY]; /* "": fetch has the answer, a whole one */

    struct gw_hook_http *http;
    struct gw_hook_vm *vm;
    struct gw_hook_ask *prev, *next; /* in line or idle */
    enum gw_hook_ask_state state;
    enum gw_allowed allowed;
    char refused[200]; /* the last address that was */
    struct gw_fetch_url url;
    const char *method; /* a literal */
    struct gw_buf head; /* "name\0value\0" … */
    struct gw_str body;
    struct gw_timer timer;
    int64_t timeout_ms;
    int redirects;
    size_t taken; /* of the state's memory */
};

/* Starts a request; what rq points to but the body is copied. timeout_ms 0: the hook's alone. NULL:
 * why says why not; "" for want of memory. */
struct gw_hook_ask *gw_hook_ask_start(struct gw_hook_http *h, struct gw_hook_vm *vm,
                                      const struct gw_hook_request *rq, int64_t timeout_ms,
                                      char why[GW_HTTP_WHY]);
/* Of one that is answered; it counts as the state's memory no more. */
struct gw_str gw_hook_ask_body(struct gw_hook_ask *a);
/* NULL, or why a text is no URL to ask. */
const char *gw_hook_url_problem(const char *url);
/* The end of its wait: gives up what is under way, and its memory. */
void gw_hook_ask_end(struct gw_wait *w);

#endif
