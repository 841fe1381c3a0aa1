#ifndef GW_NET_HTTP1_CHUNKS_H
#define GW_NET_HTTP1_CHUNKS_H

#include "base/str.h"

#include <stdint.h>

/* A chunked body (RFC 9112, 7.1), strictly: sizes in plain hex, each followed by its data and CRLF;
 * extensions and trailers are read over, within a bound. */
struct gw_http1_chunks {
    int state;
    uint64_t left;    /* bytes of the current chunk's data */
    unsigned digits;  /* of its size so far */
    unsigned skipped; /* bytes of extensions and trailers */
};

enum gw_chunks_step { GW_CHUNKS_MORE, GW_CHUNKS_DATA, GW_CHUNKS_END, GW_CHUNKS_BAD };
/* Takes from in: MORE when in is empty, DATA with the next piece of the body, END behind the last
 * line, BAD when the peer broke the rules. */
enum gw_chunks_step gw_http1_chunks_next(struct gw_http1_chunks *c, struct gw_str *in,
                                         struct gw_str *data);

#endif
