#include "net/document.h"

#include "base/err.h"

#include <stddef.h>

static const struct gw_fetch_conf conf = {
    .timeout_ms = GW_DOCUMENT_MS, .verify = 1, .connections = 2, .answer_bytes = GW_DOCUMENT_BYTES};

struct gw_fetcher *gw_document_fetcher(struct gw_loop *loop)
{
    return gw_fetcher_new(loop, &conf);
}

void gw_waiter_leave(struct gw_waiter *w)
{
    struct gw_document *d = w->of;

    if (!d)
        return;
    *w->at = w->next;
    if (w->next)
        w->next->at = w->at;
    else if (d->last == &w->next)
        d->last = w->at;
    d->n_waiting--;
    w->of = NULL;
}

/* Who begins to wait meanwhile waits for the next time. */
static void tell_all(struct gw_document *d, const struct gw_err *err)
{
    struct gw_waiter *list = d->first, *w;

    d->first = NULL;
    d->last = &d->first;
    if (list)
        list->at = &list;
    while ((w = list)) {
        gw_waiter_leave(w);
        w->told = 1;
        w->done(w, err);
    }
}

static int look(struct gw_document *d, struct gw_err *err)
{
    const struct gw_fetch *f = &d->fetch;

    if (f->status != 200)
        return f->status
                   ? gw_err_set(err, GW_ERR_RETRY, "%.*s: HTTP %d", GW_DOCUMENT_WHY, f->url,
                                f->status)
                   : gw_err_set(err, GW_ERR_RETRY, "%.*s: %.120s", GW_DOCUMENT_WHY, f->url, f->why);
    if (f->why[0])
        return gw_err_set(err, GW_ERR_RETRY, "%.*s: cut short, or above %d bytes", GW_DOCUMENT_WHY,
                          f->url, GW_DOCUMENT_BYTES);
    return d->take(d, gw_buf_str(&f->answer), err)
               ? gw_err_wrap(err, "%.*s", GW_DOCUMENT_WHY, f->url)
               : 0;
}

static void on_fetched(struct gw_fetch *f)
{
    struct gw_document *d = (struct gw_document *)f;
    struct gw_err err;
    const int bad = look(d, &err);

    if (bad && d->failed)
        d->failed(d, &err);
    tell_all(d, bad ? &err : NULL);
}

void gw_document_init(struct gw_document *d, struct gw_fetcher *f)
{
    gw_fetch_init(&d->fetch, f, GW_DOCUMENT_BYTES);
    d->fetch.method = "GET";
    d->fetch.done = on_fetched;
    d->first = NULL;
    d->last = &d->first;
    d->n_waiting = 0;
}

void gw_document_fini(struct gw_document *d)
{
    gw_fetch_fini(&d->fetch);
}

void gw_document_start(struct gw_document *d, const char *url)
{
    if (d->fetch.running)
        return;
    d->fetch.url = url;
    gw_fetch_start(&d->fetch);
}

int gw_document_wait(struct gw_document *d, struct gw_waiter *w, struct gw_err *err)
{
    if (d->n_waiting >= GW_DOCUMENT_WAITERS)
        return gw_err_set(err, GW_ERR_FULL, "too many wait for %.*s", GW_DOCUMENT_WHY,
                          d->fetch.url);
    d->n_waiting++;
    w->of = d;
    w->next = NULL;
    w->at = d->last;
    *d->last = w;
    d->last = &w->next;
    return 0;
}
