#include "ingest/door.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "ingest/files.h"
#include "ingest/tokens.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/tls_conf.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_SHOWN = 4, REFUSALS_MS = 10000 };

static const char *const alpn[] = {"h2", "http/1.1", "http/1.0", NULL};

const struct gw_field gw_auth_fields[] = {
    {"tokens_file", GW_F_STR, offsetof(struct gw_auth_conf, tokens_file), .required = 1, .path = 1,
     .input = 1,
     .help = "A file with a line NAME:TOKEN for each client; # begins a comment. A client shows "
             "its token as authorization: Bearer TOKEN (or flyte-authorization), and the name is "
             "the record's client. Taken anew when it changes."},
    {0}};

/* What is read from the disk, each by itself. */
enum { CERT, KEY, CA, TOKENS, FILES };
struct print {
    struct gw_print of[FILES];
};

struct gw_door {
    const struct gw_door_conf *conf;
    const char *name;
    struct gw_tls_slot *tls;
    struct print seen;    /* the files when they were last tried */
    pthread_mutex_t lock; /* of what follows */
    struct gw_tokens *tokens;
    struct gw_diag_limit refusals;
};

/* ---- files ---- */

static void print_all(const struct gw_door_conf *c, struct print *now)
{
    memset(now, 0, sizeof(*now));
    if (c->tls) {
        now->of[CERT] = gw_file_print(c->tls->cert);
        now->of[KEY] = gw_file_print(c->tls->key);
        now->of[CA] = gw_file_print(c->tls->client_ca);
    }
    if (c->auth)
        now->of[TOKENS] = gw_file_print(c->auth->tokens_file);
}

static struct gw_tls_context *read_tls(const struct gw_tls_server_conf *c, struct gw_err *err)
{
    const struct gw_tls_files files = {.cert = c->cert, .key = c->key, .ca = c->client_ca};

    return gw_tls_server_context(&files, alpn, err);
}

static struct gw_tokens *read_tokens(const struct gw_auth_conf *c, size_t *line, struct gw_err *err)
{
    struct gw_tokens *t = NULL;
    struct gw_buf text;

    *line = 0;
    if (!gw_file_read(c->tokens_file, GW_TOKENS_FILE_MAX, &text, err))
        t = gw_tokens_parse(gw_buf_str(&text), line, err);
    gw_file_forget(&text);
    return t;
}

/* ---- the keys ---- */

static int is_open_to_all(const char *path)
{
    struct stat st;

    return !stat(path, &st) && (st.st_mode & S_IROTH);
}

static void check_auth(const struct gw_auth_conf *c, const char *name, struct gw_problems *p,
                       const struct gw_yaml *at)
{
    const struct gw_yaml *y = gw_yaml_place(gw_yaml_place(at, "auth"), "tokens_file");
    struct gw_tokens *t;
    struct gw_err err;
    size_t line;

    if (!c->tokens_file)
        return;
    t = read_tokens(c, &line, &err);
    if (!t && line)
        gw_problems_add(p, 0, c->tokens_file, (int)line, 1, "%s", err.msg);
    else if (!t)
        gw_problems_add(p, 0, y->file, y->line, y->column, "%s.auth.tokens_file: %s", name,
                        err.msg);
    else if (!gw_tokens_count(t))
        gw_problems_add(p, 1, y->file, y->line, y->column,
                        "%s.auth.tokens_file: %s: there is no token in it, nobody may send", name,
                        c->tokens_file);
    if (is_open_to_all(c->tokens_file))
        gw_problems_add(p, 1, y->file, y->line, y->column,
                        "%s.auth.tokens_file: %s: every user of this machine can read it", name,
                        c->tokens_file);
    gw_tokens_free(t);
}

static void check_dates(const struct gw_tls_server_conf *c, const char *name, struct gw_problems *p,
                        const struct gw_yaml *tls)
{
    char key[60];

    (void)snprintf(key, sizeof(key), "%s.tls.cert", name);
    gw_tls_dates_check(c->cert, 1, key, p, gw_yaml_place(tls, "cert"));
    (void)snprintf(key, sizeof(key), "%s.tls.client_ca", name);
    gw_tls_dates_check(c->client_ca, 0, key, p, gw_yaml_place(tls, "client_ca"));
}

static void check_tls(const struct gw_tls_server_conf *c, const char *name, struct gw_problems *p,
                      const struct gw_yaml *at)
{
    const struct gw_tls_files files = {.cert = c->cert, .key = c->key, .ca = c->client_ca};
    const struct gw_yaml *y, *tls = gw_yaml_place(at, "tls");
    const char *key;
    struct gw_err err;

    if (!c->cert || !c->key)
        return;
    key = gw_tls_server_problem(&files, &err);
    if (!key) {
        check_dates(c, name, p, tls);
        return;
    }
    y = gw_yaml_place(tls, key);
    gw_problems_add(p, 0, y->file, y->line, y->column, "%s.tls.%s: %s", name, key, err.msg);
}

void gw_door_check(const struct gw_door_conf *conf, const char *name, struct gw_problems *p,
                   const struct gw_yaml *at)
{
    if (conf->tls)
        check_tls(conf->tls, name, p, at);
    if (conf->auth)
        check_auth(conf->auth, name, p, at);
}

/* ---- life ---- */

static void take_tokens(struct gw_door *d, struct gw_tokens *t)
{
    struct gw_tokens *before;

    pthread_mutex_lock(&d->lock);
    before = d->tokens;
    d->tokens = t;
    pthread_mutex_unlock(&d->lock);
    gw_tokens_free(before);
}

