/* Keys of ingest.pubsub, and what Pub/Sub's protobuf says (google/pubsub/v1/pubsub.proto). */
#include "ingest/pubsub.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/pbwire.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "event/format.h"
#include "flyte/incoming.h"
#include "log/message.h"

#include <string.h>

enum {
    ATTRIBUTES_MAX = 128,   /* Pub/Sub takes 100 */
    ACK_ID_MAX = 64 * 1024, /* Pub/Sub's have some hundred bytes; a request has room for this one */
};

const struct gw_field gw_ingest_pubsub_fields[] = {
    {"project", GW_F_STR, offsetof(struct gw_ingest_pubsub, project), .required = 1,
     .help = "The subscription's project."},
    {"subscription", GW_F_STR, offsetof(struct gw_ingest_pubsub, subscription), .required = 1,
     .help = "Its name. What cannot be decoded stays in it, for its dead-letter policy."},
    {"endpoint", GW_F_STR, offsetof(struct gw_ingest_pubsub, endpoint),
     .help = "URL of the service; http:// is HTTP/2 without TLS. Default: PUBSUB_EMULATOR_HOST, "
             "else Google's own."},
    {"as", GW_F_CHOICE, offsetof(struct gw_ingest_pubsub, as), .def = "auto",
     .help = "What the messages are: auto (FlyteAdmin's and CloudEvents, recognised), cloudevent, "
             "or requests: workflow, node, task.",
     .choices = gw_as_names},
    {0}};

static void tell(struct gw_problems *p, const struct gw_yaml *at, const char *key, const char *why)
{
    const struct gw_yaml *y = gw_yaml_place(at, key);

    if (why)
        gw_problems_add(p, 0, y->file, y->line, y->column, "%s: %s", key, why);
}

void gw_ingest_pubsub_check(const struct gw_ingest_pubsub *c, struct gw_problems *p,
                            const struct gw_yaml *at)
{
    if (c->project)
        tell(p, at, "project", gw_gcp_pubsub_project_problem(gw_str_of(c->project)));
    if (c->subscription)
        tell(p, at, "subscription", gw_gcp_pubsub_id_problem(gw_str_of(c->subscription)));
    if (c->endpoint)
        tell(p, at, "endpoint", gw_gcp_pubsub_endpoint_problem(c->endpoint));
}

/* ---- what comes ---- */

/* The next field of that number, of bytes; 0: no more, -1: not protobuf. */
static int next_bytes(struct gw_pbwire *w, uint32_t number, struct gw_str *out)
{
    struct gw_pbwire_field f;
    int rc;

    while ((rc = gw_pbwire_next(w, &f)) == 1)
        if (f.number == number && f.type == GW_PBWIRE_BYTES) {
            *out = f.bytes;
            return 1;
        }
    return rc;
}

int gw_pubsub_next(struct gw_str *left, struct gw_str *received)
{
    struct gw_pbwire w = {left->p, left->p + left->len};
    const int rc = next_bytes(&w, 1, received);

    *left = (struct gw_str){w.at, (size_t)(w.end - w.at)};
    return rc;
}

static int read_message(struct gw_str message, struct gw_pubsub_received *out)
{
    struct gw_pbwire w = {message.p, message.p + message.len};
    int rc;

    while ((rc = next_bytes(&w, 5, &out->ordering_key)) == 1)
        ;
    out->message = message;
    return rc;
}

int gw_pubsub_received(struct gw_str bytes, struct gw_pubsub_received *out)
{
    struct gw_pbwire w = {bytes.p, bytes.p + bytes.len};
    struct gw_pbwire_field f;
    int rc;

    *out = (struct gw_pubsub_received){.message = GW_STR("")};
    while ((rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.number == 1 && f.type == GW_PBWIRE_BYTES)
            out->ack_id = f.bytes;
        else if (f.number == 2 && f.type == GW_PBWIRE_BYTES && read_message(f.bytes, out))
            return -1;
        else if (f.number == 3 && f.type == GW_PBWIRE_VARINT)
            out->attempt = (int64_t)f.varint;
    }
    return rc || !out->ack_id.len || out->ack_id.len > ACK_ID_MAX ? -1 : 0;
}

/* An entry of map<string, string>: what is left out is empty. */
static int read_attribute(struct gw_str entry, struct gw_header *out)
{
    struct gw_pbwire w = {entry.p, entry.p + entry.len};
    struct gw_pbwire_field f;
    int rc;

    *out = (struct gw_header){GW_STR(""), GW_STR("")};
    while ((rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.type == GW_PBWIRE_BYTES && f.number == 1)
            out->name = f.bytes;
        else if (f.type == GW_PBWIRE_BYTES && f.number == 2)
            out->value = f.bytes;
    }
    return rc;
}

