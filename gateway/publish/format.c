/* The forms of an event that several types send. One allocation a message where the size can be
 * told before; the bytes are the record's arena's. */
#include "publish/common.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "event/event.h"
#include "event/format.h"
#include "event/route.h"

#include <string.h>

enum { FRAME = 64, A_MEMBER = 8 };

int gw_publish_too_large(struct gw_err *err, size_t max)
{
    return gw_err_set(err, GW_ERR_TOO_LARGE, "message too large: more than %zu bytes", max);
}

/* Enough for an event without escapes: names, quotes, base64. */
static size_t json_size(const struct gw_event *ev)
{
    size_t n = FRAME + (ev->data_kind == GW_DATA_BYTES ? (ev->data.len + 2) / 3 * 4 : ev->data.len);

    for (const struct gw_attr *a = ev->attrs; a; a = a->next)
        n += A_MEMBER + a->name.len + a->text.len;
    return n;
}

static void reserve(struct gw_buf *out, size_t n)
{
    if (n <= out->max)
        (void)gw_buf_room(out, n);
}

/* In what the JSON writer gives, a raw CR or LF can only stand between the tokens of JSON data. */
static void join_lines(char *p, size_t len)
{
    char *end = p + len;

    for (char *at = p; (at = memchr(at, '\n', (size_t)(end - at)));)
        *at++ = ' ';
    for (char *at = p; (at = memchr(at, '\r', (size_t)(end - at)));)
        *at++ = ' ';
}

int gw_publish_json(const struct gw_event *ev, struct gw_arena *mem, size_t max, int line,
                    struct gw_str *out, struct gw_err *err)
{
    struct gw_buf b;

    gw_buf_init(&b, max, mem);
    reserve(&b, json_size(ev));
    gw_event_json_put(&b, ev);
    if (line && !b.failed) {
        if (ev->data_kind == GW_DATA_JSON)
            join_lines(b.p, b.len);
        gw_buf_putc(&b, '\n');
    }
    if (b.failed)
        return gw_publish_too_large(err, max);
    *out = gw_buf_str(&b);
    return 0;
}

int gw_publish_form(gw_event_put_fn *put, const struct gw_event *ev, struct gw_arena *mem,
                    size_t max, struct gw_str *out, struct gw_err *err)
{
    struct gw_buf b;

    gw_buf_init(&b, max, mem);
    reserve(&b, json_size(ev));
    put(&b, ev);
    if (b.failed)
        return gw_publish_too_large(err, max);
    *out = gw_buf_str(&b);
    return 0;
}

int gw_publish_protobuf(const struct gw_event *ev, struct gw_arena *mem, size_t max,
                        struct gw_str *out, struct gw_err *err)
{
    return gw_publish_form(gw_event_protobuf_send, ev, mem, max, out, err);
}

void gw_publish_route(const struct gw_event *ev, struct gw_arena *mem, struct gw_message *m)
{
    const struct gw_route *r = ev->route;
    struct gw_header *all;

    if (!r)
        return;
    if (r->topic.p)
        m->topic = r->topic;
    if (r->key.p)
        m->key = r->key;
    if (!r->n_headers)
        return;
    all = gw_arena_alloc(mem, (m->n_headers + r->n_headers) * sizeof(*all));
    if (m->n_headers)
        memcpy(all, m->headers, m->n_headers * sizeof(*all));
    memcpy(all + m->n_headers, r->headers, r->n_headers * sizeof(*all));
    m->headers = all;
    m->n_headers += r->n_headers;
}
