#include "base/field.h"

#include "base/arena.h"
#include "base/field_text.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Reads a mapping into a struct by its table. Every key of the mapping is looked up once; then the
 * fields that no key has set get their defaults, read as if they stood in the file. */

enum { MAX_WHERE = 256, MAX_FIELDS = 128, MAX_SECRET = 65536, SHOWN = 60 };

struct reader {
    struct gw_problems *p;
    const char *file; /* that relative paths are relative to; NULL: none */
};

/* One field in work: where its value stands and what it is called. */
struct at {
    struct reader *r;
    const struct gw_field *f;
    const struct gw_yaml *y;
    char name[MAX_WHERE];
};

static void read_table(struct reader *r, const struct gw_field *fields, const struct gw_yaml *map,
                       void *conf, const char *where);
static void read_variant(struct reader *r, const struct gw_field *fields, const struct gw_yaml *map,
                         void *conf, const char *where);

static void join(char out[MAX_WHERE], const char *where, const char *name)
{
    snprintf(out, MAX_WHERE, "%s%s%s", where, *where ? "." : "", name);
}

__attribute__((format(printf, 2, 3))) static void fail(const struct at *a, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    gw_problems_add(a->r->p, 0, a->y->file, a->y->line, a->y->column, "%s: %s", a->name, text);
}

/* How much of a value a message shows. */
static int shown(struct gw_str s)
{
    return s.len < SHOWN ? (int)s.len : SHOWN;
}

/* What stands there instead of what was wanted. */
static void fail_type(const struct at *a, const char *wanted)
{
    const struct gw_yaml *y = a->y;

    if (y->type == GW_YAML_SCALAR && a->f && a->f->secret)
        fail(a, "expected %s", wanted);
    else if (y->type == GW_YAML_SCALAR)
        fail(a, "expected %s, not %s\"%.*s\"", wanted, y->quoted ? "the text " : "", shown(y->text),
             y->text.p);
    else
        fail(a, "expected %s, not a %s", wanted, y->type == GW_YAML_SEQ ? "list" : "mapping");
}

/* ---- scalars ---- */

static const char *resolve(struct reader *r, const struct gw_field *f, const char *path)
{
    const char *slash = r->file ? strrchr(r->file, '/') : NULL;

    if (!f->path || !slash || path[0] == '/' || !strcmp(path, "-") || !*path)
        return path;
    return gw_arena_printf(r->p->mem, "%.*s/%s", (int)(slash - r->file), r->file, path).p;
}

static void read_str(const struct at *a, const char **out)
{
    if (a->y->type != GW_YAML_SCALAR)
        fail_type(a, "text");
    else
        *out = resolve(a->r, a->f, a->y->text.p);
}

/* What Go's ParseBool and mapstructure take for a boolean beside YAML's own. */
static int weak_bool(const struct gw_yaml *y, int *out)
{
    static const char *const names[] = {"",  "0", "f", "F",    "false", "False", "FALSE",
                                        "1", "t", "T", "true", "True",  "TRUE"};
    long long n;

    for (int i = 0; y->type == GW_YAML_SCALAR && i < 13; i++)
        if (gw_str_is(y->text, names[i])) {
            *out = i >= 7;
            return 0;
        }
    if (gw_yaml_int(y, &n))
        return -1;
    *out = n != 0;
    return 0;
}

static void read_bool(const struct at *a, int *out)
{
    if (a->f->weak ? weak_bool(a->y, out) : gw_yaml_bool(a->y, out))
        fail_type(a, "true or false");
}

static int weak_int(const struct gw_yaml *y, long long *out)
{
    struct gw_yaml plain = *y;
    int truth;

    plain.quoted = 0;
    if (!gw_yaml_int(&plain, out))
        return 0;
    if (gw_yaml_bool(y, &truth))
        return -1;
    *out = truth;
    return 0;
}

static void read_number(const struct at *a, int64_t *out)
{
    const struct gw_field *f = a->f;
    char bound[GW_NUMBER_TEXT];
    long long n;
    int64_t v = 0;

    if (f->type == GW_F_INT) {
        if (f->weak ? weak_int(a->y, &n) : gw_yaml_int(a->y, &n)) {
            fail_type(a, "a whole number");
            return;
        }
        v = n;
    } else if (a->y->type != GW_YAML_SCALAR ||
               (f->type == GW_F_SIZE ? gw_field_size_parse(a->y->text, &v)
                                     : gw_field_duration_parse(a->y->text, &v))) {
        fail_type(a, f->type == GW_F_SIZE ? "a size as 64KiB, 1GiB or 4096"
                                          : "a duration as 250ms, 30s, 5m or 24h");
        return;
    }
    *out = v;
    if (!f->min && !f->max)
        return;
    if (v < f->min)
        fail(a, "%s is below %s", a->y->text.p, gw_field_number(f, f->min, bound));
    else if (v > f->max)
        fail(a, "%s is above %s", a->y->text.p, gw_field_number(f, f->max, bound));
}

