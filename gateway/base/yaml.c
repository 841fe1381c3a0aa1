#include "base/yaml.h"

#include "base/arena.h"
#include "base/env.h"
#include "base/problems.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

/* libyaml's events become a tree: one pass, each node with its place. A node that an alias names
 * shares its children, so memory does not grow; what a walk over the tree would meet is counted and
 * bounded instead. An anchor is known behind its node, so no tree holds itself. */
enum {
    MAX_DEPTH = 100,
    MAX_NODES = 200000,
    MAX_FILE = 16 * 1024 * 1024,
    MAX_GUEST = 1024 * 1024,
    MAX_ANCHORS = 1000
};

static const struct gw_yaml no_expansion; /* given as the key of a key */

struct anchor {
    const char *name;
    struct gw_yaml node;
};

struct reader {
    yaml_parser_t parser;
    struct gw_problems *p;
    struct gw_arena *mem;
    const char *file;
    const struct gw_strs *env; /* variables it may read; NULL: any */
    int as_it_is;              /* it reads none, what looks like one is text */
    struct gw_str text;
    int line, column; /* in the file where the text and its lines start */
    unsigned depth;
    size_t nodes; /* that a walk would meet, so far */
    struct anchor *anchors;
    size_t n_anchors;
};

static void place(const struct reader *r, yaml_mark_t mark, int *line, int *column)
{
    *line = r->line + (int)mark.line;
    *column = r->column + (int)mark.column;
}

static int fail(struct reader *r, yaml_mark_t mark, const char *text)
{
    int line, column;

    place(r, mark, &line, &column);
    gw_problems_add(r->p, 0, r->file, line, column, "%s", text);
    return -1;
}

/* What libyaml says of bytes that are no text comes with an offset alone. */
static yaml_mark_t mark_of_offset(struct gw_str text, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < text.len; i++) {
        mark.column = text.p[i] == '\n' ? 0 : mark.column + 1;
        mark.line += text.p[i] == '\n';
    }
    return mark;
}

/* `[${NAME}]`: the $ ends where the { begins. */
static int is_bare_variable(const struct reader *r, yaml_mark_t mark)
{
    const char *p = r->text.p, *end = p + r->text.len;

    for (size_t line = mark.line; line && p < end; line--) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : end;
    }
    return (size_t)(end - p) > mark.column && mark.column > 0 && p[mark.column] == '{' &&
           p[mark.column - 1] == '$';
}

static const char *next_character(const char *p, const char *end)
{
    size_t step = gw_utf8_step(p, (size_t)(end - p));

    return p + (step ? step : 1);
}

/* Unquoted {{ … }} in the line of a mark: the mark goes there. */
static int find_template(const struct reader *r, yaml_mark_t *mark, struct gw_str *out)
{
    const char *p = r->text.p, *end, *eol, *open, *close;

    if (!p)
        return 0;
    end = p + r->text.len;
    for (size_t line = mark->line; line && p < end; line--) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : end;
    }
    eol = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    eol = eol ? eol : end;
    open = memmem(p, (size_t)(eol - p), "{{", 2);
    close = open ? memmem(open, (size_t)(eol - open), "}}", 2) : NULL;
    if (!close)
        return 0;
    mark->column = 0;
    for (const char *at = p; at < open; at = next_character(at, end))
        mark->column++;
    *out = (struct gw_str){open, (size_t)(close + 2 - open)};
    return 1;
}

static int fail_template(struct reader *r, yaml_mark_t mark, const char *otherwise)
{
    struct gw_str template;
    char text[300];

    if (!find_template(r, &mark, &template))
        return fail(r, mark, otherwise);
    (void)snprintf(text, sizeof(text),
                   "not YAML: %.*s is a template of Helm's: fill it in, as `helm template` does",
                   template.len > 120 ? 120 : (int)template.len, template.p);
    return fail(r, mark, text);
}

/* A tab where a line is indented, or stands instead of the blanks that YAML wants. */
static int is_tab(const struct reader *r, yaml_mark_t mark)
{
    const char *p = r->text.p, *end = p + r->text.len;

    for (size_t line = mark.line; line && p < end; line--) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : end;
    }
    while (p < end && *p == ' ')
        p++;
    return p < end && *p == '\t';
}

