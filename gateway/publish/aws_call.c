#include "publish/aws_call.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "event/format.h"
#include "publish/aws_profiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKEW_MIN_S = 60, URL_MAX = 2048 };

static void go(struct gw_aws_client *c);

/* ---- waiting for keys ---- */

static void wait_for_keys(struct gw_aws_call *call)
{
    struct gw_aws_client *c = call->client;

    call->queued = 1;
    call->next = NULL;
    *c->waiting_last = call;
    c->waiting_last = &call->next;
}

static struct gw_aws_call *next_waiting(struct gw_aws_client *c)
{
    struct gw_aws_call *call = c->waiting;

    if (call) {
        call->queued = 0;
        if (!(c->waiting = call->next))
            c->waiting_last = &c->waiting;
    }
    return call;
}

static void leave_queue(struct gw_aws_call *call)
{
    struct gw_aws_client *c = call->client;
    struct gw_aws_call **at = &c->waiting;

    if (!call->queued)
        return;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    if (!*at)
        c->waiting_last = at;
    call->queued = 0;
}

static void finish(struct gw_aws_call *call)
{
    call->renewed = call->skewed = 0;
    call->done(call);
}

/* Whoever waits now is told why; who comes meanwhile waits for the next time. */
static void on_give_back(struct gw_task *t)
{
    struct gw_aws_client *c = GW_CONTAINER(t, struct gw_aws_client, give_back);
    struct gw_aws_call *last = NULL, *call;
    char why[GW_AWS_WHY];
    struct gw_str text;

    gw_arena_reset(c->scratch);
    text = gw_aws_credentials_why(c->credentials, c->scratch);
    if (!c->region)
        (void)snprintf(why, sizeof(why), "%s: no region: set `region`, AWS_REGION or the profile's",
                       c->name);
    else
        (void)snprintf(why, sizeof(why), "AWS credentials: %.*s", (int)text.len, text.p);
    for (call = c->waiting; call; call = call->next)
        last = call;
    while (last && (call = next_waiting(c))) {
        call->error = (struct gw_aws_error){0};
        (void)snprintf(call->why, sizeof(call->why), "%s", why);
        last = call == last ? NULL : last;
        finish(call);
    }
}

/* 1: somebody is at it, and `look` or the end of the asking goes on. */
static int ask_for_keys(struct gw_aws_client *c, uint64_t number, int refused)
{
    int64_t ms = 0;
    const int rc = gw_aws_credentials_begin(c->credentials, number, refused, &ms);

    if (rc == 1) {
        c->refused = refused;
        gw_aws_ask_start(&c->ask);
    } else if (rc == 0 && !refused)
        gw_timer_set(&c->look, ms);
    return rc;
}

/* The old ones go on being used. */
static void renew_in_time(struct gw_aws_client *c, uint64_t number)
{
    int64_t ms;

    if (gw_aws_credentials_begin(c->credentials, number, 0, &ms) != 1)
        return;
    c->refused = 0;
    gw_aws_ask_start(&c->ask);
}

static void on_look(struct gw_timer *t)
{
    go(GW_CONTAINER(t, struct gw_aws_client, look));
}

static void on_asked(struct gw_aws_ask *a, const char *why)
{
    struct gw_aws_client *c = GW_CONTAINER(a, struct gw_aws_client, ask);

    if (why && c->waiting)
        gw_loop_post(c->loop, &c->give_back);
    else if (!why)
        go(c);
}

/* ---- a request ---- */

static int64_t service_time(const struct gw_aws_client *c)
{
    return gw_clock_wall_ns() / 1000000000 + gw_aws_skew(c->credentials);
}

