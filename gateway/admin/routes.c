/* Which paths there are, with which methods, and which of them change something. */
#include "admin/inside.h"

#include <string.h>

enum { LIVE = GW_ROUTE_LIVE, CHANGES = GW_ROUTE_LIVE | GW_ROUTE_CHANGES };

const struct gw_route gw_routes[] = {{"GET", "/healthz", 0, gw_get_healthz},
                                     {"GET", "/readyz", 0, gw_get_readyz},
                                     {"GET", "/metrics", LIVE, gw_get_metrics},
                                     {"GET", "/api/pipelines", LIVE, gw_get_pipelines},
                                     {"GET", "/api/pipelines/*", LIVE, gw_get_pipeline},
                                     {"POST", "/api/pipelines/*/pause", CHANGES, gw_post_pause},
                                     {"POST", "/api/pipelines/*/resume", CHANGES, gw_post_resume},
                                     {"GET", "/api/pipelines/*/tap", LIVE, gw_get_tap},
                                     {"GET", "/api/dead", LIVE, gw_get_letters},
                                     {"DELETE", "/api/dead", CHANGES, gw_delete_letters},
                                     {"POST", "/api/dead/replay", CHANGES, gw_post_letters_replay},
                                     {"GET", "/api/dead/*/*", LIVE, gw_get_letter},
                                     {"DELETE", "/api/dead/*/*", CHANGES, gw_delete_letter},
                                     {"GET", "/api/log", LIVE, gw_get_log},
                                     {"GET", "/api/log/records", LIVE, gw_get_records},
                                     {"POST", "/api/log/replay", CHANGES, gw_post_log_replay},
                                     {"POST", "/api/log/forget", CHANGES, gw_post_forget},
                                     {"POST", "/api/reload", CHANGES, gw_post_reload},
                                     {0}};

static struct gw_str segment(struct gw_str *s)
{
    const char *end = s->len ? memchr(s->p, '/', s->len) : NULL;
    struct gw_str part = {s->p, end ? (size_t)(end - s->p) : s->len};
    size_t used = part.len + (end != NULL);

    s->p += used;
    s->len -= used;
    return part;
}

static size_t count(struct gw_str s)
{
    size_t n = 1;

    for (size_t i = 0; i < s.len; i++)
        n += s.p[i] == '/';
    return n;
}

static int matches(const char *pattern, struct gw_str path, struct gw_str args[GW_ROUTE_ARGS])
{
    struct gw_str want = gw_str_of(pattern);
    size_t left = count(want), n_args = 0;

    if (count(path) != left)
        return 0;
    for (; left > 0; left--) {
        struct gw_str w = segment(&want), got = segment(&path);

        if (gw_str_is(w, "*") && got.len > 0)
            args[n_args++] = got;
        else if (!gw_str_eq(w, got))
            return 0;
    }
    return 1;
}

static void add_method(char allow[GW_ALLOW_MAX], const char *method)
{
    size_t len = strlen(allow);

    strncat(allow, len ? ", " : "", GW_ALLOW_MAX - 1 - len);
    strncat(allow, method, GW_ALLOW_MAX - 1 - strlen(allow));
}

const struct gw_route *gw_route_find(struct gw_str method, struct gw_str path,
                                     struct gw_str args[GW_ROUTE_ARGS], char allow[GW_ALLOW_MAX])
{
    if (gw_str_is(method, "HEAD"))
        method = GW_STR("GET");
    allow[0] = '\0';
    for (const struct gw_route *r = gw_routes; r->path; r++) {
        if (!matches(r->path, path, args))
            continue;
        if (gw_str_is(method, r->method))
            return r;
        add_method(allow, r->method);
        if (!strcmp(r->method, "GET"))
            add_method(allow, "HEAD");
    }
    return NULL;
}
