#ifndef GW_NET_FETCH_H
#define GW_NET_FETCH_H

#include "base/buf.h"
#include "base/str.h"

#include <stddef.h>
#include <stdint.h>

/* Requests to HTTP servers, over libcurl's multi interface on a loop. A fetcher belongs to one
 * thread; its connections are kept and used again. HTTP/2 where TLS offers it, many requests on one
 * connection; else HTTP/1.1. Redirects are not followed. Proxies are the environment's (http_proxy,
 * https_proxy, no_proxy). libcurl is initialised by the first fetcher; fetch.c and fetch_url.c
 * alone know it.
 *
 * Invariants: 1. done is called once for each start that was not cancelled, never inside start;
 * 2. after cancel or fini it is not called any more; 3. what a fetch points to is read until done.
 * 4. The status is the answer: what breaks behind a complete head does not change it. */
struct gw_fetcher;
struct gw_loop;
struct sockaddr;

struct gw_fetch_conf {           /* borrowed as long as the fetcher */
    int64_t timeout_ms;          /* of a whole request */
    const char *ca, *cert, *key; /* PEM files; NULL: the system's authorities, no certificate */
    int verify;
    int connections;      /* kept open when idle; with http2 the most there are, a request each */
    int direct;           /* never through a proxy */
    int http2;            /* HTTP/2 alone, also without TLS (prior knowledge): gRPC */
    int64_t answer_bytes; /* of a body, at most; behind it the connection is closed. 0: 1 MiB */
};

struct gw_fetcher *gw_fetcher_new(struct gw_loop *loop, const struct gw_fetch_conf *conf);
void gw_fetcher_free(struct gw_fetcher *f); /* NULL is fine; every fetch of it is finished */

/* One request at a time; may be started again and again. Lives in its owner. */
struct gw_fetch {
    const char *url, *method;
    struct gw_str body; /* p NULL: none; to be set before each start */
    int system_ca;      /* trust the system's authorities beside conf's */
    void (*done)(struct gw_fetch *f);
    /* Both may be NULL and are called from inside libcurl. refuse: NULL, or why no connection is
     * made to this address (it becomes part of f->why); keep: 0, or -1 if there is no room for more
     * bytes of a body. */
    const char *(*refuse)(struct gw_fetch *f, const struct sockaddr *to);
    int (*keep)(struct gw_fetch *f, size_t bytes);

    int status;           /* 0: no answer; why says why */
    struct gw_buf answer; /* the body's first bytes, as many as its maximum */
    char why[320];

    struct gw_fetcher *fetcher;
    struct gw_buf head; /* its header lines, with NULs between */
    size_t lines;
    void *impl;
    int running, answered;
    size_t received, received_head;
};

void gw_fetch_init(struct gw_fetch *f, struct gw_fetcher *fetcher, size_t answer_max);
void gw_fetch_fini(struct gw_fetch *f); /* cancels; a zeroed one is fine */
/* Headers of the next start; they stay until cleared. Names and values are legal ones. */
void gw_fetch_headers_clear(struct gw_fetch *f);
void gw_fetch_header(struct gw_fetch *f, struct gw_str name, struct gw_str value);
void gw_fetch_start(struct gw_fetch *f);
void gw_fetch_cancel(struct gw_fetch *f);
/* A header of the answer; p NULL: it has none. Valid until the fetch is started again. */
struct gw_str gw_fetch_answer_header(const struct gw_fetch *f, const char *name);

/* The same of what came behind the body, or in the head of an answer without one: gRPC's status. */
struct gw_str gw_fetch_answer_trailer(const struct gw_fetch *f, const char *name);

/* The next header of the answer after *at, NULL for the first; 0: there are no more. */
int gw_fetch_answer_next(const struct gw_fetch *f, void **at, struct gw_str *name,
                         struct gw_str *value);

/* NULL, or why this is not a URL to send to. Says nothing of what stands in it. */
const char *gw_fetch_url_problem(const char *url);
/* A URL that somebody else chose, as it will be asked for; the text is the caller's buffer, with a
 * NUL. Names are in lower case, addresses in their usual form, IPv6 in brackets. */
struct gw_fetch_url {
    struct gw_buf text;
    char host[256];
    int port, tls;
};
/* NULL, or why not. base: what text may be relative to, NULL: nothing. */
const char *gw_fetch_url_read(struct gw_fetch_url *out, const char *base, const char *text);
/* An HTTP date as seconds since 1970; -1: it is none. */
int64_t gw_fetch_date(const char *text);

#endif
