/* The report of a diff, for people and as JSON: the counts, then the entries as they were kept. */
#include "pipeline/diff_inside.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "flyte/flyte.h"

#include <inttypes.h>
#include <string.h>

/* ---- entries as bytes ---- */

enum { ABSENT, WHOLE, CUT };

void gw_diff_put_number(struct gw_buf *out, uint64_t n)
{
    gw_buf_put(out, &n, sizeof(n));
}

void gw_diff_put_text(struct gw_buf *out, struct gw_str s)
{
    const size_t len = s.len < GW_DIFF_TEXT ? s.len : GW_DIFF_TEXT;

    gw_buf_putc(out, (char)(!s.p ? ABSENT : len == s.len ? WHOLE : CUT));
    gw_diff_put_number(out, len);
    if (s.p)
        gw_buf_put(out, s.p, len);
}

struct text {
    struct gw_str s; /* p NULL: absent */
    int cut;
};

struct op {
    enum gw_diff_op op;
    struct text name, before, after;
};

/* An entry read back. */
struct entry {
    enum gw_diff_kind change;
    int extra;
    enum gw_kind kind;
    uint64_t seq, n_ops, more;
    struct text id, before, after;
};

struct report {
    FILE *in;
    struct gw_arena *mem; /* of one entry */
    struct gw_buf out;
    int (*put)(void *ctx, struct gw_str text);
    void *ctx;
    int bad; /* the file does not give back what was written */
};

static uint64_t get_number(struct report *r)
{
    uint64_t n = 0;

    if (fread(&n, sizeof(n), 1, r->in) != 1)
        r->bad = 1;
    return n;
}

static struct text get_text(struct report *r)
{
    const int how = getc(r->in);
    const uint64_t len = get_number(r);
    char *p;

    if (how == EOF || len > GW_DIFF_TEXT)
        r->bad = 1;
    if (r->bad || how == ABSENT)
        return (struct text){0};
    p = gw_arena_alloc(r->mem, len + 1);
    if (fread(p, 1, len, r->in) != len)
        r->bad = 1;
    return (struct text){{p, len}, how == CUT};
}

static struct op get_op(struct report *r)
{
    struct op o;

    o.op = (enum gw_diff_op)get_number(r);
    o.name = get_text(r);
    o.before = get_text(r);
    o.after = get_text(r);
    return o;
}

/* 1, or 0 at the end. */
static int get_entry(struct report *r, struct entry *e)
{
    const int c = getc(r->in);

    if (c == EOF) {
        r->bad |= ferror(r->in) != 0;
        return 0;
    }
    ungetc(c, r->in);
    e->change = (enum gw_diff_kind)get_number(r);
    e->extra = (int)get_number(r) - 1;
    e->kind = (enum gw_kind)get_number(r);
    e->seq = get_number(r);
    e->id = get_text(r);
    e->before = get_text(r);
    e->after = get_text(r);
    e->n_ops = get_number(r);
    e->more = get_number(r);
    return !r->bad;
}

/* ---- for people ---- */

/* One line, whatever is in it; what follows a line feed is left out. */
static void put_line(struct gw_buf *b, struct text t)
{
    for (size_t i = 0; i < t.s.len; i++) {
        if (t.s.p[i] == '\n')
            break;
        gw_buf_putc(b, (char)((unsigned char)t.s.p[i] < 0x20 || t.s.p[i] == 0x7f ? ' ' : t.s.p[i]));
    }
    if (t.cut)
        gw_buf_puts(b, "…");
}

/* JSON without the line feeds of a pretty one. */
static void put_value(struct gw_buf *b, struct text t)
{
    for (size_t i = 0; i < t.s.len; i++)
        if (t.s.p[i] != '\n' && t.s.p[i] != '\r')
            gw_buf_putc(b, (char)(t.s.p[i] == '\t' ? ' ' : t.s.p[i]));
    if (t.cut)
        gw_buf_puts(b, "…");
}

static void side(struct gw_buf *b, char sign, const struct op *o, struct text value)
{
    if (!value.s.p)
        return;
    gw_buf_putc(b, sign);
    gw_buf_putc(b, ' ');
    if (o->op != GW_OP_ATTRIBUTE)
        gw_buf_puts(b, "data");
    if (o->op == GW_OP_POINTER && o->name.s.len)
        gw_buf_putc(b, ' ');
    if (o->op != GW_OP_BYTES)
        put_line(b, o->name);
    gw_buf_puts(b, ": ");
    (o->op == GW_OP_POINTER ? put_value : put_line)(b, value);
    if (o->op == GW_OP_BYTES && sign == '+') {
        gw_buf_puts(b, ", other from byte ");
        put_line(b, o->name);
    }
    gw_buf_putc(b, '\n');
}