static void list_choices(const char *const *choices, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (; *choices && len < size; choices++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", *choices);
}

static void read_choice(const struct at *a, int *out)
{
    struct gw_nearest near = {.wanted = a->y->text};
    char hint[120], all[300];

    if (a->y->type != GW_YAML_SCALAR) {
        list_choices(a->f->choices, all, sizeof(all));
        fail_type(a, all);
        return;
    }
    for (int i = 0; a->f->choices[i]; i++) {
        if (gw_str_is(a->y->text, a->f->choices[i])) {
            *out = i;
            return;
        }
        gw_nearest_offer(&near, gw_str_of(a->f->choices[i]));
    }
    list_choices(a->f->choices, all, sizeof(all));
    fail(a, "\"%.*s\" is none of %s%s", shown(a->y->text), a->y->text.p, all,
         gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* ---- lists and maps ---- */

static void split(struct reader *r, const struct gw_field *f, struct gw_str text,
                  struct gw_strs *out)
{
    const char *p = text.p, *end = text.p + text.len, *comma;

    out->items = gw_arena_alloc(r->p->mem, (text.len + 1) * sizeof(*out->items));
    for (; p < end; p = comma + 1) {
        const char *last;

        comma = memchr(p, ',', (size_t)(end - p));
        comma = comma ? comma : end;
        for (last = comma; p < last && *p == ' ';)
            p++;
        while (last > p && last[-1] == ' ')
            last--;
        if (last > p)
            out->items[out->n++] =
                resolve(r, f, gw_arena_strndup(r->p->mem, p, (size_t)(last - p)));
    }
}

static void read_strs(const struct at *a, struct gw_strs *out)
{
    struct at item = *a;

    if (a->y->type == GW_YAML_MAP) {
        fail_type(a, "a list");
        return;
    }
    if (a->y->type == GW_YAML_SCALAR && a->f->comma) {
        split(a->r, a->f, a->y->text, out);
        return;
    }
    if (a->y->type == GW_YAML_SCALAR) {
        out->items = gw_arena_alloc(a->r->p->mem, sizeof(*out->items));
        read_str(a, &out->items[out->n++]);
        return;
    }
    out->items = gw_arena_zalloc(a->r->p->mem, (a->y->n + 1) * sizeof(*out->items));
    for (size_t i = 0; i < a->y->n; i++) {
        item.y = &a->y->values[i];
        snprintf(item.name, sizeof(item.name), "%.*s[%zu]", MAX_WHERE - 30, a->name, i);
        out->items[out->n] = "";
        read_str(&item, &out->items[out->n++]);
    }
}

static void read_pairs(const struct at *a, struct gw_pairs *out)
{
    struct at item = *a;

    if (a->y->type != GW_YAML_MAP) {
        fail_type(a, "a mapping");
        return;
    }
    out->items = gw_arena_zalloc(a->r->p->mem, (a->y->n + 1) * sizeof(*out->items));
    for (size_t i = 0; i < a->y->n; i++) {
        item.y = &a->y->values[i];
        join(item.name, a->name, a->y->keys[i].text.p);
        out->items[out->n].key = a->y->keys[i].text.p;
        out->items[out->n].value = "";
        read_str(&item, &out->items[out->n++].value);
    }
}

/* pipelines.orders when it has a name, else pipelines[0]. */
static void name_item(const struct at *a, size_t i, char out[MAX_WHERE])
{
    const struct gw_yaml *name = gw_yaml_get(&a->y->values[i], "name");

    if (name && name->type == GW_YAML_SCALAR && name->text.len)
        join(out, a->name, name->text.p);
    else
        snprintf(out, MAX_WHERE, "%.*s[%zu]", MAX_WHERE - 30, a->name, i);
}

static void read_tables(const struct at *a, struct gw_list *out)
{
    char where[MAX_WHERE];

    if (a->y->type != GW_YAML_SEQ) {
        fail_type(a, "a list");
        return;
    }
    out->items = gw_arena_zalloc(a->r->p->mem, (a->y->n + 1) * a->f->size);
    for (size_t i = 0; i < a->y->n; i++) {
        name_item(a, i, where);
        read_table(a->r, a->f->fields, &a->y->values[i], (char *)out->items + out->n++ * a->f->size,
                   where);
    }
}

/* ---- unions ---- */

static const struct gw_yaml *get_fold(const struct gw_yaml *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++)
        if (!strcasecmp(map->keys[i].text.p, key))
            return &map->values[i];
    return NULL;
}

/* The variants' names, for a message; what is wanted is looked up on the way. */
static const struct gw_variant *find_variant(const struct gw_field *f, struct gw_nearest *near,
                                             char *all, size_t size)
{
    const struct gw_variant *v, *found = NULL;
    size_t len = 0;

    for (size_t i = 0; (v = f->variant(i)); i++) {
        if (gw_str_is(near->wanted, v->name))
            found = v;
        gw_nearest_offer(near, gw_str_of(v->name));
        if (len < size)
            len += (size_t)snprintf(all + len, size - len, "%s%s", len ? ", " : "", v->name);
    }
    return found;
}

/* An unquoted null is a name here: publisher: {type: null}. */
static const struct gw_variant *read_type(const struct at *a)
{
    const struct gw_yaml *type = get_fold(a->y, "type");
    struct gw_nearest near = {0};
    const struct gw_variant *v;
    char hint[120], all[300] = "";
    struct at here = *a;

    if (type && type->type == GW_YAML_SCALAR)
        near.wanted = type->text;
    v = find_variant(a->f, &near, all, sizeof(all));
    if (v)
        return v;
    here.y = type;
    join(here.name, a->name, "type");
    if (!type)
        fail(a, "type is required, one of %s", all);
    else if (type->type != GW_YAML_SCALAR)
        fail_type(&here, all);
    else
        fail(&here, "\"%.*s\" is none of %s%s", shown(type->text), type->text.p, all,
             gw_nearest_hint(&near, hint, sizeof(hint)));
    return NULL;
}

static void read_union(const struct at *a, struct gw_union *out)
{
    const struct gw_variant *v;

    if (a->y->type != GW_YAML_MAP) {
        fail_type(a, "a mapping");
        return;
    }
    v = read_type(a);
    if (!v)
        return;
    out->type = v->name;
    out->line = a->y->line;
    out->column = a->y->column;
    out->conf = gw_arena_zalloc(a->r->p->mem, v->size);
    read_variant(a->r, v->fields, a->y, out->conf, a->name);
}

/* ---- one field ---- */

static void read_nested(const struct at *a, void *to)
{
    if (a->f->pointer) {
        void *conf = gw_arena_zalloc(a->r->p->mem, a->f->size);

        *(void **)to = conf;
        to = conf;
    }
    read_table(a->r, a->f->fields, a->y, to, a->name);
}

static void read_field(const struct at *a, void *conf)
{
    void *to = (char *)conf + a->f->offset;

    switch (a->f->type) {
    case GW_F_STR:
        read_str(a, to);
        break;
    case GW_F_BOOL:
        read_bool(a, to);
        break;
    case GW_F_INT:
    case GW_F_SIZE:
    case GW_F_DURATION:
        read_number(a, to);
        break;
    case GW_F_CHOICE:
        read_choice(a, to);
        break;
    case GW_F_STRS:
        read_strs(a, to);
        break;
    case GW_F_MAP:
        read_pairs(a, to);
        break;
    case GW_F_VALUE:
        *(const struct gw_yaml **)to = a->y;
        break;
    case GW_F_TABLE:
        read_nested(a, to);
        break;
    case GW_F_TABLES:
        read_tables(a, to);
        break;
    case GW_F_UNION:
        read_union(a, to);
        break;
    }
}

/* map: where the field is missing; NULL: nowhere. */
static void read_default(struct reader *r, const struct gw_field *f, const struct gw_yaml *map,
                         void *conf, const char *where)
{
    struct gw_yaml text = {.type = GW_YAML_SCALAR, .file = r->file, .text = gw_str_of(f->def)};
    struct gw_yaml empty = {.type = GW_YAML_MAP};
    struct at a = {.r = r, .f = f, .y = &text};

    join(a.name, where, f->name);
    if (f->type == GW_F_TABLE && !f->pointer) {
        if (map) {
            empty.file = map->file;
            empty.line = map->line;
            empty.column = map->column;
        }
        read_table(r, f->fields, map ? &empty : NULL, (char *)conf + f->offset, a.name);
    } else if (f->def) {
        read_field(&a, conf);
    }
}

/* ---- keys ---- */

/* The field of a key and whether it is the twin NAME_file. NULL: none. */
static const struct gw_field *find_field(const struct gw_field *fields, const char *key,
                                         int *is_file, struct gw_nearest *near)
{
    char twin[80];

    *is_file = 0;
    for (const struct gw_field *f = fields; f->name; f++) {
        if (!strcasecmp(key, f->name) || (f->alias && !strcasecmp(key, f->alias)))
            return f;
        gw_nearest_offer(near, gw_str_of(f->name));
        if (!f->secret)
            continue;
        snprintf(twin, sizeof(twin), "%s_file", f->name);
        if (!strcasecmp(key, twin)) {
            *is_file = 1;
            return f;
        }
    }
    return NULL;
}

/* The content of a secret's file, without the newline at its end. */
static void read_secret_file(struct at *a, const char **out)
{
    const struct gw_field path = {.name = "", .path = 1};
    char text[MAX_SECRET + 1], why[100];
    size_t len;
    FILE *f;

    if (a->y->type != GW_YAML_SCALAR) {
        fail_type(a, "a path");
        return;
    }
    f = fopen(resolve(a->r, &path, a->y->text.p), "re");
    if (!f) {
        fail(a, "%s: %s", a->y->text.p, strerror_r(errno, why, sizeof(why)));
        return;
    }
    len = fread(text, 1, sizeof(text), f);
    if (ferror(f) || len > MAX_SECRET || memchr(text, '\0', len))
        fail(a, "%s: no text of up to 64 KiB", a->y->text.p);
    (void)fclose(f);
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    *out = gw_arena_strndup(a->r->p->mem, text, len > MAX_SECRET ? 0 : len);
}

static int stands_for_absent(const struct gw_field *f, const struct gw_yaml *y)
{
    return gw_yaml_is_null(y) && f->type != GW_F_VALUE && f->type != GW_F_TABLE;
}

/* A mapping in work. */
struct table {
    struct reader *r;
    const struct gw_field *fields;
    const struct gw_yaml *map;
    void *conf;
    const char *where;
    int in_union; /* the key `type` is known: it chose the fields */
    unsigned char seen[MAX_FIELDS];
};

static void unknown_key(const struct table *t, const struct gw_yaml *key, struct gw_nearest *near)
{
    char hint[120];

    if (t->in_union)
        gw_nearest_offer(near, GW_STR("type"));
    gw_problems_add(t->r->p, 0, key->file, key->line, key->column, "%s%sunknown key \"%.*s\"%s",
                    t->where, *t->where ? ": " : "", shown(key->text), key->text.p,
                    gw_nearest_hint(near, hint, sizeof(hint)));
}

static void read_key(struct table *t, size_t i)
{
    const struct gw_yaml *key = &t->map->keys[i];
    struct gw_nearest near = {.wanted = key->text};
    struct at a = {.r = t->r, .y = &t->map->values[i]};
    int is_file;

    a.f = find_field(t->fields, key->text.p, &is_file, &near);
    if (!a.f) {
        if (!t->in_union || strcasecmp(key->text.p, "type") != 0)
            unknown_key(t, key, &near);
        return;
    }
    if (stands_for_absent(a.f, a.y))
        return;
    join(a.name, t->where, key->text.p);
    assert(a.f - t->fields < MAX_FIELDS);
    if (t->seen[a.f - t->fields]) {
        gw_problems_add(t->r->p, 0, key->file, key->line, key->column, "%s: stands here twice",
                        a.name);
        return;
    }
    t->seen[a.f - t->fields] = 1;
    if (is_file)
        read_secret_file(&a, (const char **)((char *)t->conf + a.f->offset));
    else
        read_field(&a, t->conf);
}

static void read_keys(struct table *t)
{
    for (size_t i = 0; t->map && i < t->map->n; i++)
        read_key(t, i);
    for (size_t i = 0; t->fields[i].name; i++) {
        if (t->seen[i])
            continue;
        if (t->fields[i].required && t->map)
            gw_problems_add(t->r->p, 0, t->map->file, t->map->line, t->map->column,
                            "%s%s%s is required", t->where, *t->where ? "." : "",
                            t->fields[i].name);
        read_default(t->r, &t->fields[i], t->map, t->conf, t->where);
    }
}

static void read_table(struct reader *r, const struct gw_field *fields, const struct gw_yaml *map,
                       void *conf, const char *where)
{
    struct table t = {.r = r, .fields = fields, .map = map, .conf = conf, .where = where};
    struct at a = {.r = r, .y = map};
    struct gw_yaml empty = {.type = GW_YAML_MAP};

    if (map && gw_yaml_is_null(map)) {
        empty.file = map->file;
        empty.line = map->line;
        empty.column = map->column;
        t.map = &empty;
    }
    if (t.map && t.map->type != GW_YAML_MAP) {
        snprintf(a.name, sizeof(a.name), "%s", *where ? where : "the file");
        fail_type(&a, "a mapping");
        return;
    }
    read_keys(&t);
}

static void read_variant(struct reader *r, const struct gw_field *fields, const struct gw_yaml *map,
                         void *conf, const char *where)
{
    struct table t = {
        .r = r, .fields = fields, .map = map, .conf = conf, .where = where, .in_union = 1};

    read_keys(&t);
}

void gw_fields_read(const struct gw_field *fields, const struct gw_yaml *map, void *conf,
                    struct gw_problems *p, const char *where)
{
    struct reader r = {.p = p, .file = map ? map->file : NULL};

    read_table(&r, fields, map, conf, where);
}
