#ifndef GW_BASE_STR_H
#define GW_BASE_STR_H

#include <stddef.h>
#include <string.h>

/* Borrowed bytes, not NUL-terminated unless the field says so. p == NULL means absent, which is
 * not the same as empty. */
struct gw_str {
    const char *p;
    size_t len;
};

/* Of a string literal. */
#define GW_STR(lit) ((struct gw_str){(lit), sizeof(lit) - 1})

static inline struct gw_str gw_str_of(const char *s)
{
    return (struct gw_str){s, s ? strlen(s) : 0};
}

static inline int gw_str_eq(struct gw_str a, struct gw_str b)
{
    return a.len == b.len && (a.len == 0 || (*a.p == *b.p && !memcmp(a.p, b.p, a.len)));
}

static inline int gw_str_is(struct gw_str a, const char *s)
{
    return gw_str_eq(a, gw_str_of(s));
}

/* Two that may be absent. */
static inline int gw_cstr_same(const char *a, const char *b)
{
    return a && b ? !strcmp(a, b) : a == b;
}

#endif
