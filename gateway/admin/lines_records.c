/* The log's records as lines. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "admin/lines_record.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "flyte/flyte.h"

#include <stdlib.h>

struct records {
    struct gw_lines pub;
    struct gw_scan *scan;
    struct gw_arena *mem;
    int raw;
};

static void put_known(struct records *l, struct gw_buf *out, const struct gw_record *r)
{
    const char *why;
    const struct gw_str id = gw_record_event_id(l->mem, r, &why);
    const enum gw_kind carried = r->kind == GW_OTHER ? gw_flyte_carried_in(r->payload) : GW_OTHER;

    gw_put_json_member(out, "kind", gw_str_of(gw_kind_names[r->kind]));
    if (carried != GW_OTHER)
        gw_put_json_member(out, "carries", gw_str_of(gw_kind_names[carried]));
    gw_put_json_member(out, "key", r->key);
    gw_put_json_member(out, "id", id);
    if (why)
        gw_put_json_member(out, "error", gw_str_of(why));
}

static void put_record(struct records *l, struct gw_buf *out, const struct gw_record *r)
{
    gw_buf_puts(out, "{\"seq\":");
    gw_buf_put_u64(out, r->at.offset);
    gw_buf_puts(out, ",\"received_at\":");
    gw_put_json_time(out, r->received_at_ns);
    if (r->damaged)
        gw_buf_puts(out, ",\"kind\":null,\"key\":null,\"id\":null,\"error\":\"damaged\"");
    else
        put_known(l, out, r);
    if (l->raw && !r->damaged) {
        gw_buf_puts(out, ",\"record\":\"");
        gw_base64_put(out, r->encoded);
        gw_buf_putc(out, '"');
    }
    gw_buf_puts(out, "}\n");
}

static int next_record(struct gw_lines *pub, struct gw_buf *out, struct gw_err *err)
{
    struct records *l = (struct records *)pub;
    struct gw_record r = {0};
    int rc;

    gw_arena_reset(l->mem);
    rc = gw_scan_next(l->scan, l->mem, &r, err);
    if (rc != 1)
        return rc;
    put_record(l, out, &r);
    if (out->failed)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "record %llu is too large to be shown",
                          (unsigned long long)r.at.offset);
    return 1;
}

static void close_records(struct gw_lines *pub)
{
    struct records *l = (struct records *)pub;

    gw_scan_close(l->scan);
    gw_arena_free(l->mem);
    gw_lines_free(pub);
}

struct gw_lines *gw_lines_records(struct gw_log *log, int64_t from_ns, int64_t to_ns, int raw,
                                  struct gw_err *err)
{
    struct gw_scan *scan = gw_scan_open(log, from_ns, to_ns, err);
    struct records *l;

    if (!scan)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    *l = (struct records){.pub = {.next = next_record, .close = close_records},
                          .scan = scan,
                          .mem = gw_arena_new(),
                          .raw = raw};
    return &l->pub;
}
