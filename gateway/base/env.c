#include "base/env.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/field.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_TEXT = 16 * 1024 * 1024, MAX_NAME = 60 };

static int is_name_char(char c, int first)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
           (!first && c >= '0' && c <= '9');
}

static int fail(struct gw_env_error *e, struct gw_str name, const char *why)
{
    if (name.len > MAX_NAME)
        name.len = MAX_NAME;
    e->name = name;
    snprintf(e->text, sizeof(e->text), "${%.*s}: %s", (int)name.len, name.p, why);
    return -1;
}

static int is_allowed(const struct gw_strs *allowed, struct gw_str name)
{
    for (size_t i = 0; allowed && i < allowed->n; i++)
        if (gw_glob(gw_str_of(allowed->items[i]), name))
            return 1;
    return !allowed;
}

/* A text in work. */
struct expansion {
    struct gw_arena *mem;
    const struct gw_strs *allowed;
    struct gw_buf out;
    struct gw_env_error *e;
};

/* At the name, behind ${; *len gets the bytes up to and with the }. */
static int put_variable(struct expansion *x, struct gw_str at, size_t *len)
{
    struct gw_env_error *e = x->e;
    const char *close = memchr(at.p, '}', at.len), *value;
    struct gw_str name = {at.p, 0}, fallback = {0};

    while (name.len < at.len && is_name_char(at.p[name.len], name.len == 0))
        name.len++;
    if (!close)
        return fail(e, name, "the } is missing ($${ stands for ${)");
    *len = (size_t)(close - at.p) + 1;
    if (at.p + name.len != close) {
        if (name.len == 0 || close - at.p < (ptrdiff_t)name.len + 2 ||
            memcmp(at.p + name.len, ":-", 2) != 0)
            return fail(e, (struct gw_str){at.p, *len - 1},
                        "neither ${NAME} nor ${NAME:-default} ($${ stands for ${)");
        fallback = (struct gw_str){at.p + name.len + 2, *len - name.len - 3};
        if (memmem(fallback.p, fallback.len, "${", 2))
            return fail(e, name, "a default holds no other variable");
    } else if (name.len == 0) {
        return fail(e, name, "a name is missing ($${ stands for ${)");
    }
    if (!is_allowed(x->allowed, name))
        return fail(e, name, "this file may not read this environment variable (guard.env)");
    /* nothing here ever sets a variable */
    value = getenv(gw_arena_strndup(x->mem, name.p, name.len)); /* NOLINT(concurrency-mt-unsafe) */
    if (!value && !fallback.p)
        return fail(e, name, "this environment variable is not set, and there is no default");
    gw_buf_put_str(&x->out, fallback.p && (!value || !*value) ? fallback : gw_str_of(value));
    return 0;
}

int gw_env_expand(struct gw_arena *mem, const struct gw_strs *allowed, struct gw_str *text,
                  struct gw_env_error *e)
{
    struct expansion x = {.mem = mem, .allowed = allowed, .e = e};
    const char *p = text->p, *end = p + text->len, *dollar;
    size_t len = 0;

    if (!memmem(p, text->len, "${", 2))
        return 0;
    gw_buf_init(&x.out, MAX_TEXT, mem);
    while ((dollar = memmem(p, (size_t)(end - p), "${", 2))) {
        if (dollar > p && dollar[-1] == '$') {
            gw_buf_put(&x.out, p, (size_t)(dollar - p) - 1);
            gw_buf_puts(&x.out, "${");
            p = dollar + 2;
            continue;
        }
        gw_buf_put(&x.out, p, (size_t)(dollar - p));
        p = dollar + 2;
        if (put_variable(&x, (struct gw_str){p, (size_t)(end - p)}, &len))
            return -1;
        p += len;
    }
    gw_buf_put(&x.out, p, (size_t)(end - p));
    if (x.out.failed)
        return fail(e, (struct gw_str){text->p, 0}, "the text becomes too long");
    *text = gw_arena_str(mem, gw_buf_str(&x.out));
    return 0;
}
