#include "net/gcp_plan.h"

#include "base/arena.h"
#include "base/err.h"
#include "net/fetch.h"
#include "net/gcp_json.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NESTED = 4, LIFETIME_S = 3600, LIFETIME_MIN_S = 600, LIFETIME_MAX_S = 43200 };

const char *gw_gcp_env(const char *name)
{
    const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe): it is never set here */

    return value && *value ? value : NULL;
}

/* ---- files ---- */

struct gw_str gw_gcp_file(struct gw_arena *mem, const char *path, struct gw_err *err)
{
    FILE *f = fopen(path, "re");
    char *p = gw_arena_alloc(mem, GW_GCP_FILE_MAX + 1);
    size_t len;
    int failed;

    if (!f) {
        gw_err_errno(err, GW_ERR_RETRY, "%.200s", path);
        return (struct gw_str){0};
    }
    len = fread(p, 1, GW_GCP_FILE_MAX + 1, f);
    failed = ferror(f);
    if (failed)
        gw_err_errno(err, GW_ERR_RETRY, "%.200s", path);
    else if (len > GW_GCP_FILE_MAX)
        failed = gw_err_set(err, GW_ERR_REJECT, "%.200s: larger than 256 KiB", path);
    (void)fclose(f);
    if (failed)
        return (struct gw_str){0};
    p[len] = '\0';
    return (struct gw_str){p, len};
}

static const char *home(struct gw_arena *mem)
{
    enum { ENTRY = 16384 };
    const char *dir = gw_gcp_env("HOME");
    struct passwd entry, *found = NULL;

    if (dir)
        return dir;
    if (getpwuid_r(getuid(), &entry, gw_arena_alloc(mem, ENTRY), ENTRY, &found) || !found)
        return "";
    return gw_arena_strndup(mem, found->pw_dir, strlen(found->pw_dir));
}

static const char *gclouds_file(struct gw_arena *mem)
{
    static const char name[] = "application_default_credentials.json";
    const char *dir = gw_gcp_env("CLOUDSDK_CONFIG");

    return dir ? gw_arena_printf(mem, "%s/%s", dir, name).p
               : gw_arena_printf(mem, "%s/.config/gcloud/%s", home(mem), name).p;
}

/* ---- what stands in one ---- */

/* Every text of every kind; a kind takes its own. */
struct text {
    const char *type, *client_email, *private_key, *private_key_id, *token_uri, *token_url,
        *quota_project_id, *universe_domain, *client_id, *client_secret, *refresh_token, *account,
        *impersonation_url;
    struct gw_str source, delegates, impersonation;
    struct gw_str whole;
};

static int read_text(struct gw_arena *mem, struct gw_str json, struct text *t, struct gw_err *err)
{
    const struct gw_gcp_member members[] = {
        {"type", &t->type, NULL},
        {"client_email", &t->client_email, NULL},
        {"private_key", &t->private_key, NULL},
        {"private_key_id", &t->private_key_id, NULL},
        {"token_uri", &t->token_uri, NULL},
        {"token_url", &t->token_url, NULL},
        {"quota_project_id", &t->quota_project_id, NULL},
        {"universe_domain", &t->universe_domain, NULL},
        {"client_id", &t->client_id, NULL},
        {"client_secret", &t->client_secret, NULL},
        {"refresh_token", &t->refresh_token, NULL},
        {"account", &t->account, NULL},
        {"service_account_impersonation_url", &t->impersonation_url, NULL},
        {"source_credentials", NULL, &t->source},
        {"delegates", NULL, &t->delegates},
        {"service_account_impersonation", NULL, &t->impersonation}};

    t->whole = json;
    return gw_gcp_json_read(mem, json, members, sizeof(members) / sizeof(members[0]), err);
}

static int need(const char *value, const char *name, struct gw_err *err)
{
    return value && *value ? 0 : gw_err_set(err, GW_ERR_REJECT, "%s is missing", name);
}

static int take_url(const char **to, const char *value, const char *name, const char *usual,
                    struct gw_err *err)
{
    *to = value && *value ? value : usual;
    if (!*to)
        return gw_err_set(err, GW_ERR_REJECT, "%s is missing", name);
    if (gw_fetch_url_problem(*to))
        return gw_err_set(err, GW_ERR_REJECT, "%s: %s", name, gw_fetch_url_problem(*to));
    return 0;
}

/* What every kind may say. */
static int take_common(struct gw_arena *mem, const struct text *t, struct gw_gcp_plan *out,
                       struct gw_err *err)
{
    const char *universe = t->universe_domain;

