/* Questions to FlyteAdmin: those that are under way, who waits for them, and the login. */
#include "hook/flyte_ask.h"

#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 8, IDLE_BODY = 65536, IDLE = 32 };

struct gw_flyte_question {
    struct gw_flyte_call call;
    struct gw_flyte_question *next; /* under way, or idle */
    struct gw_flyte_asker *asker;
    enum gw_flyte_what what;
    struct gw_buf request;
    struct gw_flyte_caller *callers;
    uint64_t number; /* of the token it went with */
    int again;       /* it was refused for want of a token */
    int waits;       /* for a login */
};

struct gw_flyte_asker {
    struct gw_flyte_client *client;
    struct gw_loop *loop;
    struct gw_fetch_conf conf, plain_conf;
    struct gw_fetcher *fetcher, *plain; /* plain: of the token endpoint, no gRPC */
    struct gw_flyte_question *open, *idle;
    size_t n_idle;
    struct gw_flyte_login login;
    struct gw_timer later; /* somebody else logs in */
    struct gw_buf header, value;
};

static const struct {
    const char *method;
    int is_list; /* an empty one means that there is none */
} asks[GW_ASKS] = {
    [GW_ASK_EXECUTION] = {"AdminService/GetExecution", 0},
    [GW_ASK_WORKFLOW] = {"AdminService/GetWorkflow", 0},
    [GW_ASK_STORED] = {"AdminService/ListWorkflows", 1},
    [GW_ASK_TASK] = {"AdminService/GetTask", 0},
    [GW_ASK_ATTEMPT] = {"AdminService/ListTaskExecutions", 1},
};

static void start(struct gw_flyte_question *q);

/* ---- its end ---- */

static void unlink_question(struct gw_flyte_question *q)
{
    struct gw_flyte_question **at = &q->asker->open;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
}

static void free_question(struct gw_flyte_question *q)
{
    gw_flyte_call_fini(&q->call);
    gw_buf_free(&q->request);
    free(q);
}

static void keep_idle(struct gw_flyte_question *q)
{
    struct gw_flyte_asker *a = q->asker;

    if (q->call.fetch.answer.cap > IDLE_BODY || a->n_idle == IDLE) {
        free_question(q);
        return;
    }
    q->next = a->idle;
    a->idle = q;
    a->n_idle++;
}

static void unlink_caller(struct gw_flyte_caller *c)
{
    *(c->prev ? &c->prev->next : &c->of->callers) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    c->of = NULL;
}

/* Hooks go on in here, and may ask again; the question is no longer one to join. */
static void answer_all(struct gw_flyte_question *q, struct gw_str answer, const char *code,
                       const char *why)
{
    struct gw_flyte_caller *c;

    unlink_question(q);
    while ((c = q->callers)) {
        unlink_caller(c);
        c->answer = answer;
        c->code = code;
        (void)snprintf(c->why, sizeof(c->why), "%s", why);
        gw_wait_over(&c->wait);
    }
    keep_idle(q);
}

/* ---- login ---- */

static struct gw_flyte_question *waiting(struct gw_flyte_asker *a)
{
    struct gw_flyte_question *q = a->open;

    while (q && !q->waits)
        q = q->next;
    return q;
}

static void go_on(struct gw_flyte_asker *a)
{
    for (struct gw_flyte_question *q = a->open; q; q = q->next)
        if (q->waits) {
            q->waits = 0;
            start(q);
        }
}

static void want_login(struct gw_flyte_asker *a, uint64_t number)
{
    int64_t ms;

    if (a->login.running)
        return;
    switch (gw_flyte_client_login(a->client, number, &ms)) {
    case 1:
        gw_flyte_login_start(&a->login);
        break;
    case 0:
        gw_timer_set(&a->later, ms);
        break;
    default:
        go_on(a);
    }
}

static void on_later(struct gw_timer *t)
{
    struct gw_flyte_asker *a = GW_CONTAINER(t, struct gw_flyte_asker, later);
    struct gw_flyte_question *q = waiting(a);

    if (q)
        want_login(a, q->number);
}

static void on_login(struct gw_flyte_login *l, const char *why)
{
    struct gw_flyte_asker *a = GW_CONTAINER(l, struct gw_flyte_asker, login);
    char text[GW_FLYTE_WHY];
    struct gw_flyte_question *q;

    if (!why) {
        go_on(a);
        return;
    }
    (void)snprintf(text, sizeof(text), "%s", why);
    while ((q = waiting(a)))
        answer_all(q, (struct gw_str){0}, "UNAUTHENTICATED", text);
}

/* ---- one question ---- */

static int needs_token(const struct gw_flyte_question *q)
{
    return q->call.status == GW_RPC_UNAUTHENTICATED && !q->again &&
           gw_flyte_client_conf(q->asker->client)->client_id;
}

