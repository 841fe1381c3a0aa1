/* The plan, token endpoints, impersonation. */
#include "net/gcp_ask.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/time.h"
#include "net/gcp_json.h"
#include "net/gcp_jwt.h"
#include "net/oauth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FAR_MS = 30000,
    NEAR_MS = 5000,
    TRIES = 3,
    PAUSE_MS = 1000,
    LIFE_MS = GW_GCP_JWT_S * 1000,
    WHO_MAX = 300,
    SAID_MAX = 800
};

/* ---- how it ends ---- */

static void end(struct gw_gcp_ask *a, const char *why)
{
    if (!why && a->life_ms <= 0) {
        (void)snprintf(a->why, sizeof(a->why),
                       "%.200s gives a token that has ended already, or our clock is wrong",
                       a->plan.from);
        why = a->why;
    }
    a->running = 0;
    gw_gcp_tokens_end(a->tokens, why ? NULL : &a->got, a->life_ms, why);
    gw_arena_reset(a->mem);
    a->ended(a, why);
}

static void on_said(struct gw_task *t)
{
    struct gw_gcp_ask *a = GW_CONTAINER(t, struct gw_gcp_ask, said);

    end(a, a->why[0] ? a->why : NULL);
}

void gw_gcp_ask_fail(struct gw_gcp_ask *a, const char *of, const char *why)
{
    const char *file = a->plan.kind != GW_GCP_INSTANCE ? a->plan.from : "";

    (void)snprintf(a->why, sizeof(a->why), "%.150s%s%s%s%s", file, *file ? ": " : "", of,
                   *of ? ": " : "", why);
    gw_loop_post(a->loop, &a->said);
}

/* ---- requests ---- */

void gw_gcp_ask_secret(struct gw_gcp_ask *a, const char *secret)
{
    if (secret && a->n_secrets < GW_GCP_SECRETS)
        a->secrets[a->n_secrets++] = gw_str_of(secret);
}

static int quotes_us(const struct gw_gcp_ask *a, const char *text)
{
    for (size_t i = 0; i < a->n_secrets; i++)
        if (gw_secret_shown(gw_str_of(text), a->secrets[i]))
            return 1;
    return 0;
}

/* {"error": "invalid_grant", "error_description": "…"} of OAuth, or {"error": {"status": "…",
 * "message": "…"}} of Google's services. */
static void read_error(struct gw_gcp_ask *a, struct gw_str json, const char **code,
                       const char **text)
{
    struct gw_str error = {0};
    const struct gw_gcp_member outer[] = {{"error", NULL, &error},
                                          {"error_description", text, NULL}};
    const struct gw_gcp_member inner[] = {{"status", code, NULL}, {"message", text, NULL}};
    struct gw_err unused;

    if (gw_gcp_json_read(a->mem, json, outer, 2, &unused) || !error.p)
        *text = NULL;
    else if (!(*code = gw_gcp_json_text(a->mem, error)) &&
             gw_gcp_json_read(a->mem, error, inner, 2, &unused))
        *code = *text = NULL;
}

void gw_gcp_ask_say(struct gw_gcp_ask *a, const char *code, const char *text, struct gw_buf *out)
{
    if (code && !quotes_us(a, code)) {
        gw_text_put_line(out, gw_str_of(code), 80);
        gw_buf_puts(out, text ? ": " : " ");
    }
    if (text && !quotes_us(a, text)) {
        gw_text_put_line(out, gw_str_of(text), 200);
        gw_buf_putc(out, ' ');
    }
}

static int is_passing(int status)
{
    return !status || status == 408 || status == 429 || status >= 500;
}

static void refused(struct gw_gcp_ask *a, const struct gw_fetch *f)
{
    const char *code = NULL, *text = NULL;
    struct gw_buf said;

    if (!is_passing(f->status) && a->plan.kind == GW_GCP_REFRESH && a->take == gw_gcp_ask_token)
        gw_gcp_tokens_take_newer(a->tokens, GW_STR(""), GW_STR("")); /* the file's, the next time */
    gw_buf_init(&said, SAID_MAX, a->mem);
    if (f->status)
        read_error(a, gw_buf_str(&f->answer), &code, &text);
    else
        text = f->why;
    gw_gcp_ask_say(a, code, text, &said);
    if (f->status)
        gw_buf_printf(&said, said.len ? "(HTTP %d)" : "HTTP %d", f->status);
    else if (said.len)
        said.len--; /* the space */
    gw_buf_putc(&said, '\0');
    gw_gcp_ask_fail(a, a->of, said.p);
}

static void start(struct gw_gcp_ask *a)
{
    a->asked->body = a->body;
    gw_fetch_start(a->asked);
}

static void on_again(struct gw_timer *t)
{
    start(GW_CONTAINER(t, struct gw_gcp_ask, again));
}

