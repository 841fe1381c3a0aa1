#include "base/json_members.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

enum { DEPTH = 100 };

static struct gw_json_member *named(const struct gw_json *key, struct gw_json_member *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gw_json_is(key, m[i].name))
            return &m[i];
    return NULL;
}

int gw_json_members(struct gw_str text, struct gw_json_member *m, size_t n, size_t *others,
                    struct gw_err *err)
{
    struct gw_json_member *to;
    struct gw_str other;
    struct gw_json j;

    for (size_t i = 0; i < n; i++)
        m[i].raw = (struct gw_str){0};
    if (others)
        *others = 0;
    gw_json_init(&j, text, DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return j.token == GW_JSON_ERROR ? gw_json_error(&j, err)
                                        : gw_err_set(err, GW_ERR_REJECT, "JSON: not an object");
    while (gw_json_next(&j) == GW_JSON_KEY) {
        to = named(&j, m, n);
        if (to && to->raw.p)
            return gw_err_set(err, GW_ERR_REJECT, "%s: given twice", to->name);
        if (!to && others)
            ++*others;
        if (gw_json_value(&j, to ? &to->raw : &other))
            return gw_json_error(&j, err);
    }
    if (j.token != GW_JSON_OBJECT_END || gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    return 0;
}

int gw_json_member_text(struct gw_arena *mem, const struct gw_json_member *m, struct gw_str *out,
                        struct gw_err *err)
{
    struct gw_json j;

    *out = (struct gw_str){0};
    if (!m->raw.p || gw_str_is(m->raw, "null"))
        return 0;
    gw_json_init(&j, m->raw, 1);
    if (gw_json_next(&j) != GW_JSON_STRING || gw_json_lone_surrogate(&j))
        return gw_err_set(err, GW_ERR_REJECT, "%s: not a string of UTF-8", m->name);
    *out = gw_json_string(&j, mem);
    return 0;
}
