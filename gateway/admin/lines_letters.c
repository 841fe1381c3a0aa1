/* Dead letters as lines. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "admin/lines_record.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

#include <stdlib.h>

struct letters {
    struct gw_lines pub;
    struct gw_letters *letters;
    struct gw_arena *mem;
    int whole;
};

static void put_id(struct gw_buf *out, struct gw_arena *mem, const struct gw_letter *l)
{
    gw_json_put_string(out, gw_arena_printf(mem, "%.*s/%llu", (int)l->pipeline.len, l->pipeline.p,
                                            (unsigned long long)l->number));
}

static void put_letter(struct letters *l, struct gw_buf *out, const struct gw_letter *letter)
{
    const struct gw_dead_letter *d = &letter->d;

    gw_buf_puts(out, "{\"id\":");
    put_id(out, l->mem, letter);
    gw_put_json_member(out, "pipeline", letter->pipeline);
    gw_put_json_member(out, "reason", gw_str_of(d->reason));
    gw_put_json_member(out, "event_id", d->event_id);
    gw_buf_puts(out, ",\"attempts\":");
    gw_buf_put_u64(out, d->attempts);
    gw_buf_puts(out, ",\"first_at\":");
    gw_put_json_time(out, d->first_at_ns);
    gw_buf_puts(out, ",\"last_at\":");
    gw_put_json_time(out, d->last_at_ns);
    gw_put_json_member(out, "error", d->error);
    if (l->whole) {
        gw_buf_puts(out, ",\"seq\":");
        gw_buf_put_u64(out, letter->at.offset);
        if (gw_str_is(letter->pipeline, GW_INGEST) && d->record.len) {
            gw_buf_puts(out, ",\"message\":");
            gw_put_json_message(out, l->mem, d->record);
        }
        gw_buf_puts(out, ",\"record\":");
        if (d->record.len && !gw_str_is(letter->pipeline, GW_INGEST))
            gw_put_json_record(out, l->mem, d->record);
        else
            gw_buf_puts(out, "null"); /* its bytes were damaged */
    }
    gw_buf_puts(out, "}\n");
}

static int next_letter(struct gw_lines *pub, struct gw_buf *out, struct gw_err *err)
{
    struct letters *l = (struct letters *)pub;
    struct gw_letter letter;
    int rc;

    gw_arena_reset(l->mem);
    rc = gw_letters_next(l->letters, l->mem, &letter, err);
    if (rc != 1)
        return rc;
    put_letter(l, out, &letter);
    if (out->failed)
        return gw_err_set(err, GW_ERR_TOO_LARGE, "dead letter %.*s/%llu is too large to be shown",
                          (int)letter.pipeline.len, letter.pipeline.p,
                          (unsigned long long)letter.number);
    return 1;
}

static void close_letters(struct gw_lines *pub)
{
    struct letters *l = (struct letters *)pub;

    gw_letters_close(l->letters);
    gw_arena_free(l->mem);
    gw_lines_free(pub);
}

struct gw_lines *gw_lines_letters(struct gw_log *log, const struct gw_letter_query *q, int whole,
                                  struct gw_err *err)
{
    struct gw_letters *letters = gw_letters_open(log, q, whole, err);
    struct letters *l;

    if (!letters)
        return NULL;
    l = calloc(1, sizeof(*l));
    if (!l)
        abort();
    *l = (struct letters){.pub = {.next = next_letter, .close = close_letters},
                          .letters = letters,
                          .mem = gw_arena_new(),
                          .whole = whole};
    return &l->pub;
}
