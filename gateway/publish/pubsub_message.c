/* What an event becomes on its way to Pub/Sub, on the wire too: google/pubsub/v1/pubsub.proto has
 * PublishRequest{topic 1, messages 2}, PubsubMessage{data 1, attributes 2 {key 1, value 2},
 * ordering_key 5}, PublishResponse{message_ids 1}. */
#include "publish/publish_pubsub.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/pbwire.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "net/sha256.h"

#include <string.h>

/* ---- the message ---- */

static int set_documented(const struct gw_to_pubsub *p, const struct gw_event *ev,
                          struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    static const struct gw_header types[] = {
        {GW_STR("content-type"), GW_STR("application/cloudevents+json")},
        {GW_STR("content-type"), GW_STR("application/cloudevents+protobuf")}};
    const size_t max = p->base.limits.message_bytes;

    if (p->binary) {
        m->headers = gw_event_pubsub_headers(ev, mem, &m->n_headers);
        m->body = gw_event_payload(ev);
        return 0;
    }
    m->headers = &types[p->protobuf];
    m->n_headers = 1;
    return p->protobuf ? gw_publish_protobuf(ev, mem, max, &m->body, err)
                       : gw_publish_json(ev, mem, max, 0, &m->body, err);
}

static int has_header(const struct gw_header *h, size_t n, struct gw_str name)
{
    for (size_t i = 0; i < n; i++)
        if (gw_str_eq(h[i].name, name))
            return 1;
    return 0;
}

/* The configured attributes behind those that the form has; of one name the form's. */
static void add_attributes(const struct gw_to_pubsub *p, const struct gw_event *ev,
                           struct gw_arena *mem, struct gw_message *m)
{
    const struct gw_strs *names = &p->conf->attributes;
    struct gw_header *all;
    size_t n = m->n_headers;

    if (!names->n)
        return;
    all = gw_arena_alloc(mem, (n + names->n) * sizeof(*all));
    if (n)
        memcpy(all, m->headers, n * sizeof(*all));
    for (size_t i = 0; i < names->n; i++) {
        const struct gw_str name = gw_str_of(names->items[i]);
        struct gw_str value = gw_event_text(ev, names->items[i]);

        if (gw_str_is(name, "specversion"))
            value = GW_STR("1.0");
        if (value.len && !has_header(all, n, name))
            all[n++] = (struct gw_header){name, value};
    }
    m->headers = all;
    m->n_headers = n;
}

/* A key that Pub/Sub takes: of one that is too long, or no text, the SHA-256 in hex. */
static struct gw_str legal_key(struct gw_arena *mem, struct gw_str key)
{
    if (!key.len)
        return (struct gw_str){0};
    if (key.len <= GW_TO_PUBSUB_KEY && gw_utf8_valid(key) == key.len)
        return key;
    return gw_sha256_hex(mem, key);
}

/* ---- limits ---- */

static int check_attributes(const struct gw_message *m, struct gw_err *err)
{
    if (m->n_headers > GW_TO_PUBSUB_ATTRIBUTES)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "%zu attributes: Pub/Sub takes %d", m->n_headers,
                          GW_TO_PUBSUB_ATTRIBUTES);
    for (size_t i = 0; i < m->n_headers; i++) {
        const struct gw_header *h = &m->headers[i];

        if (h->name.len > GW_TO_PUBSUB_ATTRIBUTE_NAME)
            return gw_err_set(err, GW_ERR_TOO_LARGE,
                              "attribute %.40s…: its name has %zu bytes, Pub/Sub takes %d",
                              h->name.p, h->name.len, GW_TO_PUBSUB_ATTRIBUTE_NAME);
        if (h->value.len > GW_TO_PUBSUB_ATTRIBUTE_VALUE)
            return gw_err_set(err, GW_ERR_TOO_LARGE, "attribute %.*s: %zu bytes, Pub/Sub takes %d",
                              (int)h->name.len, h->name.p, h->value.len,
                              GW_TO_PUBSUB_ATTRIBUTE_VALUE);
    }
    return 0;
}

static size_t entry_len(const struct gw_header *h)
{
    return gw_pbwire_size(h->name.len) + gw_pbwire_size(h->value.len);
}

static size_t message_len(const struct gw_message *m)
{
    size_t n = m->body.len ? gw_pbwire_size(m->body.len) : 0;

    for (size_t i = 0; i < m->n_headers; i++)
        n += gw_pbwire_size(entry_len(&m->headers[i]));
    return n + (m->key.len ? gw_pbwire_size(m->key.len) : 0);
}

