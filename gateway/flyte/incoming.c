/* What a message is, and the record of it: the order is in incoming.h. Each step either takes the
 * message or passes it on; what is inside an envelope or base64 starts anew, once, so it ends. */
#include "flyte/incoming.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json_walk.h"
#include "base/pbwire.h"
#include "base/text.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/kinds.h"
#include "flyte/reflect.h"
#include "flyte/sns.h"
#include "flyte/style.h"

#include <string.h>
#include <strings.h>

const char *const gw_as_names[] = {"auto", "cloudevent", "workflow", "node", "task", NULL};

struct reading {
    struct gw_arena *mem;
    enum gw_kind forced; /* GW_OTHER: none */
    int events_only;
    struct gw_incoming in; /* of what is inside by now */
    int opened, decoded;   /* an envelope, base64 */
    struct gw_incoming_record *out;
    struct gw_err *err;
};

static int read_message(struct reading *r);
static int read_body(struct reading *r);

static struct gw_str header(const struct gw_incoming *in, const char *name)
{
    for (size_t i = 0; i < in->n_headers; i++) {
        const struct gw_header *h = &in->headers[i];

        if (h->name.len == strlen(name) && !strncasecmp(h->name.p, name, h->name.len))
            return h->value;
    }
    return (struct gw_str){0};
}

static struct gw_str traceparent(const struct gw_incoming *in)
{
    struct gw_str value = header(in, "traceparent");

    return value.len ? value : (struct gw_str){0};
}

static int refuse(const struct reading *r, const char *why)
{
    return gw_err_set(r->err, GW_ERR_REJECT, "%s%s", why,
                      r->decoded  ? " (its base64 taken off)"
                      : r->opened ? " (in an SNS envelope)"
                                  : "");
}

/* ---- the record ---- */

static int keep_request(struct reading *r, const struct gw_flyte_request *request,
                        struct gw_str bytes)
{
    r->out->kind = request->kind;
    r->out->payload = bytes;
    r->out->key = gw_flyte_key(r->mem, request);
    return 0;
}

/* `as` asks for the request, and it came in a CloudEvent. */
static int keep_carried(struct reading *r, const struct gw_event *ev)
{
    struct gw_flyte_request request;

    if (!gw_flyte_from_event(ev, &request))
        return gw_err_set(r->err, GW_ERR_REJECT, "as: %s: a CloudEvent that carries no request",
                          gw_kind_names[r->forced]);
    if (request.kind != r->forced)
        return gw_err_set(r->err, GW_ERR_REJECT, "as: %s: a CloudEvent that carries a %s request",
                          gw_kind_names[r->forced], gw_kind_names[request.kind]);
    return keep_request(r, &request,
                        request.form == GW_CARRY_PROTOBUF ? request.bytes
                                                          : gw_flyte_encode(r->mem, request.msg));
}

static int keep_event(struct reading *r, const struct gw_event *ev)
{
    struct gw_buf bytes;

    if (r->forced != GW_OTHER)
        return keep_carried(r, ev);
    gw_buf_init(&bytes, SIZE_MAX / 2, r->mem); /* the message bounds it */
    gw_event_protobuf_put(&bytes, ev);
    r->out->kind = GW_OTHER;
    r->out->payload = gw_buf_str(&bytes);
    r->out->key = gw_event_key(r->mem, ev);
    r->out->event_id = gw_event_text(ev, "id");
    return 0;
}

/* ---- CloudEvents ---- */

/* Characters that no attribute may have, as %XX; s itself if it has none. */
static struct gw_str legal(struct gw_arena *mem, struct gw_str s)
{
    static const char digits[] = "0123456789ABCDEF";
    struct gw_buf out;
    size_t n;

    if (!gw_attr_text_problem(s))
        return s;
    gw_buf_init(&out, 3 * s.len + 1, mem);
    for (size_t at = 0; at < s.len; at += n) {
        n = gw_utf8_step(s.p + at, s.len - at);
        if (!n)
            return s; /* not UTF-8: that is said */
        if (!gw_attr_text_problem((struct gw_str){s.p + at, n})) {
            gw_buf_put(&out, s.p + at, n);
            continue;
        }
        for (size_t i = at; i < at + n; i++) {
            const char code[3] = {'%', digits[(unsigned char)s.p[i] >> 4], digits[s.p[i] & 15]};

            gw_buf_put(&out, code, sizeof(code));
        }
    }
    return gw_buf_str(&out);
}

static void make_legal(struct gw_event *ev, struct gw_str name, struct gw_str text)
{
    struct gw_str better = legal(ev->mem, text);

    if (better.p != text.p)
        gw_event_lend(ev, name, better);
}

/* FlyteAdmin does not look whether an event is one before it sends it to SNS and Pub/Sub. */
static void mend(struct gw_event *ev)
{
    const struct gw_str source = gw_event_text(ev, "source");

    if (!gw_flyte_type_name(gw_event_text(ev, "type")).p)
        return;
    make_legal(ev, GW_STR("id"), gw_event_text(ev, "id"));
    make_legal(ev, GW_STR("source"), source);
    if (!source.len)
        gw_event_lend(ev, GW_STR("source"), gw_flyteadmin_source);
}

