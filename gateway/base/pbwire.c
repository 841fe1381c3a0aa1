#include "base/pbwire.h"

#include "base/buf.h"

static int varint(struct gw_pbwire *w, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && w->at < w->end; shift += 7) {
        unsigned char c = (unsigned char)*w->at++;

        *out |= (uint64_t)(c & 127) << shift;
        if (c < 128)
            return 0;
    }
    return -1;
}

static int take(struct gw_pbwire *w, uint64_t len, struct gw_str *out)
{
    if (len > (uint64_t)(w->end - w->at))
        return -1;
    *out = (struct gw_str){w->at, (size_t)len};
    w->at += len;
    return 0;
}

static int value(struct gw_pbwire *w, struct gw_pbwire_field *f)
{
    switch (f->type) {
    case GW_PBWIRE_VARINT:
        return varint(w, &f->varint);
    case GW_PBWIRE_I64:
        return take(w, 8, &f->bytes);
    case GW_PBWIRE_BYTES:
        return varint(w, &f->varint) ? -1 : take(w, f->varint, &f->bytes);
    case GW_PBWIRE_I32:
        return take(w, 4, &f->bytes);
    }
    return -1;
}

int gw_pbwire_next(struct gw_pbwire *w, struct gw_pbwire_field *out)
{
    uint64_t tag;

    if (w->at == w->end)
        return 0;
    if (varint(w, &tag) || tag >> 3 == 0 || tag >> 3 >= 1u << 29)
        return -1;
    *out = (struct gw_pbwire_field){.number = (uint32_t)(tag >> 3),
                                    .type = (enum gw_pbwire_type)(tag & 7)};
    return value(w, out) ? -1 : 1;
}

static void put(struct gw_buf *b, uint64_t n)
{
    for (; n > 127; n >>= 7)
        gw_buf_putc(b, (char)(n | 128));
    gw_buf_putc(b, (char)n);
}

void gw_pbwire_put_varint(struct gw_buf *b, uint32_t number, uint64_t v)
{
    put(b, (uint64_t)number << 3);
    put(b, v);
}

void gw_pbwire_put_head(struct gw_buf *b, uint32_t number, size_t len)
{
    put(b, (uint64_t)number << 3 | GW_PBWIRE_BYTES);
    put(b, len);
}

void gw_pbwire_put_bytes(struct gw_buf *b, uint32_t number, struct gw_str bytes)
{
    gw_pbwire_put_head(b, number, bytes.len);
    gw_buf_put_str(b, bytes);
}

size_t gw_pbwire_size(size_t len)
{
    size_t n = len + 2;

    for (size_t left = len; left > 127; left >>= 7)
        n++;
    return n;
}