static int load_tls(struct gw_door *d, struct gw_err *err)
{
    struct gw_tls_context *c = read_tls(d->conf->tls, err);

    if (!c)
        return gw_err_wrap(err, "tls");
    gw_tls_slot_set(d->tls, c);
    return 0;
}

static int load_tokens(struct gw_door *d, struct gw_err *err)
{
    size_t line;
    struct gw_tokens *t = read_tokens(d->conf->auth, &line, err);

    if (!t && line)
        return gw_err_wrap(err, "%s:%zu", d->conf->auth->tokens_file, line);
    if (!t)
        return gw_err_wrap(err, "auth.tokens_file");
    take_tokens(d, t);
    return 0;
}

struct gw_door *gw_door_open(const struct gw_door_conf *conf, const char *name, struct gw_err *err)
{
    struct gw_door *d = calloc(1, sizeof(*d));

    if (!d)
        abort();
    d->conf = conf;
    d->name = name;
    d->tls = conf->tls ? gw_tls_slot_new() : NULL;
    pthread_mutex_init(&d->lock, NULL);
    print_all(conf, &d->seen);
    if ((conf->tls && load_tls(d, err)) || (conf->auth && load_tokens(d, err))) {
        gw_err_wrap(err, "%s", name);
        gw_door_close(d);
        return NULL;
    }
    return d;
}

void gw_door_close(struct gw_door *d)
{
    if (!d)
        return;
    gw_tls_slot_free(d->tls);
    gw_tokens_free(d->tokens);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

struct gw_tls_slot *gw_door_tls(const struct gw_door *d)
{
    return d->tls;
}

void gw_door_files(const struct gw_door *d, void (*fn)(void *ctx, const char *path), void *ctx)
{
    const struct gw_tls_server_conf *t = d->conf->tls;

    if (t) {
        fn(ctx, t->cert);
        fn(ctx, t->key);
    }
    if (t && t->client_ca)
        fn(ctx, t->client_ca);
    if (d->conf->auth)
        fn(ctx, d->conf->auth->tokens_file);
}

static void tell(const struct gw_door *d, int failed, const char *good, const struct gw_err *err)
{
    if (failed)
        GW_DIAG(GW_ERROR, d->name, gw_msg("a file that has changed is not taken"),
                gw_kv_cstr("error", err->msg));
    else
        GW_DIAG(GW_INFO, d->name, gw_msg(good));
}

void gw_door_refresh(struct gw_door *d)
{
    struct print now, before = d->seen;
    struct gw_err err;

    print_all(d->conf, &now);
    d->seen = now;
    if (!gw_print_same(&now.of[CERT], &before.of[CERT]) ||
        !gw_print_same(&now.of[KEY], &before.of[KEY]) ||
        !gw_print_same(&now.of[CA], &before.of[CA]))
        tell(d, load_tls(d, &err), "new certificate taken", &err);
    if (!gw_print_same(&now.of[TOKENS], &before.of[TOKENS]))
        tell(d, load_tokens(d, &err), "new tokens taken", &err);
}

/* ---- who is there ---- */

static int is_token_header(struct gw_str name)
{
    return gw_str_is(name, "authorization") || gw_str_is(name, "flyte-authorization");
}

int gw_door_hides(const struct gw_door *d, struct gw_str header)
{
    return d && d->conf->auth && is_token_header(header);
}

/* "Bearer TOKEN"; p NULL: it is something else. */
static struct gw_str bearer(struct gw_str value)
{
    static const char scheme[] = "bearer ";
    enum { SCHEME = sizeof(scheme) - 1 };

    if (value.len <= SCHEME || strncasecmp(value.p, scheme, SCHEME) != 0)
        return (struct gw_str){0};
    value.p += SCHEME;
    value.len -= SCHEME;
    while (value.len && *value.p == ' ') {
        value.p++;
        value.len--;
    }
    return value;
}

/* Under the lock. The first that is known counts, of so many. *shown: there was one at all. */
static struct gw_str find(const struct gw_door *d, const struct gw_http_stream *s, int *shown)
{
    struct gw_str name = {0};

    for (size_t i = 0; i < s->n_headers && *shown < MAX_SHOWN && !name.p; i++) {
        const struct gw_str token =
            is_token_header(s->headers[i].name) ? bearer(s->headers[i].value) : (struct gw_str){0};

        if (!token.p)
            continue;
        ++*shown;
        name = gw_tokens_find(d->tokens, token);
    }
    return name;
}

int gw_door_admit(struct gw_door *d, struct gw_http_stream *s, const char **why)
{
    int shown = 0;
    uint64_t n = 0;

    s->client = (struct gw_str){0};
    if (!d || !d->conf->auth)
        return 0;
    pthread_mutex_lock(&d->lock);
    s->client = find(d, s, &shown);
    if (s->client.p)
        s->client = gw_arena_str(s->mem, s->client);
    else
        n = gw_diag_allow(&d->refusals, REFUSALS_MS);
    pthread_mutex_unlock(&d->lock);
    if (s->client.p)
        return 0;
    *why = shown ? "not a token that may send" : "this needs a token: authorization: Bearer TOKEN";
    if (n)
        GW_DIAG(GW_WARN, d->name, gw_msg("a request without a token that may send"),
                gw_kv_cstr("shown", shown ? "another" : "none"),
                gw_kv_int("others", (int64_t)n - 1));
    return -1;
}
