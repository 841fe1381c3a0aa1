/* A workload's own token, from a file or a URL, and its exchange for one of Google (RFC 8693). */
#include "net/gcp_ask.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/header.h"
#include "base/json.h"
#include "net/gcp_json.h"
#include "net/oauth.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

void gw_gcp_ask_exchange(struct gw_gcp_ask *a, const char *subject)
{
    const struct gw_gcp_workload *w = &a->plan.workload;
    struct gw_buf form, options;

    gw_gcp_ask_secret(a, subject);
    gw_buf_init(&form, GW_OAUTH_FORM, a->mem);
    gw_oauth_field(&form, "audience", w->audience);
    gw_oauth_field(&form, "grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    gw_oauth_field(&form, "requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
    gw_oauth_field(&form, "subject_token_type", w->subject_type);
    gw_oauth_field(&form, "subject_token", subject);
    gw_oauth_field(&form, "scope", gw_gcp_scope(a));
    if (w->user_project && !a->plan.client_id) { /* a client's project is known */
        gw_buf_init(&options, SIZE_MAX / 2, a->mem);
        gw_buf_puts(&options, "{\"userProject\":");
        gw_json_put_string(&options, gw_str_of(w->user_project));
        gw_buf_puts(&options, "}");
        gw_buf_putc(&options, '\0');
        gw_oauth_field(&form, "options", options.p);
    }
    gw_gcp_ask_form(a, &form, "token_url");
}

/* The whole text without the line's end, or a member of it. */
static void take_subject(struct gw_gcp_ask *a, struct gw_str text)
{
    const char *field = a->plan.workload.field, *token = NULL;
    const struct gw_gcp_member members[] = {{field, &token, NULL}};
    struct gw_err err;

    if (field && gw_gcp_json_read(a->mem, text, members, 1, &err)) {
        gw_gcp_ask_fail(a, a->of, err.msg);
        return;
    }
    while (!field && text.len && isspace((unsigned char)text.p[text.len - 1]))
        text.len--;
    if (!field && !memchr(text.p, '\0', text.len))
        token = gw_arena_strndup(a->mem, text.p, text.len);
    if (token && *token)
        gw_gcp_ask_exchange(a, token);
    else
        gw_gcp_ask_fail(a, a->of,
                        field ? "it has no text of the name that subject_token_field_name says"
                              : "there is no token in it");
}

static void read_subject(struct gw_gcp_ask *a)
{
    struct gw_err err;
    const struct gw_str text = gw_gcp_file(a->mem, a->plan.workload.path, &err);

    if (!text.p) {
        gw_gcp_ask_fail(a, "credential_source", err.msg);
        return;
    }
    a->of = gw_arena_printf(a->mem, "credential_source: %.200s", a->plan.workload.path).p;
    take_subject(a, text);
}

/* Without TLS it is a server of this machine or its cloud: never through a proxy. */
static void fetch_subject(struct gw_gcp_ask *a)
{
    const struct gw_gcp_workload *w = &a->plan.workload;
    struct gw_fetch *f = strncmp(w->url, "https:", 6) != 0 ? &a->near : &a->far;

    f->url = w->url;
    f->method = "GET";
    f->body = (struct gw_str){0};
    gw_fetch_headers_clear(f);
    for (size_t i = 0; i < w->n_headers; i++)
        gw_fetch_header(f, w->headers[i].name, w->headers[i].value);
    gw_gcp_ask_send(a, f, "credential_source: url", take_subject);
}

void gw_gcp_ask_workload(struct gw_gcp_ask *a)
{
    switch (a->plan.workload.subject) {
    case GW_GCP_SUBJECT_FILE:
        read_subject(a);
        break;
    case GW_GCP_SUBJECT_URL:
        fetch_subject(a);
        break;
    case GW_GCP_SUBJECT_COMMAND:
        gw_gcp_ask_command(a);
        break;
    case GW_GCP_SUBJECT_AWS:
        gw_gcp_ask_aws(a);
    }
}