static int parse_failed(struct reader *r)
{
    const yaml_parser_t *y = &r->parser;
    yaml_mark_t mark = y->problem_mark;
    char text[300];

    if (y->error == YAML_MEMORY_ERROR)
        abort();
    if (y->error == YAML_READER_ERROR)
        mark = mark_of_offset(r->text, y->problem_offset);
    snprintf(text, sizeof(text), "not YAML: %s%s%s", y->problem ? y->problem : "cannot be read",
             y->context ? ", " : "", y->context ? y->context : "");
    if (is_tab(r, mark))
        return fail(r, mark, "not YAML: a tab: lines are indented with spaces");
    if (!is_bare_variable(r, mark))
        return fail_template(r, mark, text);
    mark.column--;
    return fail(r, mark, "not YAML: inside [ ] and { } a variable has to be quoted: \"${NAME}\"");
}

static int next(struct reader *r, yaml_event_t *ev)
{
    return yaml_parser_parse(&r->parser, ev) ? 0 : parse_failed(r);
}

struct weight {
    size_t nodes, limit;
    unsigned deepest;
};

/* The nodes of a tree, until they are over the limit, and how deep it goes. */
static void weigh(const struct gw_yaml *y, unsigned depth, struct weight *w)
{
    w->nodes++;
    w->deepest = depth > w->deepest ? depth : w->deepest;
    if (y->type == GW_YAML_SCALAR)
        return;
    for (size_t i = 0; i < y->n && w->nodes <= w->limit; i++) {
        weigh(&y->values[i], depth + 1, w);
        w->nodes += y->type == GW_YAML_MAP;
    }
}

static int count(struct reader *r, yaml_mark_t mark, size_t nodes)
{
    r->nodes += nodes;
    return r->nodes > MAX_NODES ? fail(r, mark, "too many values, aliases included") : 0;
}

static int read_alias(struct reader *r, const yaml_event_t *ev, struct gw_yaml *out)
{
    const char *name = (const char *)ev->data.alias.anchor;
    char text[200];

    for (size_t i = r->n_anchors; i-- > 0;)
        if (!strcmp(r->anchors[i].name, name)) {
            struct weight w = {.limit = MAX_NODES};

            *out = r->anchors[i].node;
            weigh(out, r->depth, &w);
            if (w.deepest >= MAX_DEPTH)
                return fail(r, ev->start_mark, "nested too deep, aliases included");
            return count(r, ev->start_mark, w.nodes);
        }
    snprintf(text, sizeof(text), "*%s: no anchor of this name stands before it", name);
    return fail(r, ev->start_mark, text);
}

static int remember(struct reader *r, yaml_mark_t mark, const char *name,
                    const struct gw_yaml *node)
{
    if (r->n_anchors == MAX_ANCHORS)
        return fail(r, mark, "too many anchors");
    if (!r->anchors)
        r->anchors = gw_arena_alloc(r->mem, MAX_ANCHORS * sizeof(*r->anchors));
    r->anchors[r->n_anchors++] = (struct anchor){name, *node};
    return 0;
}

/* Where the lines of a block scalar start: the indentation in the file less what the text kept. */
static int block_column(const struct reader *r, size_t line, struct gw_str text)
{
    const char *p = r->text.p, *end = p + r->text.len;
    size_t indent = 0, kept = 0;

    for (; text.len && *text.p == '\n'; text.p++, text.len--)
        line++;
    for (size_t skip = line + 1; p && p < end && skip; skip--) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : end;
    }
    while (p && p + indent < end && p[indent] == ' ')
        indent++;
    while (kept < text.len && text.p[kept] == ' ')
        kept++;
    return r->column + (int)(indent > kept ? indent - kept : 0);
}

/* Where ${name stands, as exactly as the text that was read can tell. */
static void fail_variable(struct reader *r, yaml_mark_t mark, const struct gw_env_error *e)
{
    const char *p = r->text.p, *end = p + r->text.len, *at;
    char opening[80];

    for (size_t line = mark.line; line && p < end; line--) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : end;
    }
    for (size_t i = mark.column; i && p < end; i--)
        p = next_character(p, end);
    snprintf(opening, sizeof(opening), "${%.*s", (int)e->name.len, e->name.p);
    at = memmem(p, (size_t)(end - p), opening, strlen(opening));
    for (; at && p < at; p = next_character(p, end)) {
        mark.column = *p == '\n' ? 0 : mark.column + 1;
        mark.line += *p == '\n';
    }
    fail(r, mark, e->text);
}

