/* What a client of the admin API says: a line with the target, one with the Host, one with the
 * Origin, the rest the credentials. */
#include "admin/access.h"
#include "admin/inside.h"
#include "admin/query.h"
#include "base/arena.h"
#include "base/err.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct gw_str line(struct gw_str *s)
{
    const char *end = s->len ? memchr(s->p, '\n', s->len) : NULL;
    struct gw_str part = {s->p, end ? (size_t)(end - s->p) : s->len};

    s->p += part.len + (end != NULL);
    s->len -= part.len + (end != NULL);
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct gw_access access = {.address = "127.0.0.1:9090"};
    struct gw_str rest = {(const char *)data, size}, target = line(&rest), host = line(&rest),
                  origin = line(&rest), args[GW_ROUTE_ARGS] = {{0}};
    const char *mark = target.len ? memchr(target.p, '?', target.len) : NULL;
    struct gw_param params[] = {{.name = "pipeline"}, {.name = "id"}, {.name = "from"}, {0}};
    const struct gw_access_request r = {
        .host = host, .origins = &origin, .n_origins = origin.len > 0, .authorization = rest};
    struct gw_arena *mem = gw_arena_new();
    struct gw_access_answer answer;
    char allow[GW_ALLOW_MAX];
    struct gw_err err;
    int64_t ns;

    (void)gw_route_find(GW_STR("GET"), target, args, allow);
    if (mark &&
        !gw_params_read(mem, (struct gw_str){mark + 1, target.len - (size_t)(mark + 1 - target.p)},
                        params, &err))
        (void)gw_param_time(&params[2], &ns, &err);
    for (size_t i = 0; i < GW_ROUTE_ARGS; i++)
        (void)gw_percent_decode(mem, args[i], 0);
    gw_access_check(&access, &r, &answer);
    gw_arena_free(mem);
    return 0;
}
