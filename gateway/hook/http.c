/* Requests of scripts. A request is in line, runs (through redirects), has ended; its owner is the
 * wait of a hook, which frees it. */
#include "hook/http.h"

#include "base/text.h"
#include "net/address.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum { IDLE = 32, KEPT_BODY = 16384, CONNECTIONS = 32, LATER_MS = 5000 };

struct gw_hook_http {
    struct gw_fetch_conf fetch_conf;
    struct gw_fetcher *fetcher;
    struct gw_loop *loop;
    struct gw_allow allow;
    struct gw_hook_ask *first, *last; /* in line */
    struct gw_hook_ask *idle;
    size_t running, n_idle;
};

/* ---- memory of the state ---- */

static int take(struct gw_hook_ask *a, size_t bytes)
{
    if (gw_vm_take(a->vm, bytes))
        return -1;
    a->taken += bytes;
    return 0;
}

static void give_back(struct gw_hook_ask *a)
{
    gw_vm_give(a->vm, a->taken);
    a->taken = 0;
}

static int on_keep(struct gw_fetch *f, size_t bytes)
{
    struct gw_hook_ask *a = GW_CONTAINER(f, struct gw_hook_ask, fetch);

    if (!take(a, bytes))
        return 0;
    snprintf(a->why, sizeof(a->why), "hook_limits.memory has no room for the answer");
    return -1;
}

/* ---- where it may go ---- */

static const char *on_refuse(struct gw_fetch *f, const struct sockaddr *to)
{
    struct gw_hook_ask *a = GW_CONTAINER(f, struct gw_hook_ask, fetch);
    const char *noun = gw_allow_address(&a->http->allow, a->allowed, to, a->url.port);
    char address[GW_ADDRESS_TEXT];

    if (!noun)
        return NULL;
    gw_address_show(to, address);
    snprintf(a->refused, sizeof(a->refused),
             "%.80s is %s, %s that hook_limits.allow_hosts does not list", a->url.host, address,
             noun);
    return a->refused;
}

/* The URL is read: whether its host is in the list. */
static int may_ask(struct gw_hook_ask *a, char why[GW_HTTP_WHY])
{
    a->allowed = gw_allow_host(&a->http->allow, a->url.host, a->url.port);
    if (a->allowed != GW_ALLOWED_NO)
        return 1;
    snprintf(why, sizeof(a->why), "%s:%d is not in hook_limits.allow_hosts", a->url.host,
             a->url.port);
    return 0;
}

/* ---- running ---- */

static void run(struct gw_hook_ask *a)
{
    struct gw_fetch *f = &a->fetch;
    const char *end = a->head.p + a->head.len;

    a->state = GW_ASK_RUNNING;
    gw_fetch_headers_clear(f);
    for (const char *p = a->head.p; p < end;) {
        const struct gw_str name = gw_str_of(p), value = gw_str_of(p + name.len + 1);

        gw_fetch_header(f, name, value);
        p = value.p + value.len + 1;
    }
    f->url = a->url.text.p;
    f->method = a->method;
    f->body = a->body;
    gw_fetch_start(f);
}

static void unlink_line(struct gw_hook_http *h, struct gw_hook_ask *a)
{
    *(a->prev ? &a->prev->next : &h->first) = a->next;
    *(a->next ? &a->next->prev : &h->last) = a->prev;
}

static void next_in_line(struct gw_hook_http *h)
{
    struct gw_hook_ask *a = h->first;

    if (!a || h->running >= GW_HTTP_IN_FLIGHT)
        return;
    unlink_line(h, a);
    h->running++;
    run(a);
}

static void enter(struct gw_hook_http *h, struct gw_hook_ask *a)
{
    a->state = GW_ASK_IN_LINE;
    a->prev = h->last;
    a->next = NULL;
    *(a->prev ? &a->prev->next : &h->first) = a;
    h->last = a;
    next_in_line(h);
}

/* It has left the line or the network. */
static void leave(struct gw_hook_ask *a)
{
    struct gw_hook_http *h = a->http;

    if (a->state == GW_ASK_IN_LINE) {
        unlink_line(h, a);
    } else if (a->state == GW_ASK_RUNNING) {
        gw_fetch_cancel(&a->fetch);
        h->running--;
        next_in_line(h);
    }
    a->state = GW_ASK_ANSWERED;
    if (a->timeout_ms)
        gw_timer_cancel(&a->timer);
}