static void on_done(struct gw_fetch *f)
{
    struct gw_flyte_call *call = GW_CONTAINER(f, struct gw_flyte_call, fetch);
    struct gw_flyte_question *q = GW_CONTAINER(call, struct gw_flyte_question, call);
    struct gw_flyte_asker *a = q->asker;

    gw_flyte_call_read(call);
    if (asks[q->what].is_list && call->status == GW_RPC_OK && !call->body.len)
        gw_flyte_call_none(call, "the list is empty");
    if (needs_token(q)) {
        q->again = q->waits = 1;
        want_login(a, q->number);
        return;
    }
    if (call->status == GW_RPC_OK)
        gw_flyte_client_keep(a->client, q->what, gw_buf_str(&q->request), 1, call->body);
    else if (call->status == GW_RPC_NOT_FOUND)
        gw_flyte_client_keep(a->client, q->what, gw_buf_str(&q->request), 0, gw_str_of(call->why));
    answer_all(q, call->body, call->code, call->why);
}

static void start(struct gw_flyte_question *q)
{
    struct gw_flyte_asker *a = q->asker;
    int due;

    q->number = gw_flyte_client_token(a->client, &a->header, &a->value, &due);
    gw_flyte_call_start(&q->call, gw_flyte_client_url(a->client), asks[q->what].method,
                        gw_buf_str(&q->request), gw_buf_str(&a->header), gw_buf_str(&a->value));
    if (due)
        want_login(a, q->number);
}

static struct gw_flyte_question *open_question(struct gw_flyte_asker *a)
{
    struct gw_flyte_question *q = a->idle;

    if (q) {
        a->idle = q->next;
        a->n_idle--;
    } else {
        q = calloc(1, sizeof(*q));
        if (!q)
            abort();
        q->asker = a;
        gw_flyte_call_init(&q->call, a->fetcher, on_done);
        gw_buf_init(&q->request, SIZE_MAX / 2, NULL);
    }
    q->next = a->open;
    a->open = q;
    return q;
}

static struct gw_flyte_question *find(struct gw_flyte_asker *a, enum gw_flyte_what what,
                                      struct gw_str request)
{
    struct gw_flyte_question *q = a->open;

    while (q && (q->what != what || !gw_str_eq(gw_buf_str(&q->request), request)))
        q = q->next;
    return q;
}

struct gw_flyte_caller *gw_flyte_ask(struct gw_flyte_asker *a, enum gw_flyte_what what,
                                     struct gw_str request, int as_it_is)
{
    struct gw_flyte_question *q = as_it_is ? NULL : find(a, what, request);
    struct gw_flyte_caller *c = calloc(1, sizeof(*c));

    if (!c)
        abort();
    if (!q) {
        q = open_question(a);
        q->what = what;
        q->again = q->waits = 0;
        gw_buf_clear(&q->request);
        gw_buf_put_str(&q->request, request);
        start(q);
    }
    c->asker = a;
    c->of = q;
    c->next = q->callers;
    if (c->next)
        c->next->prev = c;
    q->callers = c;
    return c;
}

/* The question goes on without it: its answer is worth keeping. */
void gw_flyte_ask_end(struct gw_wait *w)
{
    struct gw_flyte_caller *c = (struct gw_flyte_caller *)w;

    if (c->of)
        unlink_caller(c);
    free(c);
}

/* ---- life ---- */

struct gw_flyte_asker *gw_flyte_asker_new(struct gw_flyte_client *client, struct gw_loop *loop)
{
    const struct gw_flyte_client_conf *conf = gw_flyte_client_conf(client);
    struct gw_flyte_asker *a = calloc(1, sizeof(*a));

    if (!a)
        abort();
    a->client = client;
    a->loop = loop;
    a->plain_conf = (struct gw_fetch_conf){.timeout_ms = GW_FLYTE_CALL_MS,
                                           .ca = conf->tls ? conf->tls->ca : NULL,
                                           .verify = 1,
                                           .connections = CONNECTIONS};
    a->conf = a->plain_conf;
    a->conf.http2 = a->conf.direct = 1;
    a->conf.answer_bytes = GW_FLYTE_ANSWER + 5;
    a->fetcher = gw_fetcher_new(loop, &a->conf);
    a->plain = gw_fetcher_new(loop, &a->plain_conf);
    gw_timer_init(&a->later, loop, on_later);
    gw_buf_init(&a->header, SIZE_MAX / 2, NULL);
    gw_buf_init(&a->value, SIZE_MAX / 2, NULL);
    gw_flyte_login_init(&a->login, client, a->fetcher, a->plain);
    a->login.ended = on_login;
    return a;
}

void gw_flyte_asker_free(struct gw_flyte_asker *a)
{
    struct gw_flyte_question *q;

    if (!a)
        return;
    while ((q = a->open)) {
        assert(!q->callers);
        a->open = q->next;
        free_question(q);
    }
    while ((q = a->idle)) {
        a->idle = q->next;
        free_question(q);
    }
    gw_flyte_login_fini(&a->login);
    gw_fetcher_free(a->fetcher);
    gw_fetcher_free(a->plain);
    gw_timer_fini(&a->later);
    gw_buf_free(&a->header);
    gw_buf_free(&a->value);
    free(a);
}
