#include "net/aws_call.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/header.h"
#include "net/aws_profiles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (c->problem)
        (void)snprintf(why, sizeof(why), "%s: %s", c->name, c->problem);
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
    go(c);
}

/* For whoever waits: one way or another it goes on. 0: there are newer ones already. */
static int ask_for_keys(struct gw_aws_client *c)
{
    int64_t ms = 0;

    switch (gw_aws_credentials_begin(c->credentials, 0, 0, &ms)) {
    case GW_TURN_NEWER:
        return 0;
    case GW_TURN_ASK:
        gw_aws_ask_start(&c->ask);
        break;
    case GW_TURN_FAILED:
        gw_loop_post(c->loop, &c->give_back);
        break;
    case GW_TURN_WAIT:
    case GW_TURN_LATER:
        gw_timer_set(&c->look, ms);
    }
    return 1;
}

/* The old ones go on being used. */
static void renew_in_time(struct gw_aws_client *c, uint64_t number)
{
    int64_t ms;

    if (gw_aws_credentials_begin(c->credentials, number, 0, &ms) == GW_TURN_ASK)
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
                                       gw_clock_wall_ns() / 1000000000 + call->skew_s};
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

        if (c->problem) {
            gw_loop_post(c->loop, &c->give_back);
            return;
        }
        gw_arena_reset(c->scratch);
        number = gw_aws_credentials_get(c->credentials, c->scratch, &keys, &due);
        if (!number && (c->ask.running || ask_for_keys(c)))
            return;
        if (!number)
            continue; /* somebody has just got some */
        if (due && !c->ask.running)
            renew_in_time(c, number);
        call = next_waiting(c);
        call->keys = number;
        call->skew_s = gw_aws_skew(c->credentials);
        sign(call, &keys);
        gw_fetch_start(&call->fetch);
    }
}

/* ---- its answer ---- */

/* The service's clock says another time than ours: 1, it goes again by that one. */
static int correct_clock(struct gw_aws_call *call)
{
    if (call->skewed || !gw_aws_is_of_the_clock(call->error.code) ||
        !gw_aws_clock_was_off(call->client->credentials, &call->fetch, call->skew_s))
        return 0;
    return call->skewed = 1;
}

/* The keys were not taken: 1, and the call waits for others, or they are there. */
static int renew_keys(struct gw_aws_call *call)
{
    static const char *const codes[] = {
        "ExpiredToken",          "ExpiredTokenException",       "RequestExpired",
        "InvalidClientTokenId",  "UnrecognizedClientException", "InvalidAccessKeyId",
        "SignatureDoesNotMatch", "InvalidSignatureException",   NULL};
    struct gw_aws_client *c = call->client;
    enum gw_turn turn;
    int64_t ms;

    if (call->renewed || !gw_aws_is_one_of(call->error.code, codes))
        return 0;
    turn = gw_aws_credentials_begin(c->credentials, call->keys, 1, &ms);
    if (c->ask.running) /* whatever is said: it may take longer than others wait for it */
        return call->renewed = 1;
    switch (turn) {
    case GW_TURN_FAILED: /* they were looked for a moment ago */
    case GW_TURN_LATER:
        return 0;
    case GW_TURN_ASK:
        gw_aws_ask_start(&c->ask);
        break;
    case GW_TURN_NEWER:
    case GW_TURN_WAIT:
        break;
    }
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
            go(c);
            return;
        }
    }
    finish(call);
}

/* ---- life ---- */

static const char *name_of(const char *service)
{
    return !strcmp(service, "sns") ? "SNS" : !strcmp(service, "sqs") ? "SQS" : "STS";
}

void gw_aws_client_init(struct gw_aws_client *c, struct gw_loop *loop, const char *service,
                        const char *region, const char *hint, const char *endpoint)
{
    struct gw_aws_profiles *profiles;
    struct gw_err unused;

    *c = (struct gw_aws_client){
        .loop = loop, .service = service, .name = name_of(service), .waiting_last = &c->waiting};
    c->mem = gw_arena_new();
    c->scratch = gw_arena_new();
    profiles = gw_aws_profiles_read(c->mem, &unused); /* asking for keys tells what is wrong */
    region = gw_aws_region(profiles, region, hint);
    c->region = region ? gw_arena_strndup(c->mem, region, strlen(region)) : NULL;
    c->url = endpoint ? endpoint : gw_aws_endpoint(c->mem, profiles, service, c->region);
    if (!c->region)
        c->problem = "no region: set `region`, AWS_REGION or the profile's";
    else if (gw_fetch_url_problem(c->url))
        c->problem =
            gw_arena_printf(
                c->mem, "AWS_ENDPOINT_URL_%s, AWS_ENDPOINT_URL or the profile's endpoint_url: %s",
                c->name, gw_fetch_url_problem(c->url))
                .p;
    else
        gw_aws_split_url(c->url, &c->host, &c->path);
    c->conf = (struct gw_fetch_conf){.timeout_ms = GW_AWS_CALL_MS,
                                     .ca = gw_aws_ca(profiles),
                                     .verify = 1,
                                     .connections = GW_AWS_CALLS};
    c->fetcher = gw_fetcher_new(loop, &c->conf);
    c->credentials = gw_aws_credentials_hold();
    gw_aws_ask_init(&c->ask, c->credentials, loop);
    c->ask.ended = on_asked;
    c->ask.callers_region = c->region;
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

void gw_aws_call_cancel(struct gw_aws_call *c)
{
    leave_queue(c);
    gw_fetch_cancel(&c->fetch);
    c->renewed = c->skewed = 0;
}

void gw_aws_call_start(struct gw_aws_call *c)
{
    wait_for_keys(c);
    if (c->client->waiting == c)
        go(c->client);
}

const char *gw_aws_call_told(const struct gw_aws_call *c, char *out, size_t size)
{
    const char *todo = gw_aws_todo(c->error.code);

    (void)snprintf(out, size, "%s%s%s", c->why, todo ? ": " : "", todo ? todo : "");
    return out;
}
