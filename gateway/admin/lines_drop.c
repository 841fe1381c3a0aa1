/* Drops dead letters and tells how many. Many changes are under way at once, so that they share
 * commits, which come ten a second. One that cannot go, for its page of state.db is damaged, does
 * not keep the others. Closed early, it frees itself when the last of them has come back. */
#include "admin/lines.h"

#include "admin/lines_busy.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 1024, FAILED_MAX = 64 }; /* in a row: then it is not the letters */

struct drop;
struct slot {
    struct gw_letter_change change;
    struct drop *drop;
    struct slot *next; /* idle ones */
    char pipeline[64];
};

struct drop {
    struct gw_lines pub;
    struct gw_log *log;
    struct gw_letters *letters; /* NULL: no more */
    struct gw_loop *loop;
    struct gw_mail *wake;
    struct gw_arena *mem;
    struct slot slots[AT_ONCE], *idle;
    size_t open;
    uint64_t dropped, failed, in_a_row;
    int told, waiting, closed;
};

static void free_drop(struct drop *d)
{
    gw_letters_close(d->letters);
    gw_arena_free(d->mem);
    gw_lines_count_busy(-1);
    gw_lines_free(&d->pub);
}

static void on_changed(struct gw_mail *m)
{
    struct slot *s = GW_CONTAINER(m, struct slot, change.mail);
    struct drop *d = s->drop;

    d->open--;
    d->failed += s->change.failed != 0;
    d->in_a_row = s->change.failed ? d->in_a_row + 1 : 0;
    d->dropped += !s->change.failed && s->change.found;
    s->next = d->idle;
    d->idle = s;
    if (d->closed && !d->open) {
        free_drop(d);
    } else if (!d->closed && d->waiting) {
        d->waiting = 0;
        d->wake->fn(d->wake);
    }
}

static void start_one(struct drop *d, const struct gw_letter *letter)
{
    struct slot *s = d->idle;

    d->idle = s->next;
    memcpy(s->pipeline, letter->pipeline.p, letter->pipeline.len);
    s->change = (struct gw_letter_change){.mail.fn = on_changed,
                                          .reply = d->loop,
                                          .pipeline = {s->pipeline, letter->pipeline.len},
                                          .number = letter->number};
    d->open++;
    gw_letter_change(d->log, &s->change);
}

static int fill(struct drop *d, struct gw_err *err)
{
    struct gw_letter letter;

    while (d->letters && d->idle && d->in_a_row < FAILED_MAX) {
        int rc;

        gw_arena_reset(d->mem);
        rc = gw_letters_next(d->letters, d->mem, &letter, err);
        if (rc < 0)
            return -1;
        if (rc == 1 && letter.pipeline.len <= sizeof(d->slots->pipeline)) {
            start_one(d, &letter);
        } else if (rc == 0) {
            gw_letters_close(d->letters);
            d->letters = NULL;
        }
    }
    return 0;
}

static int next_drop(struct gw_lines *pub, struct gw_buf *out, struct gw_err *err)
{
    struct drop *d = (struct drop *)pub;

    if (fill(d, err))
        return -1;
    if (d->open) {
        d->waiting = 1;
        return 2;
    }
    if (d->failed)
        return gw_err_set(err, GW_ERR_RETRY,
                          "the state could not be written, or it is damaged: %llu were dropped, "
                          "the rest is there",
                          (unsigned long long)d->dropped);
    if (d->told)
        return 0;
    d->told = 1;
    gw_buf_puts(out, "{\"dropped\":");
    gw_buf_put_u64(out, d->dropped);
    gw_buf_puts(out, "}\n");
    return 1;
}

static void close_drop(struct gw_lines *pub)
{
    struct drop *d = (struct drop *)pub;

    d->closed = 1;
    if (!d->open)
        free_drop(d);
}

struct gw_lines *gw_lines_drop(struct gw_log *log, const struct gw_letter_query *q,
                               struct gw_loop *loop, struct gw_mail *wake, struct gw_err *err)
{
    struct gw_letters *letters = gw_letters_open(log, q, 0, err);
    struct drop *d;

    if (!letters)
        return NULL;
    d = calloc(1, sizeof(*d));
    if (!d)
        abort();
    *d = (struct drop){.pub = {.next = next_drop, .close = close_drop},
                       .log = log,
                       .letters = letters,
                       .loop = loop,
                       .wake = wake,
                       .mem = gw_arena_new()};
    for (size_t i = 0; i < AT_ONCE; i++) {
        d->slots[i].drop = d;
        d->slots[i].next = d->idle;
        d->idle = &d->slots[i];
    }
    gw_lines_count_busy(1);
    return &d->pub;
}
