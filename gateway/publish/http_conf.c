/* The keys of an HTTP publisher and what the table cannot say of them. */
#include "publish/publish_http.h"

#include "base/arena.h"
#include "base/header.h"
#include "base/problems.h"
#include "base/yaml.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define AT(member) offsetof(struct gw_publish_http_conf, member)

const char *const gw_http_methods[] = {"POST", "PUT", "PATCH", NULL};
static const struct gw_field batch_fields[] = {GW_PUBLISH_BATCH("1", 10000, "1MiB")};
static const struct gw_field oauth_fields[] = {
    {"token_url", GW_F_STR, offsetof(struct gw_http_oauth_conf, token_url), .required = 1,
     .help = "Where tokens come from."},
    {"client_id", GW_F_STR, offsetof(struct gw_http_oauth_conf, client_id), .required = 1,
     .help = "Who asks."},
    {"client_secret", GW_F_STR, offsetof(struct gw_http_oauth_conf, client_secret), .required = 1,
     .secret = 1, .help = "Its secret."},
    {"scope", GW_F_STR, offsetof(struct gw_http_oauth_conf, scope),
     .help = "What for, with spaces between."},
    {0}};
static const char *const schemes[] = {"standard-webhooks", NULL};
static const struct gw_field sign_fields[] = {
    {"scheme", GW_F_CHOICE, offsetof(struct gw_http_sign_conf, scheme), .def = "standard-webhooks",
     .help = "HMAC-SHA256 in webhook-id, webhook-timestamp and webhook-signature.",
     .choices = schemes},
    {"secret", GW_F_STR, offsetof(struct gw_http_sign_conf, secret), .required = 1, .secret = 1,
     .help = "whsec_ and base64 of 24 to 64 bytes."},
    {0}};
const struct gw_field gw_http_fields[] = {
    {"url", GW_F_STR, AT(url), .required = 1, .help = "Where to: http:// or https://."},
    {"method", GW_F_CHOICE, AT(method), .def = "POST", .help = "Of the requests.",
     .choices = gw_http_methods},
    {"headers", GW_F_MAP, AT(headers), .help = "Headers to add to each request."},
    {"timeout", GW_F_DURATION, AT(timeout_ms), .def = "30s",
     .help = "For a whole request; then it is tried again.", .min = 1, .max = 3600000},
    {"bearer_token", GW_F_STR, AT(bearer_token), .secret = 1,
     .help = "Sent as Authorization: Bearer."},
    {"oauth", GW_F_TABLE, AT(oauth), .pointer = 1,
     .help = "OAuth 2.0 client credentials: a token is fetched, kept and renewed in time.",
     .fields = oauth_fields, .size = sizeof(struct gw_http_oauth_conf)},
    {"sign", GW_F_TABLE, AT(sign), .pointer = 1, .help = "Sign each request.",
     .fields = sign_fields, .size = sizeof(struct gw_http_sign_conf)},
    {"handshake", GW_F_BOOL, AT(handshake), .def = "false",
     .help = "Ask for consent first (OPTIONS with WebHook-Request-Origin: the host's name, or what "
             "headers says) and keep to WebHook-Allowed-Rate."},
    {"tls", GW_F_TABLE, AT(tls), .pointer = 1, .help = "TLS, when it is not as the system has it.",
     .fields = gw_tls_conf_fields, .size = sizeof(struct gw_tls_conf)},
    GW_PUBLISH_COMMON("16MiB", batch_fields),
    {0}};

struct place {
    struct gw_problems *p;
    const struct gw_yaml *at;
};

#define PROBLEM(w, y, ...)                                                                         \
    gw_problems_add((w)->p, 0, (y)->file, (y)->line, (y)->column, __VA_ARGS__)

/* ---- headers ---- */

static int is_named(struct gw_str name, const char *as)
{
    return name.len == strlen(as) && !strncasecmp(name.p, as, name.len);
}