/* Where the body is text by necessity, what is binary comes in base64. */
static void take_base64_off(struct reading *r)
{
    struct gw_str text = r->in.body, bytes;

    while (text.len && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r'))
        text.len--;
    if (r->decoded || !text.len)
        return;
    bytes = gw_base64_decode(r->mem, text);
    if (!bytes.p)
        return;
    r->decoded = 1;
    r->in.body = bytes;
}

typedef int read_fn(struct gw_event *ev, struct gw_str body, gw_event_mend_fn *mend,
                    struct gw_err *err);

static int read_event(struct reading *r, read_fn *read, const char *form)
{
    struct gw_event *ev = gw_arena_alloc(r->mem, sizeof(*ev));

    gw_event_init(ev, r->mem);
    if (read(ev, r->in.body, mend, r->err))
        return gw_err_wrap(r->err, "a CloudEvent in %s", form);
    return keep_event(r, ev);
}

static int read_binary(struct reading *r)
{
    struct gw_event *ev = gw_arena_alloc(r->mem, sizeof(*ev));

    gw_event_init(ev, r->mem);
    if (gw_event_headers_read(ev, r->in.headers, r->in.n_headers, r->in.body, mend, r->err))
        return gw_err_wrap(r->err, "a CloudEvent in headers");
    return keep_event(r, ev);
}

static int type_is(struct gw_str type, const char *name)
{
    return type.len == strlen(name) && !strncasecmp(type.p, name, type.len);
}

static int read_structured(struct reading *r, struct gw_str type)
{
    const char *end = memchr(type.p, ';', type.len);

    if (end)
        type.len = (size_t)(end - type.p);
    while (type.len && (type.p[type.len - 1] == ' ' || type.p[type.len - 1] == '\t'))
        type.len--;
    if (type.len >= 29 && !strncasecmp(type.p, "application/cloudevents-batch", 29))
        return refuse(r, "a batch of CloudEvents: a message of a broker is one event");
    if (!r->in.body.len)
        return refuse(r, "a structured CloudEvent without a body");
    take_base64_off(r);
    if (type_is(type, "application/cloudevents+json"))
        return read_event(r, gw_event_json_read_as, "JSON");
    if (type_is(type, "application/cloudevents+protobuf"))
        return read_event(r, gw_event_protobuf_read_as, "protobuf");
    return gw_err_set(r->err, GW_ERR_REJECT,
                      "content-type %.*s: neither application/cloudevents+json nor +protobuf",
                      (int)(type.len < 80 ? type.len : 80), type.p);
}

/* ---- requests ---- */

static int read_request_as(struct reading *r, enum gw_kind kind)
{
    struct gw_flyte_request request;

    if (gw_flyte_decode(r->mem, kind, r->in.body, &request, r->err))
        return gw_err_wrap(r->err, "as a %s request", gw_kind_names[kind]);
    return keep_request(r, &request, r->in.body);
}

static int read_request_json(struct reading *r)
{
    struct gw_flyte_request request;

    if (gw_flyte_decode_json(r->mem, r->forced, r->in.body, &request, r->err))
        return gw_err_wrap(r->err, "as a %s request in JSON", gw_kind_names[r->forced]);
    return keep_request(r, &request, request.bytes);
}

/* GW_OTHER: it names none. */
static enum gw_kind named(struct gw_str subject)
{
    for (int k = GW_WORKFLOW; k <= GW_TASK; k++)
        if (gw_str_is(subject, gw_flyte_descriptor((enum gw_kind)k)->name))
            return (enum gw_kind)k;
    return GW_OTHER;
}

static enum gw_kind kind_named(const struct gw_incoming *in)
{
    enum gw_kind kind = named(in->subject);

    return kind == GW_OTHER ? named(header(in, "key")) : kind;
}

static int is_name(struct gw_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < 0x20)
            return 0;
    return 1;
}

/* The id of a node is short of nothing that the id of a workflow's execution has: then `domain` is
 * what else is in it, with the tags of its fields, which no name has. */
static int has_names(const struct gw_flyte_request *request)
{
    struct gw_flyte_names n;

    gw_flyte_names(request, &n);
    return is_name(n.project) && is_name(n.domain) && is_name(n.execution) && is_name(n.node) &&
           is_name(n.task) && is_name(n.version);
}

/* The schemas fits has, n of them, all have every field of the body: only one may have its names.
 */
static int choose_request(struct reading *r, const enum gw_kind *fits, size_t n)
{
    struct gw_flyte_request request, found = {.kind = GW_OTHER};
    size_t n_named = 0;

    for (size_t i = 0; i < n; i++) {
        if (gw_flyte_decode(r->mem, fits[i], r->in.body, &request, r->err))
            return gw_err_wrap(r->err, "as a %s request", gw_kind_names[fits[i]]);
        if (!has_names(&request))
            continue;
        found = request;
        n_named++;
    }
    if (n_named == 1)
        return keep_request(r, &found, r->in.body);
    return gw_err_set(r->err, GW_ERR_REJECT,
                      "it could be a %s request and a %s request: set `as:` to what it is",
                      gw_kind_names[fits[0]], gw_kind_names[fits[1]]);
}

