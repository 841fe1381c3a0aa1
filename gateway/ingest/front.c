#include "ingest/front.h"

#include "base/metrics.h"
#include "ingest/grpc.h"
#include "ingest/push.h"

static const char *const way_names[GW_WAYS] = {"grpc", "http", "kafka", "sqs", "pubsub"};
static const char *const reason_names[GW_REASONS] = {"invalid",  "too_large",   "full",
                                                     "pending",  "unavailable", "unsupported",
                                                     "deadline", "upstream"};

static void init_metrics(struct gw_front *f, struct gw_metrics *metrics)
{
    for (int way = 0; way < GW_WAYS; way++) {
        for (int kind = 0; kind < GW_KINDS; kind++)
            f->received[way][kind] = gw_metrics_counter(metrics, GW_M_EVENTS_RECEIVED,
                                                        way_names[way], gw_kind_names[kind]);
        for (int reason = 0; reason < GW_REASONS; reason++)
            f->rejected[way][reason] = gw_metrics_counter(metrics, GW_M_EVENTS_REJECTED,
                                                          way_names[way], reason_names[reason]);
        f->ack[way] = gw_metrics_histogram(metrics, GW_M_ACK_SECONDS, way_names[way], NULL);
    }
}

static void nothing(struct gw_front *f)
{
    (void)f;
}

void gw_front_init(struct gw_front *f, struct gw_log *log, struct gw_metrics *metrics,
                   _Atomic int64_t *pending, int64_t max_pending)
{
    f->loop = gw_loop_new();
    f->log = log;
    f->metrics = metrics;
    f->pending = pending;
    f->max_pending = max_pending;
    f->scratch = gw_arena_new();
    f->settled = nothing;
    init_metrics(f, metrics);
    gw_submit_init(f);
    gw_grpc_init(f);
}

void gw_front_fini(struct gw_front *f)
{
    gw_submit_fini(f);
    gw_grpc_fini(f);
    gw_push_free(f->push);
    gw_loop_free(f->loop);
    gw_arena_free(f->scratch);
}

void gw_front_reject(struct gw_front *f, enum gw_way way, enum gw_reason reason)
{
    gw_count(f->rejected[way][reason], 1);
}
