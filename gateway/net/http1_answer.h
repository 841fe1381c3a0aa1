#ifndef GW_NET_HTTP1_ANSWER_H
#define GW_NET_HTTP1_ANSWER_H

#include "base/buf.h"
#include "net/http1_chunks.h"

#include <stdint.h>

struct gw_err;
struct gw_http_call;

/* An answer in HTTP/1.x, read strictly (RFC 9112): what one reader takes for another answer, or for
 * another end of it, than the next one is refused. Answers before the answer (1xx) are read over;
 * trailers are, too. No I/O.
 *
 * Invariant: nothing of the call but failed, err and the answer is touched, and data is called
 * only once the head is known. */
struct gw_http1_answer {
    struct gw_http_call *call; /* whose */
    struct gw_buf head;        /* what has come of one that is not whole */
    struct gw_http1_chunks chunks;
    size_t heads;  /* bytes of all heads so far */
    uint64_t left; /* of a body whose length was said */
    int phase;
    int keep_alive; /* whole: the connection may serve another call */
};

void gw_http1_answer_init(struct gw_http1_answer *a);
void gw_http1_answer_fini(struct gw_http1_answer *a);
void gw_http1_answer_begin(struct gw_http1_answer *a, struct gw_http_call *call);
/* Takes from in. 0: it goes on; 1: it is whole, in is what is behind it; -1: it is none. */
int gw_http1_answer_feed(struct gw_http1_answer *a, struct gw_str *in, struct gw_err *err);
/* The server has said all. 0: the answer is whole; -1. */
int gw_http1_answer_end(struct gw_http1_answer *a, struct gw_err *err);
/* The head has come. */
int gw_http1_answer_has_begun(const struct gw_http1_answer *a);

#endif
