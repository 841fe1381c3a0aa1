#ifndef GW_NET_CONN_H
#define GW_NET_CONN_H

#include "base/buf.h"
#include "base/diag.h"
#include "net/codec.h"
#include "net/listener.h"
#include "net/loop.h"

#include <stdint.h>

/* A connection: a socket, TLS or none, a codec chosen by the first bytes, a deadline. Shared by
 * conn.c and listener.c only. */
struct gw_conn {
    struct gw_conn *next, *prev;
    struct gw_listener *listener;
    struct gw_watch watch;
    struct gw_task flush, more; /* more: bytes that the socket does not tell of */
    struct gw_tls *tls;         /* NULL: plain, or not known yet */
    int knocks;                 /* TLS is wanted, and nothing has come yet */
    struct gw_codec *codec;     /* NULL: not known yet */
    struct gw_buf first;        /* what came before that */
    int64_t deadline_ms;        /* 0: none */
    enum gw_codec_wait waits;
    int expires;   /* the listener will call gw_conn_expire */
    size_t heads;  /* the codec's, when the deadline was set */
    int blocked;   /* the deadline is that of a peer that takes nothing */
    int took;      /* it has taken something since the deadline was set */
    int eof;       /* the peer has shut its side */
    int closing;   /* nothing more is read; closed once out is sent */
    int lingering; /* our side is shut; what comes is thrown away, so that the answer arrives */
    int on_stack;  /* inside feed: closed afterwards */
    int rests;     /* nothing is under way in either direction: closed at once */
    int leaving;   /* it was there when the listener was drained */
};

struct gw_listener {
    struct gw_loop *loop;
    struct gw_listener_conf conf;
    const struct gw_http_handler *handler;
    void *ctx;
    struct gw_watch watch;
    struct gw_timer again; /* no descriptors left: accepting rests for a moment */
    struct gw_timer sweep; /* at the earliest deadline, or earlier */
    int64_t sweep_at_ms;   /* 0: not set */
    struct gw_conn *conns;
    int64_t n_conns, n_leaving;
    char address[80];
    int draining;
    struct gw_diag_limit refusals; /* of log lines on handshakes that came to nothing */
    struct gw_diag_limit floods;   /* and on peers that were sent away */
    void (*idle)(void *ctx);
    void *idle_ctx;
    struct gw_task idle_task;
};

void gw_conn_open(struct gw_listener *l, int fd); /* takes fd */
void gw_conn_drain(struct gw_conn *c);
/* Streams whose peer keeps them waiting; when to look again, or 0. */
int64_t gw_conn_expire(struct gw_conn *c);
void gw_conn_close(struct gw_conn *c); /* gone for its streams; frees c */
/* The listener's: a connection has a new deadline; one has gone. */
void gw_listener_deadline(struct gw_listener *l, int64_t at_ms);
void gw_listener_gone(struct gw_listener *l, int leaving);

#endif
