#include "admin/query.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"

struct gw_str gw_percent_decode(struct gw_arena *mem, struct gw_str s, int plus)
{
    char *out = gw_arena_alloc(mem, s.len + 1);
    size_t n = 0, i = 0;

    while (i < s.len) {
        int c = (unsigned char)s.p[i], step = 1;

        if (c == '%') {
            c = gw_percent_byte(s, i);
            step = 3;
        } else if (plus && c == '+') {
            c = ' ';
        }
        if (c <= 0)
            return (struct gw_str){0};
        out[n++] = (char)c;
        i += (size_t)step;
    }
    out[n] = '\0';
    s = (struct gw_str){out, n};
    return gw_utf8_valid(s) == n ? s : (struct gw_str){0};
}

static struct gw_str cut(struct gw_str *s, char at)
{
    const char *end = s->len ? memchr(s->p, at, s->len) : NULL;
    struct gw_str part = {s->p, end ? (size_t)(end - s->p) : s->len};
    size_t used = part.len + (end != NULL);

    s->p += used;
    s->len -= used;
    return part;
}

static int set(struct gw_param *params, struct gw_str name, struct gw_str value, struct gw_err *err)
{
    struct gw_nearest near = {.wanted = name};
    char hint[100];

    for (struct gw_param *p = params; p->name; p++) {
        gw_nearest_offer(&near, gw_str_of(p->name));
        if (!gw_str_is(name, p->name))
            continue;
        if (p->value)
            return gw_err_set(err, GW_ERR_REJECT, "%s: given twice", p->name);
        p->value = value.p;
        return 0;
    }
    return gw_err_set(err, GW_ERR_REJECT, "unknown parameter %.80s%s", name.p,
                      gw_nearest_hint(&near, hint, sizeof(hint)));
}

int gw_params_read(struct gw_arena *mem, struct gw_str query, struct gw_param *params,
                   struct gw_err *err)
{
    while (query.len > 0) {
        struct gw_str value = cut(&query, '&'), name;

        if (value.len == 0)
            continue;
        name = gw_percent_decode(mem, cut(&value, '='), 1);
        value = gw_percent_decode(mem, value, 1);
        if (!name.p || !value.p)
            return gw_err_set(err, GW_ERR_REJECT, "the query is not percent-encoded UTF-8");
        if (set(params, name, value, err))
            return -1;
    }
    return 0;
}

int gw_param_flag(const struct gw_param *p, int *out, struct gw_err *err)
{
    const char *v = p->value ? p->value : "false";

    *out = !strcmp(v, "true") || !strcmp(v, "1") || !*v;
    if (!*out && strcmp(v, "false") != 0 && strcmp(v, "0") != 0)
        return gw_err_set(err, GW_ERR_REJECT, "%s: expected true or false, not \"%.80s\"", p->name,
                          v);
    return 0;
}

int gw_param_time(const struct gw_param *p, int64_t *out_ns, struct gw_err *err)
{
    *out_ns = 0;
    if (!p->value || !gw_time_parse_ns(gw_str_of(p->value), out_ns))
        return 0;
    return gw_err_set(err, GW_ERR_REJECT,
                      "%s: expected 2026-11-23T10:00:00Z or seconds since 1970, not \"%.80s\"",
                      p->name, p->value);
}
