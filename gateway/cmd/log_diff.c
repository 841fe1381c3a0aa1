/* What the kept records become under a new script against what they become under the hooks there
 * are: in this process, though a gateway may run. */
#include "cmd/log.h"

#include "admin/lines.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/text.h"
#include "cmd/fields.h"
#include "cmd/progress.h"
#include "log/record.h"
#include "pipeline/diff.h"

#include <stdio.h>

struct diff {
    struct gw_log_cmd *l;
    struct gw_diff *diff;
    struct gw_progress progress;
    uint64_t records, lost; /* lost: damaged, cannot be compared */
    int failed;
};

/* The one argument of gw_log_open_records is the command. */
static struct gw_lines *open_records(void *ctx, struct gw_place *p, struct gw_mail *wake,
                                     struct gw_err *err)
{
    return gw_log_open_records(((struct diff *)ctx)->l, p, wake, err);
}

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
        d->failed = gw_diff_record(d->diff, &rec, &l->err);
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
    if (d->lost)
        GW_DIAG(GW_WARN, "diff", gw_msg("records that cannot be read are left out"),
                gw_kv_int("records", (int64_t)d->lost));
    return gw_diff_report(d->diff, l->json, put_text, NULL, &l->err);
}

int gw_log_diff(struct gw_log_cmd *l)
{
    struct diff d = {.l = l};
    struct gw_pipeline_conf after;
    int rc;

    if (!l->name && !(l->name = gw_place_only_pipeline(&l->place, &l->err)))
        return -1;
    l->conf = gw_place_sound(&l->place, gw_str_of(l->name), &l->err);
    if (!l->conf)
        return -1;
    after = *l->conf;
    after.hooks = (struct gw_strs){&l->script, 1};
    d.diff = gw_diff_open(l->conf, &after, &l->err);
    if (!d.diff)
        return -1;
    rc = compare(&d);
    gw_diff_close(d.diff);
    return rc;
}
