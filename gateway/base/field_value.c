#include "base/field_value.h"

#include "base/arena.h"
#include "base/field.h"
#include "base/field_text.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/weak.h"
#include "base/yaml.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SECRET = 65536, SHOWN = 60 };

void gw_field_join(char out[GW_FIELD_NAME], const char *where, const char *name)
{
    snprintf(out, GW_FIELD_NAME, "%s%s%s", where, *where ? "." : "", name);
}

void gw_field_fail(const struct gw_field_at *a, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    gw_problems_add(a->r->p, 0, a->y->file, a->y->line, a->y->column, "%s: %s", a->name, text);
}

/* How much of a value a message shows. */
int gw_field_shown(struct gw_str s)
{
    return s.len < SHOWN ? (int)s.len : SHOWN;
}

/* Quotes alone make a text of it. */
static int is_quoted_value(const struct gw_yaml *y)
{
    struct gw_yaml plain = *y;
    long long n;
    int flag;

    plain.quoted = 0;
    return y->quoted && (!gw_yaml_int(&plain, &n) || !gw_yaml_bool(&plain, &flag));
}

/* What stands there instead of what was wanted. */
void gw_field_fail_type(const struct gw_field_at *a, const char *wanted)
{
    const struct gw_yaml *y = a->y;

    if (y->type == GW_YAML_SCALAR)
        gw_field_fail(a, "expected %s, not %s\"%.*s\"%s", wanted, y->quoted ? "the text " : "",
                      gw_field_shown(y->text), y->text.p,
                      is_quoted_value(y) ? " (take the quotes away; outside of { } and [ ] a "
                                           "variable needs none)"
                                         : "");
    else
        gw_field_fail(a, "expected %s, not a %s", wanted,
                      y->type == GW_YAML_SEQ ? "list" : "mapping");
}

/* ---- keys ---- */

const struct gw_yaml *gw_field_get(const struct gw_yaml *map, const char *key)
{
    for (size_t i = 0; i < map->n; i++)
        if (!strcasecmp(map->keys[i].text.p, key))
            return &map->values[i];
    return NULL;
}

const struct gw_field *gw_field_find(const struct gw_field *fields, const char *key, int *is_file,
                                     struct gw_nearest *near)
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

/* ---- scalars ---- */

const char *gw_field_resolve(struct gw_arena *mem, const char *file, const char *path)
{
    const char *slash = file ? strrchr(file, '/') : NULL;

    if (!slash || path[0] == '/' || !strcmp(path, "-") || !*path)
        return path;
    return gw_arena_printf(mem, "%.*s/%s", (int)(slash - file), file, path).p;
}

static const char *resolve(struct gw_field_reader *r, const struct gw_field *f, const char *path)
{
    return f->path ? gw_field_resolve(r->p->mem, r->file, path) : path;
}

/* FlyteAdmin takes the number or the boolean that stands there, and so do we; a password may not
 * have been meant so. */
static void read_weak_str(const struct gw_field_at *a, const char **out)
{
    struct gw_str text;

    if (gw_weak_is_date(a->y)) {
        gw_field_fail(a, "%s is a date for FlyteAdmin, which does not start with it: quote it",
                      a->y->text.p);
        return;
    }
    if (gw_weak_text(a->y, a->r->p->mem, &text)) {
        gw_field_fail_type(a, "text");
        return;
    }
    *out = resolve(a->r, a->f, text.p);
    if (!gw_str_eq(text, a->y->text) && !gw_yaml_is_null(a->y))
        gw_problems_add(a->r->p, GW_PROBLEM_WARNING, a->y->file, a->y->line, a->y->column,
                        "%s: read as FlyteAdmin reads it, as another text than what stands here%s%s"
                        ": quote it if that is meant",
                        a->name, a->f->secret ? "" : ", ", a->f->secret ? "" : text.p);
}

static void read_str(const struct gw_field_at *a, const char **out)
{
    if (a->f->weak)
        read_weak_str(a, out);
    else if (a->y->type != GW_YAML_SCALAR)
        gw_field_fail_type(a, "text");
    else
        *out = resolve(a->r, a->f, a->y->text.p);
}

static void read_bool(const struct gw_field_at *a, int *out)
{
    if (a->f->weak ? gw_weak_bool(a->y, out) : gw_yaml_bool(a->y, out))
        gw_field_fail_type(a, "true or false");
}

static void read_number(const struct gw_field_at *a, int64_t *out)
{
    const struct gw_field *f = a->f;
    char bound[GW_NUMBER_TEXT];
    long long n;
    int64_t v = 0;

    if (f->type == GW_F_INT) {
        if (f->weak ? gw_weak_int(a->y, &n) : gw_yaml_int(a->y, &n)) {
            gw_field_fail_type(a, "a whole number");
            return;
        }
        v = n;
    } else if (a->y->type != GW_YAML_SCALAR ||
               (f->type == GW_F_SIZE ? gw_field_size_parse(a->y->text, &v)
                                     : gw_field_duration_parse(a->y->text, &v))) {
        gw_field_fail_type(a, f->type == GW_F_SIZE ? "a size as 64KiB, 1GiB or 4096"
                                                   : "a duration as 250ms, 30s, 5m or 24h");
        return;
    }
    if ((f->min || f->max) && v < f->min)
        gw_field_fail(a, "%s is below %s", a->y->text.p, gw_field_number(f, f->min, bound));
    else if ((f->min || f->max) && v > f->max)
        gw_field_fail(a, "%s is above %s", a->y->text.p, gw_field_number(f, f->max, bound));
    else
        *out = v;
}

static void list_choices(const char *const *choices, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (; *choices && len < size; choices++)
        len += (size_t)snprintf(out + len, size - len, "%s%s", len ? ", " : "", *choices);
}

