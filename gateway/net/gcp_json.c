#include "net/gcp_json.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

#include <string.h>

enum { DEPTH = 32 };

static const char *take_text(struct gw_json *j, struct gw_arena *mem)
{
    const struct gw_str s = gw_json_string(j, mem);

    return !memchr(s.p, '\0', s.len) ? gw_arena_strndup(mem, s.p, s.len) : NULL;
}

/* At the key. */
static int take(struct gw_json *j, struct gw_arena *mem, const struct gw_gcp_member *m,
                struct gw_err *err)
{
    struct gw_str raw;

    if (m->raw) {
        if (gw_json_value(j, &raw))
            return gw_json_error(j, err);
        if (!gw_str_is(raw, "null"))
            *m->raw = raw;
        return 0;
    }
    if (gw_json_next(j) == GW_JSON_ERROR)
        return gw_json_error(j, err);
    if (j->token == GW_JSON_NULL)
        return 0;
    if (j->token != GW_JSON_STRING || !(*m->text = take_text(j, mem)))
        return gw_err_set(err, GW_ERR_REJECT, "%s is no text", m->name);
    return 0;
}

static int read_member(struct gw_json *j, struct gw_arena *mem, const struct gw_gcp_member *members,
                       size_t n, struct gw_err *err)
{
    struct gw_str skipped;

    for (size_t i = 0; i < n; i++)
        if (gw_json_is(j, members[i].name))
            return take(j, mem, &members[i], err);
    return gw_json_value(j, &skipped) ? gw_json_error(j, err) : 0;
}

int gw_gcp_json_read(struct gw_arena *mem, struct gw_str json, const struct gw_gcp_member *members,
                     size_t n, struct gw_err *err)
{
    struct gw_json j;

    gw_json_init(&j, json, DEPTH);
    if (gw_json_next(&j) != GW_JSON_OBJECT)
        return j.token == GW_JSON_ERROR ? gw_json_error(&j, err)
                                        : gw_err_set(err, GW_ERR_REJECT, "JSON: no object");
    while (gw_json_next(&j) == GW_JSON_KEY)
        if (read_member(&j, mem, members, n, err))
            return -1;
    if (j.token != GW_JSON_OBJECT_END || gw_json_next(&j) != GW_JSON_END)
        return gw_json_error(&j, err);
    return 0;
}

const char *gw_gcp_json_text(struct gw_arena *mem, struct gw_str raw)
{
    struct gw_json j;

    gw_json_init(&j, raw, DEPTH);
    return gw_json_next(&j) == GW_JSON_STRING ? take_text(&j, mem) : NULL;
}

int64_t gw_gcp_json_number(struct gw_str raw)
{
    int64_t n = 0;

    if (!raw.len || raw.len > 12)
        return -1;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.p[i] < '0' || raw.p[i] > '9')
            return -1;
        n = n * 10 + (raw.p[i] - '0');
    }
    return n;
}

int gw_gcp_plain(const char *s)
{
    for (const char *p = s; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
            return 0;
    return *s != '\0';
}