/* All of it is $NAME, as a shell would have it. What it says is not shown: it may be a secret. */
static void warn_of_braces(struct reader *r, yaml_mark_t mark, struct gw_str s)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    int line, column;

    if (s.len < 2 || s.p[0] != '$' || (s.p[1] >= '0' && s.p[1] <= '9') ||
        strspn(s.p + 1, letters) != s.len - 1)
        return;
    place(r, mark, &line, &column);
    gw_problems_add(r->p, GW_PROBLEM_WARNING, r->file, line, column,
                    "read as it stands: a variable is ${NAME}, in braces");
}

static void expand(struct reader *r, yaml_mark_t mark, struct gw_yaml *y)
{
    struct gw_env_error e;

    warn_of_braces(r, mark, y->text);
    if (!gw_env_expand(r->mem, r->env, &y->text, &e))
        return;
    y->broken = 1;
    fail_variable(r, mark, &e);
}

static int is_file_of_its_own(const struct gw_yaml *key, const struct gw_yaml *value)
{
    static const char end[] = ".yaml";
    size_t len = sizeof(end) - 1;

    return key && value->block_column && key->text.len > len &&
           !memcmp(key->text.p + key->text.len - len, end, len);
}

static int read_scalar(struct reader *r, const yaml_event_t *ev, struct gw_yaml *out)
{
    struct gw_str text = {(const char *)ev->data.scalar.value, ev->data.scalar.length};
    yaml_scalar_style_t style = ev->data.scalar.style;

    out->type = GW_YAML_SCALAR;
    out->text = gw_arena_str(r->mem, text);
    out->quoted = style != YAML_PLAIN_SCALAR_STYLE;
    if (style == YAML_LITERAL_SCALAR_STYLE || style == YAML_FOLDED_SCALAR_STYLE)
        out->block_column = block_column(r, ev->start_mark.line, text);
    if (memchr(text.p, '\0', text.len))
        return fail(r, ev->start_mark, "a NUL character");
    return 0;
}

static int read_node(struct reader *r, yaml_event_t *ev, const struct gw_yaml *key,
                     struct gw_yaml *out);

/* Children grow in the arena: doubled, so no more than twice what they need. */
static void *grown(struct reader *r, void *items, size_t n, size_t size)
{
    void *to;

    if (n && (n & (n - 1)))
        return items;
    to = gw_arena_alloc(r->mem, (n ? n * 2 : 1) * size);
    if (n)
        memcpy(to, items, n * size);
    return to;
}

static int read_seq(struct reader *r, struct gw_yaml *out)
{
    yaml_event_t ev;
    int failed = 0;

    for (;;) {
        if (next(r, &ev))
            return -1;
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            break;
        out->values = grown(r, out->values, out->n, sizeof(*out->values));
        failed = read_node(r, &ev, NULL, &out->values[out->n]);
        yaml_event_delete(&ev);
        if (failed)
            return -1;
        out->n++;
    }
    yaml_event_delete(&ev);
    return 0;
}

struct key {
    struct gw_yaml *y;
};

static int by_text(const void *a, const void *b)
{
    const struct gw_yaml *x = ((const struct key *)a)->y, *y = ((const struct key *)b)->y;
    int d = strcmp(x->text.p, y->text.p);

    if (d)
        return d;
    return x->line != y->line ? x->line - y->line : x->column - y->column;
}

/* Sorted, so that a long map does not take the square of its length. */
static void check_duplicates(struct reader *r, const struct gw_yaml *map)
{
    struct key *keys;

    if (map->n < 2)
        return;
    keys = malloc(map->n * sizeof(*keys));
    if (!keys)
        abort();
    for (size_t i = 0; i < map->n; i++)
        keys[i].y = &map->keys[i];
    qsort(keys, map->n, sizeof(*keys), by_text);
    for (size_t i = 1; i < map->n; i++) {
        if (!gw_str_eq(keys[i].y->text, keys[i - 1].y->text))
            continue;
        keys[i].y->broken = 1;
        gw_problems_add(r->p, 0, r->file, keys[i].y->line, keys[i].y->column,
                        "duplicate key \"%s\", first on line %d", keys[i].y->text.p,
                        keys[i - 1].y->line);
    }
    free(keys);
}

static int read_key(struct reader *r, yaml_event_t *ev, struct gw_yaml *out)
{
    if (read_node(r, ev, &no_expansion, out))
        return -1;
    if (out->type == GW_YAML_SCALAR)
        return 0;
    return fail_template(r, ev->start_mark, "a key has to be plain text");
}

