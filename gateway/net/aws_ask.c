/* The plan, and STS: roles by a web identity or by keys. */
#include "net/aws_ask.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/header.h"
#include "base/time.h"
#include "net/aws_answer.h"
#include "net/aws_profiles.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { FAR_MS = 30000, NEAR_MS = 3000, TOKEN_MAX = 65536, SKEW_MIN_S = 60 };
static const char sts_form[] = "application/x-www-form-urlencoded; charset=utf-8";

/* ---- how it ends ---- */

static int have_ended(const struct gw_aws_ask *a)
{
    return a->expires_s &&
           a->expires_s <= gw_clock_wall_ns() / 1000000000 + gw_aws_skew(a->credentials);
}

static void end(struct gw_aws_ask *a, const char *why)
{
    if (!why && have_ended(a)) {
        (void)snprintf(a->why, sizeof(a->why),
                       "%s gives keys that have ended already, or our clock is wrong",
                       a->plan.from);
        why = a->why;
    }
    a->running = 0;
    gw_aws_credentials_end(a->credentials, why ? NULL : &a->keys, a->expires_s, why);
    gw_arena_reset(a->mem);
    a->ended(a, why);
}

static void on_said(struct gw_task *t)
{
    struct gw_aws_ask *a = GW_CONTAINER(t, struct gw_aws_ask, said);

    end(a, a->why[0] ? a->why : NULL);
}

void gw_aws_ask_fail(struct gw_aws_ask *a, const char *of, const char *why)
{
    (void)snprintf(a->why, sizeof(a->why), "%s%s%s", of, *of ? ": " : "", why);
    gw_loop_post(a->loop, &a->said);
}

void gw_aws_ask_refused(struct gw_aws_ask *a, const struct gw_fetch *f, const char *of)
{
    struct gw_aws_error e;
    struct gw_buf text;

    gw_aws_error_read(a->mem, f, &e);
    gw_buf_init(&text, GW_AWS_WHY, a->mem);
    gw_aws_error_text(&e, f, of, &text);
    gw_aws_ask_fail(a, "", text.failed ? of : text.p);
}

/* ---- the services' clock ---- */

int gw_aws_is_one_of(struct gw_str code, const char *const *list)
{
    for (; *list; list++)
        if (gw_str_is(code, *list))
            return 1;
    return 0;
}

int gw_aws_is_of_the_clock(struct gw_str code)
{
    static const char *const codes[] = {"SignatureDoesNotMatch",
                                        "RequestTimeTooSkewed",
                                        "RequestExpired",
                                        "RequestInTheFuture",
                                        "InvalidSignatureException",
                                        "AuthFailure",
                                        NULL};

    return gw_aws_is_one_of(code, codes);
}

int gw_aws_clock_was_off(struct gw_aws_credentials *c, const struct gw_fetch *f, int64_t skew_s)
{
    const struct gw_str date = gw_fetch_answer_header(f, "date");
    char text[64];
    int64_t theirs, off;

    if (gw_aws_skew(c) != skew_s)
        return 1;
    if (!date.len || date.len >= sizeof(text))
        return 0;
    memcpy(text, date.p, date.len);
    text[date.len] = '\0';
    theirs = gw_fetch_date(text);
    off = theirs - gw_clock_wall_ns() / 1000000000 - skew_s;
    if (theirs < 0 || (off < SKEW_MIN_S && off > -SKEW_MIN_S))
        return 0;
    gw_aws_skew_set(c, skew_s + off);
    return 1;
}

/* ---- roles ---- */

static void assume_next(struct gw_aws_ask *a);
static void post(struct gw_aws_ask *a, int signed_);

static void take_keys(struct gw_aws_ask *a, struct gw_str id, struct gw_str secret,
                      struct gw_str token, struct gw_str expires, const char *of)
{
    struct gw_time t;

    if (!id.len || !secret.len) {
        gw_aws_ask_fail(a, of, "its answer has no AccessKeyId or no SecretAccessKey");
        return;
    }
    a->expires_s = 0;
    if (expires.len && gw_time_parse(expires, &t)) {
        gw_aws_ask_fail(a, of, "its answer's Expiration is no time");
        return;
    }
    if (expires.len)
        a->expires_s = t.sec;
    a->keys = (struct gw_aws_keys){id, secret, token.len ? token : (struct gw_str){0}};
    assume_next(a);
}

