#ifndef GW_BASE_BUF_H
#define GW_BASE_BUF_H

#include "base/str.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct gw_arena;

/* Bytes that grow. A buffer has a maximum from the start; going past it (or a failed format) sets
 * `failed`, further writes do nothing, and the caller looks once at the end. With an arena the
 * bytes are the arena's and gw_buf_free is not needed. */
struct gw_buf {
    char *p;
    size_t len, cap, max;
    struct gw_arena *mem; /* NULL: malloc */
    int failed;
};

void gw_buf_init(struct gw_buf *b, size_t max, struct gw_arena *mem);
void gw_buf_free(struct gw_buf *b); /* NULL and a zeroed buffer are fine */
static inline void gw_buf_put(struct gw_buf *b, const void *p, size_t len);
static inline void gw_buf_puts(struct gw_buf *b, const char *s);
static inline void gw_buf_put_str(struct gw_buf *b, struct gw_str s);
static inline void gw_buf_putc(struct gw_buf *b, char c);
void gw_buf_printf(struct gw_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Decimal, faster than printf. */
void gw_buf_put_i64(struct gw_buf *b, int64_t n);
void gw_buf_put_u64(struct gw_buf *b, uint64_t n);
/* Room for len more bytes, not counted until gw_buf_added; NULL if failed. */
static inline char *gw_buf_room(struct gw_buf *b, size_t len);
static inline void gw_buf_added(struct gw_buf *b, size_t len);
/* Removes the first len bytes. */
void gw_buf_drop(struct gw_buf *b, size_t len);
void gw_buf_clear(struct gw_buf *b);

/* What is inline is what writers of JSON do for every byte or two. */
char *gw_buf_more(struct gw_buf *b, size_t len); /* gw_buf_room's slow way */

static inline char *gw_buf_room(struct gw_buf *b, size_t len)
{
    return b->cap - b->len < len || !b->p || b->failed ? gw_buf_more(b, len) : b->p + b->len;
}

static inline void gw_buf_added(struct gw_buf *b, size_t len)
{
    b->len += len;
}

static inline void gw_buf_put(struct gw_buf *b, const void *p, size_t len)
{
    char *to;

    if (len == 0 || !(to = gw_buf_room(b, len)))
        return;
    memcpy(to, p, len);
    b->len += len;
}

static inline void gw_buf_put_str(struct gw_buf *b, struct gw_str s)
{
    gw_buf_put(b, s.p, s.len);
}

static inline void gw_buf_puts(struct gw_buf *b, const char *s)
{
    gw_buf_put(b, s, strlen(s));
}

static inline void gw_buf_putc(struct gw_buf *b, char c)
{
    char *to = gw_buf_room(b, 1);

    if (!to)
        return;
    *to = c;
    b->len++;
}

static inline struct gw_str gw_buf_str(const struct gw_buf *b)
{
    return (struct gw_str){b->p ? b->p : "", b->len};
}

#endif