static void say_end(struct gw_buf *b, char sign, struct text t)
{
    gw_buf_putc(b, sign);
    gw_buf_putc(b, ' ');
    put_line(b, t);
    gw_buf_putc(b, '\n');
}

/* What seq is: an event without a record has a line in its file. */
static const char *place_name(const struct entry *e)
{
    return e->change == GW_DIFF_ONLY_THERE ? "line" : "seq";
}

static void text_entry(struct report *r, const struct entry *e)
{
    struct gw_buf *b = &r->out;

    gw_buf_puts(b, "\n@@ ");
    put_line(b, e->id);
    gw_buf_printf(b, " (%s, %s %" PRIu64 ") @@", gw_kind_names[e->kind], place_name(e), e->seq);
    if (e->change != GW_DIFF_CHANGED) {
        gw_buf_putc(b, ' ');
        for (const char *p = gw_diff_names[e->change]; *p; p++)
            gw_buf_putc(b, (char)(*p == '_' ? ' ' : *p));
    }
    gw_buf_putc(b, '\n');
    if (e->extra)
        gw_buf_puts(b, e->extra > 0 ? "+ one event more\n" : "- one event less\n");
    if (e->before.s.p) {
        say_end(b, '-', e->before);
        say_end(b, '+', e->after);
    }
    for (uint64_t i = 0; i < e->n_ops; i++) {
        const struct op o = get_op(r);

        side(b, '-', &o, o.before);
        side(b, '+', &o, o.after);
    }
    if (e->more)
        gw_buf_printf(b, "… %" PRIu64 " more\n", e->more);
}

/* Of two configurations, or against somebody else's events. */
static int is_counted(const struct gw_diff_counts *c, int kind)
{
    return kind <= GW_DIFF_CHANGED || (kind >= GW_DIFF_ONLY_HERE) == c->against;
}

static void text_counts(struct gw_buf *b, const struct gw_diff_counts *c)
{
    char name[24];

    gw_buf_printf(b, "%-20s %9" PRIu64 "\n", "records", c->records);
    if (c->against)
        gw_buf_printf(b, "%-20s %9" PRIu64 "\n", "events there", c->there);
    for (int i = 0; i < GW_DIFF_KINDS; i++) {
        if (!is_counted(c, i))
            continue;
        snprintf(name, sizeof(name), "%s", gw_diff_names[i]);
        for (char *p = name; (p = strchr(p, '_'));)
            *p = ' ';
        gw_buf_printf(b, "%-20s %9" PRIu64 "\n", name, c->of[i]);
        if (i == GW_DIFF_SAME && c->same_failing)
            gw_buf_printf(b, "%-20s %9" PRIu64 "\n", "  failing in both", c->same_failing);
    }
    if (c->events_added || c->events_removed)
        gw_buf_printf(b, "\n%-20s %9" PRIu64 " added %9" PRIu64 " removed\n", "events",
                      c->events_added, c->events_removed);
    if (c->n_names)
        gw_buf_printf(b, "\n%-20s %9s %9s %9s\n", "attribute", "added", "removed", "changed");
    for (size_t i = 0; i <= GW_DIFF_NAMES; i++) {
        const struct gw_diff_name *n = &c->names[i];

        if (n->name[0])
            gw_buf_printf(b, "%-20s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n", n->name, n->added,
                          n->removed, n->changed);
    }
}

/* ---- as JSON ---- */

static void put_key(struct gw_buf *b, const char *name)
{
    gw_json_put_key(b, b->len && b->p[b->len - 1] == '{', gw_str_of(name));
}

static void put_count(struct gw_buf *b, const char *name, uint64_t n)
{
    put_key(b, name);
    gw_buf_put_u64(b, n);
}

static void put_string(struct gw_buf *b, const char *name, struct text t)
{
    if (!t.s.p)
        return;
    put_key(b, name);
    gw_json_put_string(b, t.s);
}

/* A cut value is no JSON any more: a text, beside "cut". */
static void put_json(struct gw_buf *b, const char *name, struct text t)
{
    if (!t.s.p)
        return;
    put_key(b, name);
    if (t.cut)
        gw_json_put_string(b, t.s);
    else
        put_value(b, t);
}

