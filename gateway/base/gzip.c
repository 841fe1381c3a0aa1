#include "base/gzip.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <zlib.h>

enum { GZIP_ONLY = 16 + MAX_WBITS, PIECE = 16 * 1024 };

static void *z_alloc(void *mem, unsigned n, unsigned size)
{
    return gw_arena_zalloc(mem, (size_t)n * size);
}

static void z_free(void *mem, void *p)
{
    (void)mem;
    (void)p;
}

/* One call of inflate with room for one byte past the limit, so that going past it shows. */
static int step(z_stream *z, struct gw_buf *b, size_t max)
{
    size_t room = max + 1 - b->len < PIECE ? max + 1 - b->len : PIECE;
    char *p = gw_buf_room(b, room);
    int rc;

    z->next_out = (unsigned char *)p;
    z->avail_out = (unsigned)room;
    rc = inflate(z, Z_NO_FLUSH);
    gw_buf_added(b, room - z->avail_out);
    return rc;
}

static int inflate_all(z_stream *z, struct gw_buf *b, size_t max, struct gw_err *err)
{
    for (;;) {
        int rc = step(z, b, max);

        if (b->len > max)
            return gw_err_set(err, GW_ERR_TOO_LARGE,
                              "message too large: more than %zu bytes after gzip", max);
        if (rc == Z_STREAM_END) {
            if (z->avail_in == 0)
                return 0;
            inflateReset(z);
        } else if (rc != Z_OK) {
            return gw_err_set(err, GW_ERR_REJECT, "gzip: %s at byte %lu",
                              z->avail_in == 0 ? "cut short"
                              : z->msg         ? z->msg
                                               : "bad data",
                              z->total_in);
        }
    }
}

int gw_gunzip(struct gw_arena *mem, struct gw_str in, size_t max, struct gw_str *out,
              struct gw_err *err)
{
    z_stream z = {.zalloc = z_alloc, .zfree = z_free, .opaque = mem};
    struct gw_buf b;
    int rc;

    if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
        return gw_err_set(err, GW_ERR_RETRY, "gzip: cannot start");
    gw_buf_init(&b, max + 1, mem);
    z.next_in = (unsigned char *)in.p;
    z.avail_in = (unsigned)in.len;
    rc = inflate_all(&z, &b, max, err);
    inflateEnd(&z);
    *out = gw_buf_str(&b);
    return rc;
}