/* What a request has room for beside its topic's name. */
static size_t room(const struct gw_to_pubsub *p, const struct gw_message *m)
{
    const size_t topic = m->topic.p ? m->topic.len : strlen(p->conf->topic);

    return GW_TO_PUBSUB_BYTES -
           gw_pbwire_size(sizeof("projects//topics/") - 1 + strlen(p->conf->project) + topic);
}

static int check_size(const struct gw_to_pubsub *p, const struct gw_message *m, struct gw_err *err)
{
    const size_t most = room(p, m), max = p->base.limits.message_bytes;

    if (m->bytes > most || m->bytes > max)
        return gw_publish_too_large(err, most < max ? most : max);
    return check_attributes(m, err);
}

int gw_to_pubsub_format(struct gw_publisher *base, const struct gw_event *ev,
                        const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                        struct gw_err *err)
{
    const struct gw_to_pubsub *p = (const struct gw_to_pubsub *)base;

    (void)flyte;
    m->event_id = gw_event_text(ev, "id");
    if (p->flyteadmin.style != GW_STYLE_DOCUMENTED
            ? gw_flyteadmin_pubsub(&p->flyteadmin, ev, mem, m, err)
            : set_documented(p, ev, mem, m, err))
        return -1;
    add_attributes(p, ev, mem, m);
    gw_publish_route(ev, mem, m);
    m->key =
        p->conf->ordering == GW_ORDERING_KEY ? legal_key(mem, m->key) : (struct gw_str){NULL, 0};
    m->bytes = gw_pbwire_size(message_len(m));
    return check_size(p, m, err);
}

/* ---- the request and its answer ---- */

static void put_message(struct gw_buf *out, const struct gw_message *m)
{
    gw_pbwire_put_head(out, 2, message_len(m));
    if (m->body.len)
        gw_pbwire_put_bytes(out, 1, m->body);
    for (size_t i = 0; i < m->n_headers; i++) {
        gw_pbwire_put_head(out, 2, entry_len(&m->headers[i]));
        gw_pbwire_put_bytes(out, 1, m->headers[i].name);
        gw_pbwire_put_bytes(out, 2, m->headers[i].value);
    }
    if (m->key.len)
        gw_pbwire_put_bytes(out, 5, m->key);
}

void gw_to_pubsub_put(struct gw_buf *out, struct gw_str topic, const struct gw_message *m, size_t n)
{
    size_t bytes = gw_pbwire_size(topic.len);
    const struct gw_message *at = m;

    for (size_t i = 0; i < n; i++, at = at->next)
        bytes += at->bytes;
    (void)gw_buf_room(out, bytes);
    gw_pbwire_put_bytes(out, 1, topic);
    for (size_t i = 0; i < n; i++, m = m->next)
        put_message(out, m);
}

size_t gw_to_pubsub_ids(struct gw_str answer)
{
    struct gw_pbwire w = {answer.p, answer.p + answer.len};
    struct gw_pbwire_field f;
    size_t n = 0;

    while (gw_pbwire_next(&w, &f) == 1)
        n += f.number == 1 && f.type == GW_PBWIRE_BYTES && f.bytes.len;
    return n;
}

/* ---- what goes together ---- */

static int compare(struct gw_str a, struct gw_str b)
{
    const size_t least = a.len < b.len ? a.len : b.len;
    const int order = least ? memcmp(a.p, b.p, least) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_messages(const struct gw_message *a, const struct gw_message *b)
{
    const int order = compare(a->topic, b->topic);

    return order ? order : compare(a->key, b->key);
}

int gw_to_pubsub_together(const struct gw_message *a, const struct gw_message *b)
{
    return !compare_messages(a, b);
}

static struct gw_message *merge(struct gw_message *a, struct gw_message *b)
{
    struct gw_message *first = NULL, **end = &first;

    while (a && b) {
        struct gw_message **from = compare_messages(a, b) <= 0 ? &a : &b;

        *end = *from;
        end = &(*from)->next;
        *from = *end;
    }
    *end = a ? a : b;
    return first;
}

/* A stable merge sort of the first n; *rest: what is behind them. */
static struct gw_message *sort(struct gw_message *list, size_t n, struct gw_message **rest)
{
    struct gw_message *a, *b;

    if (n == 1) {
        *rest = list->next;
        list->next = NULL;
        return list;
    }
    a = sort(list, n / 2, &b);
    b = sort(b, n - n / 2, rest);
    return merge(a, b);
}

struct gw_message *gw_to_pubsub_group(struct gw_message *batch)
{
    struct gw_message *none;
    size_t n = 0, same = 0;

    for (const struct gw_message *m = batch; m; m = m->next, n++)
        same += gw_to_pubsub_together(m, batch);
    return same == n ? batch : sort(batch, n, &none);
}
