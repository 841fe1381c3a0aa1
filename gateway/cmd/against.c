/* A file of events, to look up what somebody else has published of a report. Lines are kept as a
 * hash of the report and a place, in the order of the hashes; what is found is read anew and its
 * report compared, so that a hash that two share mixes nothing up. */
#include "cmd/against.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/tmp.h"
#include "event/event.h"
#include "event/format.h"
#include "flyte/flyte.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 50 * 1000 * 1000, LINE_MAX_BYTES = 64 * 1024 * 1024 };

struct line {
    uint64_t hash;
    uint64_t at : 62; /* offset in the file; offsets rise with the lines */
    uint64_t taken : 1;
    uint64_t inside : 1; /* the span */
};

struct gw_against {
    const char *path;
    FILE *file;
    struct gw_buf text; /* of a line */
    struct line *lines;
    size_t n, cap;
    int64_t from_ns, to_ns;
    uint64_t n_inside;
    int mixed; /* two reports share a hash: those that are taken need not be the first of it */
};

/* ---- a line ---- */

/* Its bytes with the line feed, 0 at the end; what is unfinished is no line. -1: it is too long, or
 * cannot be read. */
static int64_t read_line(struct gw_against *a, struct gw_err *err)
{
    int c;

    gw_buf_clear(&a->text);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the file is this thread's alone */
    while ((c = getc_unlocked(a->file)) != EOF && c != '\n' && !a->text.failed)
        gw_buf_putc(&a->text, (char)c);
    if (ferror(a->file))
        return gw_err_errno(err, GW_ERR_REJECT, "%s", a->path);
    if (a->text.failed)
        return gw_err_set(err, GW_ERR_REJECT, "a line longer than 64 MiB");
    return c == EOF ? 0 : (int64_t)a->text.len + 1;
}

static int parse(struct gw_against *a, struct gw_arena *mem, struct gw_event *ev,
                 struct gw_err *err)
{
    gw_event_init(ev, mem);
    return gw_event_json_read(ev, gw_arena_str(mem, gw_buf_str(&a->text)), err);
}

/* An event without a time that can be told is always inside. */
static int is_inside(const struct gw_against *a, const struct gw_event *ev)
{
    const struct gw_str text = gw_event_text(ev, "time");
    int64_t at;

    if (!text.p || gw_time_parse_ns(text, &at))
        return 1;
    return at >= a->from_ns && (!a->to_ns || at < a->to_ns);
}

/* ---- the index ---- */

static int add(struct gw_against *a, struct line l, struct gw_err *err)
{
    if (a->n == LINES_MAX)
        return gw_err_set(err, GW_ERR_REJECT, "more than %d events: take a part of the file",
                          LINES_MAX);
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 1024;
        a->lines = realloc(a->lines, a->cap * sizeof(*a->lines));
        if (!a->lines)
            abort();
    }
    a->lines[a->n++] = l;
    a->n_inside += l.inside;
    return 0;
}

static int index_line(struct gw_against *a, struct gw_arena *mem, uint64_t at, struct gw_err *err)
{
    struct gw_event ev;
    struct line l = {.at = at};

    if (!a->text.len) /* an empty one */
        return 0;
    if (parse(a, mem, &ev, err))
        return -1;
    l.hash = gw_hash64(gw_event_report(mem, &ev));
    l.inside = (unsigned)is_inside(a, &ev);
    return add(a, l, err);
}