static void sign(struct gw_aws_call *call, const struct gw_aws_keys *keys)
{
    struct gw_aws_client *c = call->client;
    struct gw_header headers[3] = {{GW_STR("content-type"), gw_str_of(call->content_type)},
                                   {GW_STR("host"), c->host}};
    const struct gw_aws_request request = {.method = GW_STR("POST"),
                                           .path = c->path,
                                           .headers = headers,
                                           .n_headers = call->target ? 3 : 2,
                                           .body = call->fetch.body};
    const struct gw_aws_scope scope = {gw_str_of(c->region), gw_str_of(c->service),
                                       service_time(c)};
    struct gw_aws_signature s;

    headers[2] = (struct gw_header){GW_STR("x-amz-target"), gw_str_of(call->target)};
    gw_aws_sign(c->scratch, &request, &scope, keys, &s);
    gw_fetch_headers_clear(&call->fetch);
    gw_fetch_header(&call->fetch, headers[0].name, headers[0].value);
    if (call->target)
        gw_fetch_header(&call->fetch, headers[2].name, headers[2].value);
    gw_fetch_header(&call->fetch, GW_STR("x-amz-date"), s.date);
    if (keys->token.p)
        gw_fetch_header(&call->fetch, GW_STR("x-amz-security-token"), keys->token);
    gw_fetch_header(&call->fetch, GW_STR("authorization"), s.authorization);
}

static void go(struct gw_aws_client *c)
{
    while (c->waiting) {
        struct gw_aws_keys keys;
        struct gw_aws_call *call;
        int due;
        uint64_t number;

        gw_arena_reset(c->scratch);
        number = gw_aws_credentials_get(c->credentials, c->scratch, &keys, &due);
        if (!c->region) {
            gw_loop_post(c->loop, &c->give_back);
            return;
        }
        if (c->ask.running && (!number || c->refused))
            return;
        if (!number && ask_for_keys(c, 0, 0) >= 0)
            return;
        if (!number)
            continue; /* somebody has just got some */
        if (due && !c->ask.running)
            renew_in_time(c, number);
        call = next_waiting(c);
        call->keys = number;
        sign(call, &keys);
        gw_fetch_start(&call->fetch);
    }
}

/* ---- its answer ---- */

static int is_one_of(struct gw_str code, const char *const *list)
{
    for (; *list; list++)
        if (gw_str_is(code, *list))
            return 1;
    return 0;
}

/* The service's clock says another time than ours: 1, and ours is corrected. */
static int correct_clock(struct gw_aws_call *call)
{
    static const char *const codes[] = {"SignatureDoesNotMatch",
                                        "RequestTimeTooSkewed",
                                        "RequestExpired",
                                        "RequestInTheFuture",
                                        "InvalidSignatureException",
                                        "AuthFailure",
                                        NULL};
    const struct gw_str date = gw_fetch_answer_header(&call->fetch, "date");
    char text[64];
    int64_t theirs, off;

    if (call->skewed || !is_one_of(call->error.code, codes) || !date.len ||
        date.len >= sizeof(text))
        return 0;
    memcpy(text, date.p, date.len);
    text[date.len] = '\0';
    theirs = gw_fetch_date(text);
    off = theirs - service_time(call->client);
    if (theirs < 0 || (off < SKEW_MIN_S && off > -SKEW_MIN_S))
        return 0;
    gw_aws_skew_set(call->client->credentials, gw_aws_skew(call->client->credentials) + off);
    return call->skewed = 1;
}

/* The keys were not taken: 1, and the call waits for others, or they are there. */
static int renew_keys(struct gw_aws_call *call)
{
    static const char *const codes[] = {
        "ExpiredToken",          "ExpiredTokenException",       "RequestExpired",
        "InvalidClientTokenId",  "UnrecognizedClientException", "InvalidAccessKeyId",
        "SignatureDoesNotMatch", "InvalidSignatureException",   NULL};

    if (call->renewed || !is_one_of(call->error.code, codes) ||
        !ask_for_keys(call->client, call->keys, 1))
        return 0;
    return call->renewed = 1;
}

