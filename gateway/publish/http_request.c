/* What goes to the destination: the body and headers of a request. */
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/varint.h"
#include "event/format.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static struct gw_str type_of(const struct gw_http *h)
{
    if (h->in_batches)
        return h->protobuf ? GW_STR("application/cloudevents-batch+protobuf")
                           : GW_STR("application/cloudevents-batch+json");
    return h->protobuf ? GW_STR("application/cloudevents+protobuf")
                       : GW_STR("application/cloudevents+json");
}

/* ---- the body ---- */

static void put_one(struct gw_buf *b, const struct gw_message *m, int protobuf, int first)
{
    enum { EVENTS = 0x0a }; /* CloudEventBatch.events */
    char *p;

    if (!protobuf) {
        gw_buf_putc(b, first ? '[' : ',');
    } else if ((p = gw_buf_room(b, 1 + GW_VARINT_MAX))) {
        *p = EVENTS;
        gw_buf_added(b, (size_t)(gw_varint_put(p + 1, m->body.len) - p));
    }
    gw_buf_put_str(b, m->body);
}

static void make_batch(struct gw_http_request *r)
{
    const struct gw_http *h = r->http;
    const struct gw_message *m = r->pieces.messages;

    gw_buf_clear(&r->body);
    for (size_t i = 0; i < gw_pieces_next(&r->pieces); i++, m = m->next)
        put_one(&r->body, m, h->protobuf, i == 0);
    if (!h->protobuf)
        gw_buf_putc(&r->body, ']');
    r->fetch.body = gw_buf_str(&r->body);
}

/* ---- headers ---- */

/* A hook said this one. */
static int has_header(const struct gw_message *m, const char *name)
{
    for (size_t i = 0; m && i < m->n_headers; i++)
        if (m->headers[i].name.len == strlen(name) &&
            !strncasecmp(m->headers[i].name.p, name, strlen(name)))
            return 1;
    return 0;
}

void gw_http_put_headers(struct gw_http *h, struct gw_fetch *f, const struct gw_message *m)
{
    const struct gw_pairs *own = &h->conf->headers;
    int origin = !h->conf->handshake;

    if (strstr(f->url, "access_token=")) /* RFC 6750, 2.3 */
        gw_fetch_header(f, GW_STR("Cache-Control"), GW_STR("no-store"));

    for (size_t i = 0; i < own->n; i++) {
        if (has_header(m, own->items[i].key))
            continue;
        origin |= !strcasecmp(own->items[i].key, GW_HTTP_ORIGIN);
        gw_fetch_header(f, gw_str_of(own->items[i].key), gw_str_of(own->items[i].value));
    }
    if (!origin)
        gw_fetch_header(f, gw_str_of(GW_HTTP_ORIGIN), gw_str_of(h->handshake.origin));
    if (h->authorization.len)
        gw_fetch_header(f, GW_STR("Authorization"), gw_buf_str(&h->authorization));
}

static void put_signature(struct gw_http_request *r)
{
    struct gw_http *h = r->http;
    struct gw_str id, timestamp;
    char signature[GW_HTTP_SIGNATURE];

    gw_arena_reset(h->scratch);
    id = gw_http_webhook_id(r->pieces.messages, gw_pieces_next(&r->pieces), h->scratch);
    timestamp = gw_arena_printf(h->scratch, "%lld", (long long)(gw_clock_wall_ns() / 1000000000));
    gw_http_sign(&h->signer, id, timestamp, r->fetch.body, signature);
    gw_fetch_header(&r->fetch, GW_STR("webhook-id"), id);
    gw_fetch_header(&r->fetch, GW_STR("webhook-timestamp"), timestamp);
    gw_fetch_header(&r->fetch, GW_STR("webhook-signature"), gw_str_of(signature));
}

static int same_headers(const struct gw_message *a, const struct gw_message *b)
{
    if (a->n_headers != b->n_headers)
        return 0;
    for (size_t i = 0; i < a->n_headers; i++)
        if (!gw_str_eq(a->headers[i].name, b->headers[i].name) ||
            !gw_str_eq(a->headers[i].value, b->headers[i].value))
            return 0;
    return 1;
}

/* A request has one URL and one set of headers: messages of others come with the next. */
static void split_by_route(struct gw_http_request *r)
{
    const struct gw_message *first = r->pieces.messages, *m = first->next;
    const size_t n = gw_pieces_next(&r->pieces);
    size_t same = 1;

    for (; same < n && gw_str_eq(m->topic, first->topic) && same_headers(m, first); m = m->next)
        same++;
    gw_pieces_cut(&r->pieces, same);
}

void gw_http_request_make(struct gw_http_request *r)
{
    struct gw_http *h = r->http;
    const struct gw_message *m = r->pieces.messages;

    split_by_route(r);
    r->fetch.url = m->topic.p ? m->topic.p : h->conf->url;
    gw_fetch_headers_clear(&r->fetch);
    if (h->in_batches)
        make_batch(r);
    else
        r->fetch.body = m->body.p ? m->body : GW_STR("");
    if (!h->binary)
        gw_fetch_header(&r->fetch, GW_STR("Content-Type"), type_of(h));
    for (size_t i = 0; i < m->n_headers; i++)
        gw_fetch_header(&r->fetch, m->headers[i].name, m->headers[i].value);
    gw_http_put_headers(h, &r->fetch, m);
    if (h->signer.mac)
        put_signature(r);
    r->token = h->oauth.number;
}