    if (universe && *universe) {
        if (strspn(universe, "abcdefghijklmnopqrstuvwxyz0123456789-.") != strlen(universe))
            return gw_err_set(err, GW_ERR_REJECT, "universe_domain is no domain");
        out->universe = universe;
    }
    out->token_url = gw_arena_printf(mem, "https://oauth2.%s/token", out->universe).p;
    if (!t->quota_project_id || !*t->quota_project_id)
        return 0;
    if (!gw_gcp_plain(t->quota_project_id))
        return gw_err_set(err, GW_ERR_REJECT, "quota_project_id is no project");
    out->quota_project = t->quota_project_id;
    return 0;
}

static int read_key(struct gw_arena *mem, const struct text *t, struct gw_gcp_plan *out,
                    struct gw_err *err)
{
    (void)mem;
    out->kind = GW_GCP_KEY;
    out->email = out->who = t->client_email;
    out->key = t->private_key;
    out->key_id = t->private_key_id;
    if (need(t->client_email, "client_email", err) || need(t->private_key, "private_key", err))
        return -1;
    return take_url(&out->token_url, t->token_uri, "token_uri", out->token_url, err);
}

static int read_user(struct gw_arena *mem, const struct text *t, struct gw_gcp_plan *out,
                     struct gw_err *err)
{
    (void)mem;
    out->kind = GW_GCP_REFRESH;
    out->who = t->account && *t->account ? t->account : "a user of gcloud";
    out->client_id = t->client_id;
    out->client_secret = t->client_secret;
    out->refresh_token = t->refresh_token;
    if (need(t->client_id, "client_id", err) || need(t->client_secret, "client_secret", err) ||
        need(t->refresh_token, "refresh_token", err))
        return -1;
    return take_url(&out->token_url, t->token_uri, "token_uri", out->token_url, err);
}

static int read_external_user(struct gw_arena *mem, const struct text *t, struct gw_gcp_plan *out,
                              struct gw_err *err)
{
    out->client_in_header = 1;
    if (read_user(mem, t, out, err))
        return -1;
    if (!t->account || !*t->account)
        out->who = "a user of a workforce pool";
    return take_url(&out->token_url, t->token_url, "token_url",
                    gw_arena_printf(mem, "https://sts.%s/v1/oauthtoken", out->universe).p, err);
}

/* .../serviceAccounts/NAME@PROJECT.iam.gserviceaccount.com:generateAccessToken */
static const char *impersonated(struct gw_arena *mem, const char *url)
{
    const char *last = strrchr(url, '/'), *end = last ? strchr(last, ':') : NULL;

    return end && end > last + 1 ? gw_arena_strndup(mem, last + 1, (size_t)(end - last - 1)) : url;
}

static int add_step(struct gw_arena *mem, struct gw_gcp_plan *out, struct gw_gcp_step step,
                    struct gw_err *err)
{
    struct gw_gcp_step **last = &out->steps;

    if (take_url(&step.url, step.url, "service_account_impersonation_url", NULL, err))
        return -1;
    step.email = out->who = impersonated(mem, step.url);
    while (*last)
        last = &(*last)->next;
    *last = gw_arena_alloc(mem, sizeof(step));
    **last = step;
    return 0;
}

static int read_lifetime(struct gw_arena *mem, struct gw_str json, int64_t *out, struct gw_err *err)
{
    struct gw_str lifetime = {0};
    const struct gw_gcp_member members[] = {{"token_lifetime_seconds", NULL, &lifetime}};

    *out = LIFETIME_S;
    if (!json.p)
        return 0;
    if (gw_gcp_json_read(mem, json, members, 1, err))
        return gw_err_wrap(err, "service_account_impersonation");
    if (lifetime.p)
        *out = gw_gcp_json_number(lifetime);
    return *out >= LIFETIME_MIN_S && *out <= LIFETIME_MAX_S
               ? 0
               : gw_err_set(err, GW_ERR_REJECT, "token_lifetime_seconds is not 600 to 43200");
}

static int read_workload(struct gw_arena *mem, const struct text *t, struct gw_gcp_plan *out,
                         struct gw_err *err)
{
    struct gw_gcp_step step = {.url = t->impersonation_url};

    out->kind = GW_GCP_WORKLOAD;
    out->client_in_header = 1;
    out->client_id = t->client_id && *t->client_id ? t->client_id : NULL;
    out->client_secret = t->client_secret ? t->client_secret : "";
    if (gw_gcp_workload_read(mem, t->whole, &out->workload, err) ||
        take_url(&out->token_url, t->token_url, "token_url",
                 gw_arena_printf(mem, "https://sts.%s/v1/token", out->universe).p, err))
        return -1;
    out->who = out->workload.audience;
    if (!step.url || !*step.url)
        return 0;
    return read_lifetime(mem, t->impersonation, &step.lifetime_s, err) ||
                   add_step(mem, out, step, err)
               ? -1
               : 0;
}

static int read_one(struct gw_arena *mem, struct gw_str json, unsigned depth,
                    struct gw_gcp_plan *out, struct gw_err *err);