static void on_answer(struct gw_fetch *f)
{
    struct gw_aws_call *call = (struct gw_aws_call *)f;
    struct gw_aws_client *c = call->client;
    struct gw_buf text;

    gw_arena_reset(c->scratch);
    call->why[0] = '\0';
    call->error = (struct gw_aws_error){.status = f->status};
    if (f->status < 200 || f->status >= 300) {
        gw_aws_error_read(c->scratch, f, &call->error);
        gw_buf_init(&text, GW_AWS_WHY, c->scratch);
        gw_aws_error_text(&call->error, f, c->name, &text);
        (void)snprintf(call->why, sizeof(call->why), "%s", text.failed ? c->name : text.p);
        if (correct_clock(call) || renew_keys(call)) {
            wait_for_keys(call);
            if (!c->ask.running)
                go(c);
            return;
        }
    }
    finish(call);
}

/* ---- life ---- */

/* What curl sends as Host: without the scheme's own port. */
static void split_url(struct gw_aws_client *c)
{
    const char *host = strstr(c->url, "://") + 3;
    const size_t len = strcspn(host, "/?#");
    const char *port = !strncmp(c->url, "https:", 6) ? ":443" : ":80";
    const size_t n = strlen(port);

    c->host = (struct gw_str){host, len};
    if (len > n && !memcmp(host + len - n, port, n))
        c->host.len -= n;
    c->path = (struct gw_str){host + len, strcspn(host + len, "?#")};
}

void gw_aws_client_init(struct gw_aws_client *c, struct gw_loop *loop, const char *service,
                        const char *region, const char *hint, const char *endpoint)
{
    struct gw_aws_profiles *profiles;
    struct gw_err unused;

    *c = (struct gw_aws_client){.loop = loop,
                                .service = service,
                                .name = !strcmp(service, "sns") ? "SNS" : "SQS",
                                .waiting_last = &c->waiting};
    c->mem = gw_arena_new();
    c->scratch = gw_arena_new();
    profiles = gw_aws_profiles_read(c->mem, &unused); /* asking for keys tells what is wrong */
    region = gw_aws_region(profiles, region, hint);
    c->region = region ? gw_arena_strndup(c->mem, region, strlen(region)) : NULL;
    c->url = endpoint ? endpoint : gw_aws_endpoint(c->mem, service, c->region);
    if (gw_fetch_url_problem(c->url))
        c->url = gw_arena_printf(c->mem, "https://%s.invalid", service).p;
    split_url(c);
    c->conf = (struct gw_fetch_conf){.timeout_ms = GW_AWS_CALL_MS,
                                     .ca = getenv("AWS_CA_BUNDLE"),
                                     .verify = 1,
                                     .connections = GW_AWS_CALLS};
    c->fetcher = gw_fetcher_new(loop, &c->conf);
    c->credentials = gw_aws_credentials_hold();
    gw_aws_ask_init(&c->ask, c->credentials, loop);
    c->ask.ended = on_asked;
    gw_timer_init(&c->look, loop, on_look);
    c->give_back.fn = on_give_back;
}

void gw_aws_client_fini(struct gw_aws_client *c)
{
    gw_loop_cancel(c->loop, &c->give_back);
    gw_timer_fini(&c->look);
    gw_aws_ask_fini(&c->ask);
    gw_fetcher_free(c->fetcher);
    gw_aws_credentials_drop(c->credentials);
    gw_arena_free(c->mem);
    gw_arena_free(c->scratch);
}

void gw_aws_call_init(struct gw_aws_call *c, struct gw_aws_client *client)
{
    *c = (struct gw_aws_call){.client = client};
    gw_fetch_init(&c->fetch, client->fetcher, GW_AWS_ANSWER);
    c->fetch.url = client->url;
    c->fetch.method = "POST";
    c->fetch.done = on_answer;
}

void gw_aws_call_fini(struct gw_aws_call *c)
{
    leave_queue(c);
    gw_fetch_fini(&c->fetch);
}

void gw_aws_call_start(struct gw_aws_call *c)
{
    wait_for_keys(c);
    if (c->client->waiting == c)
        go(c->client);
}
