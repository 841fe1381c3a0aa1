/* The longest common lines of two texts, by the table of lengths; texts of very many lines are told
 * whole, before and after. */
#include "cmd/linediff.h"

#include "base/arena.h"

#include <stdint.h>
#include <string.h>

enum { MAX_LINES = 2000, NEAR = 3 };

struct text {
    struct gw_str *lines;
    size_t n;
};

struct put {
    struct gw_arena *mem;
    void (*line)(void *ctx, char mark, struct gw_str text);
    void *ctx;
    struct gw_str *held; /* unchanged lines not told yet */
    size_t n_held;
    int any; /* a change was told */
};

static struct text split(struct gw_arena *mem, struct gw_str s)
{
    struct text t = {.n = s.len > 0};

    for (size_t i = 0; i + 1 < s.len; i++)
        t.n += s.p[i] == '\n';
    t.lines = gw_arena_alloc(mem, (t.n + 1) * sizeof(*t.lines));
    for (size_t i = 0; i < t.n; i++) {
        const char *end = memchr(s.p, '\n', s.len);
        size_t len = end ? (size_t)(end - s.p) : s.len;

        t.lines[i] = (struct gw_str){s.p, len};
        s.p += end ? len + 1 : len;
        s.len -= end ? len + 1 : len;
    }
    return t;
}

/* Of those held the first ones stand behind a change, the last ones before the next. */
static void tell_held(struct put *p, int is_end)
{
    size_t first = p->any ? NEAR : 0, last = is_end ? 0 : NEAR;

    if (p->n_held <= first + last + 1)
        first = p->n_held, last = 0;
    for (size_t i = 0; i < first; i++)
        p->line(p->ctx, ' ', p->held[i]);
    if (first + last < p->n_held)
        p->line(p->ctx, '@', gw_arena_printf(p->mem, "… %zu lines", p->n_held - first - last));
    for (size_t i = p->n_held - last; i < p->n_held; i++)
        p->line(p->ctx, ' ', p->held[i]);
    p->n_held = 0;
}

static void put(struct put *p, char mark, struct gw_str line)
{
    if (mark == ' ') {
        p->held[p->n_held++] = line;
        return;
    }
    tell_held(p, 0);
    p->any = 1;
    p->line(p->ctx, mark, line);
}

/* common[i][j]: the most lines that a from i and b from j have in common, in order. */
static void walk(struct put *p, const struct text *a, const struct text *b)
{
    const size_t width = b->n + 1;
    uint16_t *common = gw_arena_zalloc(p->mem, (a->n + 1) * width * sizeof(*common));
    size_t i = a->n, j;

    while (i-- > 0)
        for (j = b->n; j-- > 0;) {
            uint16_t down = common[(i + 1) * width + j], right = common[i * width + j + 1];

            if (gw_str_eq(a->lines[i], b->lines[j]))
                common[i * width + j] = (uint16_t)(common[(i + 1) * width + j + 1] + 1);
            else
                common[i * width + j] = down > right ? down : right;
        }
    for (i = j = 0; i < a->n || j < b->n;) {
        if (i < a->n && j < b->n && gw_str_eq(a->lines[i], b->lines[j])) {
            put(p, ' ', a->lines[i++]);
            j++;
        } else if (i < a->n &&
                   (j == b->n || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
            put(p, '-', a->lines[i++]);
        } else {
            put(p, '+', b->lines[j++]);
        }
    }
}

void gw_linediff(struct gw_arena *mem, struct gw_str before, struct gw_str after,
                 void (*line)(void *ctx, char mark, struct gw_str text), void *ctx)
{
    struct text a = split(mem, before), b = split(mem, after);
    struct put p = {.mem = mem, .line = line, .ctx = ctx};

    p.held = gw_arena_alloc(mem, (a.n + 1) * sizeof(*p.held));
    if (a.n <= MAX_LINES && b.n <= MAX_LINES) {
        walk(&p, &a, &b);
    } else {
        for (size_t i = 0; i < a.n; i++)
            put(&p, '-', a.lines[i]);
        for (size_t i = 0; i < b.n; i++)
            put(&p, '+', b.lines[i]);
    }
    tell_held(&p, 1);
}
