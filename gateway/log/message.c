/* moongate.log.v1.Message: a few a day, so by the library and not by hand as record.c. */
#include "log/message.h"

#include "base/arena.h"
#include "base/err.h"
#include "event/format.h"
#include "flyte/reflect.h"
#include "message.pb-c.h"

enum { VERSION = 1 };

static ProtobufCBinaryData bytes_of(struct gw_str s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)s.p};
}

static struct gw_str str_of(ProtobufCBinaryData b)
{
    return (struct gw_str){b.data ? (const char *)b.data : "", b.len};
}

static void put_headers(struct gw_arena *mem, const struct gw_unread *u,
                        Moongate__Log__V1__Message *m)
{
    Moongate__Log__V1__Header *all = gw_arena_alloc(mem, (u->n_headers + 1) * sizeof(*all));

    m->n_headers = u->n_headers;
    m->headers = gw_arena_alloc(mem, (u->n_headers + 1) * sizeof(void *));
    for (size_t i = 0; i < u->n_headers; i++) {
        moongate__log__v1__header__init(&all[i]);
        all[i].name = bytes_of(u->headers[i].name);
        if (u->headers[i].value.p) {
            all[i].value_if_any_case = MOONGATE__LOG__V1__HEADER__VALUE_IF_ANY_VALUE;
            all[i].value = bytes_of(u->headers[i].value);
        }
        m->headers[i] = &all[i];
    }
}

struct gw_str gw_unread_put(struct gw_arena *mem, const struct gw_unread *u)
{
    Moongate__Log__V1__Message m;
    uint8_t *out;

    moongate__log__v1__message__init(&m);
    m.version = VERSION;
    m.received_at_ns = u->received_at_ns;
    m.ingest = bytes_of(u->ingest);
    m.source = bytes_of(u->source);
    m.partition = u->partition;
    m.offset = u->offset;
    m.timestamp_ms = u->timestamp_ms;
    m.key = bytes_of(u->key);
    m.key_if_any_case = u->key.p ? MOONGATE__LOG__V1__MESSAGE__KEY_IF_ANY_KEY : 0;
    m.subject = bytes_of(u->subject);
    m.subject_if_any_case = u->subject.p ? MOONGATE__LOG__V1__MESSAGE__SUBJECT_IF_ANY_SUBJECT : 0;
    m.body = bytes_of(u->body);
    m.body_if_any_case = u->body.p ? MOONGATE__LOG__V1__MESSAGE__BODY_IF_ANY_BODY : 0;
    put_headers(mem, u, &m);
    out = gw_arena_alloc(mem, moongate__log__v1__message__get_packed_size(&m) + 1);
    return (struct gw_str){(char *)out, moongate__log__v1__message__pack(&m, out)};
}

static void read_headers(struct gw_arena *mem, const Moongate__Log__V1__Message *m,
                         struct gw_unread *out)
{
    struct gw_header *all = gw_arena_zalloc(mem, (m->n_headers + 1) * sizeof(*all));

    for (size_t i = 0; i < m->n_headers; i++) {
        all[i].name = str_of(m->headers[i]->name);
        if (m->headers[i]->value_if_any_case)
            all[i].value = str_of(m->headers[i]->value);
    }
    out->headers = all;
    out->n_headers = m->n_headers;
}

int gw_unread_read(struct gw_arena *mem, struct gw_str bytes, struct gw_unread *out,
                   struct gw_err *err)
{
    const Moongate__Log__V1__Message *m;

    *out = (struct gw_unread){0};
    m = (void *)gw_pb_decode(mem, &moongate__log__v1__message__descriptor, bytes, err);
    if (!m)
        return gw_err_wrap(err, "message");
    if (m->version < 1)
        return gw_err_set(err, GW_ERR_REJECT, "message: no version");
    if (m->version > VERSION)
        return gw_err_set(err, GW_ERR_REJECT, "message: written by a newer moongate");
    *out = (struct gw_unread){.received_at_ns = m->received_at_ns,
                              .ingest = str_of(m->ingest),
                              .source = str_of(m->source),
                              .partition = m->partition,
                              .offset = m->offset,
                              .timestamp_ms = m->timestamp_ms};
    if (m->key_if_any_case)
        out->key = str_of(m->key);
    if (m->subject_if_any_case)
        out->subject = str_of(m->subject);
    if (m->body_if_any_case)
        out->body = str_of(m->body);
    read_headers(mem, m, out);
    return 0;
}
