/* `try`: runs hooks on events and shows what they did. */
#include "cmd/try.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/field.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "cmd/cmd.h"
#include "cmd/load.h"
#include "cmd/option.h"
#include "config/config.h"
#include "net/loop.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MAX_LINES = 1000 };

struct
try {
    struct gw_arena *mem;
    const char *config, *pipeline, *kind, *style, *event;
    struct gw_strs params, hosts, scripts;
    struct gw_problems problems;
    struct gw_loop *loop;
    struct gw_style_conf style_conf;
    struct gw_hooks_conf conf;
    unsigned kinds; /* the pipeline's event_types: 1 << enum gw_kind */
    struct gw_hook_lines listener, nobody;
    /* of the run under way */
    struct gw_arena *run_mem;
    struct gw_try_line *lines, **last_line;
    unsigned n_lines;
    int colours, failed;
};

struct run {
    struct gw_hook_call c;
    int done;
};

/* ---- what the command line means ---- */

static int ends_in_lua(const char *s)
{
    size_t n = strlen(s);

    return n > 4 && !strcmp(s + n - 4, ".lua");
}

/* GW_ERR_REJECT: wrong usage, as everywhere here. */
static int sort_arguments(struct try *t, char **args, int n, struct gw_err *err)
{
    t->scripts.items = gw_arena_zalloc(t->mem, (size_t)(n + 1) * sizeof(char *));
    for (int i = 0; i < n; i++) {
        if (ends_in_lua(args[i]))
            t->scripts.items[t->scripts.n++] = args[i];
        else if (t->event)
            return gw_err_set(err, GW_ERR_REJECT,
                              "one EVENT is enough: %s and %s (a script's name ends in .lua)",
                              t->event, args[i]);
        else
            t->event = args[i];
    }
    if (!t->scripts.n && !t->config)
        return gw_err_set(err, GW_ERR_REJECT, "which SCRIPT? its name ends in .lua");
    if (t->pipeline && !t->config)
        return gw_err_set(err, GW_ERR_REJECT, "--pipeline is one of a configuration: -c FILE");
    return 0;
}

