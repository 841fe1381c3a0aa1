/* The HTTP publisher: what an event becomes, and the way of its request. Of one key only one send
 * is out (the pipeline's lanes), so order is kept although sixteen requests are under way. */
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "publish/messages.h"

#include <assert.h>
#include <stdlib.h>

enum {
    HEADER_FRAME = 4,       /* ": " and the end of the line */
    BATCH_FRAME = 7,        /* comma, or tag and length, of one event */
    HEADERS_MAX = 60 << 10, /* HTTP/2's library sends no more, servers take less */
    BODY_KEPT = 64 << 10,   /* of a request that waits for its next */
};

/* ---- results ---- */

/* They get this result; r is free for the next send before the first one is told. */
static void end_request(struct gw_http_request *r, struct gw_message *left,
                        const struct gw_result *result)
{
    struct gw_http *h = r->http;

    r->renewed = 0;
    if (r->body.cap > BODY_KEPT)
        gw_buf_free(&r->body);
    r->next = h->free;
    h->free = r;
    gw_publish_results(&h->base, left, result);
}

static void wait_for_turn(struct gw_http_request *r)
{
    struct gw_http *h = r->http;

    r->next = NULL;
    *h->waiting_last = r;
    h->waiting_last = &r->next;
}

static struct gw_http_request *next_waiting(struct gw_http *h)
{
    struct gw_http_request *r = h->waiting;

    if (r && !(h->waiting = r->next))
        h->waiting_last = &h->waiting;
    return r;
}

static int is_clear(struct gw_http *h)
{
    int64_t wait_ms = gw_http_oauth_wait(h);

    if (!wait_ms)
        wait_ms = gw_http_handshake_wait(h);
    if (wait_ms > 0)
        gw_timer_set(&h->clear, wait_ms);
    return !wait_ms;
}

void gw_http_go(struct gw_http *h)
{
    if (h->online && is_clear(h))
        gw_http_online_go(h);
    while (h->waiting && is_clear(h)) {
        struct gw_http_request *r = next_waiting(h);

        gw_http_request_make(r);
        gw_fetch_start(&r->fetch);
    }
}

static void on_clear(struct gw_timer *t)
{
    gw_http_go(GW_CONTAINER(t, struct gw_http, clear));
}

void gw_http_give_back(struct gw_http *h, const char *why)
{
    const struct gw_result again = {.outcome = GW_TRY_AGAIN, .why = why};
    struct gw_http_request *r = h->waiting, *next;

    if (h->online)
        gw_http_online_failed(h, why);
    /* A result may lead to the next send: that one waits for the next time. */
    h->waiting = NULL;
    h->waiting_last = &h->waiting;
    for (; r; r = next) {
        next = r->next;
        end_request(r, gw_pieces_take_all(&r->pieces), &again);
    }
}

/* A token may end before its time: once it is no failure of the destination. */
static int renew(struct gw_http_request *r, int status)
{
    struct gw_http *h = r->http;

    if (status != 401 || !h->conf->oauth || r->renewed)
        return 0;
    r->renewed = 1;
    gw_http_oauth_refused(h, r->token);
    wait_for_turn(r);
    gw_http_go(h);
    return 1;
}

static void on_answer(struct gw_fetch *f)
{
    struct gw_http_request *r = (struct gw_http_request *)f;
    struct gw_http *h = r->http;
    struct gw_result result = {.outcome = f->status ? gw_http_outcome(f->status) : GW_TRY_AGAIN};
    char why[GW_HTTP_WHY];

    if (renew(r, f->status))
        return;
    if (result.outcome != GW_DELIVERED) {
        gw_http_why(h, f, "", why);
        result.why = why;
    }
    if (result.outcome == GW_TRY_AGAIN) {
        /* The rest too: what follows must not overtake. */
        result.retry_after_ms = gw_http_retry_after_ms(gw_fetch_answer_header(f, "retry-after"),
                                                       gw_clock_wall_ns() / 1000000000);
        end_request(r, gw_pieces_take_all(&r->pieces), &result);
        return;
    }
    /* A batch that was refused is no fault of all its messages: each half goes alone. */
    if (result.outcome == GW_DELIVERED || !gw_pieces_halve(&r->pieces)) {
        struct gw_message *piece = gw_pieces_take(&r->pieces);

        if (!r->pieces.n) {
            end_request(r, piece, &result);
            return;
        }
        gw_publish_results(&h->base, piece, &result);
    }
    wait_for_turn(r);
    gw_http_go(h);
}

/* ---- the publisher ---- */

static void http_send(struct gw_publisher *p, struct gw_message *batch)
{
    struct gw_http *h = (struct gw_http *)p;
    struct gw_http_request *r = h->free;

    assert(r);
    h->free = r->next;
    gw_pieces_begin(&r->pieces, batch);
    wait_for_turn(r);
    gw_http_go(h);
}

static void open_requests(struct gw_http *h)
{
    for (int i = GW_HTTP_REQUESTS; i--;) {
        struct gw_http_request *r = &h->requests[i];

        gw_fetch_init(&r->fetch, h->fetcher, GW_HTTP_ANSWER);
        gw_buf_init(&r->body, SIZE_MAX, NULL);
        r->fetch.url = h->conf->url;
        r->fetch.method = gw_http_methods[h->conf->method];
        r->fetch.done = on_answer;
        r->http = h;
        r->next = h->free;
        h->free = r;
    }
}

