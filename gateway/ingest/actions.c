#include "ingest/actions.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/pbwire.h"
#include "event/format.h"
#include "flyte/reflect.h"

#include <string.h>

/* What a RecordRequest holds. Each event is decoded by itself, in an arena that is emptied behind
 * it: two bytes on the wire may be a message of hundreds. Of protobuf the record has the bytes that
 * came. */

enum { FIRST_ROOM = 64, MAX_EVENTS = 10000 };

struct actions {
    struct gw_front *front;
    struct gw_arena *one; /* of the event being looked at */
    struct gw_record record;
    struct gw_record *records;
    size_t n, room;
    int json;
};

static int too_many(struct gw_err *err)
{
    return gw_err_set(err, GW_ERR_TOO_LARGE, "message too large: more than %d events", MAX_EVENTS);
}

static struct gw_record *grow(struct actions *a)
{
    struct gw_record *more;

    if (a->n == a->room) {
        a->room = a->room ? 2 * a->room : FIRST_ROOM;
        more = gw_arena_alloc(a->front->scratch, a->room * sizeof(*more));
        if (a->n > 0)
            memcpy(more, a->records, a->n * sizeof(*more));
        a->records = more;
    }
    a->records[a->n] = a->record;
    return &a->records[a->n++];
}

static int add(struct actions *a, struct gw_str text, struct gw_err *err)
{
    struct gw_arena *mem = a->front->scratch;
    struct gw_flyte_request r;
    struct gw_record *record;

    if (a->n == MAX_EVENTS)
        return too_many(err);
    if (a->json ? gw_flyte_decode_json(a->one, GW_ACTION, text, &r, err)
                : gw_flyte_decode(a->one, GW_ACTION, text, &r, err))
        return gw_event_batch_error(err, a->n);
    record = grow(a);
    record->key = gw_arena_str(mem, gw_flyte_key(a->one, &r));
    record->payload = a->json ? gw_arena_str(mem, r.bytes) : text;
    gw_arena_reset(a->one);
    return 0;
}

static int read_protobuf(struct actions *a, struct gw_str body, struct gw_err *err)
{
    struct gw_pbwire w = {body.p, body.p + body.len};
    struct gw_pbwire_field field;
    int rc;

    while ((rc = gw_pbwire_next(&w, &field)) == 1)
        if (field.number == 1 && field.type == GW_PBWIRE_BYTES && add(a, field.bytes, err))
            return -1;
    return rc < 0 ? gw_err_set(err, GW_ERR_REJECT, "protobuf: cut short or malformed at byte %zu",
                               (size_t)(w.at - body.p))
                  : 0;
}

/* The array, its first token read. */
static int read_events(struct actions *a, struct gw_json *j, struct gw_err *err)
{
    struct gw_str text;

    while (gw_json_next(j) != GW_JSON_ARRAY_END) {
        if (j->token == GW_JSON_ERROR)
            return gw_json_error(j, err);
        if (gw_json_value(j, &text)) {
            gw_json_error(j, err);
            return gw_event_batch_error(err, a->n);
        }
        if (text.p[0] != '{')
            return gw_err_set(err, GW_ERR_REJECT, "events[%zu]: not an object", a->n);
        if (add(a, text, err))
            return -1;
    }
    return 0;
}

static int read_member(struct actions *a, struct gw_json *j, int *seen, struct gw_err *err)
{
    struct gw_str name = gw_json_string(j, a->front->scratch);

    if (!gw_str_is(name, "events"))
        return gw_err_set(err, GW_ERR_REJECT, "%.*s: unknown field of RecordRequest (events)",
                          name.len < 100 ? (int)name.len : 100, name.p);
    if ((*seen)++)
        return gw_err_set(err, GW_ERR_REJECT, "events: stands here twice");
    switch (gw_json_next(j)) {
    case GW_JSON_ARRAY:
        return read_events(a, j, err);
    case GW_JSON_NULL:
        return 0;
    case GW_JSON_ERROR:
        return gw_json_error(j, err);
    default:
        return gw_err_set(err, GW_ERR_REJECT, "events: not an array");
    }
}

static int read_json(struct actions *a, struct gw_str body, struct gw_err *err)
{
    struct gw_json j;
    int seen = 0;

    gw_json_init(&j, body, GW_PB_MAX_DEPTH);
    if (gw_json_next(&j) == GW_JSON_ERROR)
        return gw_json_error(&j, err);
    if (j.token != GW_JSON_OBJECT)
        return gw_err_set(err, GW_ERR_REJECT, "JSON: not an object");
    while (gw_json_next(&j) == GW_JSON_KEY)
        if (read_member(a, &j, &seen, err))
            return -1;
    if (j.token != GW_JSON_OBJECT_END || gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    return 0;
}

static struct actions begin(struct gw_front *f, enum gw_way way, const struct gw_http_stream *s)
{
    return (struct actions){.front = f,
                            .one = gw_arena_new(),
                            .record = {.kind = GW_ACTION,
                                       .received_at_ns = gw_clock_wall_ns(),
                                       .client = s->client,
                                       .ingest = way == GW_GRPC ? GW_STR("grpc") : GW_STR("http"),
                                       .traceparent = gw_traceparent(s)}};
}

/* rc: how reading ended. */
static struct gw_sub *submit(struct actions *a, enum gw_way way, int rc, enum gw_reason *reason,
                             struct gw_err *err)
{
    gw_arena_free(a->one);
    if (!rc && a->n == 0)
        rc = gw_err_set(err, GW_ERR_REJECT, "events: there has to be one at least");
    if (rc) {
        *reason = gw_reason_of(err);
        return NULL;
    }
    return gw_submit(a->front, way, a->records, a->n, reason, err);
}

struct gw_sub *gw_submit_actions(struct gw_front *f, enum gw_way way,
                                 const struct gw_http_stream *s, struct gw_str body,
                                 enum gw_reason *reason, struct gw_err *err)
{
    struct actions a = begin(f, way, s);
    int rc = read_protobuf(&a, body, err);

    return submit(&a, way, rc, reason, err);
}

struct gw_sub *gw_submit_actions_json(struct gw_front *f, const struct gw_http_stream *s,
                                      struct gw_str body, enum gw_reason *reason,
                                      struct gw_err *err)
{
    struct actions a = begin(f, GW_HTTP, s);
    int rc;

    a.json = 1;
    rc = read_json(&a, body, err);
    return submit(&a, GW_HTTP, rc, reason, err);
}