/* YAML 1.1 had merge keys. What one would have added is missing then, which is not told again. */
static int is_merge(struct reader *r, const struct gw_yaml *key)
{
    if (r->as_it_is || key->quoted || !gw_str_is(key->text, "<<"))
        return 0;
    gw_problems_add(r->p, 0, r->file, key->line, key->column,
                    "<<: mappings are not merged: write the keys, or name single values with "
                    "anchors (retry: &r {...}, then retry: *r)");
    return 1;
}

static int read_map(struct reader *r, struct gw_yaml *out)
{
    yaml_event_t ev;
    int failed;

    for (;;) {
        if (next(r, &ev))
            return -1;
        if (ev.type == YAML_MAPPING_END_EVENT)
            break;
        out->keys = grown(r, out->keys, out->n, sizeof(*out->keys));
        out->values = grown(r, out->values, out->n, sizeof(*out->values));
        failed = read_key(r, &ev, &out->keys[out->n]);
        yaml_event_delete(&ev);
        if (failed || next(r, &ev))
            return -1;
        failed = read_node(r, &ev, &out->keys[out->n], &out->values[out->n]);
        yaml_event_delete(&ev);
        if (failed)
            return -1;
        if (is_merge(r, &out->keys[out->n]))
            out->broken = 1;
        else
            out->n++;
    }
    yaml_event_delete(&ev);
    /* the rest of the file is read for more problems */
    check_duplicates(r, out);
    return 0;
}

/* key: of the value that is read; NULL for an item; no_expansion when it is a key itself. */
static int read_value(struct reader *r, yaml_event_t *ev, const struct gw_yaml *key,
                      struct gw_yaml *out)
{
    if (ev->type == YAML_SEQUENCE_START_EVENT) {
        out->type = GW_YAML_SEQ;
        return read_seq(r, out);
    }
    if (ev->type == YAML_MAPPING_START_EVENT) {
        out->type = GW_YAML_MAP;
        return read_map(r, out);
    }
    if (read_scalar(r, ev, out))
        return -1;
    if (key != &no_expansion && !r->as_it_is && !is_file_of_its_own(key, out))
        expand(r, ev->start_mark, out);
    return 0;
}

static const yaml_char_t *tag_of(const yaml_event_t *ev)
{
    if (ev->type == YAML_SCALAR_EVENT)
        return ev->data.scalar.tag;
    return ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.tag
                                                 : ev->data.mapping_start.tag;
}

static const yaml_char_t *anchor_of(const yaml_event_t *ev)
{
    if (ev->type == YAML_SCALAR_EVENT)
        return ev->data.scalar.anchor;
    return ev->type == YAML_SEQUENCE_START_EVENT ? ev->data.sequence_start.anchor
                                                 : ev->data.mapping_start.anchor;
}

static int read_node(struct reader *r, yaml_event_t *ev, const struct gw_yaml *key,
                     struct gw_yaml *out)
{
    const char *anchor;

    *out = (struct gw_yaml){.file = r->file};
    place(r, ev->start_mark, &out->line, &out->column);
    if (ev->type == YAML_ALIAS_EVENT)
        return read_alias(r, ev, out);
    if (tag_of(ev))
        return fail(r, ev->start_mark, "tags are not supported");
    if (count(r, ev->start_mark, 1))
        return -1;
    if (r->depth == MAX_DEPTH)
        return fail(r, ev->start_mark, "nested too deep");
    anchor = (const char *)anchor_of(ev);
    if (anchor)
        anchor = gw_arena_strndup(r->mem, anchor, strlen(anchor));
    r->depth++;
    if (read_value(r, ev, key, out))
        return -1;
    r->depth--;
    return anchor ? remember(r, ev->start_mark, anchor, out) : 0;
}

static struct gw_yaml *empty_map(struct reader *r)
{
    struct gw_yaml *y = gw_arena_zalloc(r->mem, sizeof(*y));

    *y = (struct gw_yaml){
        .type = GW_YAML_MAP, .file = r->file, .line = r->line, .column = r->column};
    return y;
}