static void put_op(struct gw_buf *b, const struct op *o)
{
    gw_buf_putc(b, '{');
    put_string(b,
               o->op == GW_OP_POINTER ? "pointer"
               : o->op == GW_OP_BYTES ? "from_byte"
                                      : "name",
               o->name);
    (o->op == GW_OP_POINTER ? put_json : put_string)(b, "before", o->before);
    (o->op == GW_OP_POINTER ? put_json : put_string)(b, "after", o->after);
    if (o->before.cut || o->after.cut) {
        put_key(b, "cut");
        gw_buf_puts(b, "true");
    }
    gw_buf_putc(b, '}');
}

/* Attributes come before data. */
static void json_ops(struct report *r, const struct entry *e)
{
    struct gw_buf *b = &r->out;
    int in_data = 0;

    if (!e->n_ops)
        return;
    for (uint64_t i = 0; i < e->n_ops; i++) {
        const struct op o = get_op(r);
        const int is_data = o.op != GW_OP_ATTRIBUTE;

        if (i == 0 || is_data != in_data) {
            if (i)
                gw_buf_putc(b, ']');
            put_key(b, is_data ? "data" : "attributes");
            gw_buf_putc(b, '[');
        } else {
            gw_buf_putc(b, ',');
        }
        in_data = is_data;
        put_op(b, &o);
    }
    gw_buf_putc(b, ']');
    if (e->more)
        put_count(b, "more", e->more);
}

static void json_entry(struct report *r, const struct entry *e)
{
    struct gw_buf *b = &r->out;

    gw_buf_putc(b, '{');
    put_string(b, "change",
               (struct text){gw_str_of(e->extra > 0   ? "event_added"
                                       : e->extra < 0 ? "event_removed"
                                                      : gw_diff_names[e->change]),
                             0});
    put_string(b, "id", e->id);
    put_string(b, "kind", (struct text){gw_str_of(gw_kind_names[e->kind]), 0});
    put_count(b, place_name(e), e->seq);
    put_string(b, "before", e->before);
    put_string(b, "after", e->after);
    json_ops(r, e);
    gw_buf_puts(b, "}\n");
}

static void json_counts(struct gw_buf *b, const struct gw_diff_counts *c)
{
    gw_buf_putc(b, '{');
    put_count(b, "records", c->records);
    if (c->against)
        put_count(b, "events_there", c->there);
    for (int i = 0; i < GW_DIFF_KINDS; i++)
        if (is_counted(c, i))
            put_count(b, gw_diff_names[i], c->of[i]);
    if (!c->against)
        put_count(b, "same_failing", c->same_failing);
    put_count(b, "events_added", c->events_added);
    put_count(b, "events_removed", c->events_removed);
    put_key(b, "attributes");
    gw_buf_putc(b, '{');
    for (size_t i = 0; i <= GW_DIFF_NAMES; i++) {
        const struct gw_diff_name *n = &c->names[i];

        if (!n->name[0])
            continue;
        put_key(b, n->name);
        gw_buf_putc(b, '{');
        put_count(b, "added", n->added);
        put_count(b, "removed", n->removed);
        put_count(b, "changed", n->changed);
        gw_buf_putc(b, '}');
    }
    gw_buf_puts(b, "}}\n");
}

/* ---- both ---- */

/* 1: the reader wants no more. */
static int hand_over(struct report *r)
{
    const int rc = r->put(r->ctx, gw_buf_str(&r->out));

    gw_buf_clear(&r->out);
    gw_arena_reset(r->mem);
    return rc != 0;
}

int gw_diff_write_report(const struct gw_diff_counts *c, FILE *details, int json,
                         int (*put)(void *ctx, struct gw_str text), void *ctx, struct gw_err *err)
{
    struct report r = {.in = details, .mem = gw_arena_new(), .put = put, .ctx = ctx};
    struct entry e;
    int over;

    gw_buf_init(&r.out, SIZE_MAX / 2, NULL);
    (json ? json_counts : text_counts)(&r.out, c);
    over = hand_over(&r);
    while (!over && get_entry(&r, &e)) {
        (json ? json_entry : text_entry)(&r, &e);
        over = hand_over(&r);
    }
    gw_buf_free(&r.out);
    gw_arena_free(r.mem);
    if (r.bad)
        return gw_err_set(err, GW_ERR_RETRY, "the differences that were kept cannot be read");
    return over ? gw_err_set(err, GW_ERR_RETRY, "the report was not taken") : 0;
}