static void on_answer(struct gw_gcp_ask *a, struct gw_fetch *f)
{
    if (is_passing(f->status) && ++a->tries < TRIES)
        gw_timer_set(&a->again, a->pause_ms * a->tries);
    else if (f->status == 200)
        a->take(a, gw_buf_str(&f->answer));
    else
        refused(a, f);
}

static void on_far(struct gw_fetch *f)
{
    on_answer(GW_CONTAINER(f, struct gw_gcp_ask, far), f);
}

static void on_near(struct gw_fetch *f)
{
    on_answer(GW_CONTAINER(f, struct gw_gcp_ask, near), f);
}

void gw_gcp_ask_send(struct gw_gcp_ask *a, struct gw_fetch *f, const char *of,
                     void (*take)(struct gw_gcp_ask *a, struct gw_str answer))
{
    a->asked = f;
    a->of = of;
    a->take = take;
    a->body = f->body;
    a->tries = 0;
    start(a);
}

/* ---- tokens ---- */

const char *gw_gcp_scope(const struct gw_gcp_ask *a)
{
    return a->step ? "https://www.googleapis.com/auth/cloud-platform"
                   : "https://www.googleapis.com/auth/pubsub";
}

static void impersonate_next(struct gw_gcp_ask *a);

static void take_impersonated(struct gw_gcp_ask *a, struct gw_str answer)
{
    const char *token = NULL, *expires = NULL;
    const struct gw_gcp_member members[] = {{"accessToken", &token, NULL},
                                            {"expireTime", &expires, NULL}};
    struct gw_err err;
    struct gw_time t;

    if (gw_gcp_json_read(a->mem, answer, members, 2, &err)) {
        gw_gcp_ask_fail(a, a->of, err.msg);
    } else if (!token || !gw_gcp_plain(token)) {
        gw_gcp_ask_fail(a, a->of, "no accessToken that a header can hold");
    } else if (!expires || gw_time_parse(gw_str_of(expires), &t)) {
        gw_gcp_ask_fail(a, a->of, "its expireTime is no time");
    } else {
        a->got.bearer = gw_str_of(token);
        a->life_ms = t.sec * 1000 - gw_clock_wall_ns() / 1000000;
        impersonate_next(a);
    }
}

static void impersonate_next(struct gw_gcp_ask *a)
{
    const struct gw_gcp_step *step = a->step;
    struct gw_buf body;

    if (!step) {
        gw_loop_post(a->loop, &a->said);
        return;
    }
    a->step = step->next;
    gw_gcp_ask_secret(a, a->got.bearer.p);
    gw_buf_init(&body, SIZE_MAX / 2, a->mem);
    gw_buf_printf(&body, "{\"lifetime\":\"%llds\",\"scope\":[\"%s\"]", (long long)step->lifetime_s,
                  gw_gcp_scope(a));
    if (step->delegates.p) {
        gw_buf_puts(&body, ",\"delegates\":");
        gw_buf_put_str(&body, step->delegates);
    }
    gw_buf_putc(&body, '}');
    a->far.url = step->url;
    a->far.method = "POST";
    a->far.body = gw_buf_str(&body);
    gw_fetch_headers_clear(&a->far);
    gw_fetch_header(&a->far, GW_STR("content-type"), GW_STR("application/json"));
    gw_fetch_header(
        &a->far, GW_STR("authorization"),
        gw_arena_printf(a->mem, "Bearer %.*s", (int)a->got.bearer.len, a->got.bearer.p));
    gw_gcp_ask_send(a, &a->far, "service_account_impersonation_url", take_impersonated);
}

void gw_gcp_ask_token(struct gw_gcp_ask *a, struct gw_str answer)
{
    struct gw_oauth_token token;
    struct gw_err err;

    if (gw_oauth_token_read(answer, a->mem, &token, &err)) {
        gw_gcp_ask_fail(a, a->of, err.msg);
        return;
    }
    if (a->plan.kind == GW_GCP_REFRESH && token.refresh_token.len)
        gw_gcp_tokens_take_newer(a->tokens, gw_str_of(a->plan.refresh_token), token.refresh_token);
    a->got.bearer = gw_arena_str(a->mem, token.access_token); /* with a NUL */
    a->life_ms = token.lives_s ? token.lives_s * 1000 : LIFE_MS;
    impersonate_next(a);
}

void gw_gcp_ask_form(struct gw_gcp_ask *a, struct gw_buf *form, const char *of)
{
    const struct gw_gcp_plan *p = &a->plan;

    a->far.url = p->token_url;
    a->far.method = "POST";
    gw_gcp_ask_secret(a, p->client_secret);
    gw_oauth_prepare(&a->far, p->client_id, p->client_secret, !p->client_in_header, form, a->mem);
    gw_gcp_ask_send(a, &a->far, of, gw_gcp_ask_token);
}