/* NULL: it is the user's to set. */
static const char *why_ours(struct gw_str name)
{
    static const struct {
        const char *name, *why;
    } all[] = {
        {"content-type", "the event's form says it"},
        {"content-length", "the body says it"},
        {"transfer-encoding", "not used"},
        {"connection", "kept for the connection itself"},
        {"expect", "not used"},
        {"webhook-id", "use sign"},
        {"webhook-timestamp", "use sign"},
        {"webhook-signature", "use sign"},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (is_named(name, all[i].name))
            return all[i].why;
    return name.len >= 3 && !strncasecmp(name.p, "ce-", 3) ? "it is an attribute of the event"
                                                           : NULL;
}

const char *gw_http_header_problem(struct gw_str name, struct gw_str value)
{
    static const char *const never[] = {"host",    "cookie",  "te",
                                        "upgrade", "trailer", GW_HTTP_ORIGIN};

    if (!gw_header_name_ok(name))
        return "not the name of a header";
    if (!gw_header_value_ok(value))
        return "its value has a control character";
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (is_named(name, never[i]))
            return "not a hook's to set";
    return why_ours(name);
}

static const char *problem_of(const struct gw_publish_http_conf *c, const struct gw_pair *h)
{
    const char *ours = why_ours(gw_str_of(h->key));

    if (!gw_header_name_ok(gw_str_of(h->key)))
        return "not the name of a header";
    if (!gw_header_value_ok(gw_str_of(h->value)))
        return "its value has a control character";
    if (!strcasecmp(h->key, "authorization") && (c->bearer_token || c->oauth))
        return c->oauth ? "said twice: there is oauth" : "said twice: there is bearer_token";
    return ours;
}

static void check_headers(const struct gw_publish_http_conf *c, const struct place *w)
{
    const struct gw_yaml *map = gw_yaml_place(w->at, "headers");

    for (size_t i = 0; i < c->headers.n; i++) {
        const struct gw_pair *h = &c->headers.items[i];
        const char *why = problem_of(c, h);
        const struct gw_yaml *y = map->type == GW_YAML_MAP && i < map->n ? &map->keys[i] : map;

        if (why)
            PROBLEM(w, y, "headers: %s: %s", h->key, why);
    }
}

/* ---- the rest ---- */

static void check_url(const struct place *w, const char *key, const char *url)
{
    const char *why = url ? gw_fetch_url_problem(url) : NULL;

    if (why)
        PROBLEM(w, gw_yaml_place(w->at, key), "%s: %s", key, why);
}

/* What is wrong with a file that it comes from has been told. */
static int is_of_file(const struct place *w, const char *key)
{
    char twin[80];

    (void)snprintf(twin, sizeof(twin), "%s_file", key);
    return w->at->type == GW_YAML_MAP && gw_yaml_get(w->at, twin) != NULL;
}

static void check_token(const struct place *w, const char *key, const char *value)
{
    if (value && !*value && is_of_file(w, key))
        return;
    if (value && (!*value || !gw_header_value_ok(gw_str_of(value))))
        PROBLEM(w, gw_yaml_place(w->at, key), "%s: empty, or with a control character", key);
}

static void check_oauth(const struct gw_publish_http_conf *c, const struct place *w)
{
    const struct place inside = {w->p, gw_yaml_place(w->at, "oauth")};

    if (!c->oauth)
        return;
    if (c->bearer_token)
        PROBLEM(w, inside.at, "oauth: there is bearer_token already");
    check_url(&inside, "token_url", c->oauth->token_url);
}

static void check_sign(const struct gw_publish_http_conf *c, const struct place *w)
{
    enum { LEAST = 24, MOST = 64 };
    const struct place inside = {w->p, gw_yaml_place(w->at, "sign")};
    const struct gw_yaml *at = gw_yaml_place(inside.at, "secret");
    struct gw_str key;

    if (!c->sign || !c->sign->secret)
        return;
    if (!*c->sign->secret && is_of_file(&inside, "secret"))
        return;
    key = gw_http_secret(w->p->mem, c->sign->secret);
    if (!key.p || !key.len)
        PROBLEM(w, at, "sign.secret: not whsec_ and base64");
    else if (key.len < LEAST || key.len > MOST)
        gw_problems_add(w->p, 1, at->file, at->line, at->column,
                        "sign.secret: %zu bytes; the standard wants 24 to 64", key.len);
}

void gw_http_check(const void *conf, const struct gw_format *f, struct gw_problems *p,
                   const struct gw_yaml *at)
{
    struct gw_publish_http_conf *c = (struct gw_publish_http_conf *)conf; /* on p->mem, as it is */
    const struct place w = {p, at};

    c->next_us = gw_arena_zalloc(p->mem, sizeof(*c->next_us));
    check_url(&w, "url", c->url);
    check_headers(c, &w);
    check_token(&w, "bearer_token", c->bearer_token);
    check_oauth(c, &w);
    check_sign(c, &w);
    if (gw_http_is_binary(f) && c->common.batch.events > 1)
        PROBLEM(&w, gw_yaml_place(at, "batch"),
                "batch: events of format.mode binary%s go one by one: leave batch.events at 1",
                f->mode == GW_MODE_BINARY ? "" : " (as style flyteadmin-external has it)");
    if (c->handshake && c->common.routes.n)
        PROBLEM(&w, gw_yaml_place(at, "handshake"),
                "handshake: it asks one destination for consent; not together with routes");
    gw_tls_conf_check(c->tls, p, at);
}

int gw_http_same(const void *a, const void *b)
{
    const struct gw_publish_http_conf *x = a, *y = b;

    return x->url && y->url && !strcmp(x->url, y->url);
}