void gw_aws_ask_json(struct gw_aws_ask *a, struct gw_str json, const char *token, const char *of)
{
    take_keys(a, gw_aws_json_text(a->mem, json, "AccessKeyId"),
              gw_aws_json_text(a->mem, json, "SecretAccessKey"),
              gw_aws_json_text(a->mem, json, token), gw_aws_json_text(a->mem, json, "Expiration"),
              of);
}

static void on_sts(struct gw_fetch *f)
{
    struct gw_aws_ask *a = GW_CONTAINER(f, struct gw_aws_ask, far);
    struct gw_str xml = gw_buf_str(&f->answer);

    const int was_off = gw_aws_clock_was_off(a->credentials, f, a->skew_s);
    struct gw_aws_error e;

    if (f->status != 200) {
        gw_aws_error_read(a->mem, f, &e);
        if (was_off && !a->skewed && gw_aws_is_of_the_clock(e.code)) {
            a->skewed = 1;
            post(a, 1);
        } else {
            gw_aws_ask_refused(a, f, "STS");
        }
        return;
    }
    take_keys(a, gw_aws_xml_text(a->mem, xml, "AccessKeyId"),
              gw_aws_xml_text(a->mem, xml, "SecretAccessKey"),
              gw_aws_xml_text(a->mem, xml, "SessionToken"),
              gw_aws_xml_text(a->mem, xml, "Expiration"), "STS");
}

static void put_member(struct gw_buf *form, const char *name, const char *value)
{
    gw_buf_printf(form, "&%s=", name);
    gw_aws_encode(form, gw_str_of(value));
}

static void put_role(struct gw_aws_ask *a, struct gw_buf *form, const char *action,
                     const struct gw_aws_role *role)
{
    gw_buf_printf(form, "Action=%s&Version=2011-06-15", action);
    put_member(form, "RoleArn", role->arn);
    put_member(form, "RoleSessionName",
               role->session ? role->session
                             : gw_arena_printf(a->mem, "moongate-%lld",
                                               (long long)(gw_clock_wall_ns() / 1000000))
                                   .p);
    if (role->external_id)
        put_member(form, "ExternalId", role->external_id);
    if (role->duration_s)
        gw_buf_printf(form, "&DurationSeconds=%lld", (long long)role->duration_s);
}

static void sign(struct gw_aws_ask *a, struct gw_str body)
{
    struct gw_header headers[] = {{GW_STR("content-type"), gw_str_of(sts_form)},
                                  {GW_STR("host"), GW_STR("")}};
    struct gw_aws_request request = {
        .method = GW_STR("POST"), .headers = headers, .n_headers = 2, .body = body};
    const struct gw_aws_scope scope = {.region = gw_str_of(a->region ? a->region : "us-east-1"),
                                       .service = GW_STR("sts"),
                                       .now = gw_clock_wall_ns() / 1000000000 + a->skew_s};
    struct gw_aws_signature s;

    gw_aws_split_url(a->far.url, &headers[1].value, &request.path);
    gw_aws_sign(a->mem, &request, &scope, &a->keys, &s);
    gw_fetch_header(&a->far, GW_STR("x-amz-date"), s.date);
    gw_fetch_header(&a->far, GW_STR("authorization"), s.authorization);
    if (a->keys.token.p)
        gw_fetch_header(&a->far, GW_STR("x-amz-security-token"), a->keys.token);
}

static void post(struct gw_aws_ask *a, int signed_)
{
    a->far.url = gw_aws_endpoint(a->mem, a->profiles, "sts", a->region);
    if (gw_fetch_url_problem(a->far.url)) {
        gw_aws_ask_fail(a, "AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the profile's endpoint_url",
                        gw_fetch_url_problem(a->far.url));
        return;
    }
    a->far.method = "POST";
    a->far.body = a->form;
    a->skew_s = gw_aws_skew(a->credentials);
    gw_fetch_headers_clear(&a->far);
    gw_fetch_header(&a->far, GW_STR("content-type"), gw_str_of(sts_form));
    if (signed_)
        sign(a, a->far.body);
    gw_fetch_start(&a->far);
}

static void ask_web_identity(struct gw_aws_ask *a)
{
    struct gw_str token = gw_aws_read_token(a, a->plan.token_file, "web identity");
    struct gw_buf form;

    if (!token.p)
        return;
    gw_buf_init(&form, SIZE_MAX / 2, a->mem);
    put_role(a, &form, "AssumeRoleWithWebIdentity", a->plan.web);
    gw_buf_puts(&form, "&WebIdentityToken=");
    gw_aws_encode(&form, token);
    a->form = gw_buf_str(&form);
    post(a, 0);
}

