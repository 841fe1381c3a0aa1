#include "net/gcp_pubsub.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/pbwire.h"
#include "base/secret.h"
#include "net/fetch.h"
#include "net/gcp_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_MAX_S = 24 * 3600 };

/* ---- queues of calls ---- */

static void put_last(struct gw_gcp_pubsub_call *call, struct gw_gcp_pubsub_call ***last)
{
    call->next = NULL;
    **last = call;
    *last = &call->next;
}

static struct gw_gcp_pubsub_call *take_first(struct gw_gcp_pubsub_call **first,
                                             struct gw_gcp_pubsub_call ***last)
{
    struct gw_gcp_pubsub_call *call = *first;

    if (call && !(*first = call->next))
        *last = first;
    return call;
}

static void take_out(struct gw_gcp_pubsub_call *call, struct gw_gcp_pubsub_call **first,
                     struct gw_gcp_pubsub_call ***last)
{
    while (*first != call)
        first = &(*first)->next;
    *first = call->next;
    if (!*first)
        *last = first;
}

static void wait_for_token(struct gw_gcp_pubsub_call *call)
{
    call->queued = 1;
    put_last(call, &call->client->waiting_last);
}

static struct gw_gcp_pubsub_call *next_waiting(struct gw_gcp_pubsub *c)
{
    struct gw_gcp_pubsub_call *call = take_first(&c->waiting, &c->waiting_last);

    call->queued = 0;
    return call;
}

/* ---- how a call ends ---- */

static void finish(struct gw_gcp_pubsub_call *call)
{
    call->renewed = 0;
    call->done(call);
}

static void on_tell(struct gw_task *t)
{
    struct gw_gcp_pubsub *c = GW_CONTAINER(t, struct gw_gcp_pubsub, tell);
    struct gw_gcp_pubsub_call *last = NULL, *call;

    for (call = c->over; call; call = call->next)
        last = call;
    while (last && (call = take_first(&c->over, &c->over_last))) {
        call->is_over = 0;
        last = call == last ? NULL : last;
        finish(call);
    }
    if (c->over)
        gw_loop_post(c->loop, &c->tell);
}

/* It is told on a later turn: who starts calls may be on the stack. */
static void end_later(struct gw_gcp_pubsub_call *call)
{
    call->is_over = 1;
    put_last(call, &call->client->over_last);
    gw_loop_post(call->client->loop, &call->client->tell);
}

static void cannot_go(struct gw_gcp_pubsub_call *call, int code, const char *what, const char *why)
{
    call->rpc.code = code;
    call->retry_after_ms = 0;
    (void)snprintf(call->why, sizeof(call->why), "%s%s", what, why);
    end_later(call);
}

/* ---- what is asked of us ---- */

static int64_t duration_ms(struct gw_str bytes)
{
    struct gw_pbwire w = {bytes.p, bytes.p + bytes.len};
    struct gw_pbwire_field f;
    uint64_t s = 0, ns = 0;

    while (gw_pbwire_next(&w, &f) == 1)
        if (f.type == GW_PBWIRE_VARINT)
            *(f.number == 1 ? &s : &ns) = f.varint;
    if (s > RETRY_MAX_S || ns >= 1000000000)
        return s <= INT64_MAX && s > RETRY_MAX_S ? (int64_t)RETRY_MAX_S * 1000 : 0;
    return (int64_t)(s * 1000 + (ns + 999999) / 1000000);
}

static struct gw_str bytes_of(struct gw_str message, uint32_t number)
{
    struct gw_pbwire w = {message.p, message.p + message.len};
    struct gw_pbwire_field f;
    struct gw_str found = {"", 0};

    while (gw_pbwire_next(&w, &f) == 1)
        if (f.type == GW_PBWIRE_BYTES && f.number == number)
            found = f.bytes;
    return found;
}

/* RetryInfo (field 1: a Duration) among the Any of a google.rpc.Status (field 3). */
static int64_t retry_after_ms(struct gw_str details)
{
    static const char type[] = "/google.rpc.RetryInfo";
    enum { LEN = sizeof(type) - 1 };
    struct gw_pbwire w = {details.p, details.p + details.len};
    struct gw_pbwire_field f;

    while (details.p && gw_pbwire_next(&w, &f) == 1) {
        struct gw_str url;

        if (f.type != GW_PBWIRE_BYTES || f.number != 3)
            continue;
        url = bytes_of(f.bytes, 1);
        if (url.len >= LEN && !memcmp(url.p + url.len - LEN, type, LEN))
            return duration_ms(bytes_of(bytes_of(f.bytes, 2), 1));
    }
    return 0;
}

/* ---- a call ---- */

