#include "base/arena.h"
#include "base/err.h"
#include "base/problems.h"
#include "base/yaml.h"
#include "config/assemble.h"
#include "flyte/flyte.h"
#include "hook/hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Loads scripts for `check`. Each has a Lua state of its own, so every broken one is told and not
 * the first alone. */

/* "FILE:LINE: what" as Lua says it; 0 when msg has another form. */
static int split_place(const char *msg, const char *script, int *line, const char **what)
{
    size_t len = strlen(script);
    char *end;
    long n;

    if (strncmp(msg, script, len) != 0 || msg[len] != ':')
        return 0;
    n = strtol(msg + len + 1, &end, 10);
    if (end == msg + len + 1 || *end != ':' || n < 1 || n > INT32_MAX)
        return 0;
    *line = (int)n;
    *what = end + 1 + (end[1] == ' ');
    return 1;
}

static void load(struct gw_hooks_conf *conf, const struct gw_yaml *at, struct gw_problems *p)
{
    struct gw_err err = {0};
    struct gw_hooks *h = gw_hooks_open(conf, &err);
    const char *what, *script = conf->scripts->n ? conf->scripts->items[0] : NULL;
    int line;

    if (h)
        gw_hooks_close(h);
    else if (script && split_place(err.msg, script, &line, &what))
        gw_problems_add(p, 0, script, line, 1, "%s", what);
    else
        gw_problems_add(p, 0, at->file, at->line, at->column, "pipelines.%s: %s", conf->pipeline,
                        err.msg);
}

/* The item of `hooks` that names script i. */
static const struct gw_yaml *place_of(const struct gw_pipeline_conf *c, size_t i)
{
    const struct gw_yaml *hooks = gw_yaml_get(c->yaml, "hooks");

    if (hooks && hooks->type == GW_YAML_SEQ && i < hooks->n)
        return &hooks->values[i];
    return hooks ? hooks : c->yaml;
}

static int is_folder(const char *path)
{
    struct stat st;

    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int readable(const struct gw_pipeline_conf *c, size_t i, struct gw_problems *p)
{
    const struct gw_yaml *at = place_of(c, i);
    char text[100];
    const char *why = is_folder(c->hooks.items[i]) ? "a folder: name the scripts in it" : NULL;

    if (!why && !access(c->hooks.items[i], R_OK))
        return 1;
    if (strchr(c->hooks.items[i], '\n'))
        why = "expected the path of a script, not its text";
    gw_problems_add(p, 0, at->file, at->line, at->column, "pipelines.%s.hooks: %.200s: %s", c->name,
                    c->hooks.items[i], why ? why : strerror_r(errno, text, sizeof(text)));
    return 0;
}

/* Rules are loaded from a sound file only: what is wrong with them has been told. */
static void check_pipeline(const struct gw_pipeline_conf *c, int sound, struct gw_problems *p)
{
    const struct gw_style_conf style = gw_style_conf_of(c);
    struct gw_hooks_conf conf = gw_hooks_conf_of(c, &style);
    struct gw_strs one = {0};

    conf.scripts = &one;
    if (sound)
        load(&conf, c->yaml, p);
    conf.match = conf.rename = conf.set = conf.remove = NULL;
    for (size_t i = 0; i < c->hooks.n; i++) {
        one = (struct gw_strs){&c->hooks.items[i], 1};
        if (readable(c, i, p))
            load(&conf, place_of(c, i), p);
    }
}

/* What was wrong elsewhere is not in the way. */
static int can_load(const struct gw_pipeline_conf *c)
{
    const struct gw_hook_limits *l = &c->hook_limits;

    if (c->params && c->params->type != GW_YAML_MAP && !gw_yaml_is_null(c->params))
        return 0;
    return c->name && c->source && c->lua_path && l->instructions > 0 && l->memory > 0 &&
           l->timeout_ms > 0;
}

/* What stands in a broken file is left alone. */
static int is_sound(const struct gw_pipeline_conf *c, const struct gw_problems *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->items[i].severity == GW_PROBLEM_ERROR &&
            (!p->items[i].file || !strcmp(p->items[i].file, c->yaml->file)))
            return 0;
    return 1;
}

static void check_all(const struct gw_config *c, int down, struct gw_problems *p)
{
    const struct gw_pipeline_conf *all = c->pipelines.items;
    const size_t before = p->n;

    for (size_t i = 0; i < c->pipelines.n; i++) {
        const int sound = is_sound(&all[i], p, before);

        if (!all[i].guessed && (down || !all[i].down) && (sound || can_load(&all[i])))
            check_pipeline(&all[i], sound, p);
    }
}

void gw_config_check_scripts(const struct gw_config *c, struct gw_problems *p)
{
    check_all(c, 0, p);
}

void gw_config_check_all_scripts(const struct gw_config *c, struct gw_problems *p)
{
    check_all(c, 1, p);
}