/* One event of the outer frame: stream and document starts and ends, or the root. */
static int read_outer(struct reader *r, yaml_event_t *ev, struct gw_yaml **root)
{
    switch (ev->type) {
    case YAML_DOCUMENT_START_EVENT:
        return *root ? fail(r, ev->start_mark, "more than one document in a file") : 0;
    case YAML_SCALAR_EVENT:
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_ALIAS_EVENT:
        *root = gw_arena_alloc(r->mem, sizeof(**root));
        if (read_node(r, ev, NULL, *root))
            return -1;
        if (gw_yaml_is_null(*root))
            *root = empty_map(r);
        return 0;
    default:
        return 0;
    }
}

static struct gw_yaml *read_all(struct reader *r)
{
    struct gw_yaml *root = NULL;
    int failed = 0, ended = 0;
    yaml_event_t ev;

    if (!yaml_parser_initialize(&r->parser))
        abort();
    yaml_parser_set_input_string(&r->parser, (const unsigned char *)r->text.p, r->text.len);
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    while (!ended && !failed) {
        failed = next(r, &ev);
        if (failed)
            break;
        ended = ev.type == YAML_STREAM_END_EVENT;
        failed = read_outer(r, &ev, &root);
        yaml_event_delete(&ev);
    }
    yaml_parser_delete(&r->parser);
    if (failed)
        return NULL;
    return root ? root : empty_map(r);
}

struct gw_yaml *gw_yaml_parse(const char *file, struct gw_str text, int line, int column,
                              struct gw_problems *p)
{
    struct reader r = {
        .p = p, .mem = p->mem, .file = file, .text = text, .line = line, .column = column};

    return read_all(&r);
}

/* Opening waits for nobody; what is no regular file may give bytes without an end. */
static int check_kind(int fd, int regular, size_t max, size_t *cap)
{
    struct stat st;

    if (fstat(fd, &st))
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    if (regular && !S_ISREG(st.st_mode))
        return EINVAL;
    *cap = S_ISREG(st.st_mode) ? (size_t)st.st_size : 65536;
    return *cap > max ? EFBIG : 0;
}

/* The whole file on the arena; 0 or an errno. */
static int read_file(const char *path, int regular, size_t max, struct gw_arena *mem,
                     struct gw_str *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | (regular ? O_NONBLOCK : 0)), e;
    size_t len = 0, cap = 0;
    ssize_t n = 1;
    char *text;

    if (fd < 0)
        return errno;
    e = check_kind(fd, regular, max, &cap);
    if (!e) {
        text = gw_arena_alloc(mem, cap + 1);
        while (len <= cap && (n = read(fd, text + len, cap + 1 - len)) > 0)
            len += (size_t)n;
        *out = (struct gw_str){text, len > cap ? cap : len};
        e = n < 0 ? errno : len > cap ? EFBIG : 0;
    }
    close(fd);
    return e;
}

static const char *why_not(int e, int regular, char *out, size_t size)
{
    if (e == EFBIG)
        return regular ? "larger than 1 MiB" : "larger than 16 MiB";
    if (e == EINVAL && regular)
        return "not a regular file";
    return strerror_r(e, out, size);
}

struct gw_yaml *gw_yaml_read(const char *path, struct gw_problems *p)
{
    const char *file = gw_arena_strndup(p->mem, path, strlen(path));
    struct gw_str text = {0};
    char why[100];
    int e = read_file(path, 0, MAX_FILE, p->mem, &text);

    if (!e)
        return gw_yaml_parse(file, text, 1, 1, p);
    gw_problems_add(p, 0, file, 1, 1, "cannot be read: %s", why_not(e, 0, why, sizeof(why)));
    return NULL;
}

int gw_yaml_guest_text(const char *path, struct gw_arena *mem, struct gw_str *text, char *why,
                       size_t size)
{
    int e = read_file(path, 1, MAX_GUEST, mem, text);
    char buf[100];

    if (e)
        snprintf(why, size, "%s", why_not(e, 1, buf, sizeof(buf)));
    return e ? -1 : 0;
}

struct gw_yaml *gw_yaml_parse_data(const char *file, struct gw_str text, struct gw_problems *p)
{
    struct reader r = {
        .p = p, .mem = p->mem, .file = file, .as_it_is = 1, .text = text, .line = 1, .column = 1};

    return read_all(&r);
}

struct gw_yaml *gw_yaml_parse_guest(const char *file, struct gw_str text, const struct gw_strs *env,
                                    struct gw_problems *p)
{
    struct reader r = {
        .p = p, .mem = p->mem, .file = file, .env = env, .text = text, .line = 1, .column = 1};

    return read_all(&r);
}