static struct gw_publisher *http_open(const void *conf, const struct gw_format *f,
                                      struct gw_loop *loop, struct gw_err *err)
{
    static const struct gw_tls_conf defaults = {.verify = 1};
    const struct gw_publish_http_conf *c = conf;
    const struct gw_tls_conf *tls = c->tls ? c->tls : &defaults;
    struct gw_http *h = calloc(1, sizeof(*h));

    (void)err;
    if (!h)
        abort();
    h->base = (struct gw_publisher){.ops = &gw_publish_http, .loop = loop};
    h->base.limits = gw_publish_limits(&c->common, GW_HTTP_REQUESTS);
    h->conf = c;
    h->binary = gw_http_is_binary(f);
    h->protobuf = f->protobuf;
    h->flyteadmin = gw_flyteadmin_of(f, h->base.limits.message_bytes);
    h->in_batches = c->common.batch.events > 1;
    h->waiting_last = &h->waiting;
    h->fetch_conf = (struct gw_fetch_conf){.timeout_ms = c->timeout_ms,
                                           .ca = tls->ca,
                                           .cert = tls->cert,
                                           .key = tls->key,
                                           .verify = tls->verify,
                                           .connections = GW_HTTP_REQUESTS};
    h->scratch = gw_arena_new();
    gw_timer_init(&h->clear, loop, on_clear);
    gw_buf_init(&h->authorization, SIZE_MAX, NULL);
    if (c->bearer_token)
        gw_buf_printf(&h->authorization, "Bearer %s", c->bearer_token);
    h->fetcher = gw_fetcher_new(loop, &h->fetch_conf);
    open_requests(h);
    gw_http_oauth_open(h);
    gw_http_handshake_open(h);
    if (c->sign)
        gw_http_signer_open(&h->signer, gw_http_secret(h->scratch, c->sign->secret));
    return &h->base;
}

/* The headers that a hook set come behind the event's own. */
static int set_headers(const struct gw_event *ev, struct gw_arena *mem, struct gw_message *m,
                       struct gw_err *err)
{
    size_t bytes = 0;

    gw_publish_route(ev, mem, m);
    for (size_t i = 0; i < m->n_headers; i++)
        bytes += HEADER_FRAME + m->headers[i].name.len + m->headers[i].value.len;
    m->bytes += bytes;
    if (bytes > HEADERS_MAX)
        return gw_err_set(err, GW_ERR_TOO_LARGE,
                          "message too large: attributes of more than %d bytes as headers",
                          HEADERS_MAX);
    return 0;
}

static int http_format(struct gw_publisher *p, const struct gw_event *ev,
                       const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                       struct gw_err *err)
{
    const struct gw_http *h = (const struct gw_http *)p;
    const size_t max = p->limits.message_bytes;

    (void)flyte;
    m->event_id = gw_event_text(ev, "id");
    if (h->flyteadmin.style != GW_STYLE_DOCUMENTED) {
        if (gw_flyteadmin_http(&h->flyteadmin, ev, mem, m, err))
            return -1;
    } else if (h->binary) {
        m->headers = gw_event_http_headers(ev, mem, &m->n_headers);
        m->body = gw_event_payload(ev);
    } else if (h->protobuf ? gw_publish_protobuf(ev, mem, max, &m->body, err)
                           : gw_publish_json(ev, mem, max, 0, &m->body, err)) {
        return -1;
    }
    m->bytes = m->body.len + (h->in_batches ? BATCH_FRAME : 0);
    if (set_headers(ev, mem, m, err))
        return -1;
    return h->binary && m->bytes > max ? gw_publish_too_large(err, max) : 0;
}

static void http_close(struct gw_publisher *p)
{
    static const struct gw_result unknown = {.outcome = GW_TRY_AGAIN,
                                             .why = "stopped before there was an answer"};
    struct gw_http *h = (struct gw_http *)p;

    for (int i = 0; i < GW_HTTP_REQUESTS; i++) {
        struct gw_http_request *r = &h->requests[i];

        gw_fetch_fini(&r->fetch);
        gw_buf_free(&r->body);
        gw_publish_results(p, gw_pieces_take_all(&r->pieces), &unknown);
    }
    gw_fetch_fini(&h->options);
    gw_http_oauth_close(h);
    gw_http_handshake_close(h);
    gw_http_signer_close(&h->signer);
    gw_fetcher_free(h->fetcher);
    gw_timer_fini(&h->clear);
    gw_arena_free(h->scratch);
    gw_buf_free(&h->authorization);
    free(h);
}

const struct gw_publisher_ops gw_publish_http = {
    .name = "http",
    .help = "A webhook: CloudEvents over HTTP.",
    .fields = gw_http_fields,
    .conf_size = sizeof(struct gw_publish_http_conf),
    .routing = &gw_http_routing,
    .check = gw_http_check,
    .same = gw_http_same,
    .open = http_open,
    .format = http_format,
    .send = http_send,
    .online = gw_http_online,
    .close = http_close,
};
