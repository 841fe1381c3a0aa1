/* What the kept records become under a new script against what they become under the hooks there
 * are, or against what another publisher made of the same: in this process, though a gateway may
 * run. */
#include "cmd/log.h"

#include "admin/lines.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/text.h"
#include "cmd/against.h"
#include "cmd/fields.h"
#include "cmd/progress.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"
#include "log/record.h"
#include "pipeline/diff.h"

#include <stdio.h>

struct diff {
    struct gw_log_cmd *l;
    struct gw_pipeline_conf after; /* of diff */
    struct gw_diff *diff;
    struct gw_progress progress;
    struct gw_against *against; /* NULL: two configurations */
    int64_t from_ns, to_ns;     /* against: what is told; more is read */
    uint64_t records, lost;     /* lost: damaged, cannot be compared */
    int failed;
};

/* Before and after the span, where what is told of it may have its other half: an event has the
 * time when it happened, a record the one when it came. */
enum { AROUND_S = 3600 };

/* The one argument of gw_log_open_records is the command. */
static struct gw_lines *open_records(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                     struct gw_err *err)
{
    return gw_log_open_records(((struct diff *)ctx)->l, p, wake, err);
}

/* ---- against somebody else's events ---- */

/* p NULL: it cannot be read. */
static struct gw_str report_of(struct gw_arena *mem, const struct gw_record *rec)
{
    struct gw_flyte_request request;
    struct gw_event ev;
    struct gw_err err;

    gw_event_init(&ev, mem);
    if (rec->kind == GW_OTHER)
        return gw_event_protobuf_read(&ev, rec->payload, &err) ? (struct gw_str){0}
                                                               : gw_event_report(mem, &ev);
    return gw_flyte_decode(mem, (enum gw_kind)rec->kind, rec->payload, &request, &err)
               ? (struct gw_str){0}
               : gw_flyte_report(mem, &request);
}

static int compare_with_theirs(struct diff *d, const struct gw_record *rec)
{
    struct gw_log_cmd *l = d->l;
    const struct gw_str report = report_of(l->mem, rec);
    int found = GW_AGAINST_NONE;
    struct gw_event there;

    if (report.p)
        found = gw_against_take(d->against, l->mem, report, &there, &l->err);
    if (found < 0)
        return -1;
    if (rec->received_at_ns < d->from_ns || (d->to_ns && rec->received_at_ns >= d->to_ns))
        return 0;
    if (found != GW_AGAINST_TAKEN)
        return gw_diff_against(d->diff, rec, found == GW_AGAINST_ONE ? &there : NULL, &l->err);
    gw_diff_repeated_here(d->diff);
    return 0;
}

static int on_rest(void *ctx, const struct gw_event *there, uint64_t line, struct gw_err *err)
{
    struct diff *d = ctx;

    if (there)
        return gw_diff_only_there(d->diff, there, line, err);
    gw_diff_repeated_there(d->diff);
    return 0;
}

/* ---- records ---- */

static int on_record(void *ctx, struct gw_str line)
{
    enum { SHOW_EVERY = 256 };
    struct diff *d = ctx;
    struct gw_log_cmd *l = d->l;
    struct gw_record rec = {0};
    struct gw_err err;
    struct gw_str bytes = gw_line_get(l->mem, line, "record");

    if (bytes.p)
        bytes = gw_base64_decode(l->mem, bytes);
    if (!bytes.p || gw_record_read(bytes, &rec, &err)) {
        d->lost++;
    } else {
        rec.at.offset = gw_line_number(l->mem, line, "seq");
        rec.encoded = bytes;
        rec.key_hash = gw_hash64(rec.key);
        d->failed =
            d->against ? compare_with_theirs(d, &rec) : gw_diff_record(d->diff, &rec, &l->err);
    }
    gw_arena_reset(l->mem);
    if (++d->records % SHOW_EVERY == 0)
        gw_progress_show(&d->progress, 0, 0, "records=%llu", (unsigned long long)d->records);
    return d->failed;
}

static int put_text(void *ctx, struct gw_str text)
{
    (void)ctx;
    return fwrite(text.p, 1, text.len, stdout) == text.len ? 0 : -1;
}

static int compare(struct diff *d)
{
    struct gw_log_cmd *l = d->l;
    struct gw_ask ask = {"GET", {0}, open_records, on_record, d};
    struct gw_buf path;
    int rc;

    gw_buf_init(&path, 16384, l->place.mem);
    gw_buf_put_str(&path, gw_log_path(l, "/api/log/records"));
    gw_ask_param(&path, "raw", GW_STR("true"));
    ask.path = gw_buf_str(&path);
    gw_progress_init(&d->progress);
    rc = gw_ask(&l->place, &ask, &l->err) || d->failed ? -1 : 0;
    gw_progress_end(&d->progress);
    if (rc || l->place.interrupted)
        return rc;
    if (d->against && gw_against_rest(d->against, on_rest, d, &l->err))
        return -1;
    if (!l->place.config->log.retain_ms)
        GW_DIAG(GW_WARN, "diff",
                gw_msg("log.retain is 0s: what was delivered may be gone from the log, and is not "
                       "compared then"));
    if (d->lost)
        GW_DIAG(GW_WARN, "diff", gw_msg("records that cannot be read are left out"),
                gw_kv_int("records", (int64_t)d->lost));
    return gw_diff_report(d->diff, l->json, put_text, NULL, &l->err);
}

static int open_diff(struct diff *d)
{
    struct gw_log_cmd *l = d->l;
    const char *folder = l->place.config->log.path;

    d->after = *l->conf;
    if (l->script)
        d->after.hooks = (struct gw_strs){&l->script, 1};
    if (!l->against) {
        d->diff = gw_diff_open(l->conf, &d->after, folder, &l->err);
        return d->diff ? 0 : -1;
    }
    d->from_ns = l->from_ns;
    d->to_ns = l->to_ns;
    d->against = gw_against_open(l->against, folder, l->from_ns, l->to_ns, &l->err);
    if (!d->against)
        return -1;
    if (l->from_ns)
        l->from_ns -= AROUND_S * (int64_t)1000000000;
    if (l->to_ns)
        l->to_ns += AROUND_S * (int64_t)1000000000;
    d->diff = gw_diff_open_against(&d->after, gw_against_count(d->against), folder, &l->err);
    return d->diff ? 0 : -1;
}

int gw_log_diff(struct gw_log_cmd *l)
{
    struct diff d = {.l = l};
    int rc;

    if (!l->name && !(l->name = gw_place_only_pipeline(&l->place, &l->err)))
        return -1;
    l->conf = gw_place_sound(&l->place, gw_str_of(l->name), &l->err);
    if (!l->conf)
        return -1;
    rc = open_diff(&d) || compare(&d) ? -1 : 0;
    gw_diff_close(d.diff);
    gw_against_close(d.against);
    return rc;
}
