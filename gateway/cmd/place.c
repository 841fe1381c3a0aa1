#include "cmd/place.h"

#include "admin/access.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/json.h"
#include "base/metrics.h"
#include "base/problems.h"
#include "base/text.h"
#include "cmd/fields.h"
#include "log/log.h"
#include "net/http1_client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

static void on_int(struct gw_signal *s, int signo)
{
    (void)signo;
    GW_CONTAINER(s, struct gw_place, on_int)->interrupted = 1;
}

static void on_term(struct gw_signal *s, int signo)
{
    (void)signo;
    GW_CONTAINER(s, struct gw_place, on_term)->interrupted = 1;
}

static int load(struct gw_place *p, struct gw_err *err)
{
    struct gw_problems problems = {.mem = p->mem};

    p->config = gw_config_load(p->file, &problems);
    for (size_t i = 0; i < problems.n; i++) {
        const struct gw_problem *q = &problems.items[i];

        if (q->severity == GW_PROBLEM_ERROR)
            GW_DIAG(GW_ERROR, "config",
                    gw_kv_str("msg", gw_arena_printf(p->mem, "%s:%d:%d: %s", q->file, q->line,
                                                     q->column, q->text)));
    }
    if (!p->config)
        return gw_err_set(err, GW_ERR_FATAL, "%s has errors: see moongate check",
                          p->file ? p->file : "the configuration");
    return 0;
}

/* ---- the running gateway ---- */

static int read_token(struct gw_place *p, struct gw_err *err)
{
    const char *path = p->config->admin.token_file;
    char token[GW_TOKEN_MAX], why[200];
    size_t len;

    if (!path)
        return 0;
    len = gw_token_read(path, token, why, sizeof(why));
    if (!len)
        return gw_err_set(err, GW_ERR_FATAL, "admin.token_file: %s", why);
    p->authorization = gw_arena_printf(p->mem, "Bearer %.*s", (int)len, token).p;
    return 0;
}

static int find_gateway(struct gw_place *p, struct gw_err *err)
{
    if (!p->admin[0])
        return gw_err_set(err, GW_ERR_FATAL,
                          "moongate (pid %d) uses %s and has no admin listener to ask: stop it, or "
                          "set admin.listen",
                          p->pid, p->config->log.path);
    p->client = gw_http1_client_new(p->loop, p->admin);
    return read_token(p, err);
}

/* A log in memory leaves no lock to look at. */
static int find_memory(struct gw_place *p, struct gw_err *err)
{
    if (!strcmp(p->config->admin.listen, "none"))
        return gw_err_set(err, GW_ERR_FATAL,
                          "log.type is memory: only a running gateway has it, and admin.listen is "
                          "none");
    snprintf(p->admin, sizeof(p->admin), "%s", p->config->admin.listen);
    p->held = 1;
    return find_gateway(p, err);
}

/* ---- the directory ---- */

static void on_failed(void *ctx, const struct gw_err *why)
{
    (void)ctx;
    GW_DIAG(GW_ERROR, "log", gw_msg("the state can keep nothing more"),
            gw_kv_cstr("error", why->msg));
}

static int check_directory(const char *path, struct gw_err *err)
{
    char format[4096];
    struct stat st;

    if (stat(path, &st))
        return errno == ENOENT
                   ? gw_err_set(err, GW_ERR_FATAL,
                                "there is no data directory %s: name the gateway's configuration "
                                "with -c",
                                path)
                   : gw_err_errno(err, GW_ERR_FATAL, "%s", path);
    snprintf(format, sizeof(format), "%s/format", path);
    if (!S_ISDIR(st.st_mode) || stat(format, &st))
        return gw_err_set(err, GW_ERR_FATAL, "%s is no data directory: there is no file %s", path,
                          format);
    return 0;
}

static int open_log(struct gw_place *p, struct gw_err *err)
{
    struct gw_log_conf conf = p->config->log;

    conf.tool = 1;
    p->log = gw_log_open(&conf, p->metrics, on_failed, p, err);
    return p->log ? 0 : -1;
}

int gw_place_open(struct gw_place *p, const char *file, struct gw_err *err)
{
    int holder;

    *p = (struct gw_place){.mem = gw_arena_new(), .file = file};
    p->loop = gw_loop_new();
    p->metrics = gw_metrics_new();
    gw_signal_init(&p->on_int, p->loop, SIGINT, on_int);
    gw_signal_init(&p->on_term, p->loop, SIGTERM, on_term);
    if (load(p, err))
        return -1;
    if (p->config->log.type == GW_LOG_MEMORY)
        return find_memory(p, err);
    if (check_directory(p->config->log.path, err))
        return -1;
    holder = gw_log_holder(p->config->log.path, &p->pid, p->admin, sizeof(p->admin), err);
    if (holder < 0)
        return -1;
    p->held = holder;
    return holder ? find_gateway(p, err) : open_log(p, err);
}

