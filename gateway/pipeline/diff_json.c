/* Two JSON texts compared: by members, whatever their order, and by the elements of arrays. */
#include "pipeline/diff_inside.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

#include <stdlib.h>

enum { DEPTH = 64 }; /* what is deeper is compared as text */

struct member {
    struct gw_str name, raw; /* name: unescaped; of an array its index */
    size_t place;
};

struct members {
    struct member *items;
    size_t n, cap;
};

struct walk {
    struct gw_arena *mem;
    struct gw_diff_ops *ops;
    struct gw_buf path;
};

static struct member *add(struct gw_arena *mem, struct members *m)
{
    if (m->n == m->cap) {
        struct member *old = m->items;

        m->cap = m->cap ? 2 * m->cap : 8;
        m->items = gw_arena_alloc(mem, m->cap * sizeof(*m->items));
        for (size_t i = 0; i < m->n; i++)
            m->items[i] = old[i];
    }
    m->items[m->n].place = m->n;
    return &m->items[m->n++];
}

/* The first token of a value; the text was checked before. */
static enum gw_json_token type_of(struct gw_json *j, struct gw_str raw)
{
    gw_json_init(j, raw, GW_JSON_MAX_DEPTH);
    return gw_json_next(j);
}

static void list(struct gw_arena *mem, struct gw_json *j, struct members *out)
{
    const int is_object = j->token == GW_JSON_OBJECT;

    while (gw_json_next(j) > GW_JSON_END && j->depth > 0) {
        struct member *m;

        if (j->token == GW_JSON_OBJECT_END || j->token == GW_JSON_ARRAY_END)
            return;
        m = add(mem, out);
        m->name = is_object ? gw_json_string(j, mem) : gw_arena_printf(mem, "%zu", m->place);
        if (gw_json_value(j, &m->raw)) {
            out->n--;
            return;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    const size_t n = x->name.len < y->name.len ? x->name.len : y->name.len;
    const int c = n ? memcmp(x->name.p, y->name.p, n) : 0;

    if (c)
        return c;
    if (x->name.len != y->name.len)
        return x->name.len < y->name.len ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Appends /name as a JSON pointer has it; returns the length to go back to. */
static size_t descend(struct walk *w, struct gw_str name)
{
    const size_t was = w->path.len;

    gw_buf_putc(&w->path, '/');
    for (size_t i = 0; i < name.len; i++) {
        if (name.p[i] == '~')
            gw_buf_puts(&w->path, "~0");
        else if (name.p[i] == '/')
            gw_buf_puts(&w->path, "~1");
        else
            gw_buf_putc(&w->path, name.p[i]);
    }
    return was;
}

static void say(struct walk *w, struct gw_str before, struct gw_str after)
{
    gw_diff_op(w->ops, GW_OP_POINTER, gw_buf_str(&w->path), before, after);
}

static void compare(struct walk *w, struct gw_str before, struct gw_str after, int depth);

static void compare_member(struct walk *w, const struct member *a, const struct member *b,
                           int depth)
{
    static const struct member absent;
    const size_t was = descend(w, (a ? a : b ? b : &absent)->name);

    if (a && b)
        compare(w, a->raw, b->raw, depth);
    else
        say(w, (a ? a : &absent)->raw, (b ? b : &absent)->raw);
    w->path.len = was;
}

/* Both in the order of their names. */
static void compare_members(struct walk *w, const struct members *a, const struct members *b,
                            int (*order)(const void *a, const void *b), int depth)
{
    size_t i = 0, k = 0;

    while (i < a->n || k < b->n) {
        int c;

        if (i == a->n || k == b->n)
            c = i == a->n ? 1 : -1;
        else if (order)
            c = gw_str_eq(a->items[i].name, b->items[k].name) ? 0
                                                              : order(&a->items[i], &b->items[k]);
        else
            c = 0;
        compare_member(w, c <= 0 ? &a->items[i] : NULL, c >= 0 ? &b->items[k] : NULL, depth);
        i += c <= 0;
        k += c >= 0;
    }
}

static int same_scalar(struct walk *w, const struct gw_json *a, const struct gw_json *b)
{
    if (a->token == GW_JSON_STRING)
        return gw_str_eq(gw_json_string(a, w->mem), gw_json_string(b, w->mem));
    return gw_str_eq(a->raw, b->raw);
}

static void compare(struct walk *w, struct gw_str before, struct gw_str after, int depth)
{
    struct members a = {0}, b = {0};
    struct gw_json x, y;

    if (gw_str_eq(before, after))
        return;
    if (type_of(&x, before) != type_of(&y, after) || depth == DEPTH) {
        say(w, before, after);
    } else if (x.token != GW_JSON_OBJECT && x.token != GW_JSON_ARRAY) {
        if (!same_scalar(w, &x, &y))
            say(w, before, after);
    } else {
        const int is_object = x.token == GW_JSON_OBJECT;

        list(w->mem, &x, &a);
        list(w->mem, &y, &b);
        if (is_object && a.n)
            qsort(a.items, a.n, sizeof(*a.items), by_name);
        if (is_object && b.n)
            qsort(b.items, b.n, sizeof(*b.items), by_name);
        compare_members(w, &a, &b, is_object ? by_name : NULL, depth + 1);
    }
}

static int is_json(struct gw_str text)
{
    struct gw_json j;

    gw_json_init(&j, text, GW_JSON_MAX_DEPTH);
    while (gw_json_next(&j) > GW_JSON_END)
        ;
    return j.token == GW_JSON_END;
}

int gw_diff_json(struct gw_arena *mem, struct gw_str before, struct gw_str after,
                 struct gw_diff_ops *ops)
{
    struct walk w = {.mem = mem, .ops = ops};

    if (!is_json(before) || !is_json(after))
        return -1;
    gw_buf_init(&w.path, SIZE_MAX / 2, mem);
    compare(&w, before, after, 0);
    return 0;
}