static int guess_request(struct reading *r)
{
    enum gw_kind fits[3];
    size_t n = 0;

    for (int k = GW_WORKFLOW; k <= GW_TASK; k++)
        if (gw_pb_fits(gw_flyte_descriptor((enum gw_kind)k), r->in.body))
            fits[n++] = (enum gw_kind)k;
    if (!n)
        return refuse(r, "neither a CloudEvent in JSON or protobuf, nor by its fields one of "
                         "Flyte's requests, nor base64 of one; a request that has fields of a "
                         "newer Flyte needs `as:`");
    return n == 1 ? read_request_as(r, fits[0]) : choose_request(r, fits, n);
}

static int read_request(struct reading *r)
{
    enum gw_kind kind = r->forced == GW_OTHER ? kind_named(&r->in) : r->forced;

    if (r->events_only)
        return refuse(r, "as: cloudevent: not one");
    return kind == GW_OTHER ? guess_request(r) : read_request_as(r, kind);
}

/* ---- the body ---- */

/* Fields 3 and 4 of a CloudEvent, which no request has. What stands behind them may be broken: then
 * the error is of the event. */
static int looks_like_event(struct gw_str body)
{
    struct gw_pbwire w = {body.p, body.p + body.len};
    struct gw_pbwire_field f;
    int version = 0, type = 0;

    while (!(version && type) && gw_pbwire_next(&w, &f) == 1) {
        version |= f.number == 3 && f.type == GW_PBWIRE_BYTES && gw_str_is(f.bytes, "1.0");
        type |= f.number == 4 && f.type == GW_PBWIRE_BYTES && f.bytes.len;
    }
    return version && type;
}

static int begins_with(struct gw_str body, char c)
{
    size_t at = 0;

    while (at < body.len && gw_json_is_space(body.p[at]))
        at++;
    return at < body.len && body.p[at] == c;
}

static int open_envelope(struct reading *r, const struct gw_sns *sns)
{
    if (r->opened)
        return refuse(r, "an SNS envelope in another");
    if (gw_sns_open(r->mem, sns, &r->in, r->err))
        return -1;
    r->opened = 1;
    if (!r->out->traceparent.p)
        r->out->traceparent = traceparent(&r->in);
    return read_message(r);
}

/* An object; what only begins as one, with white space, may be protobuf: *taken stays 0. */
static int read_object(struct reading *r, int *taken)
{
    struct gw_sns sns;

    *taken = 1;
    if (gw_sns_look(r->in.body, &sns, r->err)) {
        *taken = r->in.body.p[0] == '{';
        return -1;
    }
    if (sns.has_specversion)
        return read_event(r, gw_event_json_read_as, "JSON");
    if (gw_sns_is_envelope(&sns))
        return open_envelope(r, &sns);
    if (r->forced != GW_OTHER)
        return read_request_json(r);
    return refuse(r, "a JSON object that is neither a CloudEvent (it has no specversion) nor an "
                     "SNS envelope; of a request in JSON `as:` must say the kind");
}

static int read_body(struct reading *r)
{
    int rc, taken = 0;

    if (looks_like_event(r->in.body))
        return read_event(r, gw_event_protobuf_read_as, "protobuf");
    if (begins_with(r->in.body, '{')) {
        rc = read_object(r, &taken);
        if (taken)
            return rc;
    }
    if (r->in.body.p[0] == '[')
        return refuse(r, "a JSON array: a message of a broker is one event");
    if (!r->decoded) {
        take_base64_off(r);
        if (r->decoded)
            return read_body(r);
    }
    return read_request(r);
}

static int has_ce_header(const struct gw_incoming *in)
{
    for (size_t i = 0; i < in->n_headers; i++)
        if (gw_event_is_ce_header(in->headers[i].name))
            return 1;
    return 0;
}

static int read_message(struct reading *r)
{
    struct gw_str type = header(&r->in, "content-type");

    if (type.len >= 23 && !strncasecmp(type.p, "application/cloudevents", 23))
        return read_structured(r, type);
    if (has_ce_header(&r->in))
        return read_binary(r);
    if (!r->in.body.p)
        return refuse(r, "a message without a body (a tombstone): there is no event in it");
    if (!r->in.body.len)
        return refuse(r, "an empty message: there is no event in it");
    return read_body(r);
}

int gw_incoming_read(struct gw_arena *mem, enum gw_as as, const struct gw_incoming *in,
                     struct gw_incoming_record *out, struct gw_err *err)
{
    struct reading r = {.mem = mem,
                        .forced =
                            as >= GW_AS_WORKFLOW ? (enum gw_kind)(as - GW_AS_WORKFLOW) : GW_OTHER,
                        .events_only = as == GW_AS_CLOUDEVENT,
                        .in = *in,
                        .out = out,
                        .err = err};

    *out = (struct gw_incoming_record){.kind = GW_OTHER, .traceparent = traceparent(in)};
    return read_message(&r);
}
