/* A broker's message on its way to its record, or to its dead letter: the first time, and when the
 * letter is replayed. */
#include "ingest/unread.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "flyte/incoming.h"
#include "ingest/ingest.h"
#include "log/log.h"
#include "log/message.h"

void gw_unread_letter(struct gw_arena *mem, const struct gw_unread *u, const char *reason,
                      const struct gw_err *err, struct gw_dead_letter *out)
{
    const int64_t now = gw_clock_wall_ns();

    *out = (struct gw_dead_letter){
        .reason = reason,
        .error = gw_arena_printf(mem, "%.*s[%u]@%lld: %s", (int)u->source.len, u->source.p,
                                 u->partition, (long long)u->offset, err->msg),
        .record = gw_unread_put(mem, u),
        .attempts = 1,
        .first_at_ns = now,
        .last_at_ns = now};
}

int gw_unread_record(struct gw_arena *mem, int as, const struct gw_unread *u, struct gw_record *out,
                     struct gw_err *err)
{
    const struct gw_incoming in = {
        .body = u->body, .headers = u->headers, .n_headers = u->n_headers, .subject = u->subject};
    struct gw_incoming_record r = {0};

    if (gw_incoming_read(mem, (enum gw_as)as, &in, &r, err))
        return -1;
    *out = (struct gw_record){.kind = (int)r.kind,
                              .received_at_ns = u->received_at_ns,
                              .ingest = u->ingest,
                              .key = r.key,
                              .traceparent = r.traceparent,
                              .payload = r.payload};
    return 0;
}

const char *gw_unread_reason(const struct gw_err *err)
{
    return err->kind == GW_ERR_TOO_LARGE ? "too_large" : "undecodable";
}

int gw_unread_fits(const struct gw_log *log, const struct gw_record *r, struct gw_err *err)
{
    const size_t size = gw_record_size(r), most = gw_log_largest(log);

    if (size <= most)
        return 1;
    gw_err_set(err, GW_ERR_TOO_LARGE,
               "message too large: %zu bytes as a record, the log takes %zu at most", size, most);
    return 0;
}

int gw_unread_as(const struct gw_ingest_conf *conf, const struct gw_unread *u)
{
    const struct gw_ingest_kafka *all = conf->kafka.items;

    for (size_t i = 0; gw_str_is(u->ingest, "kafka") && i < conf->kafka.n; i++)
        if (gw_ingest_kafka_has(&all[i], u->source))
            return all[i].as;
    return GW_AS_AUTO;
}
