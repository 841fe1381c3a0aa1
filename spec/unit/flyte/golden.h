#ifndef SPEC_FLYTE_GOLDEN_H
#define SPEC_FLYTE_GOLDEN_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "flyte/flyte.h"
#include "flyte/reflect.h"
#include "test.h"
#include "test_arena.h"

#include <string.h>

/* Files of spec/golden, line by line, and JSON compared by what it means. */

static inline struct gw_str golden_file(struct gw_arena *mem, const char *name)
{
    const char *path = gw_arena_printf(mem, "%s/spec/golden/%s", spec_root(), name).p;
    FILE *f = fopen(path, "rb");
    struct gw_buf b;
    char chunk[4096];
    size_t n;

    CHECK(f);
    gw_buf_init(&b, 1 << 26, mem);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        gw_buf_put(&b, chunk, n);
    fclose(f);
    return gw_buf_str(&b);
}

/* The next line of text, which is shortened by it; p NULL: none left. */
static inline struct gw_str golden_line(struct gw_str *text)
{
    const char *end = text->len ? memchr(text->p, '\n', text->len) : NULL;
    struct gw_str line = {end ? text->p : NULL, end ? (size_t)(end - text->p) : 0};

    if (end)
        *text = (struct gw_str){end + 1, text->len - line.len - 1};
    return line;
}

/* A member of an object: the raw text of its value. */
static inline struct gw_str golden_member(struct gw_str object, const char *name)
{
    struct gw_str raw = {0}, skipped;
    struct gw_json j;

    gw_json_init(&j, object, 500);
    CHECK(gw_json_next(&j) == GW_JSON_OBJECT);
    while (gw_json_next(&j) == GW_JSON_KEY) {
        if (gw_json_is(&j, name)) {
            CHECK(!gw_json_value(&j, &raw));
            return raw;
        }
        CHECK(!gw_json_value(&j, &skipped));
    }
    return raw;
}

/* The same of a string, unescaped. */
static inline struct gw_str golden_string(struct gw_arena *mem, struct gw_str object,
                                          const char *name)
{
    struct gw_json j;

    gw_json_init(&j, golden_member(object, name), 1);
    CHECK(gw_json_next(&j) == GW_JSON_STRING);
    return gw_json_string(&j, mem);
}

static inline enum gw_kind golden_kind(struct gw_arena *mem, struct gw_str line)
{
    enum gw_kind kind;

    CHECK(!gw_kind_parse(golden_string(mem, line, "kind"), &kind));
    return kind;
}

static inline void golden_canonical(struct gw_arena *mem, struct gw_json *j, struct gw_buf *out);

static inline int golden_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline void golden_object(struct gw_arena *mem, struct gw_json *j, struct gw_buf *out)
{
    char *members[4096];
    size_t n = 0;

    while (gw_json_next(j) == GW_JSON_KEY) {
        struct gw_buf b;

        gw_buf_init(&b, 1 << 24, mem);
        gw_json_put_string(&b, gw_json_string(j, mem));
        gw_buf_putc(&b, ':');
        gw_json_next(j);
        golden_canonical(mem, j, &b);
        CHECK(n < 4096);
        members[n++] = gw_arena_strndup(mem, b.p, b.len);
    }
    CHECK(j->token == GW_JSON_OBJECT_END);
    qsort(members, n, sizeof(*members), golden_compare);
    for (size_t i = 0; i < n; i++) {
        gw_buf_putc(out, i ? ',' : '{');
        gw_buf_puts(out, members[i]);
    }
    gw_buf_puts(out, n ? "}" : "{}");
}

/* The value at the current token with its members sorted and its numbers as doubles. */
static inline void golden_canonical(struct gw_arena *mem, struct gw_json *j, struct gw_buf *out)
{
    switch (j->token) {
    case GW_JSON_OBJECT:
        golden_object(mem, j, out);
        break;
    case GW_JSON_ARRAY:
        gw_buf_putc(out, '[');
        while (gw_json_next(j) > GW_JSON_END && j->token != GW_JSON_ARRAY_END) {
            golden_canonical(mem, j, out);
            gw_buf_putc(out, ',');
        }
        CHECK(j->token == GW_JSON_ARRAY_END);
        gw_buf_putc(out, ']');
        break;
    case GW_JSON_STRING:
        gw_json_put_string(out, gw_json_string(j, mem));
        break;
    case GW_JSON_NUMBER:
        gw_buf_printf(out, "%.17g", strtod(gw_arena_strndup(mem, j->raw.p, j->raw.len), NULL));
        break;
    default:
        CHECK(j->token > GW_JSON_END);
        gw_buf_put_str(out, j->raw);
    }
}

static inline struct gw_str golden_meaning(struct gw_arena *mem, struct gw_str text)
{
    struct gw_buf out;
    struct gw_json j;

    gw_buf_init(&out, 1 << 24, mem);
    gw_json_init(&j, text, 500);
    gw_json_next(&j);
    golden_canonical(mem, &j, &out);
    CHECK(gw_json_next(&j) == GW_JSON_END);
    return gw_buf_str(&out);
}

static inline int golden_same(struct gw_arena *mem, struct gw_str a, struct gw_str b)
{
    struct gw_str x = golden_meaning(mem, a), y = golden_meaning(mem, b);

    if (gw_str_eq(x, y))
        return 1;
    fprintf(stderr, "got  %.*s\nwant %.*s\n", (int)x.len, x.p, (int)y.len, y.p);
    return 0;
}

static const char *const golden_streams[] = {"streams/success.jsonl",
                                             "streams/failure-retries.jsonl",
                                             "streams/dynamic-map-subworkflow.jsonl"};
enum { GOLDEN_STREAMS = 3 };

/* The cases of golden/flyteadmin. */
static const char *const golden_vectors[] = {
    "node-aborted",
    "node-failed",
    "node-names-delimiters",
    "node-names-html",
    "node-running",
    "node-succeeded-start",
    "node-succeeded-uri",
    "task-custom-info-numbers",
    "task-failed-retries",
    "task-queued",
    "task-running-logs",
    "task-succeeded-uri",
    "workflow-bare",
    "workflow-failed-user",
    "workflow-name-digit-colon",
    "workflow-queued",
    "workflow-succeeded-uri",
    "workflow-succeeding",
};
enum { GOLDEN_VECTORS = sizeof(golden_vectors) / sizeof(golden_vectors[0]) };

static inline struct gw_str golden_vector(struct gw_arena *mem, int i)
{
    return golden_file(mem, gw_arena_printf(mem, "flyteadmin/%s.json", golden_vectors[i]).p);
}

#endif
