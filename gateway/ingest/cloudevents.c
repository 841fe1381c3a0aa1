#include "ingest/http.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/pbwire.h"
#include "event/event.h"
#include "event/format.h"

#include <stdlib.h>

/* CloudEvents in, records out: each event in its protobuf form, a batch whole or not at all. */

enum { FIRST_ROOM = 16, KEPT_ROOM = 1024 };

struct batch {
    struct gw_front *front;
    struct gw_str client, traceparent;
    int64_t now_ns;
    size_t max; /* of one event's protobuf form */
    size_t n;   /* of the front's records */
};

static struct gw_record *grow(struct batch *b)
{
    struct gw_front *f = b->front;

    if (b->n == f->records_room) {
        f->records_room = f->records_room ? 2 * f->records_room : FIRST_ROOM;
        f->records = realloc(f->records, f->records_room * sizeof(*f->records));
        if (!f->records)
            abort();
    }
    return &f->records[b->n++];
}

static void give_room(struct gw_front *f)
{
    if (f->records_room <= KEPT_ROOM)
        return;
    free(f->records);
    f->records = NULL;
    f->records_room = 0;
}

static int add_event(void *ctx, struct gw_event *ev, struct gw_err *err)
{
    struct batch *b = ctx;
    struct gw_buf bytes;

    if (gw_event_check_sent(ev, err))
        return -1;
    gw_buf_init(&bytes, b->max, b->front->scratch);
    gw_event_protobuf_put(&bytes, ev);
    if (bytes.failed)
        return gw_err_set(err, GW_ERR_TOO_LARGE,
                          "message too large: more than %zu bytes as a record", b->max);
    *grow(b) = (struct gw_record){.kind = GW_OTHER,
                                  .received_at_ns = b->now_ns,
                                  .ingest = GW_STR("http"),
                                  .client = b->client,
                                  .key = gw_event_key(b->front->scratch, ev),
                                  .traceparent = b->traceparent,
                                  .payload = gw_buf_str(&bytes)};
    return 0;
}

static int malformed(const struct gw_pbwire *w, struct gw_str body, size_t at, struct gw_err *err)
{
    gw_err_set(err, GW_ERR_REJECT, "protobuf that is malformed or cut short at byte %zu",
               (size_t)(w->at - body.p));
    return gw_event_batch_error(err, at);
}

/* io.cloudevents.v1.CloudEventBatch: 1 repeated CloudEvent. */
static int protobuf_batch(struct batch *b, struct gw_str body, struct gw_err *err)
{
    struct gw_pbwire w = {body.p, body.p + body.len};
    struct gw_pbwire_field field;
    struct gw_event ev;
    size_t at = 0;
    int rc;

    while ((rc = gw_pbwire_next(&w, &field)) == 1) {
        if (field.number != 1)
            continue;
        if (field.type != GW_PBWIRE_BYTES)
            return malformed(&w, body, at, err);
        gw_event_init(&ev, b->front->scratch);
        if (gw_event_protobuf_read(&ev, field.bytes, err) || add_event(b, &ev, err))
            return gw_event_batch_error(err, at);
        at++;
    }
    return rc < 0 ? malformed(&w, body, at, err) : 0;
}

static int read_one(struct batch *b, const struct gw_http_stream *s, enum gw_form form,
                    struct gw_str body, struct gw_err *err)
{
    struct gw_event ev;
    int rc;

    gw_event_init(&ev, b->front->scratch);
    if (form == GW_FORM_CE_JSON)
        rc = gw_event_json_read(&ev, body, err);
    else if (form == GW_FORM_CE_PROTOBUF)
        rc = gw_event_protobuf_read(&ev, body, err);
    else
        rc = gw_event_http_read(&ev, s->headers, s->n_headers, body, err);
    return rc ? -1 : add_event(b, &ev, err);
}

struct gw_sub *gw_submit_cloudevents(struct gw_front *f, const struct gw_http_stream *s,
                                     enum gw_form form, struct gw_str body, enum gw_reason *reason,
                                     struct gw_err *err)
{
    struct batch b = {.front = f,
                      .client = s->client,
                      .traceparent = gw_traceparent(s),
                      .now_ns = gw_clock_wall_ns(),
                      .max = 2 * (size_t)f->max_body[GW_HTTP] + 1024};
    struct gw_sub *sub = NULL;
    int rc;

    if (form == GW_FORM_CE_BATCH)
        rc = gw_event_batch_read(f->scratch, body, add_event, &b, err);
    else if (form == GW_FORM_CE_PROTOBUF_BATCH)
        rc = protobuf_batch(&b, body, err);
    else
        rc = read_one(&b, s, form, body, err);
    *reason = rc ? gw_reason_of(err) : GW_REASONS;
    if (!rc && b.n > 0)
        sub = gw_submit(f, GW_HTTP, f->records, b.n, reason, err);
    give_room(f);
    return sub;
}
