#include "publish/flyteadmin.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "event/event.h"
#include "event/format.h"
#include "publish/common.h"

struct gw_flyteadmin gw_flyteadmin_of(const struct gw_format *f, size_t max)
{
    return (struct gw_flyteadmin){(enum gw_style)f->style, (enum gw_mode)f->mode, f->protobuf, max};
}

static int is_binary(const struct gw_format *f, int by_style)
{
    return f->mode == GW_MODE_BINARY || (f->mode == GW_MODE_BY_STYLE && by_style);
}

int gw_kafka_is_binary(const struct gw_format *f)
{
    return is_binary(f, f->style != GW_STYLE_DOCUMENTED);
}

int gw_http_is_binary(const struct gw_format *f)
{
    return is_binary(f, f->style == GW_STYLE_FLYTEADMIN_EXTERNAL);
}

/* ---- parts ---- */

/* What FlyteAdmin calls the key of SNS and Pub/Sub; p NULL: none. */
static struct gw_str name_of(const struct gw_flyteadmin *f, const struct gw_event *ev)
{
    struct gw_str type, name;

    if (f->style == GW_STYLE_FLYTEADMIN_EXTERNAL)
        return gw_event_text(ev, "subject");
    type = gw_event_text(ev, "type");
    name = gw_flyte_type_name(type);
    return name.len ? name : type;
}

static int check(const struct gw_event *ev, struct gw_err *err)
{
    static const char *const required[] = {"id", "source", "type"};

    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
        if (!gw_event_text(ev, required[i]).len)
            return gw_err_set(err, GW_ERR_REJECT, "%s: empty, so it is no CloudEvent", required[i]);
    return 0;
}

/* The SDK's client fills in the time of sending. */
static const struct gw_event *timed(const struct gw_flyteadmin *f, const struct gw_event *ev,
                                    struct gw_arena *mem)
{
    char text[GW_TIME_TEXT];
    struct gw_event *copy;
    size_t len;

    if (f->style == GW_STYLE_FLYTEADMIN_EXTERNAL || gw_event_get(ev, GW_STR("time")))
        return ev;
    len = gw_time_format_go(gw_time_of_ns(gw_clock_wall_ns()), 1, text);
    copy = gw_event_copy(ev, mem);
    gw_event_set(copy, GW_STR("time"), (struct gw_str){text, len});
    return copy;
}

/* The bytes of the SNS message and of the Pub/Sub one. */
static int put_bytes(const struct gw_flyteadmin *f, const struct gw_event *ev, struct gw_arena *mem,
                     struct gw_str *out, struct gw_err *err)
{
    if (f->style != GW_STYLE_FLYTEADMIN_EXTERNAL)
        return gw_publish_form(gw_event_sdk_protobuf_put, ev, mem, f->max, out, err);
    *out = gw_event_payload(ev);
    if (!out->p)
        *out = GW_STR("");
    return out->len > f->max ? gw_publish_too_large(err, f->max) : 0;
}

static int put_document(const struct gw_flyteadmin *f, const struct gw_event *ev,
                        struct gw_arena *mem, struct gw_str *out, struct gw_err *err)
{
    return gw_publish_form(f->protobuf ? gw_event_sdk_protobuf_put : gw_event_sdk_json_put, ev, mem,
                           f->max, out, err);
}

static void put_line(struct gw_buf *out, const struct gw_event *ev)
{
    gw_event_sdk_json_put(out, ev);
    gw_buf_putc(out, '\n');
}

/* ---- the bindings ---- */

int gw_flyteadmin_sns(const struct gw_flyteadmin *f, const struct gw_event *ev,
                      struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    struct gw_str bytes;
    struct gw_buf text;

    if (put_bytes(f, ev, mem, &bytes, err))
        return -1;
    gw_buf_init(&text, f->max, mem);
    gw_base64_put(&text, bytes);
    if (text.failed)
        return gw_publish_too_large(err, f->max);
    m->body = gw_buf_str(&text);
    m->subject = name_of(f, ev);
    return 0;
}

int gw_flyteadmin_pubsub(const struct gw_flyteadmin *f, const struct gw_event *ev,
                         struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    const struct gw_str name = name_of(f, ev);
    struct gw_header *key;

    if (put_bytes(f, ev, mem, &m->body, err))
        return -1;
    if (!name.p)
        return 0;
    key = gw_arena_alloc(mem, sizeof(*key));
    *key = (struct gw_header){GW_STR("key"), name};
    m->headers = key;
    m->n_headers = 1;
    return 0;
}

static int put_structured(const struct gw_flyteadmin *f, const struct gw_event *ev,
                          struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    static const struct gw_header types[] = {
        {GW_STR("content-type"), GW_STR("application/cloudevents+json")},
        {GW_STR("content-type"), GW_STR("application/cloudevents+protobuf")}};

    m->headers = &types[f->protobuf];
    m->n_headers = 1;
    return put_document(f, ev, mem, &m->body, err);
}

int gw_flyteadmin_kafka(const struct gw_flyteadmin *f, const struct gw_event *ev,
                        struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    const struct gw_str key = gw_event_text(ev, "partitionkey");

    if (check(ev, err))
        return -1;
    ev = timed(f, ev, mem);
    m->key = key.len ? key : gw_event_text(ev, "id");
    if (f->mode == GW_MODE_STRUCTURED)
        return put_structured(f, ev, mem, m, err);
    m->headers = gw_event_sdk_kafka_headers(ev, mem, &m->n_headers);
    m->body = gw_event_payload(ev);
    if (!m->body.len && f->style != GW_STYLE_FLYTEADMIN_EXTERNAL)
        m->body.p = NULL; /* the SDK's way: a null value */
    return m->body.len > f->max ? gw_publish_too_large(err, f->max) : 0;
}

int gw_flyteadmin_nats(const struct gw_flyteadmin *f, const struct gw_event *ev,
                       struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    if (check(ev, err))
        return -1;
    if (f->style == GW_STYLE_FLYTEADMIN_EXTERNAL)
        return put_bytes(f, ev, mem, &m->body, err);
    return gw_publish_form(gw_event_sdk_json_put, timed(f, ev, mem), mem, f->max, &m->body, err);
}

int gw_flyteadmin_http(const struct gw_flyteadmin *f, const struct gw_event *ev,
                       struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    const struct gw_format format = {.style = f->style, .mode = f->mode};

    if (check(ev, err))
        return -1;
    if (!gw_http_is_binary(&format))
        return put_document(f, ev, mem, &m->body, err);
    m->headers = gw_event_http_headers(ev, mem, &m->n_headers);
    m->body = gw_event_payload(ev);
    return m->body.len > f->max ? gw_publish_too_large(err, f->max) : 0;
}

int gw_flyteadmin_document(const struct gw_flyteadmin *f, const struct gw_event *ev,
                           struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    return check(ev, err) ? -1 : put_document(f, ev, mem, &m->body, err);
}

int gw_flyteadmin_file(const struct gw_flyteadmin *f, const struct gw_event *ev,
                       struct gw_arena *mem, struct gw_message *m, struct gw_err *err)
{
    return check(ev, err) ? -1 : gw_publish_form(put_line, ev, mem, f->max, &m->body, err);
}
