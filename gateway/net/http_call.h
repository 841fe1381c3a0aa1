#ifndef GW_NET_HTTP_CALL_H
#define GW_NET_HTTP_CALL_H

#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"

#include <stddef.h>
#include <stdint.h>

/* A request we make, and its answer, the same for both clients. The caller's memory from start
 * until its `done`, which runs once, on a later turn than start, and is the last use of it there.
 */
struct gw_http_call {
    struct gw_str method, scheme, authority, path;
    const struct gw_http_header *headers; /* names in lower case; borrowed until done */
    size_t n_headers;
    struct gw_str lead; /* HTTP/2: stands before body; both are borrowed until done */
    struct gw_str body;
    int more;             /* HTTP/2: the body goes on: gw_http2_client_write, until _finish */
    int holds;            /* HTTP/2: the server may send more only for what _took says */
    size_t max_answer;    /* bytes of the answer's body; beyond: the call fails */
    struct gw_arena *mem; /* the answer goes here */
    void (*done)(struct gw_http_call *call);
    /* More of the body is in answer, the head is known; what it drops does not count against
     * max_answer. NULL: the body is collected until done. Not to close the client from inside. */
    void (*data)(struct gw_http_call *call);
    /* HTTP/2: all of the body that there is has been taken by the socket. May be NULL. */
    void (*drained)(struct gw_http_call *call);
    /* the answer */
    int failed; /* no whole answer; err says why */
    int silent; /* HTTP/1.1: it failed because the server said nothing for too long */
    struct gw_err err;
    int status;
    struct gw_http_header *answer_headers; /* trailers behind them, in the order they came */
    size_t n_answer_headers, n_head;       /* n_head: those that are no trailers */
    int refused;                           /* HTTP/2: the server has done nothing with it */
    int again;           /* HTTP/2: gw_http2_channel_again has started it a second time */
    uint32_t reset_code; /* HTTP/2: failed because the server has reset it; else 0 */
    struct gw_buf answer;
    /* the client's own */
    struct gw_http_call *next, **at;
    struct gw_http_call_link {
        struct gw_http_call *next, **at;
        int sent; /* drains: the socket has it */
    } news, drains;
    struct gw_buf later; /* what was written behind the body */
    void *on;            /* the connection, of http2_channel.c; done does not clear it */
    int32_t stream;
    int ended;
    size_t sent, later_sent, room;
    size_t head_bytes; /* HTTP/2: all headers so far */
};

/* For the clients. */
void gw_http_call_begin(struct gw_http_call *call);
void gw_http_call_fail(struct gw_http_call *call, enum gw_err_kind kind, const char *what);
/* Keeps copies. -1: the call has failed, there are more than a sane number of them. */
int gw_http_call_header(struct gw_http_call *call, struct gw_str name, struct gw_str value);

/* A header or trailer of the answer; the last of that name. NULL: none. */
const struct gw_str *gw_http_answer(const struct gw_http_call *call, const char *name);

#endif
