/* A message of Kafka, as the log keeps one that it cannot make a record of. */
#include "ingest/kafka.h"

#include "base/arena.h"
#include "base/clock.h"
#include "event/format.h"
#include "log/message.h"

static struct gw_str bytes(const void *p, size_t len)
{
    return (struct gw_str){p, p ? len : 0};
}

static void read_headers(struct gw_arena *mem, const rd_kafka_message_t *m, struct gw_unread *out)
{
    rd_kafka_headers_t *all;
    struct gw_header *h;
    size_t n;

    if (rd_kafka_message_headers(m, &all))
        return;
    n = rd_kafka_header_cnt(all);
    h = gw_arena_alloc(mem, (n + 1) * sizeof(*h));
    for (size_t i = 0; i < n; i++) {
        const char *name = "";
        const void *value = NULL;
        size_t len = 0;

        (void)rd_kafka_header_get_all(all, i, &name, &value, &len);
        h[i] = (struct gw_header){gw_str_of(name), bytes(value, len)};
    }
    out->headers = h;
    out->n_headers = n;
}

void gw_kafka_unread(struct gw_arena *mem, const rd_kafka_message_t *m, struct gw_unread *out)
{
    rd_kafka_timestamp_type_t type;
    const int64_t ms = rd_kafka_message_timestamp(m, &type);

    *out = (struct gw_unread){.received_at_ns = gw_clock_wall_ns(),
                              .ingest = GW_STR("kafka"),
                              .source = gw_str_of(rd_kafka_topic_name(m->rkt)),
                              .partition = (uint32_t)m->partition,
                              .offset = m->offset,
                              .timestamp_ms = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? 0 : ms,
                              .key = bytes(m->key, m->key_len),
                              .body = bytes(m->payload, m->len)};
    read_headers(mem, m, out);
}
