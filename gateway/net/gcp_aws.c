/* A workload at AWS: its token is a signed request that asks AWS's STS who it is, which Google
 * makes. The keys are the environment's, else those of the instance's role. */
#include "net/gcp_ask.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/header.h"
#include "base/json.h"
#include "net/aws_endpoint.h"
#include "net/aws_profiles.h"
#include "net/gcp_json.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char of[] = "credential_source";

/* ---- the request ---- */

static void put_pair(struct gw_buf *out, int first, const char *key, struct gw_str value)
{
    gw_buf_puts(out, first ? "{\"key\":" : ",{\"key\":");
    gw_json_put_string(out, gw_str_of(key));
    gw_buf_puts(out, ",\"value\":");
    gw_json_put_string(out, value);
    gw_buf_putc(out, '}');
}

static const char *verify_url(struct gw_gcp_ask *a)
{
    const char *url = a->plan.workload.verify_url, *at = strstr(url, "{region}");

    return at ? gw_arena_printf(a->mem, "%.*s%.*s%s", (int)(at - url), url, (int)a->region.len,
                                a->region.p, at + strlen("{region}"))
                    .p
              : url;
}

static void sign(struct gw_gcp_ask *a)
{
    const char *url = verify_url(a), *query;
    struct gw_header headers[] = {
        {GW_STR("host"), GW_STR("")},
        {GW_STR("x-goog-cloud-target-resource"), gw_str_of(a->plan.workload.audience)}};
    struct gw_aws_request r = {
        .method = GW_STR("POST"), .headers = headers, .n_headers = 2, .body = GW_STR("")};
    const struct gw_aws_scope scope = {a->region, GW_STR("sts"), gw_clock_wall_ns() / 1000000000};
    struct gw_aws_signature s;
    struct gw_buf json, subject;

    if (gw_fetch_url_problem(url)) {
        gw_gcp_ask_fail(a, "regional_cred_verification_url", gw_fetch_url_problem(url));
        return;
    }
    gw_aws_split_url(url, &headers[0].value, &r.path);
    query = strchr(url, '?');
    r.query = gw_str_of(query ? query + 1 : "");
    gw_aws_sign(a->mem, &r, &scope, &a->keys, &s);
    gw_buf_init(&json, SIZE_MAX / 2, a->mem);
    gw_buf_puts(&json, "{\"url\":");
    gw_json_put_string(&json, gw_str_of(url));
    gw_buf_puts(&json, ",\"method\":\"POST\",\"headers\":[");
    put_pair(&json, 1, "Authorization", s.authorization);
    put_pair(&json, 0, "host", headers[0].value);
    put_pair(&json, 0, "x-amz-date", s.date);
    put_pair(&json, 0, "x-goog-cloud-target-resource", headers[1].value);
    if (a->keys.token.p)
        put_pair(&json, 0, "x-amz-security-token", a->keys.token);
    gw_buf_puts(&json, "]}");
    gw_buf_init(&subject, SIZE_MAX / 2, a->mem);
    gw_aws_encode(&subject, gw_buf_str(&json));
    gw_buf_putc(&subject, '\0');
    gw_gcp_ask_exchange(a, subject.p);
}

/* ---- what it is signed with ---- */

static void find_region(struct gw_gcp_ask *a);
static void find_keys(struct gw_gcp_ask *a);

static void ask_instance(struct gw_gcp_ask *a, const char *url, const char *name,
                         void (*take)(struct gw_gcp_ask *a, struct gw_str answer))
{
    a->near.url = url;
    a->near.method = "GET";
    a->near.body = (struct gw_str){0};
    gw_fetch_headers_clear(&a->near);
    if (a->session.p)
        gw_fetch_header(&a->near, GW_STR("x-aws-ec2-metadata-token"), a->session);
    gw_gcp_ask_send(a, &a->near, name, take);
}

/* One line of what is seen; p NULL: it is none, and the asking has failed. */
static struct gw_str one_word(struct gw_gcp_ask *a, struct gw_str answer)
{
    const char *text = gw_arena_strndup(a->mem, answer.p, answer.len);
    const size_t len = strcspn(text, "\r\n");

