#include "pipeline/source.h"

#include "base/arena.h"
#include "pipeline/replay.h"

static int count_letters(struct gw_log *log, const struct gw_letter_query *q, uint64_t *total,
                         struct gw_err *err)
{
    struct gw_letters *l = gw_letters_open(log, q, 0, err);
    struct gw_arena *mem = gw_arena_new();
    struct gw_letter letter;
    int rc = -1;

    *total = 0;
    while (l && (rc = gw_letters_next(l, mem, &letter, err)) == 1) {
        ++*total;
        gw_arena_reset(mem);
    }
    gw_letters_close(l);
    gw_arena_free(mem);
    return rc;
}

int gw_source_open(struct gw_source *s, const struct gw_replay_conf *conf, struct gw_log *log,
                   int whole, uint64_t *total, struct gw_err *err)
{
    *s = (struct gw_source){0};
    *total = 0;
    if (!conf->letters) {
        s->scan = gw_scan_open(log, conf->from_ns, conf->to_ns, err);
        return s->scan ? 0 : -1;
    }
    if (count_letters(log, &conf->query, total, err))
        return -1;
    s->letters = gw_letters_open(log, &conf->query, whole, err);
    return s->letters ? 0 : -1;
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
    int got;

    *number = 0;
    if (s->scan)
        return gw_scan_next(s->scan, mem, out, err);
    got = gw_letters_next(s->letters, mem, &letter, err);
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
    *s = (struct gw_source){0};
}
