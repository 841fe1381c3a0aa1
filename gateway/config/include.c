/* The files that `include` adds. Each holds pipelines only, may be written by somebody else, and
 * what is wrong with one is not in the way of the others. */
#include "config/assemble.h"

#include "base/arena.h"
#include "base/field_value.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { MAX_INCLUDED = 1000, MAX_PIPELINES = 1000 };

struct content {
    struct gw_list pipelines;
};

static const struct gw_field content_fields[] = {
    {"pipelines", GW_F_TABLES, offsetof(struct content, pipelines), .fields = gw_pipeline_fields,
     .size = sizeof(struct gw_pipeline_conf), .help = "As in the main file."},
    {0}};

void gw_config_included_schema(struct gw_buf *out)
{
    gw_config_put_schema(content_fields, "Pipelines of one team, for Moongate's include", NULL,
                         out);
}

/* ---- one file ---- */

static void refuse_key(struct gw_problems *p, const struct gw_yaml *key)
{
    struct gw_nearest near = {.wanted = key->text};
    char hint[80];

    gw_nearest_offer(&near, GW_STR("pipelines"));
    gw_problems_add(p, 0, key->file, key->line, key->column,
                    "\"%.*s\" cannot stand here: an included file holds pipelines only%s",
                    gw_field_shown(key->text), key->text.p,
                    gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* The mapping without the keys that may not stand there. */
static struct gw_yaml only_pipelines(struct gw_problems *p, const struct gw_yaml *root)
{
    struct gw_yaml kept = *root;

    kept.n = 0;
    kept.keys = gw_arena_alloc(p->mem, (root->n + 1) * sizeof(*kept.keys));
    kept.values = gw_arena_alloc(p->mem, (root->n + 1) * sizeof(*kept.values));
    for (size_t i = 0; i < root->n; i++) {
        if (strcasecmp(root->keys[i].text.p, "pipelines") != 0) {
            refuse_key(p, &root->keys[i]);
            continue;
        }
        kept.keys[kept.n] = root->keys[i];
        kept.values[kept.n++] = root->values[i];
    }
    return kept;
}

static void read_content(struct gw_load *l, struct gw_included *f)
{
    struct content content = {0};
    struct gw_yaml *root =
        gw_yaml_parse_guest(f->path, f->text, l->guard ? &l->guard->env : NULL, l->p);
    const struct gw_yaml *list;

    if (root && root->type == GW_YAML_MAP)
        *root = only_pipelines(l->p, root);
    f->root = root;
    if (!root)
        return;
    list = root->type == GW_YAML_MAP ? gw_config_pipelines(root) : NULL;
    if (list && list->type == GW_YAML_SEQ && list->n > MAX_PIPELINES) {
        gw_problems_add(l->p, 0, list->file, list->line, list->column,
                        "pipelines: %zu of them; an included file holds %d at most", list->n,
                        MAX_PIPELINES);
        return;
    }
    gw_fields_read(content_fields, root, &content, l->p, "");
    f->pipelines = content.pipelines;
}

/* ---- finding them ---- */

/* Told where the main file names it, but it is the included file's problem alone. */
static void cannot_read(struct gw_load *l, struct gw_included *f, const struct gw_yaml *at,
                        const char *why)
{
    const char *text = gw_arena_printf(l->p->mem, "include: %s: %s", f->path, why).p;

    gw_problems_add(l->p, 0, at->file, at->line, at->column, "%s", text);
    f->why = gw_config_placed(l->p, at, text);
    l->pardoned++;
}

static void add(struct gw_load *l, const char *path, const struct gw_yaml *at)
{
    struct gw_included *f = &l->included[l->n_included];
    char why[120];

    for (size_t i = 0; i < l->n_included; i++)
        if (!strcmp(l->included[i].path, path))
            return;
    if (l->n_included == MAX_INCLUDED) {
        gw_problems_add(l->p, 0, at->file, at->line, at->column,
                        "include: more than %d files, the first too many is %s", MAX_INCLUDED,
                        path);
        return;
    }
    l->n_included++;
    *f = (struct gw_included){.path = gw_arena_strndup(l->p->mem, path, strlen(path))};
    if (gw_yaml_guest_text(f->path, l->p->mem, &f->text, why, sizeof(why)))
        cannot_read(l, f, at, why);
    else
        read_content(l, f);
}

static int is_main(const struct gw_load *l, const char *path)
{
    struct stat a, b;

    return !stat(path, &a) && !stat(l->root->file, &b) && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A folder that is not there matches nothing, one that cannot be read is a problem. */
static int on_glob_error(const char *path, int e)
{
    (void)path;
    return e != ENOENT && e != ENOTDIR;
}

/* The folder's name stands for itself, whatever characters it has. */
static const char *escaped(struct gw_arena *mem, const char *folder, int len)
{
    char *out = gw_arena_alloc(mem, 2 * (size_t)len + 1), *to = out;

    for (int i = 0; i < len; i++) {
        if (strchr("*?[\\", folder[i]))
            *to++ = '\\';
        *to++ = folder[i];
    }
    *to = '\0';
    return out;
}

static const char *absolute_glob(struct gw_load *l, const char *pattern)
{
    const char *slash = strrchr(l->root->file, '/');

    if (!slash || pattern[0] == '/')
        return pattern;
    return gw_arena_printf(l->p->mem, "%s/%s",
                           escaped(l->p->mem, l->root->file, (int)(slash - l->root->file)), pattern)
        .p;
}

/* In the order of their names. */
static void add_glob(struct gw_load *l, const char *pattern, const struct gw_yaml *at)
{
    glob_t g = {0};
    /* what makes it unsafe, a locale that changes and ~, is not used here */
    const int rc = glob(absolute_glob(l, pattern), 0, on_glob_error, &g); /* NOLINT */

    if (rc == GLOB_NOMATCH)
        gw_problems_add(l->p, 1, at->file, at->line, at->column,
                        "include: %s: there is no such file", pattern);
    else if (rc)
        gw_problems_add(l->p, 0, at->file, at->line, at->column, "include: %s: %s", pattern,
                        rc == GLOB_ABORTED ? "a folder cannot be read" : "too many files");
    for (size_t i = 0; !rc && i < g.gl_pathc; i++)
        if (!is_main(l, g.gl_pathv[i]))
            add(l, g.gl_pathv[i], at);
    if (!rc || rc == GLOB_ABORTED)
        globfree(&g);
}

static void add_pattern(struct gw_load *l, const char *pattern, const struct gw_yaml *at)
{
    const char *path = gw_field_resolve(l->p->mem, l->root->file, pattern);

    if (!*pattern)
        gw_problems_add(l->p, 0, at->file, at->line, at->column, "include: a path is missing");
    else if (strpbrk(pattern, "*?["))
        add_glob(l, pattern, at);
    else if (is_main(l, path))
        gw_problems_add(l->p, 0, at->file, at->line, at->column, "include: %s is this file itself",
                        pattern);
    else
        add(l, path, at);
}

void gw_config_include(struct gw_load *l, const struct gw_strs *patterns)
{
    const size_t key = gw_config_find(l->root, "include");
    const struct gw_yaml *y = key < l->root->n ? &l->root->values[key] : l->root;

    if (!patterns->n)
        return;
    l->included = gw_arena_zalloc(l->p->mem, (MAX_INCLUDED + 1) * sizeof(*l->included));
    for (size_t i = 0; i < patterns->n; i++)
        add_pattern(l, patterns->items[i], y->type == GW_YAML_SEQ && i < y->n ? &y->values[i] : y);
}

/* ---- names in what is no YAML ---- */

static int is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* The name in `name: orders`, also behind `{` and in quotes; absent: it is none. */
static struct gw_str name_in(struct gw_str s)
{
    static const char key[] = "name:";
    struct gw_str name;

    while (s.len && (*s.p == '{' || *s.p == ' '))
        s.p++, s.len--;
    if (s.len <= sizeof(key) - 1 || memcmp(s.p, key, sizeof(key) - 1) != 0)
        return (struct gw_str){0};
    s.p += sizeof(key) - 1;
    s.len -= sizeof(key) - 1;
    while (s.len && strchr(" '\"", *s.p))
        s.p++, s.len--;
    name = (struct gw_str){s.p, 0};
    while (name.len < s.len && is_name_char(s.p[name.len]))
        name.len++;
    return name.len && name.len <= 63 ? name : (struct gw_str){0};
}

/* Where a line's text stands; behind the `-` of an item when it has one. */
struct line {
    size_t dash, column; /* dash: of the item; column + 1 when it has none */
    struct gw_str text;
};

static struct line look_at(struct gw_str s)
{
    struct line at = {0};

    while (at.column < s.len && s.p[at.column] == ' ')
        at.column++;
    at.dash = at.column + 1;
    if (at.column + 1 < s.len && s.p[at.column] == '-' && s.p[at.column + 1] == ' ') {
        at.dash = at.column++;
        while (at.column < s.len && s.p[at.column] == ' ')
            at.column++;
    }
    at.text = (struct gw_str){s.p + at.column, s.len - at.column};
    return at;
}

static int next_line(struct gw_str *rest, struct gw_str *line)
{
    const char *end = rest->len ? memchr(rest->p, '\n', rest->len) : NULL;

    if (!rest->len)
        return 0;
    *line = (struct gw_str){rest->p, end ? (size_t)(end - rest->p) : rest->len};
    rest->p += line->len + (end != NULL);
    rest->len -= line->len + (end != NULL);
    return 1;
}

static size_t outermost_dash(struct gw_str text)
{
    struct gw_str line;
    size_t least = SIZE_MAX;

    while (next_line(&text, &line)) {
        const struct line at = look_at(line);

        if (at.dash < at.column && at.dash < least)
            least = at.dash;
    }
    return least;
}

/* The items of the outermost list, as they are usually written: a line each for their keys. */
void gw_config_guess_names(struct gw_str text, void (*fn)(void *ctx, struct gw_str name, int line),
                           void *ctx)
{
    const size_t dash = outermost_dash(text);
    size_t column = SIZE_MAX;
    struct gw_str line, name;
    int found = 0;

    for (int n = 1; next_line(&text, &line); n++) {
        const struct line at = look_at(line);

        if (at.dash < at.column && at.dash == dash) {
            column = at.column;
            found = 0;
        }
        name = at.column == column && !found ? name_in(at.text) : (struct gw_str){0};
        found |= name.len > 0;
        if (name.len)
            fn(ctx, name, n);
    }
}
