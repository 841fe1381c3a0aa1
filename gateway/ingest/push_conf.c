/* ingest.http.push: whose pushes are taken. */
#include "base/problems.h"
#include "base/yaml.h"
#include "ingest/push_read.h"
#include "net/fetch.h"

#include <string.h>

enum { URL_MAX = 4096 };

static const struct gw_field sns_fields[] = {
    {"topic_arns", GW_F_STRS, offsetof(struct gw_push_sns_conf, topic_arns), .required = 1,
     .help = "Topics whose messages and confirmations are taken; globs (* and ?) but for the "
             "account: arn:aws:sns:us-east-2:123456789012:flyte-*."},
    {"cert_url_prefixes", GW_F_STRS, offsetof(struct gw_push_sns_conf, cert_url_prefixes),
     .help = "URLs besides AWS's own where certificates may be, by their beginning, best with a / "
             "at its end; their hosts may be asked to confirm subscriptions. For tests; http:// "
             "too."},
    {0}};

static const struct gw_field pubsub_fields[] = {
    {"audience", GW_F_STR, offsetof(struct gw_push_pubsub_conf, audience), .required = 1,
     .help = "What the subscription's --push-auth-token-audience says; without that flag, its "
             "endpoint's URL."},
    {"service_accounts", GW_F_STRS, offsetof(struct gw_push_pubsub_conf, service_accounts),
     .help = "E-mail addresses of the subscriptions' --push-auth-service-account. Without any, "
             "every account of Google may push that knows the audience."},
    {"jwks_url", GW_F_STR, offsetof(struct gw_push_pubsub_conf, jwks_url),
     .def = "https://www.googleapis.com/oauth2/v3/certs",
     .help = "The keys that tokens are signed with. For tests; http:// too."},
    {0}};

const struct gw_field gw_push_fields[] = {
    {"sns", GW_F_TABLE, offsetof(struct gw_push_conf, sns),
     .help = "POST /v1/push/sns: HTTP subscriptions of Amazon SNS, confirmed by themselves.",
     .fields = sns_fields, .size = sizeof(struct gw_push_sns_conf), .pointer = 1},
    {"pubsub", GW_F_TABLE, offsetof(struct gw_push_conf, pubsub),
     .help = "POST /v1/push/pubsub: push subscriptions of Google Pub/Sub with authentication.",
     .fields = pubsub_fields, .size = sizeof(struct gw_push_pubsub_conf), .pointer = 1},
    {0}};

/* NULL, or why no topic is meant by it. */
static const char *topic_problem(const char *arn)
{
    const char *at = arn, *colon;

    for (int part = 0; part < 5; part++, at = colon + 1) {
        colon = strchr(at, ':');
        if (!colon || (part == 0 && strncmp(at, "arn:", 4) != 0))
            return "no ARN of a topic: arn:aws:sns:REGION:ACCOUNT:NAME";
        if (part == 4 && (colon == at || strcspn(at, "*?") < (size_t)(colon - at)))
            return "it would take other people's topics: name the account";
    }
    return *at && !strchr(at, ':') ? NULL : "no ARN of a topic: arn:aws:sns:REGION:ACCOUNT:NAME";
}

static const char *prefix_problem(const char *prefix)
{
    struct gw_fetch_url url = {0};
    const char *why;

    gw_buf_init(&url.text, URL_MAX, NULL);
    why = gw_fetch_url_read(&url, NULL, prefix);
    gw_buf_free(&url.text);
    return why;
}

static const struct gw_yaml *item(const struct gw_yaml *list, size_t i)
{
    return list->type == GW_YAML_SEQ && i < list->n ? &list->values[i] : list;
}

static void check_list(const struct gw_strs *list, const char *key, struct gw_problems *p,
                       const struct gw_yaml *at, const char *(*problem)(const char *text))
{
    for (size_t i = 0; i < list->n; i++) {
        const struct gw_yaml *y = item(gw_yaml_place(at, key), i);
        const char *why = problem(list->items[i]);

        if (why)
            gw_problems_add(p, 0, y->file, y->line, y->column, "%s: %s", key, why);
    }
}

static void check_pubsub(const struct gw_push_pubsub_conf *c, struct gw_problems *p,
                         const struct gw_yaml *at)
{
    const struct gw_yaml *y = gw_yaml_place(at, "jwks_url");
    const char *why = prefix_problem(c->jwks_url);

    if (why)
        gw_problems_add(p, 0, y->file, y->line, y->column, "jwks_url: %s", why);
    y = gw_yaml_place(at, "audience");
    if (c->audience && !*c->audience)
        gw_problems_add(p, 0, y->file, y->line, y->column, "audience: empty");
    if (!c->service_accounts.n)
        gw_problems_add(p, 1, at->file, at->line, at->column,
                        "push.pubsub: without service_accounts every account of Google may push "
                        "that knows the audience");
}

void gw_push_check(const struct gw_push_conf *conf, struct gw_problems *p, const struct gw_yaml *at)
{
    const struct gw_yaml *sns = gw_yaml_place(at, "sns");

    if (conf->sns) {
        check_list(&conf->sns->topic_arns, "topic_arns", p, sns, topic_problem);
        check_list(&conf->sns->cert_url_prefixes, "cert_url_prefixes", p, sns, prefix_problem);
    }
    if (conf->pubsub)
        check_pubsub(conf->pubsub, p, gw_yaml_place(at, "pubsub"));
}