static void assume_next(struct gw_aws_ask *a)
{
    const struct gw_aws_role *role = a->role;
    struct gw_buf form;

    if (!role) {
        gw_loop_post(a->loop, &a->said);
        return;
    }
    a->role = role->next;
    gw_buf_init(&form, SIZE_MAX / 2, a->mem);
    put_role(a, &form, "AssumeRole", role);
    a->form = gw_buf_str(&form);
    post(a, 1);
}

/* ---- what all need ---- */

struct gw_str gw_aws_read_token(struct gw_aws_ask *a, const char *path, const char *of)
{
    FILE *f = fopen(path, "re");
    struct gw_str text = {0};
    char *p = gw_arena_alloc(a->mem, TOKEN_MAX + 1);
    char why[GW_AWS_WHY], said[100];

    if (f) {
        text = (struct gw_str){p, fread(p, 1, TOKEN_MAX + 1, f)};
        if (ferror(f))
            text.p = NULL;
        fclose(f);
    }
    if (!text.p) {
        (void)snprintf(why, sizeof(why), "%.200s: %s", path, strerror_r(errno, said, sizeof(said)));
        gw_aws_ask_fail(a, of, why);
        return text;
    }
    while (text.len && isspace((unsigned char)text.p[text.len - 1]))
        text.len--;
    if (text.len && text.len <= TOKEN_MAX && !memchr(text.p, '\n', text.len) &&
        !memchr(text.p, '\r', text.len) && !memchr(text.p, '\0', text.len))
        return text;
    (void)snprintf(why, sizeof(why), "%.200s: not a token in one line", path);
    gw_aws_ask_fail(a, of, why);
    return (struct gw_str){0};
}

static void ask_source(struct gw_aws_ask *a)
{
    switch (a->plan.source) {
    case GW_AWS_STATIC:
        a->keys = a->plan.keys;
        assume_next(a);
        break;
    case GW_AWS_WEB_IDENTITY:
        ask_web_identity(a);
        break;
    case GW_AWS_PROCESS:
        gw_aws_ask_process(a);
        break;
    case GW_AWS_CONTAINER:
        gw_aws_ask_container(a);
        break;
    case GW_AWS_INSTANCE:
        gw_aws_ask_instance(a);
    }
}

void gw_aws_ask_start(struct gw_aws_ask *a)
{
    struct gw_err err;

    gw_arena_reset(a->mem);
    a->running = 1;
    a->why[0] = '\0';
    a->expires_s = 0;
    a->skewed = 0;
    a->profiles = gw_aws_profiles_read(a->mem, &err);
    if (!a->profiles || gw_aws_plan_make(a->mem, a->profiles, &a->plan, &err)) {
        gw_aws_ask_fail(a, "", err.msg);
        return;
    }
    a->role = a->plan.roles;
    a->region = gw_aws_region(a->profiles, NULL, NULL);
    if (!a->region)
        a->region = a->callers_region;
    a->far_conf.ca = gw_aws_ca(a->profiles);
    ask_source(a);
}

void gw_aws_ask_init(struct gw_aws_ask *a, struct gw_aws_credentials *c, struct gw_loop *loop)
{
    *a = (struct gw_aws_ask){.credentials = c, .loop = loop, .mem = gw_arena_new()};
    a->far_conf = (struct gw_fetch_conf){.timeout_ms = FAR_MS, .verify = 1, .connections = 1};
    a->near_conf =
        (struct gw_fetch_conf){.timeout_ms = NEAR_MS, .verify = 1, .connections = 1, .direct = 1};
    a->far_fetcher = gw_fetcher_new(loop, &a->far_conf);
    a->near_fetcher = gw_fetcher_new(loop, &a->near_conf);
    gw_fetch_init(&a->far, a->far_fetcher, GW_AWS_ANSWER);
    gw_fetch_init(&a->near, a->near_fetcher, GW_AWS_ANSWER);
    a->far.done = on_sts;
    a->said.fn = on_said;
    gw_command_init(&a->process, loop);
}

void gw_aws_ask_fini(struct gw_aws_ask *a)
{
    if (a->running)
        gw_aws_credentials_end(a->credentials, NULL, 0, NULL);
    gw_loop_cancel(a->loop, &a->said);
    gw_command_fini(&a->process);
    gw_fetch_fini(&a->far);
    gw_fetch_fini(&a->near);
    gw_fetcher_free(a->far_fetcher);
    gw_fetcher_free(a->near_fetcher);
    gw_arena_free(a->mem);
}
