/* Takes everything: for measuring, and for a pipeline whose hooks alone are wanted. Messages are
 * made as a file would have them, so the cost of making them is there. */
#include "publish/common.h"

#include "event/event.h"
#include "event/route.h"
#include "net/loop.h"
#include "publish/flyteadmin.h"

#include <stdlib.h>

struct null {
    struct gw_publisher base;
    struct gw_task report;
    struct gw_flyteadmin flyteadmin;
    struct gw_message *first, **last; /* results due at the end of the turn */
};

static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("256", 100000, "4MiB")};
static const struct gw_field fields[] = {GW_PUBLISH_COMMON("1GiB", batch_fields), {0}};

static void on_report(struct gw_task *t)
{
    struct null *n = GW_CONTAINER(t, struct null, report);
    const struct gw_result delivered = {.outcome = GW_DELIVERED};
    struct gw_message *list = n->first;

    n->first = NULL;
    n->last = &n->first;
    gw_publish_results(&n->base, list, &delivered);
}

static struct gw_publisher *null_open(const void *conf, const struct gw_format *f,
                                      struct gw_loop *loop, struct gw_err *err)
{
    struct null *n = calloc(1, sizeof(*n));

    (void)err;
    if (!n)
        abort();
    *n = (struct null){.base = {.ops = &gw_publish_null, .loop = loop, .keeps_order = 1},
                       .report = {.fn = on_report}};
    n->base.limits = gw_publish_limits(conf, 4);
    n->flyteadmin = gw_flyteadmin_of(f, n->base.limits.message_bytes);
    n->last = &n->first;
    return &n->base;
}

static int null_format(struct gw_publisher *p, const struct gw_event *ev,
                       const struct gw_flyte *flyte, struct gw_arena *mem, struct gw_message *m,
                       struct gw_err *err)
{
    const struct null *n = (const struct null *)p;

    (void)flyte;
    m->event_id = gw_event_text(ev, "id");
    gw_publish_route(ev, mem, m);
    if (n->flyteadmin.style != GW_STYLE_DOCUMENTED
            ? gw_flyteadmin_document(&n->flyteadmin, ev, mem, m, err)
            : gw_publish_json(ev, mem, p->limits.message_bytes, 0, &m->body, err))
        return -1;
    m->bytes = m->body.len;
    return 0;
}

static void null_send(struct gw_publisher *p, struct gw_message *batch)
{
    struct null *n = (struct null *)p;

    *n->last = batch;
    while (*n->last)
        n->last = &(*n->last)->next;
    gw_loop_post(n->base.loop, &n->report);
}

static void null_close(struct gw_publisher *p)
{
    struct null *n = (struct null *)p;

    gw_loop_cancel(n->base.loop, &n->report);
    on_report(&n->report);
    free(n);
}

/* Any topic is taken, so that a pipeline can be tried without its destination. */
static const struct gw_routing routing = {.publisher = "null", .topic_is = "topic", .takes_any = 1};

const struct gw_publisher_ops gw_publish_null = {
    .name = "null",
    .help = "Takes everything and keeps nothing.",
    .fields = fields,
    .conf_size = sizeof(struct gw_publish_common),
    .lacks = GW_LACKS_BINARY,
    .routing = &routing,
    .open = null_open,
    .format = null_format,
    .send = null_send,
    .close = null_close,
};
