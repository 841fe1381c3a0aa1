#include "admin/inside.h"
#include "test.h"

#include <string.h>

static struct gw_str args[GW_ROUTE_ARGS];
static char allow[GW_ALLOW_MAX];

static const struct gw_route *find(const char *method, const char *path)
{
    memset(args, 0, sizeof(args));
    return gw_route_find(gw_str_of(method), gw_str_of(path), args, allow);
}

TEST(test_routes_are_found_by_method_and_path)
{
    const struct gw_route *r = find("GET", "/api/pipelines/orders");

    CHECK(r && r->answer == gw_get_pipeline && gw_str_is(args[0], "orders"));
    r = find("POST", "/api/pipelines/orders/pause");
    CHECK(r && r->answer == gw_post_pause && gw_str_is(args[0], "orders"));
    r = find("GET", "/api/dead/orders/17");
    CHECK(r && r->answer == gw_get_letter && gw_str_is(args[0], "orders"));
    CHECK(gw_str_is(args[1], "17"));
    r = find("HEAD", "/healthz");
    CHECK(r && r->answer == gw_get_healthz);
}

TEST(test_routes_a_path_that_is_none_has_no_methods)
{
    static const char *const none[] = {"",
                                       "/",
                                       "/api",
                                       "/healthz/",
                                       "/healthzz",
                                       "//healthz",
                                       "/api/dead/",
                                       "/api/dead/a",
                                       "/api/pipelines/",
                                       "/api/pipelines//pause",
                                       "/api/pipelines/a/b",
                                       "healthz"};

    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        CHECK(!find("GET", none[i]) && !*allow);
}

TEST(test_routes_a_wrong_method_is_told_the_right_ones)
{
    CHECK(!find("POST", "/healthz") && !strcmp(allow, "GET, HEAD"));
    CHECK(!find("GET", "/api/reload") && !strcmp(allow, "POST"));
    CHECK(!find("HEAD", "/api/reload") && !strcmp(allow, "POST"));
    CHECK(!find("PUT", "/api/dead") && !strcmp(allow, "GET, HEAD, DELETE"));
    CHECK(!find("get", "/api/dead"));
    CHECK(!find("OPTIONS", "/api/dead/a/1") && !strcmp(allow, "GET, HEAD, DELETE"));
}

TEST(test_routes_whatever_is_no_get_is_guarded)
{
    size_t changing = 0;

    for (const struct gw_route *r = gw_routes; r->path; r++) {
        const int changes = (r->flags & GW_ROUTE_CHANGES) != 0;

        CHECK(changes == (strcmp(r->method, "GET") != 0));
        CHECK(!changes || (r->flags & GW_ROUTE_LIVE));
        CHECK(r->answer);
        changing += changes;
    }
    CHECK(changing >= 8);
}