/* ---- redirects ---- */

/* Drops the headers named in `names`. */
static void drop_headers(struct gw_hook_ask *a, const char *const *names)
{
    char *to = a->head.p;
    const char *end = a->head.p + a->head.len;

    for (const char *p = a->head.p; p < end;) {
        const size_t name = strlen(p) + 1, len = name + strlen(p + name) + 1;
        int drop = 0;

        for (size_t i = 0; names[i]; i++)
            drop |= !strcasecmp(p, names[i]);
        if (!drop) {
            memmove(to, p, len);
            to += len;
        }
        p += len;
    }
    a->head.len = (size_t)(to - a->head.p);
}

static int is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* As browsers do: a POST that was moved becomes a GET, but for 307 and 308. */
static void change_method(struct gw_hook_ask *a, int status)
{
    static const char *const of_body[] = {"content-type", "content-encoding", "content-language",
                                          "content-location", NULL};

    if (status > 303 || !strcmp(a->method, "HEAD") || !strcmp(a->method, "GET") ||
        (status != 303 && strcmp(a->method, "POST") != 0))
        return;
    a->method = "GET";
    a->body = (struct gw_str){0};
    drop_headers(a, of_body);
}

/* What is meant for one server is no other's. */
static const char *const secrets[] = {"authorization", "cookie", "proxy-authorization", NULL};

/* 1: it goes on; 0: no redirect, or a->why. */
static int follow(struct gw_hook_ask *a)
{
    const struct gw_str to = gw_fetch_answer_header(&a->fetch, "location");
    const int port = a->url.port, tls = a->url.tls;
    char host[sizeof(a->url.host)];
    const char *wrong;

    if (!is_redirect(a->fetch.status) || !to.p)
        return 0;
    if (a->redirects++ == GW_HTTP_REDIRECTS) {
        snprintf(a->why, sizeof(a->why), "more than %d redirects", GW_HTTP_REDIRECTS);
        return 0;
    }
    memcpy(host, a->url.host, sizeof(host));
    wrong = gw_fetch_url_read(&a->url, a->url.text.p, to.p);
    if (wrong) {
        snprintf(a->why, sizeof(a->why), "redirected to what is no address: %s", wrong);
        return 0;
    }
    if (!may_ask(a, a->why))
        return 0;
    change_method(a, a->fetch.status);
    if (strcmp(host, a->url.host) != 0 || port != a->url.port || tls != a->url.tls)
        drop_headers(a, secrets);
    give_back(a);
    run(a);
    return 1;
}

/* ---- the answer ---- */

static void on_done(struct gw_fetch *f)
{
    struct gw_hook_ask *a = GW_CONTAINER(f, struct gw_hook_ask, fetch);

    if (f->received > GW_HTTP_BODY)
        snprintf(a->why, sizeof(a->why), "the answer is larger than %d bytes", GW_HTTP_BODY);
    else if (f->why[0] && !a->why[0])
        snprintf(a->why, sizeof(a->why), "%s", f->why);
    if (!a->why[0] && follow(a))
        return;
    leave(a);
    gw_wait_over(&a->wait);
}

static void on_time(struct gw_timer *t)
{
    struct gw_hook_ask *a = GW_CONTAINER(t, struct gw_hook_ask, timer);

    snprintf(a->why, sizeof(a->why), "no answer within %g s%s", (double)a->timeout_ms / 1000,
             a->state == GW_ASK_IN_LINE ? " (others were in line before it)" : "");
    leave(a);
    gw_wait_over(&a->wait);
}

struct gw_str gw_hook_ask_body(struct gw_hook_ask *a)
{
    give_back(a);
    return gw_buf_str(&a->fetch.answer);
}

/* ---- life ---- */

const char *gw_hook_url_problem(const char *url)
{
    struct gw_fetch_url u = {.port = 0};
    const char *why;

    gw_buf_init(&u.text, GW_HTTP_URL, NULL);
    why = gw_fetch_url_read(&u, NULL, url);
    gw_buf_free(&u.text);
    return why;
}

static struct gw_hook_ask *open_ask(struct gw_hook_http *h)
{
    struct gw_hook_ask *a = h->idle;

