#include "ingest/path.h"

#include "base/arena.h"
#include "base/text.h"

static int is_plain(struct gw_str path)
{
    return path.len == 0 || *path.p != '/' ||
           (!memchr(path.p, '%', path.len) && !memmem(path.p, path.len, "//", 2) &&
            !memmem(path.p, path.len, "/.", 2));
}

static size_t unescape(char *out, struct gw_str path)
{
    size_t n = 0;

    for (size_t i = 0; i < path.len; i++) {
        const int byte = gw_percent_byte(path, i);

        out[n++] = path.p[i];
        if (byte < 0)
            continue;
        out[n - 1] = (char)byte;
        i += 2;
    }
    return n;
}

/* The place of the last slash in p. */
static size_t parent(const char *p, size_t n)
{
    const char *slash = n > 0 ? memrchr(p, '/', n) : NULL;

    return slash ? (size_t)(slash - p) : 0;
}

/* In place: RFC 3986, 5.2.4. p has room for one byte more. */
static size_t walk(char *p, size_t len)
{
    size_t n = 0, at = 0;
    int ends = 0; /* with a slash */

    while (at < len) {
        const char *end = memchr(p + at + 1, '/', len - at - 1);
        const size_t next = end ? (size_t)(end - p) : len;
        const struct gw_str step = {p + at, next - at}; /* with its slash */
        const int up = gw_str_is(step, "/..");

        ends = up || gw_str_is(step, "/") || gw_str_is(step, "/.");
        if (up)
            n = parent(p, n);
        if (!ends) {
            memmove(p + n, step.p, step.len);
            n += step.len;
        }
        at = next;
    }
    if (ends)
        p[n++] = '/';
    return n;
}

struct gw_str gw_path_plain(struct gw_arena *mem, struct gw_str path)
{
    const char *query = path.len > 0 ? memchr(path.p, '?', path.len) : NULL;
    char *out;
    size_t n;

    if (query)
        path.len = (size_t)(query - path.p);
    if (is_plain(path))
        return path;
    out = gw_arena_alloc(mem, path.len + 1);
    n = unescape(out, path);
    return (struct gw_str){out, walk(out, n)};
}