static void ask_with_refresh_token(struct gw_gcp_ask *a)
{
    const struct gw_str files = gw_str_of(a->plan.refresh_token),
                        newer = gw_gcp_tokens_newer(a->tokens, a->mem, files);
    const char *token = newer.len ? newer.p : files.p;
    struct gw_buf form;

    gw_gcp_ask_secret(a, token);
    gw_buf_init(&form, GW_OAUTH_FORM, a->mem);
    gw_oauth_field(&form, "grant_type", "refresh_token");
    gw_oauth_field(&form, "refresh_token", token);
    gw_gcp_ask_form(a, &form, a->plan.client_in_header ? "token_url" : "token_uri");
}

/* A signed JWT is the token, or it is given for one. */
static void sign(struct gw_gcp_ask *a)
{
    const struct gw_gcp_plan *p = &a->plan;
    const int itself = gw_gcp_signs_itself(p);
    const char *audience =
        itself ? gw_arena_printf(a->mem, "https://pubsub.%s/", p->universe).p : p->token_url;
    const struct gw_gcp_jwt jwt = {p->email, p->key, p->key_id, audience,
                                   itself ? NULL : gw_gcp_scope(a)};
    struct gw_str token;
    struct gw_buf form;
    struct gw_err err;

    if (gw_gcp_jwt_make(a->mem, &jwt, &token, &err)) {
        gw_gcp_ask_fail(a, "", err.msg);
        return;
    }
    token = gw_arena_str(a->mem, token); /* with a NUL */
    if (itself) {
        a->got.bearer = token;
        a->life_ms = LIFE_MS;
        gw_loop_post(a->loop, &a->said);
        return;
    }
    gw_gcp_ask_secret(a, token.p);
    gw_buf_init(&form, GW_OAUTH_FORM, a->mem);
    gw_oauth_field(&form, "grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer");
    gw_oauth_field(&form, "assertion", token.p);
    gw_gcp_ask_form(a, &form, "token_uri");
}

static void ask_source(struct gw_gcp_ask *a)
{
    switch (a->plan.kind) {
    case GW_GCP_KEY:
        sign(a);
        break;
    case GW_GCP_REFRESH:
        ask_with_refresh_token(a);
        break;
    case GW_GCP_WORKLOAD:
        gw_gcp_ask_workload(a);
        break;
    case GW_GCP_INSTANCE:
        gw_gcp_ask_instance(a);
    }
}

void gw_gcp_ask_start(struct gw_gcp_ask *a)
{
    struct gw_buf who;
    struct gw_err err;

    gw_arena_reset(a->mem);
    a->running = 1;
    a->why[0] = '\0';
    a->n_secrets = 0;
    a->got = (struct gw_gcp_token){0};
    if (gw_gcp_plan_make(a->mem, &a->plan, &err)) {
        (void)snprintf(a->why, sizeof(a->why), "%s", err.msg);
        gw_loop_post(a->loop, &a->said);
        return;
    }
    a->step = a->plan.steps;
    a->got.quota_project = gw_str_of(a->plan.quota_project);
    gw_buf_init(&who, WHO_MAX, a->mem);
    gw_text_put_line(&who, gw_str_of(a->plan.who), WHO_MAX - 4);
    a->got.who = gw_buf_str(&who);
    ask_source(a);
}

void gw_gcp_ask_init(struct gw_gcp_ask *a, struct gw_gcp_tokens *tokens, struct gw_loop *loop)
{
    *a = (struct gw_gcp_ask){.tokens = tokens, .loop = loop, .pause_ms = PAUSE_MS};
    a->mem = gw_arena_new();
    a->far_conf = (struct gw_fetch_conf){.timeout_ms = FAR_MS, .verify = 1, .connections = 1};
    a->near_conf =
        (struct gw_fetch_conf){.timeout_ms = NEAR_MS, .verify = 1, .connections = 1, .direct = 1};
    a->far_fetcher = gw_fetcher_new(loop, &a->far_conf);
    a->near_fetcher = gw_fetcher_new(loop, &a->near_conf);
    gw_fetch_init(&a->far, a->far_fetcher, GW_GCP_ANSWER);
    gw_fetch_init(&a->near, a->near_fetcher, GW_GCP_ANSWER);
    a->far.done = on_far;
    a->near.done = on_near;
    a->said.fn = on_said;
    gw_timer_init(&a->again, loop, on_again);
    gw_command_init(&a->command, loop);
}

void gw_gcp_ask_fini(struct gw_gcp_ask *a)
{
    if (a->running)
        gw_gcp_tokens_end(a->tokens, NULL, 0, NULL);
    gw_loop_cancel(a->loop, &a->said);
    gw_timer_fini(&a->again);
    gw_command_fini(&a->command);
    gw_fetch_fini(&a->far);
    gw_fetch_fini(&a->near);
    gw_fetcher_free(a->far_fetcher);
    gw_fetcher_free(a->near_fetcher);
    gw_arena_free(a->mem);
}