    text = gw_arena_strndup(a->mem, text, len);
    if (gw_gcp_plain(text))
        return gw_str_of(text);
    gw_gcp_ask_fail(a, a->of, "no word");
    return (struct gw_str){0};
}

static void take_session(struct gw_gcp_ask *a, struct gw_str answer)
{
    a->session = one_word(a, answer);
    if (a->session.p)
        find_region(a);
}

static void ask_session(struct gw_gcp_ask *a)
{
    a->near.url = a->plan.workload.session_url;
    a->near.method = "PUT";
    a->near.body = GW_STR("");
    gw_fetch_headers_clear(&a->near);
    gw_fetch_header(&a->near, GW_STR("x-aws-ec2-metadata-token-ttl-seconds"), GW_STR("300"));
    gw_gcp_ask_send(a, &a->near, "imdsv2_session_token_url", take_session);
}

/* "us-east-2b": the zone, without its letter. */
static void take_zone(struct gw_gcp_ask *a, struct gw_str answer)
{
    a->region = one_word(a, answer);
    if (!a->region.p)
        return;
    a->region.len--;
    if (a->region.len)
        find_keys(a);
    else
        gw_gcp_ask_fail(a, a->of, "no zone");
}

static void take_keys(struct gw_gcp_ask *a, struct gw_str answer)
{
    const char *id = NULL, *secret = NULL, *token = NULL;
    const struct gw_gcp_member members[] = {
        {"AccessKeyId", &id, NULL}, {"SecretAccessKey", &secret, NULL}, {"Token", &token, NULL}};
    struct gw_err err;

    if (gw_gcp_json_read(a->mem, answer, members, 3, &err)) {
        gw_gcp_ask_fail(a, a->of, err.msg);
    } else if (!id || !*id || !secret || !*secret) {
        gw_gcp_ask_fail(a, a->of, "its answer has no AccessKeyId or no SecretAccessKey");
    } else {
        a->keys = (struct gw_aws_keys){gw_str_of(id), gw_str_of(secret), gw_str_of(token)};
        sign(a);
    }
}

static void take_role(struct gw_gcp_ask *a, struct gw_str answer)
{
    const struct gw_str role = one_word(a, answer);
    const char *url;

    if (!role.p)
        return;
    url = gw_arena_printf(a->mem, "%s/%s", a->plan.workload.url, role.p).p;
    if (gw_fetch_url_problem(url))
        gw_gcp_ask_fail(a, a->of, "no role's name");
    else
        ask_instance(a, url, "credential_source: url", take_keys);
}

static int take_environment(struct gw_gcp_ask *a)
{
    const char *id = gw_aws_env("AWS_ACCESS_KEY_ID"), *secret = gw_aws_env("AWS_SECRET_ACCESS_KEY");

    if (!id || !secret)
        return 0;
    a->keys = (struct gw_aws_keys){gw_str_of(id), gw_str_of(secret),
                                   gw_str_of(gw_aws_env("AWS_SESSION_TOKEN"))};
    return 1;
}

static void find_keys(struct gw_gcp_ask *a)
{
    if (take_environment(a))
        sign(a);
    else if (a->plan.workload.url)
        ask_instance(a, a->plan.workload.url, "credential_source: url", take_role);
    else
        gw_gcp_ask_fail(a, of, "neither url nor AWS_ACCESS_KEY_ID is there");
}

static const char *region_said(void)
{
    const char *region = gw_aws_env("AWS_REGION");

    return region ? region : gw_aws_env("AWS_DEFAULT_REGION");
}

static void find_region(struct gw_gcp_ask *a)
{
    if (region_said()) {
        a->region = gw_str_of(region_said());
        find_keys(a);
    } else if (a->plan.workload.region_url) {
        ask_instance(a, a->plan.workload.region_url, "credential_source: region_url", take_zone);
    } else {
        gw_gcp_ask_fail(a, of, "neither region_url nor AWS_REGION is there");
    }
}

void gw_gcp_ask_aws(struct gw_gcp_ask *a)
{
    a->session = (struct gw_str){0};
    if (a->plan.workload.session_url && (!region_said() || !take_environment(a)))
        ask_session(a);
    else
        find_region(a);
}
