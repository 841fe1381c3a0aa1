/* A growing buffer with a maximum and a sticky failure. */
#include "base/buf.h"

#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST = 256 };

void gw_buf_init(struct gw_buf *b, size_t max, struct gw_arena *mem)
{
    *b = (struct gw_buf){.max = max, .mem = mem};
}

void gw_buf_free(struct gw_buf *b)
{
    if (!b)
        return;
    if (!b->mem)
        free(b->p);
    *b = (struct gw_buf){.max = b->max, .mem = b->mem};
}

static void *grown(struct gw_buf *b, size_t cap)
{
    char *p;

    if (!b->mem) {
        p = realloc(b->p, cap);
        if (!p)
            abort();
        return p;
    }
    p = gw_arena_alloc(b->mem, cap);
    if (b->p && b->len)
        memcpy(p, b->p, b->len);
    return p;
}

/* Makes cap - len at least len. */
static int grow(struct gw_buf *b, size_t len)
{
    size_t cap = b->cap ? b->cap : FIRST;

    if (b->failed || len > b->max || b->len > b->max - len) {
        b->failed = 1;
        return -1;
    }
    if (cap > b->max)
        cap = b->max;
    while (cap - b->len < len)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    b->p = grown(b, cap);
    b->cap = cap;
    return 0;
}

char *gw_buf_more(struct gw_buf *b, size_t len)
{
    /* Room for nothing is room too: NULL means failed. */
    return b->failed || grow(b, len) ? NULL : b->p + b->len;
}

void gw_buf_printf(struct gw_buf *b, const char *fmt, ...)
{
    char small[FIRST], *to;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(small)) {
        gw_buf_put(b, small, (size_t)n);
        return;
    }
    to = n < 0 ? NULL : gw_buf_room(b, (size_t)n + 1);
    if (!to) {
        b->failed = 1;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
}

void gw_buf_put_u64(struct gw_buf *b, uint64_t n)
{
    char digits[20], *p = digits + sizeof(digits);

    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    gw_buf_put(b, p, (size_t)(digits + sizeof(digits) - p));
}

void gw_buf_put_i64(struct gw_buf *b, int64_t n)
{
    if (n < 0)
        gw_buf_putc(b, '-');
    gw_buf_put_u64(b, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void gw_buf_drop(struct gw_buf *b, size_t len)
{
    if (len >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->p, b->p + len, b->len - len);
    b->len -= len;
}

void gw_buf_clear(struct gw_buf *b)
{
    b->len = 0;
    b->failed = 0;
}
