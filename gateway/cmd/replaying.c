#include "cmd/replaying.h"

#include "admin/lines.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/err.h"
#include "cmd/fields.h"

#include <inttypes.h>
#include <stdio.h>

static struct gw_lines *open_replay(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                    struct gw_err *err)
{
    struct gw_replaying *r = ctx;
    const struct gw_reread_conf reread = {p->config->ingest, r->conf.query, 0};

    if (r->reread)
        return gw_lines_reread(&reread, p->log, p->metrics, p->loop, wake, err);
    return gw_lines_replay(&r->conf, p->log, p->metrics, p->loop, wake, err);
}

static void show(struct gw_replaying *r, struct gw_str line)
{
    const uint64_t records = r->records + r->done, failed = r->failed + r->now_failed;

    if (r->now_total)
        gw_progress_show(&r->progress, r->done, r->now_total,
                         "%" PRIu64 "/%" PRIu64 " failed=%" PRIu64, r->done, r->now_total, failed);
    else
        gw_progress_show(&r->progress, gw_line_number(r->mem, line, "seen"),
                         gw_line_number(r->mem, line, "span"),
                         "records=%" PRIu64 " failed=%" PRIu64, records, failed);
}

static int on_line(void *ctx, struct gw_str line)
{
    struct gw_replaying *r = ctx;
    struct gw_str error;

    r->began = 1;
    r->done = gw_line_number(r->mem, line, "done");
    r->now_total = gw_line_number(r->mem, line, "total");
    r->now_published = gw_line_number(r->mem, line, "published");
    r->now_filtered = gw_line_number(r->mem, line, "filtered");
    r->now_failed = gw_line_number(r->mem, line, "failed");
    r->ended = gw_line_flag(r->mem, line, "ended");
    r->broken = gw_line_flag(r->mem, line, "broken");
    error = gw_line_get(r->mem, line, "error");
    snprintf(r->error, sizeof(r->error), "%.*s", (int)error.len, error.p ? error.p : "");
    show(r, line);
    gw_arena_reset(r->mem);
    return 0;
}

void gw_replaying_begin(struct gw_replaying *r)
{
    r->mem = gw_arena_new();
    r->begin_ns = gw_clock_mono_ns();
    gw_progress_init(&r->progress);
}

static void add_up(struct gw_replaying *r)
{
    r->records += r->conf.dry ? r->now_total : r->done;
    r->published += r->now_published;
    r->filtered += r->now_filtered;
    r->failed += r->now_failed;
    r->done = r->now_total = r->now_published = r->now_filtered = r->now_failed = 0;
}

int gw_replaying_run(struct gw_replaying *r, struct gw_err *err)
{
    const struct gw_ask ask = {"POST", r->path, open_replay, on_line, r};
    int rc;

    r->ended = r->broken = 0;
    r->error[0] = '\0';
    rc = gw_ask(r->place, &ask, err);
    gw_progress_end(&r->progress);
    add_up(r);
    r->tried = 1;
    if (rc && r->place->held && err->kind == GW_ERR_UNSUPPORTED)
        return gw_place_no_pipeline(r->place, gw_str_of(r->pipeline), err);
    if (rc)
        return -1;
    if (r->broken)
        return gw_err_set(err, GW_ERR_RETRY, "the replay ended early: %s", r->error);
    if (!r->ended && r->place->interrupted)
        return gw_err_set(err, GW_ERR_RETRY, "interrupted: what was not done is left as it was");
    if (!r->ended)
        return gw_err_set(err, GW_ERR_RETRY, "the gateway broke off the replay");
    if (r->error[0])
        GW_DIAG(GW_WARN, "replay", gw_msg("some failed again"), gw_kv_cstr("last_error", r->error));
    return 0;
}

void gw_replaying_end(struct gw_replaying *r)
{
    gw_arena_free(r->mem);
    if (r->tried && !r->began)
        return;
    if (r->conf.dry)
        printf(r->json ? "{\"records\":%" PRIu64 "}\n" : "records=%" PRIu64 "\n", r->records);
    else
        printf(r->json ? "{\"records\":%" PRIu64 ",\"published\":%" PRIu64 ",\"filtered\":%" PRIu64
                         ",\"failed\":%" PRIu64 ",\"seconds\":%.3f}\n"
                       : "records=%" PRIu64 " published=%" PRIu64 " filtered=%" PRIu64
                         " failed=%" PRIu64 " seconds=%.3f\n",
               r->records, r->published, r->filtered, r->failed,
               (double)(gw_clock_mono_ns() - r->begin_ns) / 1e9);
}