void gw_place_close(struct gw_place *p)
{
    gw_http1_client_close(p->client);
    if (p->log)
        gw_log_close(p->log);
    gw_signal_fini(&p->on_int);
    gw_signal_fini(&p->on_term);
    gw_loop_free(p->loop);
    gw_metrics_free(p->metrics);
    gw_arena_free(p->mem);
}

/* ---- pipelines ---- */

struct names {
    struct gw_place *place;
    struct gw_nearest near;
    struct gw_buf all; /* "a, b" */
    size_t n;
    int found; /* the wanted one is among them */
    struct gw_str last;
};

static void offer(struct names *n, struct gw_str name)
{
    gw_nearest_offer(&n->near, name);
    gw_buf_puts(&n->all, n->all.len ? ", " : "");
    gw_buf_put_str(&n->all, name);
    n->last = name;
    n->found |= gw_str_eq(name, n->near.wanted);
    n->n++;
}

static void begin_names(struct names *n, struct gw_place *p, struct gw_str wanted)
{
    *n = (struct names){.place = p, .near = {.wanted = wanted}};
    gw_buf_init(&n->all, 120, p->mem);
}

static int end_names(struct names *n, const char *who, struct gw_err *err)
{
    const struct gw_str all = n->all.failed ? GW_STR("many") : gw_buf_str(&n->all);
    char hint[100];

    return gw_err_set(err, GW_ERR_REJECT, "%s has no pipeline %.*s%s: it has %.*s", who,
                      (int)n->near.wanted.len, n->near.wanted.p,
                      gw_nearest_hint(&n->near, hint, sizeof(hint)), (int)all.len, all.p);
}

const struct gw_pipeline_conf *gw_place_pipeline(struct gw_place *p, struct gw_str name,
                                                 struct gw_err *err)
{
    const struct gw_pipeline_conf *all = p->config->pipelines.items;
    struct names names;

    begin_names(&names, p, name);
    for (size_t i = 0; i < p->config->pipelines.n; i++) {
        if (gw_str_is(name, all[i].name))
            return &all[i];
        offer(&names, gw_str_of(all[i].name));
    }
    end_names(&names, p->file ? p->file : "the built-in configuration", err);
    return NULL;
}

const struct gw_pipeline_conf *gw_place_sound(struct gw_place *p, struct gw_str name,
                                              struct gw_err *err)
{
    const struct gw_pipeline_conf *c = gw_place_pipeline(p, name, err);

    if (!c || !c->down)
        return c;
    gw_err_set(err, GW_ERR_REJECT, "pipeline %s is down: %s", c->name, c->down);
    return NULL;
}

/* A list of objects. */
static int on_pipelines(void *ctx, struct gw_str line)
{
    struct names *n = ctx;
    struct gw_str pipeline;
    struct gw_json j;

    gw_json_init(&j, line, 100);
    if (gw_json_next(&j) != GW_JSON_ARRAY)
        return 0;
    while (gw_json_next(&j) == GW_JSON_OBJECT && !gw_json_value(&j, &pipeline))
        offer(n, gw_line_get(n->place->mem, pipeline, "name"));
    return 0;
}

/* Those that the running gateway has. */
static int ask_names(struct gw_place *p, struct names *names, struct gw_err *err)
{
    const struct gw_ask ask = {
        .method = "GET", .path = GW_STR("/api/pipelines"), .line = on_pipelines, .ctx = names};

    return gw_ask(p, &ask, err);
}

int gw_place_no_pipeline(struct gw_place *p, struct gw_str name, struct gw_err *err)
{
    struct names names;

    begin_names(&names, p, name);
    if (ask_names(p, &names, err))
        return -1;
    return end_names(&names, "the gateway", err);
}

int gw_place_knows(struct gw_place *p, struct gw_str name, struct gw_err *err)
{
    struct names names;

    if (!p->held)
        return gw_place_pipeline(p, name, err) ? 0 : -1;
    begin_names(&names, p, name);
    if (ask_names(p, &names, err))
        return -1;
    return names.found ? 0 : end_names(&names, "the gateway", err);
}

const char *gw_place_only_pipeline(struct gw_place *p, struct gw_err *err)
{
    const struct gw_pipeline_conf *all = p->config->pipelines.items;
    struct names names;

    begin_names(&names, p, GW_STR(""));
    if (p->held && ask_names(p, &names, err))
        return NULL;
    for (size_t i = 0; !p->held && i < p->config->pipelines.n; i++)
        offer(&names, gw_str_of(all[i].name));
    if (names.n == 1)
        return gw_arena_strndup(p->mem, names.last.p, names.last.len);
    gw_err_set(err, GW_ERR_REJECT, "which pipeline? --pipeline, one of %.*s",
               names.all.failed ? 4 : (int)names.all.len,
               names.all.failed ? "many" : gw_buf_str(&names.all).p);
    return NULL;
}
