#ifndef GW_PUBLISH_PUBLISH_HTTP_H
#define GW_PUBLISH_PUBLISH_HTTP_H

#include "net/fetch.h"
#include "net/loop.h"
#include "publish/common.h"

/* Inside the room: the HTTP publisher. A send is one request, or a few one after the other when the
 * destination refuses a batch; http_request.c says what is in it, http_answer.c what its answer
 * means. */
struct gw_publish_http_conf {
    struct gw_publish_common common;
    const char *url;
    int method; /* of gw_http_methods */
    struct gw_pairs headers;
    int64_t timeout_ms;
    const char *bearer_token;   /* NULL: none */
    struct gw_publish_tls *tls; /* NULL: the defaults */
};

extern const struct gw_field gw_http_fields[];
extern const char *const gw_http_methods[];
void gw_http_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                   const struct gw_yaml *at);
int gw_http_same(const void *a, const void *b);

enum {
    GW_HTTP_REQUESTS = 16, /* at once; of one key there is only one */
    GW_HTTP_ANSWER = 512,  /* bytes of an answer that are looked at */
    GW_HTTP_WHY = 320,
    GW_HTTP_PIECES = 24, /* a batch is halved at most so often, and then some */
};

struct gw_http;
struct gw_http_request {
    struct gw_fetch fetch; /* first */
    struct gw_http *http;
    struct gw_http_request *next;  /* among the free or the waiting ones */
    struct gw_message *messages;   /* without results, in order */
    size_t pieces[GW_HTTP_PIECES]; /* messages of each request still to be made; the last is next */
    unsigned n_pieces;
    struct gw_buf body; /* of a batch */
};

struct gw_http {
    struct gw_publisher base;
    const struct gw_publish_http_conf *conf;
    int binary, protobuf, in_batches;
    struct gw_fetch_conf fetch_conf;
    struct gw_fetcher *fetcher;
    struct gw_http_request requests[GW_HTTP_REQUESTS], *free;
    struct gw_http_request *waiting, **waiting_last; /* to be sent when the way is clear */
    struct gw_buf authorization; /* value of the header; empty: none */
};

/* The next piece of r as fetch's body and headers. */
void gw_http_request_make(struct gw_http_request *r);

/* What a status means for the messages of its request. */
enum gw_outcome gw_http_outcome(int status);
/* Milliseconds from now on; 0: not said. At most a day. */
int64_t gw_http_retry_after_ms(struct gw_str value, int64_t now_s);
/* The answer, or why there is none, for people: one line of clean UTF-8. */
void gw_http_why(const struct gw_fetch *f, const char *of, char out[GW_HTTP_WHY]);

#endif
