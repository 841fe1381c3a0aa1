/* /healthz, /readyz, /metrics. */
#include "admin/inside.h"

#include "base/buf.h"
#include "base/metrics.h"
#include "log/log.h"
#include "net/http.h"

void gw_get_healthz(struct gw_request *q)
{
    gw_answer_text(q->s, 200, "ok\n");
}

void gw_get_readyz(struct gw_request *q)
{
    if (q->a->stopping)
        gw_answer_text(q->s, 503, "shutting down\n");
    else if (!q->a->ready)
        gw_answer_text(q->s, 503, "not ready\n");
    else if (gw_log_full(q->a->env.log))
        gw_answer_text(q->s, 503, "the log is full\n");
    else
        gw_answer_text(q->s, 200, "ok\n");
}

void gw_get_metrics(struct gw_request *q)
{
    struct gw_buf b;

    gw_buf_init(&b, GW_MAX_ANSWER, q->s->mem);
    gw_metrics_write(q->a->env.metrics, &b);
    gw_answer(q->s, 200, "text/plain; version=0.0.4; charset=utf-8", gw_buf_str(&b));
}