/* The source's token is what impersonates; the quota is the outer's. */
static int read_impersonated(struct gw_arena *mem, const struct text *t, unsigned depth,
                             struct gw_gcp_plan *out, struct gw_err *err)
{
    const char *quota = out->quota_project;
    const struct gw_gcp_step step = {
        .url = t->impersonation_url, .delegates = t->delegates, .lifetime_s = LIFETIME_S};

    if (t->delegates.p && t->delegates.p[0] != '[')
        return gw_err_set(err, GW_ERR_REJECT, "delegates is no list");
    if (!t->source.p)
        return gw_err_set(err, GW_ERR_REJECT, "source_credentials is missing");
    if (depth == NESTED)
        return gw_err_set(err, GW_ERR_REJECT, "source_credentials within one another, too deep");
    if (read_one(mem, t->source, depth + 1, out, err))
        return gw_err_wrap(err, "source_credentials");
    out->quota_project = quota;
    return add_step(mem, out, step, err);
}

static int refuse(const char *type, struct gw_err *err)
{
    if (!strcmp(type, "gdch_service_account"))
        return gw_err_set(err, GW_ERR_UNSUPPORTED,
                          "type gdch_service_account (Google Distributed Cloud) is not supported");
    return gw_err_set(err, GW_ERR_REJECT, "its type is none of Google's credentials");
}

static int read_one(struct gw_arena *mem, struct gw_str json, unsigned depth,
                    struct gw_gcp_plan *out, struct gw_err *err)
{
    static const struct {
        const char *type;
        int (*read)(struct gw_arena *mem, const struct text *t, struct gw_gcp_plan *out,
                    struct gw_err *err);
    } kinds[] = {{"service_account", read_key},
                 {"authorized_user", read_user},
                 {"external_account", read_workload},
                 {"external_account_authorized_user", read_external_user}};
    struct text t = {0};

    if (read_text(mem, json, &t, err) || need(t.type, "type", err) ||
        take_common(mem, &t, out, err))
        return -1;
    if (!strcmp(t.type, "impersonated_service_account"))
        return read_impersonated(mem, &t, depth, out, err);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (!strcmp(t.type, kinds[i].type))
            return kinds[i].read(mem, &t, out, err);
    return refuse(t.type, err);
}

int gw_gcp_plan_read(struct gw_arena *mem, const char *from, struct gw_str json,
                     struct gw_gcp_plan *out, struct gw_err *err)
{
    *out = (struct gw_gcp_plan){.from = from, .universe = "googleapis.com"};
    return read_one(mem, json, 0, out, err) ? gw_err_wrap(err, "%.200s", from) : 0;
}

/* ---- the order ---- */

/* What the environment says goes before what a file says. */
static int take_environment(struct gw_gcp_plan *out, struct gw_err *err)
{
    const char *quota = gw_gcp_env("GOOGLE_CLOUD_QUOTA_PROJECT");

    if (quota && !gw_gcp_plain(quota))
        return gw_err_set(err, GW_ERR_REJECT, "GOOGLE_CLOUD_QUOTA_PROJECT is no project");
    if (quota)
        out->quota_project = quota;
    return 0;
}

int gw_gcp_plan_make(struct gw_arena *mem, struct gw_gcp_plan *out, struct gw_err *err)
{
    const char *named = gw_gcp_env("GOOGLE_APPLICATION_CREDENTIALS");
    const char *path = named ? named : gclouds_file(mem), *unread = NULL;
    struct stat st;

    if (named || !stat(path, &st)) {
        const struct gw_str json = gw_gcp_file(mem, path, err);

        if (json.p)
            return gw_gcp_plan_read(mem, path, json, out, err) ? -1 : take_environment(out, err);
        if (named)
            return gw_err_wrap(err, "GOOGLE_APPLICATION_CREDENTIALS");
        unread = gw_arena_printf(mem, "%s", err->msg).p;
    }
    *out = (struct gw_gcp_plan){.kind = GW_GCP_INSTANCE,
                                .from = "the metadata server",
                                .universe = "googleapis.com",
                                .unread = unread};
    return take_environment(out, err);
}

static int is_within(const char *host, size_t len, const char *domain)
{
    const size_t n = strlen(domain);

    return (len == n || (len > n && host[len - n - 1] == '.')) &&
           !strncasecmp(host + len - n, domain, n);
}

int gw_gcp_signs_itself(const struct gw_gcp_plan *p)
{
    const char *host = strstr(p->token_url, "://");
    size_t len;

    if (p->steps || !host)
        return 0;
    host += 3;
    len = strcspn(host, ":/?#");
    return is_within(host, len, "googleapis.com") || is_within(host, len, "google.com") ||
           is_within(host, len, p->universe);
}