static int by_hash(const void *p, const void *q)
{
    const struct line *x = p, *y = q;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static int read_all(struct gw_against *a, struct gw_err *err)
{
    struct gw_arena *mem = gw_arena_new();
    uint64_t at = 0, number = 1;
    int64_t got;

    while ((got = read_line(a, err)) > 0 && !index_line(a, mem, at, err)) {
        gw_arena_reset(mem);
        at += (uint64_t)got;
        number++;
    }
    gw_arena_free(mem);
    if (got)
        return gw_err_wrap(err, "%s:%llu", a->path, (unsigned long long)number);
    if (a->n)
        qsort(a->lines, a->n, sizeof(*a->lines), by_hash);
    return 0;
}

/* ---- the file ---- */

/* What can be read once only, where it can be read again; from is closed, but for standard input.
 */
static FILE *copy(FILE *from, const char *folder, struct gw_err *err)
{
    FILE *to = gw_tmp_open(folder, err);
    char piece[65536];
    size_t n;

    while (to && (n = fread(piece, 1, sizeof(piece), from)) > 0) {
        if (fwrite(piece, 1, n, to) == n)
            continue;
        gw_err_errno(err, GW_ERR_RETRY, "a temporary file");
        fclose(to); /* NOLINT(cert-err33-c): given up */
        to = NULL;
    }
    if (to && (ferror(from) || fflush(to) || fseeko(to, 0, SEEK_SET))) {
        gw_err_errno(err, GW_ERR_RETRY, "its copy");
        fclose(to); /* NOLINT(cert-err33-c): given up */
        to = NULL;
    }
    if (from != stdin)
        fclose(from); /* NOLINT(cert-err33-c): only read */
    return to;
}

static FILE *open_file(const char *path, const char *folder, struct gw_err *err)
{
    FILE *f = !strcmp(path, "-") ? stdin : fopen(path, "rbe");

    if (!f)
        gw_err_errno(err, GW_ERR_REJECT, "--against %s", path);
    else if ((f == stdin || fseeko(f, 0, SEEK_SET)) && !(f = copy(f, folder, err)))
        gw_err_wrap(err, "--against %s", path);
    return f;
}

struct gw_against *gw_against_open(const char *path, const char *folder, int64_t from_ns,
                                   int64_t to_ns, struct gw_err *err)
{
    struct gw_against *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    *a = (struct gw_against){.path = path, .from_ns = from_ns, .to_ns = to_ns};
    gw_buf_init(&a->text, LINE_MAX_BYTES, NULL);
    a->file = open_file(path, folder, err);
    if (a->file && !read_all(a, err))
        return a;
    gw_against_close(a);
    return NULL;
}

void gw_against_close(struct gw_against *a)
{
    if (!a)
        return;
    if (a->file)
        fclose(a->file); /* NOLINT(cert-err33-c): only read */
    gw_buf_free(&a->text);
    free(a->lines);
    free(a);
}

uint64_t gw_against_count(const struct gw_against *a)
{
    return a->n_inside;
}

/* ---- looking up ---- */

static int read_at(struct gw_against *a, struct gw_arena *mem, const struct line *l,
                   struct gw_event *out, struct gw_err *err)
{
    if (fseeko(a->file, (off_t)l->at, SEEK_SET))
        return gw_err_errno(err, GW_ERR_RETRY, "%s", a->path);
    if (read_line(a, err) > 0 && !parse(a, mem, out, err))
        return 0;
    return gw_err_set(err, GW_ERR_RETRY, "%s has changed meanwhile: events are added to it at most",
                      a->path);
}

/* The first line with this hash, or behind those of it that are taken already. */
static size_t first_of(const struct gw_against *a, uint64_t hash, int past_taken)
{
    size_t low = 0, high = a->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        const struct line *l = &a->lines[mid];

        if (l->hash < hash || (past_taken && l->hash == hash && l->taken))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* The first line that is taken, or is not, and whose event reports this; NULL: none. */
static int find(struct gw_against *a, struct gw_str report, unsigned taken, struct line **line,
                struct gw_event *out, struct gw_err *err)
{
    const uint64_t hash = gw_hash64(report);
    size_t i = first_of(a, hash, !taken && !a->mixed);

    for (; i < a->n && a->lines[i].hash == hash; i++) {
        *line = &a->lines[i];
        if ((*line)->taken != taken)
            continue;
        if (read_at(a, out->mem, *line, out, err))
            return -1;
        if (gw_str_eq(gw_event_report(out->mem, out), report))
            return 0;
        a->mixed = 1;
    }
    *line = NULL;
    return 0;
}

int gw_against_take(struct gw_against *a, struct gw_arena *mem, struct gw_str report,
                    struct gw_event *out, struct gw_err *err)
{
    struct line *line;

    gw_event_init(out, mem);
    if (find(a, report, 0, &line, out, err))
        return -1;
    if (line) {
        line->taken = 1;
        return GW_AGAINST_ONE;
    }
    if (find(a, report, 1, &line, out, err))
        return -1;
    return line ? GW_AGAINST_TAKEN : GW_AGAINST_NONE;
}

/* ---- the rest ---- */

static int by_place(const void *p, const void *q)
{
    const struct line *x = p, *y = q;

    return x->at < y->at ? -1 : x->at > y->at;
}

/* Line numbers are counted anew, since they are not kept: *number is that of *at. */
static int count_to(struct gw_against *a, uint64_t to, uint64_t *at, uint64_t *number,
                    struct gw_err *err)
{
    int64_t got = 1;

    if (fseeko(a->file, (off_t)*at, SEEK_SET))
        return gw_err_errno(err, GW_ERR_RETRY, "%s", a->path);
    while (*at < to && (got = read_line(a, err)) > 0) {
        *at += (uint64_t)got;
        ++*number;
    }
    return got > 0 ? 0 : gw_err_set(err, GW_ERR_RETRY, "%s has changed meanwhile", a->path);
}

/* Behind the last line with the hash of lines[from]; *taken: the first of them that is. */
static size_t end_of(const struct gw_against *a, size_t from, size_t *taken)
{
    size_t i = from;

    for (*taken = SIZE_MAX; i < a->n && a->lines[i].hash == a->lines[from].hash; i++)
        if (a->lines[i].taken && *taken == SIZE_MAX)
            *taken = i;
    return i;
}

/* 1: an event that reports the same as lines[i] was taken, of those from `from` on; 0: none; -1:
 * the file does not give it back. */
static int was_taken(struct gw_against *a, struct gw_arena *mem, size_t i, size_t from,
                     struct gw_err *err)
{
    struct gw_event ev;
    struct gw_str report;

    if (read_at(a, mem, &a->lines[i], &ev, err))
        return -1;
    report = gw_event_report(mem, &ev);
    for (; from < a->n && a->lines[from].hash == a->lines[i].hash; from++) {
        if (!a->lines[from].taken)
            continue;
        if (read_at(a, mem, &a->lines[from], &ev, err))
            return -1;
        if (gw_str_eq(gw_event_report(mem, &ev), report))
            return 1;
    }
    return 0;
}

/* The untaken ones into rest, which replaces the lines; repeats are told at once. */
static int collect_rest(struct gw_against *a, struct gw_arena *mem, struct line *rest,
                        int (*each)(void *ctx, const struct gw_event *ev, uint64_t line,
                                    struct gw_err *err),
                        void *ctx, struct gw_err *err)
{
    size_t n = 0, end = 0, taken = 0;
    int rc = 0;

    for (size_t i = 0; i < a->n && !rc; i++) {
        int repeats;

        if (i == end)
            end = end_of(a, i, &taken);
        if (a->lines[i].taken || !a->lines[i].inside)
            continue;
        repeats = taken == SIZE_MAX ? 0 : was_taken(a, mem, i, taken, err);
        gw_arena_reset(mem);
        if (!repeats)
            rest[n++] = a->lines[i];
        else
            rc = repeats < 0 ? -1 : each(ctx, NULL, 0, err);
    }
    free(a->lines);
    a->lines = rest;
    a->n = n;
    return rc;
}

int gw_against_rest(struct gw_against *a,
                    int (*each)(void *ctx, const struct gw_event *ev, uint64_t line,
                                struct gw_err *err),
                    void *ctx, struct gw_err *err)
{
    struct gw_arena *mem = gw_arena_new();
    uint64_t at = 0, number = 1;
    struct gw_event ev;
    struct line *rest = malloc((a->n + 1) * sizeof(*rest));
    int rc;

    if (!rest)
        abort();
    rc = collect_rest(a, mem, rest, each, ctx, err);
    qsort(a->lines, a->n, sizeof(*a->lines), by_place);
    for (size_t i = 0; i < a->n && !rc; i++) {
        rc = count_to(a, a->lines[i].at, &at, &number, err);
        if (!rc)
            rc = read_at(a, mem, &a->lines[i], &ev, err);
        if (!rc)
            rc = each(ctx, &ev, number, err);
        gw_arena_reset(mem);
    }
    gw_arena_free(mem);
    return rc;
}
