#include "ingest/door.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "ingest/tokens.h"
#include "net/http.h"
#include "net/tls.h"
#include "net/tls_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SHOWN = 4, REFUSALS_MS = 10000, MAX_FILE = 16 << 20 };

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
    unsigned char of[FILES][SHA256_DIGEST_LENGTH];
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

/* All of it; the caller forgets *text, whatever comes of it. */
static int read_file(const char *path, size_t max, struct gw_buf *text, struct gw_err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = -1;
    int rc = 0;

    gw_buf_init(text, max + 8192, NULL);
    while (fd >= 0 && text->len <= max) {
        n = read(fd, gw_buf_room(text, 4096), 4096);
        if (n <= 0)
            break;
        gw_buf_added(text, (size_t)n);
    }
    if (fd < 0 || n < 0)
        rc = gw_err_errno(err, GW_ERR_FATAL, "%s", path);
    else if (text->len > max)
        rc = gw_err_set(err, GW_ERR_FATAL, "%s: more than %zu bytes", path, max);
    if (fd >= 0)
        close(fd);
    return rc;
}

static void forget(struct gw_buf *text)
{
    if (text->p)
        OPENSSL_cleanse(text->p, text->cap);
    gw_buf_free(text);
}

static void print_one(const char *path, unsigned char *hash)
{
    struct gw_buf text;
    struct gw_str s;
    struct gw_err err;

    if (!path)
        return;
    s = read_file(path, MAX_FILE, &text, &err) ? gw_str_of(err.msg) : gw_buf_str(&text);
    SHA256((const unsigned char *)s.p, s.len, hash);
    forget(&text);
}

static void print_all(const struct gw_door_conf *c, struct print *now)
{
    memset(now, 0, sizeof(*now));
    if (c->tls) {
        print_one(c->tls->cert, now->of[CERT]);
        print_one(c->tls->key, now->of[KEY]);
        print_one(c->tls->client_ca, now->of[CA]);
    }
    if (c->auth)
        print_one(c->auth->tokens_file, now->of[TOKENS]);
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
    if (!read_file(c->tokens_file, GW_TOKENS_FILE_MAX, &text, err))
        t = gw_tokens_parse(gw_buf_str(&text), line, err);
    forget(&text);
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

void gw_door_check(const struct gw_door_conf *conf, const char *name, struct gw_problems *p,
                   const struct gw_yaml *at)
{
    const struct gw_yaml *y = gw_yaml_place(at, "tls");
    struct gw_tls_context *c;
    struct gw_err err;

    if (conf->tls && conf->tls->cert && conf->tls->key) {
        c = read_tls(conf->tls, &err);
        if (!c)
            gw_problems_add(p, 0, y->file, y->line, y->column, "%s.tls: %s", name, err.msg);
        gw_tls_context_drop(c);
    }
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
    if (memcmp(now.of[CERT], before.of[CERT], sizeof(now) - sizeof(now.of[TOKENS])) != 0)
        tell(d, load_tls(d, &err), "new certificate taken", &err);
    if (memcmp(now.of[TOKENS], before.of[TOKENS], sizeof(now.of[TOKENS])) != 0)
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