    if (a) {
        h->idle = a->next;
        h->n_idle--;
        return a;
    }
    a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    a->http = h;
    gw_fetch_init(&a->fetch, h->fetcher, GW_HTTP_BODY);
    a->fetch.done = on_done;
    a->fetch.refuse = on_refuse;
    a->fetch.keep = on_keep;
    gw_buf_init(&a->head, GW_HTTP_HEAD, NULL);
    gw_buf_init(&a->url.text, GW_HTTP_URL, NULL);
    gw_timer_init(&a->timer, h->loop, on_time);
    return a;
}

static void free_ask(struct gw_hook_ask *a)
{
    gw_fetch_fini(&a->fetch);
    gw_buf_free(&a->head);
    gw_buf_free(&a->url.text);
    gw_timer_fini(&a->timer);
    free(a);
}

/* A request that is over keeps its handle and little else. */
static void close_ask(struct gw_hook_ask *a)
{
    struct gw_hook_http *h = a->http;

    give_back(a);
    a->state = GW_ASK_IDLE;
    if (h->n_idle == IDLE) {
        free_ask(a);
        return;
    }
    if (a->fetch.answer.cap > KEPT_BODY) {
        gw_buf_free(&a->fetch.answer);
        gw_buf_init(&a->fetch.answer, GW_HTTP_BODY, NULL);
    }
    a->next = h->idle;
    h->idle = a;
    h->n_idle++;
}

void gw_hook_ask_end(struct gw_wait *w)
{
    struct gw_hook_ask *a = (struct gw_hook_ask *)w;

    leave(a);
    close_ask(a);
}

/* NULL, or why not. */
static const char *fill(struct gw_hook_ask *a, const struct gw_hook_request *rq)
{
    const char *wrong = gw_fetch_url_read(&a->url, NULL, rq->url.p);

    if (wrong)
        return wrong;
    gw_buf_clear(&a->head);
    for (size_t i = 0; i < rq->n_headers; i++) {
        gw_buf_put_str(&a->head, rq->headers[i].name);
        gw_buf_putc(&a->head, '\0');
        gw_buf_put_str(&a->head, rq->headers[i].value);
        gw_buf_putc(&a->head, '\0');
    }
    return a->head.failed ? "its headers are too large" : NULL;
}

struct gw_hook_ask *gw_hook_ask_start(struct gw_hook_http *h, struct gw_hook_vm *vm,
                                      const struct gw_hook_request *rq, int64_t timeout_ms,
                                      char why[GW_HTTP_WHY])
{
    struct gw_hook_ask *a = open_ask(h);
    const char *wrong;

    why[0] = a->why[0] = '\0';
    a->vm = vm;
    a->method = rq->method.p;
    a->body = rq->body;
    a->timeout_ms = timeout_ms;
    a->redirects = 0;
    wrong = fill(a, rq);
    if (wrong)
        snprintf(why, sizeof(a->why), "%s", wrong);
    if (wrong || !may_ask(a, why) || take(a, sizeof(*a) + a->head.len + a->url.text.len)) {
        close_ask(a);
        return NULL;
    }
    if (timeout_ms)
        gw_timer_set(&a->timer, timeout_ms);
    enter(h, a);
    return a;
}

struct gw_hook_http *gw_hook_http_new(const struct gw_hook_http_conf *conf)
{
    struct gw_hook_http *h = calloc(1, sizeof(*h));

    if (!h)
        abort();
    h->loop = conf->loop;
    /* The hook's deadline comes first: past it there is a hook_timeout, no answer. */
    h->fetch_conf = (struct gw_fetch_conf){.timeout_ms = conf->limits->timeout_ms + LATER_MS,
                                           .verify = 1,
                                           .connections = CONNECTIONS,
                                           .direct = 1};
    h->fetcher = gw_fetcher_new(h->loop, &h->fetch_conf);
    gw_allow_init(&h->allow, &conf->limits->allow_hosts);
    return h;
}

void gw_hook_http_free(struct gw_hook_http *h)
{
    struct gw_hook_ask *a;

    if (!h)
        return;
    assert(!h->running && !h->first);
    while ((a = h->idle)) {
        h->idle = a->next;
        free_ask(a);
    }
    gw_fetcher_free(h->fetcher);
    gw_allow_fini(&h->allow);
    free(h);
}
