#include "cmd/fields.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"

enum { MAX_DEPTH = 200, INDENT = 2 };

struct gw_str gw_line_get(struct gw_arena *mem, struct gw_str line, const char *name)
{
    const struct gw_str none = {0};
    struct gw_str raw;
    struct gw_json j;

    gw_json_init(&j, line, MAX_DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return none;
    while (gw_json_next(&j) == GW_JSON_KEY) {
        const int found = gw_json_is(&j, name);

        if (!found) {
            if (gw_json_value(&j, &raw))
                return none;
            continue;
        }
        if (gw_json_next(&j) == GW_JSON_STRING)
            return gw_json_string(&j, mem);
        if (j.token == GW_JSON_NULL || j.token == GW_JSON_ERROR || gw_json_value(&j, &raw))
            return none;
        return raw;
    }
    return none;
}

uint64_t gw_line_number(struct gw_arena *mem, struct gw_str line, const char *name)
{
    const struct gw_str s = gw_line_get(mem, line, name);
    uint64_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return 0;
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    return n;
}

int gw_line_flag(struct gw_arena *mem, struct gw_str line, const char *name)
{
    return gw_str_is(gw_line_get(mem, line, name), "true");
}

static void new_line(struct gw_buf *out, int depth)
{
    gw_buf_putc(out, '\n');
    gw_buf_printf(out, "%*s", depth * INDENT, "");
}

static void put_token(struct gw_buf *out, const struct gw_json *j)
{
    switch (j->token) {
    case GW_JSON_OBJECT:
    case GW_JSON_ARRAY:
    case GW_JSON_OBJECT_END:
    case GW_JSON_ARRAY_END:
        gw_buf_putc(out, j->at[-1]);
        return;
    case GW_JSON_STRING:
    case GW_JSON_KEY:
        gw_buf_putc(out, '"');
        gw_buf_put_str(out, j->raw);
        gw_buf_putc(out, '"');
        return;
    default:
        gw_buf_put_str(out, j->raw);
    }
}

void gw_json_put_pretty(struct gw_buf *out, struct gw_str json, int depth)
{
    enum gw_json_token last = GW_JSON_END;
    struct gw_json j;

    gw_json_init(&j, json, MAX_DEPTH);
    for (; gw_json_next(&j) > GW_JSON_END; last = j.token) {
        const int opened = last == GW_JSON_OBJECT || last == GW_JSON_ARRAY;

        if (j.token == GW_JSON_OBJECT_END || j.token == GW_JSON_ARRAY_END) {
            depth--;
            if (!opened)
                new_line(out, depth);
        } else if (last != GW_JSON_KEY && last != GW_JSON_END) {
            if (!opened)
                gw_buf_putc(out, ',');
            new_line(out, depth);
        }
        put_token(out, &j);
        if (j.token == GW_JSON_KEY)
            gw_buf_puts(out, ": ");
        if (j.token == GW_JSON_OBJECT || j.token == GW_JSON_ARRAY)
            depth++;
    }
}