static int find_kind(const struct try *t, enum gw_kind *kind, struct gw_err *err)
{
    struct gw_nearest near = {.wanted = gw_str_of(t->kind)};
    char hint[100];

    *kind = GW_KINDS;
    if (!t->kind || (!gw_kind_parse(gw_str_of(t->kind), kind) && gw_flyte_descriptor(*kind)))
        return 0;
    for (int k = GW_WORKFLOW; k < GW_OTHER; k++)
        if (gw_flyte_descriptor((enum gw_kind)k))
            gw_nearest_offer(&near, gw_str_of(gw_kind_names[k]));
    return gw_err_set(err, GW_ERR_REJECT,
                      "--kind: \"%s\" is none of workflow, node, task, action%s", t->kind,
                      gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* GW_STYLES: none was said. */
static int find_style(const struct try *t, enum gw_style *style, struct gw_err *err)
{
    struct gw_nearest near = {.wanted = gw_str_of(t->style)};
    char hint[100];

    *style = GW_STYLES;
    if (!t->style)
        return 0;
    for (int i = 0; i < GW_STYLES; i++) {
        if (!strcmp(t->style, gw_style_names[i])) {
            *style = (enum gw_style)i;
            return 0;
        }
        gw_nearest_offer(&near, gw_str_of(gw_style_names[i]));
    }
    return gw_err_set(err, GW_ERR_REJECT, "--style: \"%s\" is no style%s", t->style,
                      gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* The only pipeline, or the one that is named. */
static const struct gw_pipeline_conf *find_pipeline(const struct try *t, const struct gw_config *c,
                                                    struct gw_err *err)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;
    struct gw_nearest near = {0};
    char hint[100];

    if (!t->pipeline && c->pipelines.n == 1)
        return &all[0];
    if (!t->pipeline) {
        gw_err_set(err, GW_ERR_REJECT, "%s has %zu pipelines: say which one with --pipeline",
                   t->config, c->pipelines.n);
        return NULL;
    }
    near.wanted = gw_str_of(t->pipeline);
    for (size_t i = 0; i < c->pipelines.n; i++) {
        if (!strcmp(all[i].name, t->pipeline))
            return &all[i];
        gw_nearest_offer(&near, gw_str_of(all[i].name));
    }
    gw_err_set(err, GW_ERR_REJECT, "%s has no pipeline %s%s", t->config, t->pipeline,
               gw_nearest_hint(&near, hint, sizeof(hint)));
    return NULL;
}

/* Without a configuration: a pipeline's defaults. */
static void use_defaults(struct try *t)
{
    t->style_conf = (struct gw_style_conf){
        .source = GW_STR("https://github.com/flyteorg/flyteadmin"), .id_spacing = 2};
    t->conf = (struct gw_hooks_conf){
        .pipeline = "try",
        .limits = {.instructions = 1000000, .memory = 32 << 20, .timeout_ms = 5000},
        .style = &t->style_conf,
        .lua_path = gw_config_lua_path(t->mem)};
    t->kinds = ~0U;
}

static int use_config(struct try *t, struct gw_err *err)
{
    const struct gw_config *c = gw_config_load(t->config, &t->problems);
    const struct gw_pipeline_conf *p;

    gw_log_problems(&t->problems);
    if (!c)
        return gw_err_set(err, GW_ERR_FATAL, "%s cannot be read", t->config);
    p = find_pipeline(t, c, err);
    if (!p)
        return -1;
    t->style_conf = gw_style_conf_of(p);
    t->conf = gw_hooks_conf_of(p, &t->style_conf);
    t->kinds = p->event_type_mask;
    return 0;
}

static struct gw_yaml *scalar(struct gw_arena *mem, struct gw_str text)
{
    struct gw_yaml *y = gw_arena_zalloc(mem, sizeof(*y));

    *y = (struct gw_yaml){.type = GW_YAML_SCALAR,
                          .file = "--param",
                          .line = 1,
                          .column = 1,
                          .text = gw_arena_str(mem, text),
                          .quoted = 1};
    return y;
}

/* k=v: v is YAML, so 3 is a number, "3" a string and [a, b] a list. */
static int read_param(struct try *t, const char *text, struct gw_yaml *key, struct gw_yaml *value,
                      struct gw_err *err)
{
    struct gw_problems p = {.mem = t->mem};
    const char *equals = strchr(text, '=');
    const struct gw_yaml *y;

    if (!equals || equals == text)
        return gw_err_set(err, GW_ERR_REJECT, "--param: \"%s\" is not name=value", text);
    *key = *scalar(t->mem, (struct gw_str){text, (size_t)(equals - text)});
    *value = *scalar(t->mem, GW_STR(""));
    if (!equals[1])
        return 0;
    y = gw_yaml_parse("--param", gw_arena_str(t->mem, gw_str_of(equals + 1)), 1, 1, &p);
    if (!y || p.errors)
        return gw_err_set(err, GW_ERR_REJECT, "--param %s: %s", text,
                          p.n ? p.items[0].text : "not YAML");
    *value = *y;
    return 0;
}

/* Laid over the pipeline's own. */
static int add_params(struct try *t, struct gw_err *err)
{
    const struct gw_yaml *own = t->conf.params;
    size_t n = own && own->type == GW_YAML_MAP ? own->n : 0, cap = n + t->params.n;
    struct gw_yaml *map = gw_arena_zalloc(t->mem, sizeof(*map));

    if (!t->params.n)
        return 0;
    *map = (struct gw_yaml){.type = GW_YAML_MAP, .file = "--param", .line = 1, .column = 1};
    map->keys = gw_arena_zalloc(t->mem, cap * sizeof(*map->keys));
    map->values = gw_arena_zalloc(t->mem, cap * sizeof(*map->values));
    for (; map->n < n; map->n++) {
        map->keys[map->n] = own->keys[map->n];
        map->values[map->n] = own->values[map->n];
    }
    for (size_t i = 0; i < t->params.n; i++) {
        struct gw_yaml key = {0}, value = {0};
        size_t at = 0;

        if (read_param(t, t->params.items[i], &key, &value, err))
            return -1;
        while (at < map->n && !gw_str_eq(map->keys[at].text, key.text))
            at++;
        map->keys[at] = key;
        map->values[at] = value;
        map->n += at == map->n;
    }
    t->conf.params = map;
    return 0;
}

static void add_hosts(struct try *t)
{
    struct gw_strs *own = &t->conf.limits.allow_hosts, all = {0};

    if (!t->hosts.n)
        return;
    all.items = gw_arena_zalloc(t->mem, (own->n + t->hosts.n) * sizeof(char *));
    for (size_t i = 0; i < own->n; i++)
        all.items[all.n++] = own->items[i];
    for (size_t i = 0; i < t->hosts.n; i++)
        all.items[all.n++] = t->hosts.items[i];
    *own = all;
}

/* ---- running ---- */

static void on_line(void *ctx, enum gw_level level, const struct gw_kv *kv)
{
    struct try *t = ctx;
    struct gw_try_line *l;

    if (t->n_lines++ >= MAX_LINES)
        return;
    l = gw_arena_zalloc(t->run_mem, sizeof(*l));
    l->text = gw_try_line_text(t->run_mem, level, kv);
    *t->last_line = l;
    t->last_line = &l->next;
}

static void on_nothing(void *ctx, enum gw_level level, const struct gw_kv *kv)
{
    (void)ctx;
    (void)level;
    (void)kv;
}

static void on_done(struct gw_hook_call *c)
{
    ((struct run *)c)->done = 1;
}

/* What event_types go by. */
static enum gw_kind kind_of(const struct gw_try_event *e)
{
    return e->is_flyte ? e->request.kind : gw_flyte_carried(gw_event_text(&e->event, "type"));
}

/* Returns the nanoseconds it took; *waited: it waited for something. */
static int64_t run_once(struct try *t, struct gw_hooks *h, struct gw_try_event *e, struct run *r,
                        int *waited)
{
    int64_t begin;

    *r = (struct run){.c = {.mem = e->mem,
                            .event = &e->event,
                            .request = e->is_flyte ? &e->request : NULL,
                            .flyte = e->is_flyte ? &e->facts : NULL,
                            .received_at_ns = gw_clock_wall_ns(),
                            .seed = gw_hash64(gw_event_text(&e->event, "id")),
                            .kind = (int)kind_of(e),
                            .done = on_done}};
    begin = gw_clock_mono_ns();
    gw_hooks_start(h, &r->c);
    *waited = !r->done;
    while (!r->done)
        gw_loop_turn(t->loop, 1);
    return gw_clock_mono_ns() - begin;
}

/* Counting each instruction takes time of its own, so a run that did not wait is timed once more,
 * in a state of its own. */
static int64_t time_again(struct try *t, const struct gw_try_item *item, int64_t took_ns)
{
    struct gw_hooks_conf conf = t->conf;
    struct gw_try_event e = {.mem = gw_arena_new()};
    struct gw_hooks *h;
    struct gw_err err;
    struct run r;
    int waited;

    conf.exact = 0;
    conf.lines = &t->nobody;
    h = gw_hooks_open(&conf, &err);
    if (h && !gw_try_make(&e, item, &t->style_conf, &err))
        took_ns = run_once(t, h, &e, &r, &waited);
    gw_hooks_close(h);
    gw_arena_free(e.mem);
    return took_ns;
}

static int try_one(struct try *t, struct gw_hooks *h, const struct gw_try_item *item,
                   struct gw_err *err)
{
    struct gw_try_event e = {.mem = t->run_mem};
    struct gw_try_result result = {.limits = &t->conf.limits, .n_scripts = t->conf.scripts->n};
    struct run r;
    int waited;

    if (gw_try_make(&e, item, &t->style_conf, err))
        return -1;
    if (!(t->kinds >> kind_of(&e) & 1)) {
        gw_try_print_passed_over(kind_of(&e), &e.event);
        return 0;
    }
    t->lines = NULL;
    t->last_line = &t->lines;
    t->n_lines = 0;
    result.before = gw_event_copy(&e.event, e.mem);
    result.kind = e.is_flyte ? e.request.kind : GW_OTHER;
    result.call = &r.c;
    gw_hooks_peak(h);
    result.took_ns = run_once(t, h, &e, &r, &waited);
    result.memory = gw_hooks_peak(h);
    if (!waited && r.c.verdict != GW_HOOK_FAILED)
        result.took_ns = time_again(t, item, result.took_ns);
    result.lines = t->lines;
    result.lost_lines = t->n_lines > MAX_LINES ? t->n_lines - MAX_LINES : 0;
    result.shared = gw_hooks_shared(h);
    gw_try_print(&result, t->run_mem, t->colours);
    t->failed |= r.c.verdict == GW_HOOK_FAILED;
    return 0;
}

static int try_all(struct try *t, const struct gw_try_items *items, struct gw_err *err)
{
    struct gw_hooks *h = gw_hooks_open(&t->conf, err);
    int rc = h ? 0 : -1;

    for (size_t i = 0; !rc && i < items->n; i++) {
        if (i)
            putchar('\n');
        t->run_mem = gw_arena_new();
        rc = try_one(t, h, &items->items[i], err);
        gw_arena_free(t->run_mem);
    }
    gw_hooks_close(h);
    return rc;
}

static int run(struct try *t, enum gw_kind kind, struct gw_err *err)
{
    struct gw_try_items items;
    int rc;

    if (t->scripts.n)
        t->conf.scripts = &t->scripts;
    t->listener = (struct gw_hook_lines){t, on_line};
    t->nobody = (struct gw_hook_lines){t, on_nothing};
    t->conf.lines = &t->listener;
    t->conf.exact = 1;
    add_hosts(t);
    if (gw_try_read(t->mem, t->event, kind, &items, err))
        return -1;
    t->loop = t->conf.loop = gw_loop_new();
    rc = try_all(t, &items, err);
    gw_loop_free(t->loop);
    return rc;
}

/* GW_ERR_REJECT: wrong usage. */
static int prepare(struct try *t, char **args, int n, enum gw_kind *kind, struct gw_err *err)
{
    enum gw_style style;

    if (sort_arguments(t, args, n, err) || find_kind(t, kind, err) || find_style(t, &style, err))
        return -1;
    use_defaults(t);
    if ((t->config && use_config(t, err)) || add_params(t, err))
        return -1;
    if (style != GW_STYLES)
        t->style_conf.style = style;
    return 0;
}

static int fail(const struct gw_err *err)
{
    GW_DIAG(GW_ERROR, "try", gw_msg(err->msg));
    return 1;
}

int gw_cmd_try(int argc, char **argv)
{
    struct try t = {.mem = gw_arena_new(), .colours = isatty(STDOUT_FILENO)};
    const struct gw_option options[] = {
        {"kind", 0, GW_OPT_STR, &t.kind, "KIND",
         "workflow, node, task or action: of the sample, of a request that does not say", 0, 0},
        {"param", 0, GW_OPT_STRS, &t.params, "NAME=VALUE",
         "of moongate.params, VALUE as in YAML; may be repeated", 0, 0},
        {"style", 0, GW_OPT_STR, &t.style, "STYLE",
         "of the event: documented, flyteadmin, flyteadmin-v2 or flyteadmin-external; without it "
         "the pipeline's, or documented",
         0, 0},
        {"config", 'c', GW_OPT_STR, &t.config, "FILE",
         "rules, params and limits of its pipeline; without SCRIPT its hooks, too", 0, 0},
        {"pipeline", 0, GW_OPT_STR, &t.pipeline, "NAME", "which one, if -c's file has several", 0,
         0},
        {"allow-host", 0, GW_OPT_STRS, &t.hosts, "HOST",
         "moongate.http may ask it, for real; may be repeated", 0, 0},
        {0}};
    const struct gw_usage usage = {
        .command = "try",
        .line =
            "moongate try SCRIPT... [EVENT] [--kind KIND] [--param NAME=VALUE] [--style STYLE]\n"
            "                    [-c FILE [--pipeline NAME]] [--allow-host HOST]",
        .about =
            "Runs hooks on an event and shows what they did: attributes and data before (-) and "
            "after (+), how\nit ended, log lines, counters, budget used. EVENT is the argument "
            "that does not end in .lua: a\nfile (- is standard input) with a CloudEvent in JSON or "
            "{\"kind\":…,\"request\":…}, or several of\nthem; without it: a sample of each kind. "
            "Nothing is published.\nExit status: 0 published, filtered or to be tried again, 1 a "
            "hook failed or nothing could be run,\n2 wrong usage.",
        .options = options,
        .max_args = 1000000};
    enum gw_kind kind = GW_KINDS;
    struct gw_err err = {.msg = ""};
    int n_args, rc;

    t.problems.mem = t.mem;
    t.params.items = gw_arena_zalloc(t.mem, (size_t)argc * sizeof(char *));
    t.hosts.items = gw_arena_zalloc(t.mem, (size_t)argc * sizeof(char *));
    rc = gw_options(&usage, argc, argv, &n_args);
    if (rc == GW_OPTIONS_OK && prepare(&t, argv + 1, n_args, &kind, &err))
        rc = err.kind == GW_ERR_REJECT ? gw_usage_error(&usage, "%s", err.msg) : fail(&err);
    else if (rc == GW_OPTIONS_OK && run(&t, kind, &err))
        rc = fail(&err);
    else if (rc == GW_OPTIONS_OK)
        rc = t.failed;
    gw_arena_free(t.mem);
    return rc;
}
