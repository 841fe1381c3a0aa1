/* The metadata server of an instance, a pod or a function (GKE's workload identity, too). */
#include "net/gcp_ask.h"

#include "base/arena.h"
#include "net/gcp_json.h"

#include <string.h>

static void get(struct gw_gcp_ask *a, const char *path, const char *of,
                void (*take)(struct gw_gcp_ask *a, struct gw_str answer))
{
    const char *host = gw_gcp_env("GCE_METADATA_HOST");

    a->near.url = gw_arena_printf(a->mem, "http://%s/computeMetadata/v1/%s",
                                  host ? host : "metadata.google.internal", path)
                      .p;
    a->near.method = "GET";
    a->near.body = (struct gw_str){0};
    if (gw_fetch_url_problem(a->near.url)) {
        gw_gcp_ask_fail(a, "GCE_METADATA_HOST", gw_fetch_url_problem(a->near.url));
        return;
    }
    gw_fetch_headers_clear(&a->near);
    gw_fetch_header(&a->near, GW_STR("metadata-flavor"), GW_STR("Google"));
    gw_gcp_ask_send(a, &a->near, of, take);
}

static const char *whom(struct gw_gcp_ask *a)
{
    if (a->plan.unread)
        return gw_arena_printf(a->mem, "%s; the metadata server", a->plan.unread).p;
    return "no Google credentials in GOOGLE_APPLICATION_CREDENTIALS or gcloud's file; the metadata "
           "server";
}

static void ask_token(struct gw_gcp_ask *a)
{
    get(a,
        "instance/service-accounts/default/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2F"
        "pubsub",
        whom(a), gw_gcp_ask_token);
}

/* One line of what is seen, or it is not believed. */
static struct gw_str one_word(struct gw_gcp_ask *a, struct gw_str answer)
{
    const char *text = gw_arena_strndup(a->mem, answer.p, answer.len);

    return strlen(text) == answer.len && gw_gcp_plain(text) && *text != '{' && *text != '<'
               ? gw_str_of(text)
               : (struct gw_str){0};
}

static void take_email(struct gw_gcp_ask *a, struct gw_str answer)
{
    a->got.who = one_word(a, answer);
    ask_token(a);
}

void gw_gcp_ask_instance(struct gw_gcp_ask *a)
{
    if (a->named)
        get(a, "instance/service-accounts/default/email", whom(a), take_email);
    else
        ask_token(a);
}
