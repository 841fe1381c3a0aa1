/* What all lines share, and the one line of statistics. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "admin/lines_record.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdlib.h>

/* Of the one thread that has lines. */
static int busy;

void gw_lines_count_busy(int n)
{
    busy += n;
}

int gw_lines_busy(void)
{
    return busy;
}

void gw_lines_free(struct gw_lines *l)
{
    if (l->freed)
        l->freed(l->freed_ctx);
    free(l);
}

static int64_t oldest_kept(struct gw_log *log, struct gw_arena *mem)
{
    struct gw_record r = {0};
    struct gw_err err;
    struct gw_scan *scan = gw_scan_open(log, 0, 0, &err);
    int64_t ns = 0;

    if (!scan)
        return 0;
    if (gw_scan_next(scan, mem, &r, &err) == 1)
        ns = r.received_at_ns;
    gw_scan_close(scan);
    return ns;
}

static void put_cursor(struct gw_buf *out, const struct gw_cursor_stats *c)
{
    gw_buf_puts(out, "{\"name\":\"");
    gw_buf_puts(out, c->name); /* [a-z0-9_-] */
    gw_buf_puts(out, "\",\"lag\":");
    gw_buf_put_u64(out, c->lag);
    gw_buf_puts(out, c->orphan ? ",\"orphan\":true}" : ",\"orphan\":false}");
}

void gw_lines_stats(struct gw_log *log, struct gw_buf *out)
{
    struct gw_arena *mem = gw_arena_new();
    struct gw_log_stats stats = {.cursors = 16};
    struct gw_cursor_stats *cursors;
    size_t room;

    do {
        room = stats.cursors;
        cursors = gw_arena_alloc(mem, room * sizeof(*cursors));
        gw_log_stats(log, &stats, cursors, room);
    } while (stats.cursors > room);
    gw_buf_puts(out, "{\"records\":");
    gw_buf_put_u64(out, stats.records);
    gw_buf_puts(out, ",\"bytes\":");
    gw_buf_put_u64(out, stats.bytes);
    gw_buf_puts(out, ",\"unsettled\":");
    gw_buf_put_u64(out, stats.unsettled);
    gw_buf_puts(out, ",\"oldest\":");
    gw_put_json_time(out, oldest_kept(log, mem));
    gw_buf_puts(out, ",\"pipelines\":[");
    for (size_t i = 0; i < stats.cursors; i++) {
        if (i > 0)
            gw_buf_putc(out, ',');
        put_cursor(out, &cursors[i]);
    }
    gw_buf_puts(out, "]}\n");
    gw_arena_free(mem);
}
