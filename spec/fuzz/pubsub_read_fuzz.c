/* What Pub/Sub may send: any bytes as an answer of StreamingPull, and as a subscription. What is
 * read lies within them. */
#include "base/arena.h"
#include "event/format.h"
#include "ingest/pubsub.h"
#include "log/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void within(struct gw_str part, struct gw_str whole)
{
    if (part.len && (part.p < whole.p || part.p + part.len > whole.p + whole.len))
        abort();
}

static void read_message(struct gw_arena *mem, struct gw_str message)
{
    struct gw_unread u;

    if (gw_pubsub_read(mem, message, &u))
        return;
    within(u.body, message);
    if (u.n_headers > 128)
        abort();
    for (size_t i = 0; i < u.n_headers; i++) {
        within(u.headers[i].name, message);
        within(u.headers[i].value, message);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_str all = {(const char *)data, size};
    struct gw_arena *mem = gw_arena_new();
    struct gw_pubsub_subscription s;
    struct gw_pubsub_received r;
    struct gw_str left = all, one;

    while (gw_pubsub_next(&left, &one) == 1) {
        within(one, all);
        if (gw_pubsub_received(one, &r))
            continue;
        if (!r.ack_id.len)
            abort();
        within(r.ack_id, one);
        within(r.message, one);
        within(r.ordering_key, one);
        read_message(mem, r.message);
    }
    read_message(mem, all);
    if (!gw_pubsub_subscription(all, &s)) {
        within(s.topic, all);
        within(s.dead_letter_topic, all);
    }
    gw_arena_free(mem);
    return 0;
}
