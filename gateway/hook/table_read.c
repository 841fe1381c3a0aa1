/* The rows of a file's text. Whatever it holds, what is wrong is told with its line. */
#include "hook/table.h"

#include "base/arena.h"
#include "base/csv.h"
#include "base/err.h"
#include "base/json.h"
#include "base/problems.h"
#include "base/text.h"
#include "base/yaml.h"
#include "hook/flat.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 40 };

struct reader {
    const char *path;
    struct gw_str text, column; /* column absent: the names of an object of objects are the keys */
    struct gw_table *t;
    struct gw_arena *mem; /* of one row */
    struct gw_err *err;
    /* how far lines are counted, for JSON */
    const char *counted;
    int line;
    size_t seen[GW_TABLE_COLUMNS]; /* the last row, from 1, that said something there */
};

static int fail(struct reader *r, int line, const char *what)
{
    return gw_err_set(r->err, GW_ERR_REJECT, "%d: %s", line, what);
}

/* "value", cut. */
static const char *shown(struct gw_str s, char out[SHOWN + 8])
{
    size_t n = s.len < SHOWN ? s.len : SHOWN;

    while (s.p && n < s.len && n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n--;
    snprintf(out, SHOWN + 8, "\"%.*s%s\"", (int)n, s.p, n < s.len ? "…" : "");
    return out;
}

static int no_room(struct reader *r, int line)
{
    char what[80];

    snprintf(what, sizeof(what), "more than %zu MiB in memory with this pipeline's other lookups",
             r->t->max >> 20);
    return fail(r, line, what);
}

/* The columns that there are, as far as they fit: "the columns are a, b, c". */
static const char *columns_text(const struct gw_table *t, char *out, size_t size)
{
    size_t n = (size_t)snprintf(out, size, "the columns are");

    for (size_t i = 0; i < t->n_columns && n < size - 1; i++) {
        const struct gw_str s = gw_table_name(t, (int)i);

        if (n + s.len + 8 >= size) {
            snprintf(out + n, size - n, ", …");
            break;
        }
        n += (size_t)snprintf(out + n, size - n, "%s %.*s", i ? "," : "", (int)s.len, s.p);
    }
    return out;
}

static int no_column(struct reader *r, int line)
{
    struct gw_nearest near = {.wanted = r->column};
    const struct gw_str first = gw_table_name(r->t, 0);
    char what[200], list[100], hint[64], name[SHOWN + 8];

    for (size_t i = 0; i < r->t->n_columns; i++)
        gw_nearest_offer(&near, gw_table_name(r->t, (int)i));
    if (*gw_nearest_hint(&near, hint, sizeof(hint)))
        snprintf(what, sizeof(what), "no column %s%s", shown(r->column, name), hint);
    else
        snprintf(what, sizeof(what), "no column %s; %s%s", shown(r->column, name),
                 columns_text(r->t, list, sizeof(list)),
                 r->t->n_columns == 1 && strpbrk(first.p, ";\t") ? " (commas part them)" : "");
    return fail(r, line, what);
}

static int column_of(struct reader *r, struct gw_str name, int line)
{
    const int column = gw_table_column(r->t, name);
    char what[80];

    if (column >= 0)
        return column;
    snprintf(what, sizeof(what), "more than %d columns", GW_TABLE_COLUMNS);
    return fail(r, line, what);
}

static int end_row(struct reader *r, struct gw_str key, int line)
{
    char what[160], name[SHOWN + 8];
    size_t other = 0;

    switch (gw_table_row(r->t, key, line, &other)) {
    case 0:
        gw_arena_reset(r->mem);
        return 0;
    case 1:
        snprintf(what, sizeof(what), "the key %s stands twice, first on line %d", shown(key, name),
                 r->t->rows[other].line);
        return fail(r, line, what);
    default:
        return no_room(r, line);
    }
}

/* ---- CSV ---- */

static int csv_failed(struct reader *r, const struct gw_csv *c)
{
    return fail(r, c->line, gw_csv_why(c));
}

/* Number of columns; -1. *key: the column of the keys. */
static int read_header(struct reader *r, struct gw_csv *c, int *key)
{
    int n = 0;

    while (gw_csv_next(c) == GW_CSV_CELL) {
        const struct gw_str name = gw_csv_cell(c, r->mem);
        char what[120], text[SHOWN + 8];
        const int column = column_of(r, name, c->line);

        if (column < 0)
            return -1;
        if (column < n) {
            snprintf(what, sizeof(what), "the column %s stands twice", shown(name, text));
            return fail(r, c->line, what);
        }
        if (gw_str_eq(name, r->column))
            *key = column;
        n++;
    }
    if (c->token == GW_CSV_ERROR)
        return csv_failed(r, c);
    if (c->token == GW_CSV_END)
        return fail(r, 1, "the file is empty; its first row names the columns");
    return *key < 0 ? no_column(r, c->line) : n;
}

/* The row whose first cell is the current token. */
static int read_csv_row(struct reader *r, struct gw_csv *c, int columns, int key_column)
{
    const int line = c->line;
    struct gw_str key = {0};
    char what[80];
    int n = 0;

    for (; c->token == GW_CSV_CELL; gw_csv_next(c), n++) {
        const struct gw_str cell = gw_csv_cell(c, r->mem);

        if (n == columns)
            continue;
        gw_table_cell(r->t, n);
        gw_flat_str(&r->t->bytes, cell);
        if (n == key_column)
            key = cell;
    }
    if (c->token == GW_CSV_ERROR)
        return csv_failed(r, c);
    if (n != columns) {
        snprintf(what, sizeof(what), "%d %s, but %d columns", n, n == 1 ? "cell" : "cells",
                 columns);
        return fail(r, line, what);
    }
    return end_row(r, key, line);
}

static int read_csv(struct reader *r)
{
    struct gw_csv c;
    int key = -1, columns;

    if (!r->column.p)
        return fail(r, 1, "a CSV file needs a key column: moongate.lookup(path, column)");
    gw_csv_init(&c, r->text);
    columns = read_header(r, &c, &key);
    if (columns < 0)
        return -1;
    while (gw_csv_next(&c) == GW_CSV_CELL)
        if (read_csv_row(r, &c, columns, key))
            return -1;
    return c.token == GW_CSV_ERROR ? csv_failed(r, &c) : 0;
}

/* ---- what JSON and YAML have in common ---- */

/* The key of a row in the making. */
struct key {
    struct gw_str text; /* absent: there was none */
    int line;
};

static int wrong_key(struct reader *r, int line)
{
    char what[120], name[SHOWN + 8];

    snprintf(what, sizeof(what), "the key in %s is a string or an integer, nothing else",
             shown(r->column, name));
    return fail(r, line, what);
}

/* A member of an object of objects that does not say its key itself. */
static int finish_row(struct reader *r, const struct key *own, struct key *key)
{
    char what[120], name[SHOWN + 8];
    int column;

    if (!own->text.p) {
        if (key->text.p)
            return end_row(r, key->text, key->line);
        snprintf(what, sizeof(what), "an object without %s", shown(r->column, name));
        return fail(r, key->line, what);
    }
    if (r->column.p && !key->text.p) {
        column = column_of(r, r->column, own->line);
        if (column < 0)
            return -1;
        gw_table_cell(r->t, column);
        gw_flat_str(&r->t->bytes, own->text);
    }
    return end_row(r, own->text, own->line);
}

/* ---- JSON ---- */

static int line_here(struct reader *r, const struct gw_json *j)
{
    for (const char *p; (p = memchr(r->counted, '\n', (size_t)(j->at - r->counted)));
         r->counted = p + 1)
        r->line++;
    return r->line;
}

static int json_failed(struct reader *r, const struct gw_json *j)
{
    struct gw_err err;

    gw_json_error(j, &err);
    return fail(r, line_here(r, j), err.msg);
}

/* Whole ones that 64 bits do not hold are their digits. */
static void put_number(struct gw_buf *b, struct gw_str s)
{
    const int is_whole =
        !memchr(s.p, '.', s.len) && !memchr(s.p, 'e', s.len) && !memchr(s.p, 'E', s.len);
    char text[24];
    long long n;

    if (!is_whole) {
        gw_flat_double(b, strtod(s.p, NULL)); /* something else stands behind it, or a NUL */
        return;
    }
    snprintf(text, sizeof(text), "%.*s", (int)(s.len < sizeof(text) ? s.len : 0), s.p);
    errno = 0;
    n = strtoll(text, NULL, 10);
    if (*text && !errno)
        gw_flat_int(b, n);
    else
        gw_flat_str(b, s);
}

/* The value that begins with the current token. -1: an error. */
static int put_json(struct reader *r, struct gw_json *j)
{
    struct gw_buf *b = &r->t->bytes;
    int64_t i = 0;

    switch (j->token) {
    case GW_JSON_OBJECT:
        gw_flat_table(b, 0);
        while (gw_json_next(j) == GW_JSON_KEY) {
            gw_flat_str(b, gw_json_string(j, r->mem));
            gw_json_next(j);
            if (put_json(r, j))
                return -1;
        }
        gw_flat_tag(b, GW_FLAT_END);
        break;
    case GW_JSON_ARRAY:
        gw_flat_table(b, 0);
        while (gw_json_next(j) > GW_JSON_END && j->token != GW_JSON_ARRAY_END) {
            gw_flat_int(b, ++i);
            if (put_json(r, j))
                return -1;
        }
        gw_flat_tag(b, GW_FLAT_END);
        break;
    case GW_JSON_STRING:
        gw_flat_str(b, gw_json_string(j, r->mem));
        break;
    case GW_JSON_NUMBER:
        put_number(b, j->raw);
        break;
    case GW_JSON_NULL:
        gw_flat_tag(b, GW_FLAT_NULL);
        break;
    default:
        gw_flat_tag(b, j->token == GW_JSON_TRUE ? GW_FLAT_TRUE : GW_FLAT_FALSE);
        break;
    }
    return j->token == GW_JSON_ERROR ? -1 : 0;
}

static int json_key(struct reader *r, const struct gw_json *j, struct key *key)
{
    key->line = line_here(r, j);
    if (j->token == GW_JSON_STRING)
        key->text = gw_json_string(j, r->mem);
    else if (j->token == GW_JSON_NUMBER && !memchr(j->raw.p, '.', j->raw.len) &&
             !memchr(j->raw.p, 'e', j->raw.len) && !memchr(j->raw.p, 'E', j->raw.len))
        key->text = j->raw;
    else
        return wrong_key(r, key->line);
    return 0;
}

/* The name is of the row that is being made; -1 also if it stood in it before. */
static int column_once(struct reader *r, struct gw_str name, int line)
{
    const int column = column_of(r, name, line);
    char what[120], text[SHOWN + 8];

    if (column >= 0 && r->seen[column] == r->t->n + 1) {
        snprintf(what, sizeof(what), "%s stands twice in an object", shown(name, text));
        return fail(r, line, what);
    }
    if (column >= 0)
        r->seen[column] = r->t->n + 1;
    return column;
}

/* The current token begins a row; own: the name it stands under. */
static int read_json_row(struct reader *r, struct gw_json *j, struct key *own)
{
    struct key key = {.line = line_here(r, j)};

    if (j->token == GW_JSON_ERROR)
        return json_failed(r, j);
    if (j->token != GW_JSON_OBJECT)
        return fail(r, key.line, "a row is an object, as in {\"project\": \"a\", \"team\": \"b\"}");
    while (gw_json_next(j) == GW_JSON_KEY) {
        const struct gw_str name = gw_json_string(j, r->mem);
        const int column = column_once(r, name, line_here(r, j));

        if (column < 0)
            return -1;
        if (gw_json_next(j) == GW_JSON_NULL)
            continue;
        if (j->token > GW_JSON_END && r->column.p && gw_str_eq(name, r->column) &&
            json_key(r, j, &key))
            return -1;
        gw_table_cell(r->t, column);
        if (put_json(r, j))
            return json_failed(r, j);
    }
    return j->token == GW_JSON_ERROR ? json_failed(r, j) : finish_row(r, own, &key);
}

static int read_json(struct reader *r)
{
    struct gw_json j;
    struct key own = {0};
    enum gw_json_token first;

    gw_json_init(&j, r->text, GW_FLAT_DEPTH);
    first = gw_json_next(&j);
    if (first == GW_JSON_ERROR)
        return json_failed(r, &j);
    if (first != GW_JSON_ARRAY && first != GW_JSON_OBJECT)
        return fail(r, 1, "neither a list of objects nor an object of objects");
    if (first == GW_JSON_ARRAY && !r->column.p)
        return fail(r, 1, "a list needs a key column: moongate.lookup(path, column)");
    while (gw_json_next(&j) > GW_JSON_END && j.token != GW_JSON_ARRAY_END &&
           j.token != GW_JSON_OBJECT_END) {
        if (j.token == GW_JSON_KEY) {
            own = (struct key){gw_json_string(&j, r->mem), line_here(r, &j)};
            gw_json_next(&j);
        }
        if (read_json_row(r, &j, &own))
            return -1;
    }
    if (j.token == GW_JSON_ERROR || gw_json_next(&j) != GW_JSON_END)
        return json_failed(r, &j);
    return 0;
}

/* ---- YAML ---- */

static void put_scalar(struct gw_buf *b, const struct gw_yaml *y)
{
    long long n;
    double d;
    int flag;

    if (gw_yaml_is_null(y))
        gw_flat_tag(b, GW_FLAT_NULL);
    else if (!gw_yaml_bool(y, &flag))
        gw_flat_tag(b, flag ? GW_FLAT_TRUE : GW_FLAT_FALSE);
    else if (!gw_yaml_int(y, &n))
        gw_flat_int(b, n);
    else if (!gw_yaml_double(y, &d))
        gw_flat_double(b, d);
    else
        gw_flat_str(b, y->text);
}

static int put_yaml(struct reader *r, const struct gw_yaml *y, unsigned depth)
{
    struct gw_buf *b = &r->t->bytes;

    if (y->type == GW_YAML_SCALAR) {
        put_scalar(b, y);
        return 0;
    }
    if (depth == GW_FLAT_DEPTH)
        return fail(r, y->line, "nested too deep");
    gw_flat_table(b, y->type == GW_YAML_SEQ ? y->n : 0);
    for (size_t i = 0; i < y->n; i++) {
        if (y->type == GW_YAML_MAP)
            gw_flat_str(b, y->keys[i].text);
        else
            gw_flat_int(b, (int64_t)i + 1);
        if (put_yaml(r, &y->values[i], depth + 1))
            return -1;
    }
    gw_flat_tag(b, GW_FLAT_END);
    return 0;
}

static int yaml_key(struct reader *r, const struct gw_yaml *y, struct key *key)
{
    long long n;
    double d;
    int flag;

    *key = (struct key){y->text, y->line};
    if (y->type != GW_YAML_SCALAR || !gw_yaml_bool(y, &flag) ||
        (gw_yaml_int(y, &n) && !gw_yaml_double(y, &d)))
        return wrong_key(r, y->line);
    return 0;
}

static int read_yaml_row(struct reader *r, const struct gw_yaml *y, const struct key *own)
{
    struct key key = {.line = y->line};

    if (y->type != GW_YAML_MAP)
        return fail(r, y->line, "a row is a mapping, as in {project: a, team: b}");
    for (size_t i = 0; i < y->n; i++) {
        const struct gw_str name = y->keys[i].text;
        const int column = column_of(r, name, y->keys[i].line);

        if (column < 0)
            return -1;
        if (gw_yaml_is_null(&y->values[i]))
            continue;
        if (r->column.p && gw_str_eq(name, r->column) && yaml_key(r, &y->values[i], &key))
            return -1;
        gw_table_cell(r->t, column);
        if (put_yaml(r, &y->values[i], 1))
            return -1;
    }
    return finish_row(r, own, &key);
}

static int read_yaml_rows(struct reader *r, const struct gw_yaml *y)
{
    if (y->type == GW_YAML_SCALAR)
        return fail(r, y->line, "neither a list of mappings nor a mapping of mappings");
    if (y->type == GW_YAML_SEQ && !r->column.p)
        return fail(r, y->line, "a list needs a key column: moongate.lookup(path, column)");
    for (size_t i = 0; i < y->n; i++) {
        struct key own = {0};

        if (y->type == GW_YAML_MAP)
            own = (struct key){y->keys[i].text, y->keys[i].line};
        if (read_yaml_row(r, &y->values[i], &own))
            return -1;
    }
    return 0;
}

static int read_yaml(struct reader *r)
{
    struct gw_problems p = {.mem = gw_arena_new()};
    const struct gw_yaml *y = gw_yaml_parse_data(r->path, r->text, &p);
    int rc;

    if (p.n)
        rc = fail(r, p.items[0].line, p.items[0].text);
    else
        rc = read_yaml_rows(r, y);
    gw_arena_free(p.mem);
    return rc;
}

/* ---- all of them ---- */

static int check_text(struct reader *r)
{
    const struct gw_str s = r->text;
    const size_t valid = gw_utf8_valid(s);
    const char *at = s.p;
    int line = 1;

    if (valid == s.len)
        return 0;
    for (const char *p; (p = memchr(at, '\n', (size_t)(s.p + valid - at))); at = p + 1)
        line++;
    return fail(r, line,
                s.len > 1 && (!memcmp(s.p, "\xff\xfe", 2) || !memcmp(s.p, "\xfe\xff", 2))
                    ? "the text is UTF-16, not UTF-8"
                    : "the text is not UTF-8");
}

static const struct {
    const char *end;
    int (*read)(struct reader *r);
} forms[] = {{".csv", read_csv}, {".json", read_json}, {".yaml", read_yaml}, {".yml", read_yaml}};

static int form_of(const char *path)
{
    const char *dot = strrchr(path, '.');

    for (size_t i = 0; dot && i < sizeof(forms) / sizeof(*forms); i++)
        if (!strcasecmp(dot, forms[i].end))
            return (int)i;
    return -1;
}

int gw_table_can_read(const char *path)
{
    return form_of(path) >= 0;
}

struct gw_table *gw_table_read(const char *path, struct gw_str text, const char *column, size_t max,
                               struct gw_err *err)
{
    struct reader r = {.path = path,
                       .text = text,
                       .column = gw_str_of(column),
                       .t = gw_table_new(max),
                       .mem = gw_arena_new(),
                       .err = err,
                       .counted = text.p,
                       .line = 1};
    int failed = check_text(&r) || forms[form_of(path)].read(&r);

    if (!failed && r.t->bytes.failed)
        failed = no_room(&r, 1);
    gw_arena_free(r.mem);
    if (!failed) {
        gw_table_trim(r.t);
        return r.t;
    }
    gw_table_drop(r.t);
    return NULL;
}
