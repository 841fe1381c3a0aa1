#include "flyte/schema.h"

#include <string.h>

static int compare(struct gw_str a, const char *b)
{
    size_t len = strlen(b);
    int c = memcmp(a.p, b, a.len < len ? a.len : len);

    return c ? c : (a.len > len) - (a.len < len);
}

/* Names of a sorted table of n entries, the first at base, size bytes apart; -1: none. */
static long find(struct gw_str name, const void *base, size_t n, size_t size)
{
    size_t low = 0;

    if (!name.p)
        return -1;
    while (low < n) {
        size_t mid = low + (n - low) / 2;
        int c = compare(name, *(const char *const *)((const char *)base + mid * size));

        if (c == 0)
            return (long)mid;
        if (c < 0)
            n = mid;
        else
            low = mid + 1;
    }
    return -1;
}

static struct gw_str bytes_of(const struct gw_schema_file *f)
{
    return (struct gw_str){(const char *)f->bytes, f->len};
}

struct gw_str gw_schema_file(struct gw_str name)
{
    long i = find(name, gw_schema_files, gw_schema_n_files, sizeof(gw_schema_files[0]));

    return i < 0 ? (struct gw_str){0} : bytes_of(&gw_schema_files[i]);
}

struct gw_str gw_schema_symbol(struct gw_str symbol)
{
    long i = find(symbol, gw_schema_symbols, gw_schema_n_symbols, sizeof(gw_schema_symbols[0]));

    return i < 0 ? (struct gw_str){0} : bytes_of(&gw_schema_files[gw_schema_symbols[i].file]);
}
