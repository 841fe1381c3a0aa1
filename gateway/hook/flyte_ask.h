#ifndef GW_HOOK_FLYTE_ASK_H
#define GW_HOOK_FLYTE_ASK_H

#include "hook/flyte_client.h"
#include "hook/wait.h"
#include "net/fetch.h"
#include "net/loop.h"
#include "net/rpc.h"

/* Questions of one worker to FlyteAdmin: gRPC's unary calls as POSTs over HTTP/2 (a frame of five
 * bytes and the message; the status behind it). Nothing here raises.
 *
 * Invariants
 *  1. Hooks that ask the same thing at a time share one call, unless they want it as it is now.
 *  2. A call that was answered UNAUTHENTICATED is made once more, with a token that is newer. */
enum {
    GW_FLYTE_ANSWER = 16 << 20, /* bytes of a message, as flyteidl's clients take */
    GW_FLYTE_CALL_MS = 30000,   /* of a call; a hook's own time ends before */
    GW_FLYTE_WHY = 400
};
struct gw_flyte_asker;
struct gw_flyte_question;

/* A hook that waits. */
struct gw_flyte_caller {
    struct gw_wait wait; /* first */
    struct gw_flyte_caller *next, *prev;
    struct gw_flyte_asker *asker;
    struct gw_flyte_question *of; /* NULL: answered */
    struct gw_str answer;         /* in the continuation; p NULL: why says why there is none */
    const char *code;             /* then: gRPC's, or one of those below */
    char why[GW_FLYTE_WHY];
};
/* No answer that can be read; one that is larger than GW_FLYTE_ANSWER; nobody to ask. */
#define GW_FLYTE_UNREACHABLE  "UNREACHABLE"
#define GW_FLYTE_TOO_LARGE    "TOO_LARGE"
#define GW_FLYTE_UNCONFIGURED "UNCONFIGURED"

struct gw_flyte_asker *gw_flyte_asker_new(struct gw_flyte_client *client, struct gw_loop *loop);
void gw_flyte_asker_free(struct gw_flyte_asker *a); /* NULL is fine; nobody waits */
/* Never calls back inside. as_it_is: a call that is under way already will not do. */
struct gw_flyte_caller *gw_flyte_ask(struct gw_flyte_asker *a, enum gw_flyte_what what,
                                     struct gw_str request, int as_it_is);
void gw_flyte_ask_end(struct gw_wait *w); /* the end of its wait */

/* Between flyte_ask.c and flyte_login.c. */
struct gw_flyte_call { /* one unary call; its owner sets done */
    struct gw_fetch fetch;
    struct gw_buf url, frame;
    int status;         /* gRPC's; -1: no answer of gRPC */
    struct gw_str body; /* OK: the message */
    const char *code;   /* why there is none, as scripts get it */
    char why[GW_FLYTE_WHY];
};
void gw_flyte_call_init(struct gw_flyte_call *c, struct gw_fetcher *fetcher,
                        void (*done)(struct gw_fetch *f));
void gw_flyte_call_fini(struct gw_flyte_call *c);
/* method: "Service/Method" of flyteidl.service. The header may be empty. */
void gw_flyte_call_start(struct gw_flyte_call *c, const char *url, const char *method,
                         struct gw_str request, struct gw_str header, struct gw_str value);
void gw_flyte_call_read(struct gw_flyte_call *c); /* once its fetch is done */
/* It was answered, and there is nothing. */
void gw_flyte_call_none(struct gw_flyte_call *c, const char *why);

/* A login, on a worker. ended is called once, never inside start: why NULL: there is a new token.
 */
struct gw_flyte_login {
    struct gw_flyte_client *client;
    struct gw_fetcher *fetcher;
    void (*ended)(struct gw_flyte_login *l, const char *why);
    struct gw_flyte_call call;
    struct gw_fetch fetch; /* of the token */
    struct gw_buf endpoint, scope, audience, header, form;
    struct gw_arena *mem;
    int running, in_body, tried_both;
    char why[GW_FLYTE_WHY];
};
void gw_flyte_login_init(struct gw_flyte_login *l, struct gw_flyte_client *client,
                         struct gw_fetcher *fetcher, struct gw_fetcher *plain);
void gw_flyte_login_fini(struct gw_flyte_login *l);
void gw_flyte_login_start(struct gw_flyte_login *l);

#endif