int gw_pubsub_read(struct gw_arena *mem, struct gw_str message, struct gw_unread *out)
{
    struct gw_pbwire w = {message.p, message.p + message.len};
    struct gw_header *headers = gw_arena_alloc(mem, ATTRIBUTES_MAX * sizeof(*headers));
    struct gw_pbwire_field f;
    int rc;

    *out = (struct gw_unread){
        .received_at_ns = gw_clock_wall_ns(), .ingest = GW_STR("pubsub"), .headers = headers};
    while ((rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.type != GW_PBWIRE_BYTES)
            continue;
        if (f.number == 1)
            out->body = f.bytes;
        else if (f.number == 2 && out->n_headers < ATTRIBUTES_MAX &&
                 read_attribute(f.bytes, &headers[out->n_headers++]))
            return -1;
    }
    return rc;
}

/* DeadLetterPolicy: topic 1, max_delivery_attempts 2. */
static int read_policy(struct gw_str bytes, struct gw_pubsub_subscription *out)
{
    struct gw_pbwire w = {bytes.p, bytes.p + bytes.len};
    struct gw_pbwire_field f;
    int rc;

    while ((rc = gw_pbwire_next(&w, &f)) == 1) {
        if (f.number == 1 && f.type == GW_PBWIRE_BYTES)
            out->dead_letter_topic = f.bytes;
        else if (f.number == 2)
            out->attempts = (int64_t)f.varint;
    }
    return rc;
}

/* Of PushConfig the endpoint alone counts: an empty one is no push. */
static int has_endpoint(struct gw_str bytes)
{
    struct gw_pbwire w = {bytes.p, bytes.p + bytes.len};
    struct gw_str endpoint = {0};

    return next_bytes(&w, 1, &endpoint) == 1 && endpoint.len > 0;
}

int gw_pubsub_subscription(struct gw_str bytes, struct gw_pubsub_subscription *out)
{
    enum {
        TOPIC = 2,
        PUSH = 4,
        ORDERED = 10,
        DEAD = 13,
        DETACHED = 15,
        BIGQUERY = 18,
        STATE = 19,
        STORAGE = 22
    };
    struct gw_pbwire w = {bytes.p, bytes.p + bytes.len};
    struct gw_pbwire_field f;
    int rc;

    *out = (struct gw_pubsub_subscription){0};
    while ((rc = gw_pbwire_next(&w, &f)) == 1) {
        /* What came as another type is a field that the schema does not have. */
        if (f.number == TOPIC && f.type == GW_PBWIRE_BYTES)
            out->topic = f.bytes;
        else if (f.number == PUSH && f.type == GW_PBWIRE_BYTES)
            out->is_pushed |= has_endpoint(f.bytes);
        else if (f.number == BIGQUERY || f.number == STORAGE)
            out->is_pushed |= f.bytes.len > 0;
        else if (f.number == ORDERED)
            out->is_ordered = f.varint != 0;
        else if (f.number == DETACHED)
            out->is_detached = f.varint != 0;
        else if (f.number == STATE)
            out->state = (int64_t)f.varint;
        else if (f.number == DEAD && f.type == GW_PBWIRE_BYTES && read_policy(f.bytes, out))
            return -1;
    }
    return rc || !out->topic.len ? -1 : 0;
}

/* ---- what is said ---- */

struct gw_str gw_pubsub_hint(struct gw_arena *mem, const struct gw_ingest_pubsub *c, int code)
{
    if (code == GW_RPC_NOT_FOUND)
        return gw_arena_printf(mem,
                               "; to make it: gcloud pubsub subscriptions create %s --topic TOPIC "
                               "--project %s",
                               c->subscription, c->project);
    if (code == GW_RPC_PERMISSION_DENIED)
        return gw_arena_printf(mem,
                               "; to allow it: gcloud pubsub subscriptions add-iam-policy-binding "
                               "%s --project %s --member serviceAccount:NAME --role "
                               "roles/pubsub.subscriber",
                               c->subscription, c->project);
    return GW_STR("");
}

void gw_pubsub_put_hello(struct gw_buf *out, const char *name, struct gw_str client_id,
                         int64_t bytes)
{
    gw_buf_clear(out);
    gw_pbwire_put_bytes(out, 1, gw_str_of(name));
    gw_pbwire_put_varint(out, 5, GW_PUBSUB_DEADLINE_S);
    gw_pbwire_put_bytes(out, 6, client_id);
    gw_pbwire_put_varint(out, 7, GW_PUBSUB_OUTSTANDING);
    gw_pbwire_put_varint(out, 8, (uint64_t)bytes);
}

void gw_pubsub_put_ask(struct gw_buf *out, const char *name, int deadline_s)
{
    gw_buf_clear(out);
    gw_pbwire_put_bytes(out, 1, gw_str_of(name));
    if (deadline_s > 0) /* 0 is its default */
        gw_pbwire_put_varint(out, 3, (uint64_t)deadline_s);
}

int gw_pubsub_put_id(struct gw_buf *out, int is_ack, struct gw_str ack_id)
{
    if (out->len + ack_id.len + 8 > GW_PUBSUB_ASK_BYTES)
        return 0;
    gw_pbwire_put_bytes(out, is_ack ? 2 : 4, ack_id);
    return 1;
}
