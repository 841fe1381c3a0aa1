#include "pipeline/source.h"

#include "base/arena.h"
#include "base/err.h"
#include "pipeline/replay.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Letters are numbered as they came; a record that was tried for long is numbered behind later ones
 * of its key. */
struct gw_place {
    uint64_t position, number;
};

static int by_position(const void *a, const void *b)
{
    const struct gw_place *x = a, *y = b;

    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void add_place(struct gw_source *s, const struct gw_letter *l)
{
    if ((s->n & (s->n - 1)) == 0) { /* a power of two: full */
        s->places = realloc(s->places, (s->n ? 2 * s->n : 1) * sizeof(*s->places));
        if (!s->places)
            abort();
    }
    s->places[s->n++] = (struct gw_place){l->at.offset, l->number};
}

static int list_letters(struct gw_source *s, struct gw_err *err)
{
    struct gw_letters *l = gw_letters_open(s->log, &s->conf->query, 0, err);
    struct gw_arena *mem = gw_arena_new();
    struct gw_letter letter;
    int rc = l ? 1 : -1;

    while (l && !atomic_load(s->stop) && (rc = gw_letters_next(l, mem, &letter, err)) == 1) {
        add_place(s, &letter);
        gw_arena_reset(mem);
    }
    if (s->n)
        qsort(s->places, s->n, sizeof(*s->places), by_position);
    gw_letters_close(l);
    gw_arena_free(mem);
    if (rc == 1) /* a part of them would be out of order */
        return gw_err_set(err, GW_ERR_RETRY, "it was stopped before its end");
    return rc;
}

void gw_source_init(struct gw_source *s, const struct gw_replay_conf *conf, struct gw_log *log,
                    int whole, const _Atomic int *stop)
{
    *s = (struct gw_source){.log = log, .conf = conf, .whole = whole, .stop = stop};
}

static int begin(struct gw_source *s, struct gw_err *err)
{
    const struct gw_replay_conf *c = s->conf;

    s->is_open = 1;
    if (!c->letters) {
        s->scan = gw_scan_open(s->log, c->from_ns, c->to_ns, err);
        return s->scan ? 0 : -1;
    }
    if (list_letters(s, err))
        return -1;
    s->letters = gw_letters_open(s->log, &c->query, s->whole, err);
    return s->letters ? 0 : -1;
}

uint64_t gw_source_total(const struct gw_source *s)
{
    return s->n;
}

static void read_letter(const struct gw_letter *l, struct gw_record *out)
{
    struct gw_err why;

    if (!l->d.record.len || gw_record_read(l->d.record, out, &why))
        *out = (struct gw_record){.damaged = 1};
    out->at = l->at;
}

int gw_source_next(struct gw_source *s, struct gw_arena *mem, struct gw_record *out,
                   uint64_t *number, struct gw_err *err)
{
    struct gw_letter letter;
    int got = 0;

    *number = 0;
    if (!s->is_open && begin(s, err))
        return -1;
    if (s->scan)
        return gw_scan_next(s->scan, mem, out, err);
    while (got == 0 && s->i < s->n) /* one that has gone is passed over */
        got = gw_letters_at(s->letters, s->places[s->i++].number, mem, &letter, err);
    if (got == 1) {
        *number = letter.number;
        read_letter(&letter, out);
    }
    return got;
}

void gw_source_progress(const struct gw_source *s, struct gw_scan_progress *out)
{
    *out = (struct gw_scan_progress){0};
    if (s->scan)
        gw_scan_progress(s->scan, out);
}

void gw_source_close(struct gw_source *s)
{
    if (s->letters)
        gw_letters_close(s->letters);
    if (s->scan)
        gw_scan_close(s->scan);
    free(s->places);
    s->letters = NULL;
    s->scan = NULL;
    s->places = NULL;
}