static void read_choice(const struct gw_field_at *a, int *out)
{
    struct gw_nearest near = {.wanted = a->y->text};
    char hint[120], all[300];

    if (a->y->type != GW_YAML_SCALAR) {
        list_choices(a->f->choices, all, sizeof(all));
        gw_field_fail_type(a, all);
        return;
    }
    for (int i = 0; a->f->choices[i]; i++) {
        if (gw_str_is(a->y->text, a->f->choices[i])) {
            *out = i + !a->f->def;
            return;
        }
        gw_nearest_offer(&near, gw_str_of(a->f->choices[i]));
    }
    list_choices(a->f->choices, all, sizeof(all));
    gw_field_fail(a, "\"%.*s\" is none of %s%s", gw_field_shown(a->y->text), a->y->text.p, all,
                  gw_nearest_hint(&near, hint, sizeof(hint)));
}

/* ---- lists and maps ---- */

static void split(struct gw_field_reader *r, const struct gw_field *f, struct gw_str text,
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

/* As FlyteAdmin splits: white space stays, and so does what is empty; "" is no item. */
static void split_weakly(const struct gw_field_at *a, struct gw_strs *out)
{
    const char *p = a->y->text.p, *end = p + a->y->text.len, *comma;

    out->items = gw_arena_alloc(a->r->p->mem, (a->y->text.len + 1) * sizeof(*out->items));
    for (; a->y->text.len; p = comma + 1) {
        comma = memchr(p, ',', (size_t)(end - p));
        out->items[out->n++] =
            gw_arena_strndup(a->r->p->mem, p, (size_t)((comma ? comma : end) - p));
        if (!comma)
            break;
    }
}

static void read_items(const struct gw_field_at *a, struct gw_strs *out)
{
    struct gw_field_at item = *a;

    if (a->f->weak && gw_weak_is_text(a->y)) {
        split_weakly(a, out);
        return;
    }
    if (a->y->type == GW_YAML_SCALAR && a->f->comma && !a->f->weak) {
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
        snprintf(item.name, sizeof(item.name), "%.*s[%zu]", GW_FIELD_NAME - 30, a->name, i);
        out->items[out->n] = "";
        read_str(&item, &out->items[out->n++]);
    }
}

/* A list that has to be there has to name something. */
static void check_named(const struct gw_field_at *a, const struct gw_strs *list)
{
    struct gw_field_at item = *a;

    if (list->n == 0)
        gw_field_fail(a, "names nothing");
    for (size_t i = 0; i < list->n; i++) {
        item.y = a->y->type == GW_YAML_SEQ ? &a->y->values[i] : a->y;
        if (item.y->type == GW_YAML_SCALAR && !item.y->broken && !*list->items[i])
            gw_field_fail(&item, "an item names nothing");
    }
}

static void read_strs(const struct gw_field_at *a, struct gw_strs *out)
{
    if (a->y->type == GW_YAML_MAP) {
        gw_field_fail_type(a, "a list");
        return;
    }
    read_items(a, out);
    if (a->f->required)
        check_named(a, out);
}

static void read_pairs(const struct gw_field_at *a, struct gw_pairs *out)
{
    struct gw_field_at item = *a;

    if (a->y->type != GW_YAML_MAP) {
        gw_field_fail_type(a, "a mapping");
        return;
    }
    out->items = gw_arena_zalloc(a->r->p->mem, (a->y->n + 1) * sizeof(*out->items));
    for (size_t i = 0; i < a->y->n; i++) {
        item.y = &a->y->values[i];
        gw_field_join(item.name, a->name, a->y->keys[i].text.p);
        out->items[out->n].key = a->y->keys[i].text.p;
        out->items[out->n].value = "";
        read_str(&item, &out->items[out->n++].value);
    }
}

/* What a file of up to MAX_SECRET bytes holds; 0, or -1 with why. One that is no regular file could
 * keep the reader waiting for ever. */
static int read_secret(const char *path, char text[MAX_SECRET + 1], size_t *len, char *why,
                       size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n = fd < 0 || fstat(fd, &st) ? -1 : 0;
    char cause[100];

    if (n == 0 && !S_ISREG(st.st_mode))
        snprintf(why, size, "not a regular file");
    for (*len = 0; n >= 0 && S_ISREG(st.st_mode) && *len <= MAX_SECRET; *len += (size_t)n)
        if ((n = read(fd, text + *len, MAX_SECRET + 1 - *len)) <= 0)
            break;
    if (n < 0)
        snprintf(why, size, "%s", strerror_r(errno, cause, sizeof(cause)));
    else if (*len > MAX_SECRET || memchr(text, '\0', *len))
        snprintf(why, size, "not a text of up to 64 KiB");
    if (fd >= 0)
        close(fd);
    return *why ? -1 : 0;
}

/* Its content without the newline at its end. */
void gw_field_read_secret_file(struct gw_field_at *a, const char **out)
{
    char text[MAX_SECRET + 1], why[120] = "";
    size_t len;

    if (a->y->type != GW_YAML_SCALAR) {
        gw_field_fail_type(a, "a path");
        return;
    }
    *out = "";
    if (read_secret(gw_field_resolve(a->r->p->mem, a->r->file, a->y->text.p), text, &len, why,
                    sizeof(why))) {
        gw_field_fail(a, "%s: %s", a->y->text.p, why);
        return;
    }
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    if (!len)
        gw_field_fail(a, "%s: the file is empty", a->y->text.p);
    *out = gw_arena_strndup(a->r->p->mem, text, len);
    explicit_bzero(text, sizeof(text));
}

void gw_field_read_value(const struct gw_field_at *a, void *to)
{
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
    default:
        assert(!"a field of one value");
    }
}