/* As it is in a URL; of names only %, + and ~ could be others. */
static void put_escaped(struct gw_buf *out, struct gw_str s)
{
    static const char plain[] = "-_.~/";

    for (size_t i = 0; i < s.len; i++) {
        const char c = s.p[i];

        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            (c && strchr(plain, c)))
            gw_buf_putc(out, c);
        else
            gw_buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

static void send_it(struct gw_gcp_pubsub_call *call, size_t n)
{
    struct gw_buf value;

    gw_buf_init(&value, SIZE_MAX / 2, call->mem);
    gw_buf_puts(&value, call->param);
    gw_buf_putc(&value, '=');
    put_escaped(&value, call->name);
    call->metadata[n++] =
        (struct gw_http_header){GW_STR("x-goog-request-params"), gw_buf_str(&value)};
    call->rpc.metadata = call->metadata;
    call->rpc.n_metadata = n;
    call->answered = 0;
    call->going = 1;
    gw_rpc_start(call->client->channel, &call->rpc, call->request, call->more);
}

/* Refused, and there is no other: as it ended. */
static int is_refused_again(const struct gw_gcp_pubsub_call *call, uint64_t token)
{
    return call->renewed && token == call->token;
}

static void go(struct gw_gcp_pubsub *c)
{
    while (c->waiting) {
        struct gw_gcp_pubsub_call *call = c->waiting;
        enum gw_gcp_state state = GW_GCP_HAVE;
        uint64_t token = 0;
        size_t n = 0;

        gw_arena_reset(call->mem);
        if (c->tokens && !c->problem)
            state = gw_gcp_get(&c->gcp, call->mem, call->metadata, &n, &token);
        if (state == GW_GCP_WAIT)
            return;
        (void)next_waiting(c);
        if (c->problem)
            cannot_go(call, GW_RPC_UNAVAILABLE, "", c->problem);
        else if (state == GW_GCP_FAILED)
            cannot_go(call, GW_RPC_UNAUTHENTICATED, "Google credentials: ", c->gcp.why);
        else if (is_refused_again(call, token))
            end_later(call);
        else {
            call->token = token;
            send_it(call, n);
        }
    }
}

static void on_ready(struct gw_gcp *g)
{
    go(GW_CONTAINER(g, struct gw_gcp_pubsub, gcp));
}

static void on_message(struct gw_rpc *r, struct gw_str bytes)
{
    struct gw_gcp_pubsub_call *call = (struct gw_gcp_pubsub_call *)r;

    call->answered = 1;
    if (call->message)
        call->message(r, bytes);
}

/* 1: it quotes the token that was sent, as a proxy may. */
static int quotes_token(const struct gw_rpc *r)
{
    static const char bearer[] = "Bearer ";
    const size_t len = sizeof(bearer) - 1;

    for (size_t i = 0; i < r->n_metadata; i++) {
        const struct gw_http_header *h = &r->metadata[i];

        if (gw_str_is(h->name, "authorization") && h->value.len > len &&
            gw_secret_shown(gw_str_of(r->why),
                            (struct gw_str){h->value.p + len, h->value.len - len}))
            return 1;
    }
    return 0;
}

static void on_done(struct gw_rpc *r)
{
    struct gw_gcp_pubsub_call *call = (struct gw_gcp_pubsub_call *)r;

    call->going = 0;
    call->why[0] = '\0';
    call->retry_after_ms = 0;
    if (r->code != GW_RPC_OK) {
        if (quotes_token(r))
            r->why[0] = '\0';
        (void)snprintf(call->why, sizeof(call->why), "%s%s%s", gw_rpc_code_name(r->code),
                       r->why[0] ? ": " : "", r->why);
        call->retry_after_ms = retry_after_ms(r->details);
    }
    if (r->code != GW_RPC_UNAUTHENTICATED || !call->client->tokens || call->renewed ||
        call->answered) {
        finish(call);
        return;
    }
    call->renewed = 1;
    gw_gcp_refused(&call->client->gcp, call->token);
    wait_for_token(call);
    go(call->client);
}

/* ---- where to ---- */

/* "host:port", with http:// before it for those who write it so. */
static const char *emulator(void)
{
    return gw_gcp_env("PUBSUB_EMULATOR_HOST");
}

static const char *url_of(struct gw_arena *mem, const char *endpoint)
{
    if (endpoint)
        return endpoint;
    if (!emulator())
        return "https://pubsub.googleapis.com";
    if (strstr(emulator(), "://"))
        return gw_arena_strndup(mem, emulator(), strlen(emulator()));
    return gw_arena_printf(mem, "http://%s", emulator()).p;
}

/* ---- life ---- */

void gw_gcp_pubsub_init(struct gw_gcp_pubsub *c, struct gw_loop *loop, const char *endpoint)
{
    *c = (struct gw_gcp_pubsub){
        .loop = loop, .tokens = !emulator(), .mem = gw_arena_new(), .tell = {.fn = on_tell}};
    c->waiting_last = &c->waiting;
    c->over_last = &c->over;
    c->conf.url = url_of(c->mem, endpoint);
    c->conf.ca = gw_gcp_env("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"); /* as Google's own clients */
    if (gw_gcp_pubsub_endpoint_problem(c->conf.url)) {
        c->problem = gw_arena_printf(c->mem, "PUBSUB_EMULATOR_HOST: %s",
                                     gw_gcp_pubsub_endpoint_problem(c->conf.url))
                         .p;
        return;
    }
    c->channel = gw_rpc_channel_new(loop, &c->conf);
    if (!c->tokens)
        return;
    gw_gcp_init(&c->gcp, loop);
    c->gcp.ready = on_ready;
}

void gw_gcp_pubsub_fini(struct gw_gcp_pubsub *c)
{
    gw_loop_cancel(c->loop, &c->tell);
    gw_rpc_channel_free(c->channel);
    if (c->tokens && !c->problem)
        gw_gcp_fini(&c->gcp);
    gw_arena_free(c->mem);
}

void gw_gcp_pubsub_ask_who(struct gw_gcp_pubsub *c)
{
    if (c->tokens && !c->problem)
        gw_gcp_ask_name(&c->gcp);
}

const char *gw_gcp_pubsub_who(struct gw_gcp_pubsub *c, struct gw_arena *mem)
{
    const char *who = c->tokens && !c->problem ? gw_gcp_who(&c->gcp, mem) : NULL;

    return who ? gw_arena_printf(mem, "; we are %s", who).p : "";
}

void gw_gcp_pubsub_call_init(struct gw_gcp_pubsub_call *call, struct gw_gcp_pubsub *c,
                             const char *path)
{
    *call = (struct gw_gcp_pubsub_call){.client = c, .rpc = {.path = path}, .mem = gw_arena_new()};
}

void gw_gcp_pubsub_call_fini(struct gw_gcp_pubsub_call *call)
{
    gw_gcp_pubsub_cancel(call);
    gw_arena_free(call->mem);
    call->mem = NULL;
}

void gw_gcp_pubsub_start(struct gw_gcp_pubsub_call *call, struct gw_str message, int more)
{
    struct gw_gcp_pubsub *c = call->client;

    if (call->rpc.message != on_message) {
        call->message = call->rpc.message;
        call->rpc.message = on_message;
    }
    call->rpc.done = on_done;
    call->request = message;
    call->more = more;
    wait_for_token(call);
    if (c->waiting == call)
        go(c);
}

void gw_gcp_pubsub_cancel(struct gw_gcp_pubsub_call *call)
{
    struct gw_gcp_pubsub *c = call->client;

    if (!c)
        return;
    if (call->queued)
        take_out(call, &c->waiting, &c->waiting_last);
    if (call->is_over)
        take_out(call, &c->over, &c->over_last);
    if (call->going)
        gw_rpc_cancel(&call->rpc);
    call->queued = call->is_over = call->going = call->renewed = 0;
}

/* ---- names ---- */

const char *gw_gcp_pubsub_endpoint_problem(const char *url)
{
    const char *why = gw_fetch_url_problem(url), *rest;

    if (why)
        return why;
    rest = strstr(url, "://") + 3;
    rest += strcspn(rest, "/?#");
    return *rest && strcmp(rest, "/") != 0 ? "it has a path, and gRPC has none" : NULL;
}

const char *gw_gcp_pubsub_project_problem(struct gw_str id)
{
    if (!id.len)
        return "a project has an id";
    for (size_t i = 0; i < id.len; i++)
        if (id.p[i] <= ' ' || id.p[i] == '/' || id.p[i] >= 0x7f)
            return "a project's id has letters, digits, - and the dots and colon of a domain";
    return NULL;
}

const char *gw_gcp_pubsub_id_problem(struct gw_str id)
{
    static const char marks[] = "-_.~+%";
    enum { MOST = 255 };

    if (id.len >= 9 && !memcmp(id.p, "projects/", 9))
        return "it has letters, digits and - _ . ~ + %: the id alone, what stands behind the last "
               "/";
    if (!id.len || id.len > MOST)
        return "it has 1 to 255 characters";
    if (!((id.p[0] >= 'a' && id.p[0] <= 'z') || (id.p[0] >= 'A' && id.p[0] <= 'Z')))
        return "it begins with a letter";
    if (id.len >= 4 && !memcmp(id.p, "goog", 4))
        return "names that begin with goog are Google's";
    for (size_t i = 0; i < id.len; i++) {
        const char c = id.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr(marks, c))))
            return "it has letters, digits and - _ . ~ + %";
    }
    return NULL;
}
