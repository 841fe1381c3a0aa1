#include "net/http1_chunks.h"

#include "base/header.h"
#include "base/text.h"

enum state {
    SIZE,
    EXTENSION,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER,
    TRAILER_LF,
    LAST_LF
};
enum { MAX_DIGITS = 8, MAX_SKIPPED = 16384 };

static int size_byte(struct gw_http1_chunks *c, char byte)
{
    int digit = gw_hex_digit(byte);

    if (digit >= 0 && c->digits < MAX_DIGITS) {
        c->left = c->left << 4 | (unsigned)digit;
        c->digits++;
        return SIZE;
    }
    if (c->digits == 0 || digit >= 0)
        return -1;
    if (byte == '\r')
        return SIZE_LF;
    return byte == ';' ? EXTENSION : -1;
}

static int after_size(struct gw_http1_chunks *c, char byte)
{
    c->digits = 0;
    if (byte != '\n')
        return -1;
    return c->left ? DATA : TRAILER_START;
}

/* Bytes that are read over: up to the CR of their line. */
static int skip(struct gw_http1_chunks *c, char byte, int here, int then)
{
    if (byte == '\r')
        return then;
    if (++c->skipped > MAX_SKIPPED || !gw_header_value_ok((struct gw_str){&byte, 1}))
        return -1;
    return here;
}

/* A trailer's name: a token, at once followed by a colon. */
static int name_byte(struct gw_http1_chunks *c, char byte)
{
    if (++c->skipped > MAX_SKIPPED)
        return -1;
    if (c->state == TRAILER_NAME && byte == ':')
        return TRAILER;
    return gw_token_byte(byte) ? TRAILER_NAME : -1;
}

/* The next state; -1: bad; -2: the end. */
static int step(struct gw_http1_chunks *c, char byte)
{
    switch ((enum state)c->state) {
    case SIZE:
        return size_byte(c, byte);
    case EXTENSION:
        return skip(c, byte, EXTENSION, SIZE_LF);
    case SIZE_LF:
        return after_size(c, byte);
    case DATA_CR:
        return byte == '\r' ? DATA_LF : -1;
    case DATA_LF:
        return byte == '\n' ? SIZE : -1;
    case TRAILER_START:
        return byte == '\r' ? LAST_LF : name_byte(c, byte);
    case TRAILER_NAME:
        return name_byte(c, byte);
    case TRAILER:
        return skip(c, byte, TRAILER, TRAILER_LF);
    case TRAILER_LF:
        return byte == '\n' ? TRAILER_START : -1;
    case LAST_LF:
        return byte == '\n' ? -2 : -1;
    case DATA:
        break;
    }
    return -1;
}

enum gw_chunks_step gw_http1_chunks_next(struct gw_http1_chunks *c, struct gw_str *in,
                                         struct gw_str *data)
{
    while (in->len) {
        if (c->state == DATA) {
            *data = (struct gw_str){in->p, in->len < c->left ? in->len : (size_t)c->left};
            in->p += data->len;
            in->len -= data->len;
            c->left -= data->len;
            if (c->left == 0)
                c->state = DATA_CR;
            return GW_CHUNKS_DATA;
        }
        c->state = step(c, *in->p);
        in->p++;
        in->len--;
        if (c->state == -2)
            return GW_CHUNKS_END;
        if (c->state < 0)
            return GW_CHUNKS_BAD;
    }
    return GW_CHUNKS_MORE;
}
